// The client against real HTTP servers, on a unix socket and on TCP.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ClientError, openClient } from '#daemon/client';
import { eventually } from '../../support/deadline.ts';

async function openHome(listener?: RequestListener) {
  const home = await mkdtemp(path.join(tmpdir(), 'hermesh-client-'));
  const server = listener && createServer(listener);
  if (server) await new Promise<void>((resolve) => server.listen(path.join(home, 'daemon.sock'), resolve));
  return {
    home,
    [Symbol.asyncDispose]: async () => {
      server?.closeAllConnections();
      if (server) await new Promise((resolve) => server.close(resolve));
      await rm(home, { recursive: true });
    },
  };
}

async function openTcp(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Rejects as this error, with these fields. */
async function fails(promise: Promise<unknown>, fields: Partial<ClientError>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof ClientError, String(error));
    for (const [key, value] of Object.entries(fields)) assert.deepEqual(error[key as keyof ClientError], value, key);
    return true;
  });
}

test('a call over the socket sends JSON and no token, and gives the parsed answer', async () => {
  await using home = await openHome(async (request, response) => {
    const { method, url, headers } = request;
    sendJson(response, 200, {
      method,
      url,
      token: headers.authorization,
      host: headers.host,
      body: await bodyOf(request),
    });
  });
  const client = openClient({ home: home.home, token: 'secret' });
  assert.deepEqual(await client.call('POST', '/api/x?y=1', { name: 'ü' }), {
    method: 'POST',
    url: '/api/x?y=1',
    host: 'localhost',
    body: '{"name":"ü"}',
  });
});

test('a call over TCP carries the token of the home, or the one given', async () => {
  await using home = await openHome();
  await using server = await openTcp((request, response) => sendJson(response, 200, request.headers.authorization));
  await writeFile(path.join(home.home, 'token'), 'of-home\n');
  assert.equal(await openClient({ home: home.home, url: server.url }).call('GET', '/'), 'Bearer of-home');
  assert.equal(await openClient({ home: home.home, url: server.url, token: 'own' }).call('GET', '/'), 'Bearer own');
});

test('an answer without a body is undefined', async () => {
  await using home = await openHome((_request, response) => void response.writeHead(204).end());
  assert.equal(await openClient(home).call('DELETE', '/x'), undefined);
});

const statuses: readonly [status: number, exitCode: number][] = [
  [400, 2],
  [422, 2],
  [401, 4],
  [403, 4],
  [404, 3],
  [409, 1],
  [500, 1],
];

for (const [status, exitCode] of statuses) {
  test(`an error with HTTP status ${status} has the exit code ${exitCode}, unless its body says another`, async () => {
    await using home = await openHome((request, response) => {
      const error = { code: 'some-code', message: 'It is so: mend it', mend: 'hermesh x', pointer: '/a' };
      if (request.url === '/plain') response.writeHead(status).end('<html>');
      else sendJson(response, status, { error: request.url === '/own' ? { ...error, exitCode: 5 } : error });
    });
    const client = openClient(home);
    const fields = { code: 'some-code', message: 'It is so: mend it', mend: 'hermesh x', pointer: '/a' };
    await fails(client.call('GET', '/'), { ...fields, exitCode } as never);
    await fails(client.call('GET', '/own'), { ...fields, exitCode: 5 });
    await fails(client.call('GET', '/plain'), { code: `http-${status}`, exitCode } as never);
  });
}

test('without a socket and without a token, or with a socket nobody listens on, the daemon is not there', async () => {
  await using home = await openHome();
  const absent = { code: 'daemon-absent', exitCode: 5, mend: 'hermesh up' } as const;
  await fails(openClient(home).call('GET', '/'), absent);
  await fails(openClient({ home: path.join(home.home, 'none') }).call('GET', '/'), absent);
  await writeFile(path.join(home.home, 'daemon.sock'), '');
  await fails(openClient(home).call('GET', '/'), absent);
  await fails(openClient(home).raw('GET', '/'), absent);
  const port = await freePort();
  await fails(openClient({ home: home.home, url: `http://127.0.0.1:${port}`, token: 't' }).call('GET', '/'), absent);
});

