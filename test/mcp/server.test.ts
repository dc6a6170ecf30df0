// The MCP endpoint as official clients of both eras meet it, over real HTTP.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { eventually } from '../support/deadline.ts';
import { openEndpoint } from './endpoint.ts';

interface Answer {
  readonly content: readonly { readonly type: string; readonly text: string }[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

interface Caller extends AsyncDisposable {
  list(): Promise<{ tools: readonly { name: string; [key: string]: unknown }[] }>;
  call(
    name: string,
    input: Record<string, unknown>,
    options?: { onprogress?: (progress: unknown) => void; signal?: AbortSignal },
  ): Promise<Answer>;
  instructions(): string | undefined;
}

const info = { name: 'test', version: '0.0.0' };

const eras: Record<string, (url: URL) => Promise<Caller>> = {
  'a client of 2026-07-28': async (url) => {
    const client = new Client(info, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
    await client.connect(new StreamableHTTPClientTransport(url));
    assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');
    return {
      list: () => client.listTools() as never,
      call: (name, input, options) => client.callTool({ name, arguments: input }, options) as never,
      instructions: () => client.getInstructions(),
      [Symbol.asyncDispose]: () => client.close(),
    };
  },
  'a client of 2025-11-25': async (url) => {
    const client = new OldClient(info);
    const transport = new OldTransport(url);
    await client.connect(transport);
    assert.ok(transport.sessionId, 'it has a session');
    return {
      list: () => client.listTools() as never,
      call: (name, input, options) => client.callTool({ name, arguments: input }, undefined, options) as never,
      instructions: () => client.getInstructions(),
      [Symbol.asyncDispose]: async () => {
        await transport.terminateSession().finally(() => client.close());
      },
    };
  },
};

for (const [who, open] of Object.entries(eras)) {
  test(`${who} lists the tools in the order of their names, each time the same`, async () => {
    await using endpoint = await openEndpoint();
    await using client = await open(endpoint.url);
    const first = await client.list();
    assert.deepEqual(
      first.tools.map(({ name }) => name),
      ['build', 'echo', 'missing', 'names', 'wait'],
    );
    await using other = await open(endpoint.url);
    assert.deepEqual((await other.list()).tools, first.tools);
    assert.equal(client.instructions(), 'Ask.');
    const { $schema: dialect, ...schema } = (first.tools.find(({ name }) => name === 'echo')?.inputSchema ??
      {}) as Record<string, unknown>;
    assert.equal(dialect, 'https://json-schema.org/draft/2020-12/schema');
    assert.deepEqual(schema, {
      type: 'object',
      properties: {
        text: { type: 'string', maxLength: 20 },
        times: { type: 'integer', minimum: 1, maximum: 9, default: 1 },
      },
      required: ['text'],
      additionalProperties: false,
    });
    assert.deepEqual(first.tools[0]?.annotations, {
      title: 'Build',
      readOnlyHint: false,
      destructiveHint: false,
      idempotentHint: false,
      openWorldHint: false,
    });
  });

  test(`${who} gets the output for programs, and the same for people`, async () => {
    await using endpoint = await openEndpoint();
    await using client = await open(endpoint.url);
    const answer = await client.call('echo', { text: 'ho', times: 3 });
    assert.deepEqual(answer.structuredContent, { text: 'hohoho', length: 6 });
    assert.deepEqual(answer.content, [{ type: 'text', text: '“hohoho”' }]);
    assert.equal(answer.isError ?? false, false);
    assert.deepEqual(endpoint.world.callers, ['ann@one']);
  });

  test(`${who} gets an output that is no object as "result", in the schema and in the value`, async () => {
    await using endpoint = await openEndpoint();
    await using client = await open(endpoint.url);
    const { tools } = await client.list();
    const schema = tools.find(({ name }) => name === 'names')?.outputSchema as { properties: object } | undefined;
    assert.deepEqual(schema?.properties, { result: { type: 'array', items: { type: 'string' } } });
    assert.deepEqual((await client.call('names', {})).structuredContent, { result: ['a', 'b'] });
  });

  test(`${who} is told code, message and mend of a fault, and nothing of one that nobody foresaw`, async () => {
    await using endpoint = await openEndpoint();
    await using client = await open(endpoint.url);
    const fault = await client.call('missing', {});
    assert.equal(fault.isError, true);
    assert.equal(fault.content[0]?.text, 'stack-unknown: Cannot find stack "x": 2 are known\nhermesh stacks');
    assert.deepEqual(fault._meta?.['hermesh/fault'], { code: 'stack-unknown', mend: 'hermesh stacks' });
    assert.equal(endpoint.world.logged.length, 0);
    const unforeseen = await client.call('missing', { unforeseen: true });
    assert.equal(unforeseen.isError, true);
    assert.doesNotMatch(JSON.stringify(unforeseen), /swordfish/);
    assert.equal(endpoint.world.logged.length, 1);
  });

  test(`${who} is told each problem of an input by its JSON pointer`, async () => {
    await using endpoint = await openEndpoint();
    await using client = await open(endpoint.url);
    const answer = await client.call('echo', { text: 1, times: 10, 'a/b': true });
    assert.equal(answer.isError, true);
    const { problems } = (answer._meta?.['hermesh/fault'] ?? {}) as { problems: { pointer: string }[] };
    assert.deepEqual(problems.map(({ pointer }) => pointer).toSorted(), ['/a~1b', '/text', '/times']);
    assert.match(answer.content[0]?.text ?? '', /\/times: /);
    assert.deepEqual(endpoint.world.callers, [], 'nothing ran');
  });

  test(`${who} gets an error of the protocol for a tool that isn't there`, async () => {
    await using endpoint = await openEndpoint();
    await using client = await open(endpoint.url);
    await assert.rejects(client.call('nope', {}), { code: -32_602 });
  });

  test(`${who} gets progress that grows`, async () => {
    await using endpoint = await openEndpoint();
    await using client = await open(endpoint.url);
    const seen: unknown[] = [];
    const answer = await client.call('build', {}, { onprogress: (progress) => seen.push(progress) });
    assert.deepEqual(answer.structuredContent, { steps: 3 });
    assert.deepEqual(seen, [
      { progress: 1 / 3, total: 1, message: 'step 1' },
      { progress: 2 / 3, total: 1, message: 'step 2' },
      { progress: 1, total: 1, message: 'step 3' },
    ]);
  });

  test(`${who} that cancels aborts the signal of the operation`, async () => {
    await using endpoint = await openEndpoint();
    await using client = await open(endpoint.url);
    const controller = new AbortController();
    const call = client.call('wait', {}, { signal: controller.signal });
    const rejected = assert.rejects(call);
    await eventually('the operation runs', () => endpoint.world.started.length === 1);
    controller.abort();
    await rejected;
    await eventually('the operation has seen it', () => endpoint.world.aborted.length === 1);
    await eventually('its stream is closed', () => ![...endpoint.open].some(({ method }) => method === 'POST'));
  });
}

test('of a flood of reports only so many are sent that they can be read', async () => {
  await using endpoint = await openEndpoint({ now: () => 0 });
  await using client = await eras['a client of 2026-07-28']?.(endpoint.url);
  const seen: unknown[] = [];
  await client?.call('build', { steps: 5000 }, { onprogress: (progress) => seen.push(progress) });
  assert.equal(seen.length, 20);
});

test('closing the endpoint aborts what runs, in both eras', async () => {
  for (const open of Object.values(eras)) {
    await using endpoint = await openEndpoint();
    const client = await open(endpoint.url);
    const rejected = assert.rejects(client.call('wait', {}));
    await eventually('the operation runs', () => endpoint.world.started.length === 1);
    await endpoint.mcp.close();
    await eventually('the operation has seen it', () => endpoint.world.aborted.length === 1);
    await Promise.allSettled([client[Symbol.asyncDispose]()]);
    await rejected;
  }
});

test('a call of the 2025 era without a session is answered', async () => {
  await using endpoint = await openEndpoint();
  const answer = await post(endpoint.url, { jsonrpc: '2.0', id: 1, method: 'tools/list' });
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /"name":"echo"/);
});

test('a session is unknown to another principal, and after it lay idle', async () => {
  let now = 0;
  await using endpoint = await openEndpoint({ now: () => now });
  const begun = await post(endpoint.url, initialize);
  const session = begun.headers.get('mcp-session-id');
  assert.ok(session);
  await begun.text();
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' };
  const own = await post(endpoint.url, list, { 'mcp-session-id': session });
  assert.match(await own.text(), /"name":"echo"/);
  assert.equal((await post(endpoint.url, list, { 'mcp-session-id': session, 'x-who': 'eve' })).status, 404);
  now += 60 * 60_000;
  assert.equal((await post(endpoint.url, list, { 'mcp-session-id': session })).status, 404);
});

test('there are never more than 256 sessions: the one that lies idle longest makes room', async () => {
  let now = 0;
  await using endpoint = await openEndpoint({ now: () => now });
  const sessions: string[] = [];
  for (let index = 0; index < 258; index += 1) {
    now += 1;
    const begun = await post(endpoint.url, initialize);
    await begun.text();
    sessions.push(begun.headers.get('mcp-session-id') ?? '');
  }
  const ping = { jsonrpc: '2.0', id: 2, method: 'ping' };
  const statuses = [];
  for (const session of [0, 1, 2, 257].map((index) => sessions[index] ?? '')) {
    const answer = await post(endpoint.url, ping, { 'mcp-session-id': session });
    await answer.text();
    statuses.push(answer.status);
  }
  assert.deepEqual(statuses, [404, 404, 200, 200]);
});

test('bad input to the endpoint gets an error and a status that says whose fault it is', async () => {
  await using endpoint = await openEndpoint();
  const broken = await fetch(endpoint.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: '{"jsonrpc":',
  });
  assert.equal(broken.status, 400);
  assert.match(await broken.text(), /-32700/);
  const long = await post(endpoint.url, { jsonrpc: '2.0', id: 1, method: 'ping', params: { x: 'x'.repeat(5 << 20) } });
  assert.equal(long.status, 413);
  const gone = await post(endpoint.url, { jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-session-id': 'none' });
  assert.equal(gone.status, 404);
});

test('a page of another origin does not reach the endpoint', async () => {
  await using endpoint = await openEndpoint();
  const from = await post(endpoint.url, { jsonrpc: '2.0', id: 1, method: 'ping' }, { origin: 'http://evil.example' });
  assert.equal(from.status, 403);
});

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: info },
};

function post(url: URL, message: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify(message),
  });
}