test('progress arrives as it is told, and the last line is the result', async () => {
  let goOn = (): void => undefined;
  await using home = await openHome((request, response) => {
    assert.match(request.headers.accept ?? '', /application\/x-ndjson/);
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write('{"progress":{"message":"fetch","fraction":0.5}}\n{"progress":{"mess');
    goOn = () => void response.end('age":"build"}}\n\n{"result":{"digest":"sha256:1"}}\n');
  });
  const seen: unknown[] = [];
  const result = openClient(home).call(
    'POST',
    '/api/builds',
    {},
    { onProgress: (progress) => void seen.push(progress) },
  );
  await eventually('the first report arrives while the daemon still works', () => seen.length === 1);
  goOn();
  assert.deepEqual(await result, { digest: 'sha256:1' });
  assert.deepEqual(seen, [{ message: 'fetch', fraction: 0.5 }, { message: 'build' }]);
});

test('an error at the end of progress is thrown, with its own exit code', async () => {
  await using home = await openHome((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.end('{"progress":{"message":"fetch"}}\n{"error":{"code":"policy-denied","message":"No","exitCode":4}}\n');
  });
  const call = openClient(home).call('POST', '/api/builds', {}, { onProgress: () => undefined });
  await fails(call, { code: 'policy-denied', exitCode: 4 });
});

test('an answer that breaks off is a lost connection, not a result', async () => {
  await using home = await openHome((request, response) => {
    response.writeHead(200, { 'content-type': request.url === '/lines' ? 'application/x-ndjson' : 'application/json' });
    response.write('{"progress":{"message":"fetch"}}\n', () => {
      if (request.url === '/lines') response.end();
      else response.destroy();
    });
  });
  const lost = { code: 'connection-lost', exitCode: 1, mayRetry: true } as const;
  await fails(openClient(home).call('GET', '/broken'), lost);
  await fails(openClient(home).call('GET', '/lines', undefined, { onProgress: () => undefined }), lost);
});

test('what is not a daemon gives a bad answer', async () => {
  await using home = await openHome((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/' }).end();
    else response.writeHead(200).end('hello');
  });
  const client = openClient(home);
  await fails(client.call('GET', '/'), { code: 'bad-answer', exitCode: 1 });
  await fails(client.call('GET', '/moved'), { code: 'bad-answer' });
  await fails(Array.fromAsync(client.stream('/')), { code: 'bad-answer' });
});

test('a stream gives each value as it comes and closes the connection when the reader leaves', async () => {
  let closed = false;
  await using home = await openHome((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write('{"n":1}\n{"n":2,"error":{"code":"a","message":"b"}}\n');
    response.on('close', () => (closed = true));
  });
  const seen: unknown[] = [];
  for await (const value of openClient(home).stream('/api/watch')) {
    seen.push(value);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, [{ n: 1 }, { n: 2, error: { code: 'a', message: 'b' } }]);
  await eventually('the connection is closed', () => closed);
});

test('a stream that is refused, or ends in an error, throws it', async () => {
  await using home = await openHome((request, response) => {
    const error = { code: 'kind-unknown', message: 'No kind "x"' };
    if (request.url === '/refused') sendJson(response, 404, { error });
    else response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(`1\n${JSON.stringify({ error })}\n`);
  });
  await fails(Array.fromAsync(openClient(home).stream('/refused')), { code: 'kind-unknown', exitCode: 3 });
  await fails(Array.fromAsync(openClient(home).stream('/late')), { code: 'kind-unknown', exitCode: 1 });
});

test('a signal ends a call, before the answer and in it', async () => {
  let asked = 0;
  await using home = await openHome((request, response) => {
    asked += 1;
    if (request.url === '/begun') response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write('{}\n');
  });
  for (const url of ['/silent', '/begun']) {
    const controller = new AbortController();
    const before = asked;
    const call = openClient(home).call('GET', url, undefined, {
      signal: controller.signal,
      onProgress: () => undefined,
    });
    const rejected = fails(call, { code: 'cancelled' });
    await eventually('it is asked', () => asked > before);
    controller.abort();
    await rejected;
  }
});

test('a raw exchange hands on status, headers and body as they are', async () => {
  await using home = await openHome(async (request, response) => {
    response.writeHead(404, { 'mcp-session-id': 's' }).end(`${request.headers['x-a']}:${await bodyOf(request)}`);
  });
  const answer = await openClient(home).raw('POST', '/mcp', { body: 'hi', headers: { 'x-a': 'b' } });
  assert.equal(answer.status, 404);
  assert.equal(answer.headers['mcp-session-id'], 's');
  assert.equal(Buffer.concat(await Array.fromAsync(answer.body)).toString(), 'b:hi');
});

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
