// MCP over stdio, bridged to a real endpoint: official clients with a child process, and lines by hand.
import assert from 'node:assert/strict';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { bridgeStdio } from '#mcp';
import { eventually } from '../support/deadline.ts';
import { postTo } from './bridge.ts';
import { openEndpoint } from './endpoint.ts';

const info = { name: 'test', version: '0.0.0' };
const program = (url: URL) => ({
  command: process.execPath,
  args: [path.join(import.meta.dirname, 'bridge.ts'), String(url)],
});

interface Line {
  readonly id?: number | null;
  readonly method?: string;
  readonly result?: { readonly structuredContent?: unknown; readonly tools?: readonly unknown[] };
  readonly error?: { readonly code: number; readonly message: string };
}

/** The bridge between streams of this process; `lines` are what it wrote. */
function openBridge(url: string | URL) {
  const input = new PassThrough();
  const output = new PassThrough();
  const lines: Line[] = [];
  let rest = '';
  output.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts.map((part) => JSON.parse(part) as Line));
  });
  const stop = new AbortController();
  const ended = bridgeStdio({
    input,
    output,
    post: (body, headers, { signal }) => postTo(url, body, headers, signal),
    signal: stop.signal,
  });
  return {
    lines,
    input,
    ended,
    send: (message: object) => void input.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`),
    answer: (id: number) => eventually(`answer ${id}`, () => lines.find((line) => line.id === id)),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await ended;
    },
  };
}

const initialize = {
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: info },
};

test('a client of 2026-07-28 lists, calls, follows progress and cancels over stdio', async () => {
  await using endpoint = await openEndpoint();
  const client = new Client(info, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  await client.connect(new StdioClientTransport(program(endpoint.url)));
  try {
    assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');
    assert.equal((await client.listTools()).tools.length, 5);
    assert.deepEqual((await client.callTool({ name: 'build' })).structuredContent, { steps: 3 });
    await assert.rejects(client.callTool({ name: 'nöpe' }), { code: -32_602 });
    const seen: unknown[] = [];
    const onprogress = ({ message }: { message?: string }): void => void seen.push(message);
    const controller = new AbortController();
    const rejected = assert.rejects(client.callTool({ name: 'wait' }, { signal: controller.signal, onprogress }));
    await eventually('it runs and says so', () => seen[0] === 'waiting');
    controller.abort();
    await rejected;
    await eventually('it is aborted', () => endpoint.world.aborted.length === 1);
  } finally {
    await client.close();
  }
});

test('a client of 2025-11-25 lists, calls, follows progress and cancels over stdio', async () => {
  await using endpoint = await openEndpoint();
  const client = new OldClient(info);
  await client.connect(new OldTransport(program(endpoint.url)));
  try {
    assert.equal((await client.listTools()).tools.length, 5);
    assert.deepEqual((await client.callTool({ name: 'build' })).structuredContent, { steps: 3 });
    const seen: unknown[] = [];
    const onprogress = ({ message }: { message?: string }): void => void seen.push(message);
    const controller = new AbortController();
    const call = client.callTool({ name: 'wait', arguments: {} }, undefined, { signal: controller.signal, onprogress });
    const rejected = assert.rejects(call);
    await eventually('it runs and says so', () => seen[0] === 'waiting');
    controller.abort();
    await rejected;
    await eventually('it is aborted', () => endpoint.world.aborted.length === 1);
  } finally {
    await client.close();
  }
});

test('requests run side by side, notifications get no answer, and each line is whole', async () => {
  await using endpoint = await openEndpoint();
  await using bridge = openBridge(endpoint.url);
  bridge.send(initialize);
  bridge.send({ method: 'notifications/initialized' });
  bridge.send({ id: 2, method: 'tools/call', params: { name: 'wait', arguments: {} } });
  for (let id = 3; id < 30; id += 1) {
    bridge.send({ id, method: 'tools/call', params: { name: 'echo', arguments: { text: String(id) } } });
  }
  await eventually('all but the waiting one are answered', () => bridge.lines.length === 28);
  for (const { id, result } of bridge.lines.slice(1)) {
    assert.deepEqual(result?.structuredContent, { text: String(id), length: String(id).length });
  }
  assert.equal(new Set(bridge.lines.map(({ id }) => id)).size, 28);
});

test('a line that is no message gets an error, and the next line is read', async () => {
  await using endpoint = await openEndpoint();
  await using bridge = openBridge(endpoint.url);
  bridge.input.write('{"jsonrpc"\n[]\n\n');
  bridge.input.write(`{"x":"${'x'.repeat(5 << 20)}"}\r\n`);
  bridge.send({ id: 4, method: 'tools/list' });
  assert.equal((await bridge.answer(4)).result?.tools?.length, 5);
  assert.deepEqual(
    bridge.lines.slice(0, 3).map(({ id, error }) => [id, error?.code]),
    [
      [null, -32_700],
      [null, -32_600],
      [null, -32_700],
    ],
  );
});

test('what was asked before the input ended is still answered, and then the bridge ends', async () => {
  await using endpoint = await openEndpoint();
  await using bridge = openBridge(endpoint.url);
  bridge.send({ id: 1, method: 'tools/list' });
  bridge.input.end(JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' }));
  await bridge.ended;
  assert.deepEqual(bridge.lines.map(({ id }) => id).toSorted(), [1, 2]);
});

test('without a daemon each request gets an error that says so, and notifications nothing', async () => {
  await using bridge = openBridge('http://127.0.0.1:1/mcp');
  bridge.send({ method: 'notifications/initialized' });
  bridge.send({ id: 7, method: 'tools/list' });
  assert.equal((await bridge.answer(7)).error?.code, -32_000);
  assert.equal(bridge.lines.length, 1);
});

test('a session that the daemon has forgotten is begun again, unseen by the client', async () => {
  let endpoint = await openEndpoint();
  await using bridge = openBridge(endpoint.url);
  try {
    bridge.send(initialize);
    bridge.send({ method: 'notifications/initialized' });
    bridge.send({ id: 2, method: 'tools/list' });
    await bridge.answer(2);
    const { port } = endpoint;
    await endpoint[Symbol.asyncDispose]();
    endpoint = await openEndpoint({ port });
    bridge.send({ id: 3, method: 'tools/call', params: { name: 'echo', arguments: { text: 'again' } } });
    bridge.send({ id: 4, method: 'tools/call', params: { name: 'echo', arguments: { text: 'more' } } });
    assert.deepEqual((await bridge.answer(3)).result?.structuredContent, { text: 'again', length: 5 });
    assert.deepEqual((await bridge.answer(4)).result?.structuredContent, { text: 'more', length: 4 });
    assert.deepEqual(bridge.lines.map(({ id }) => id).toSorted(), [1, 2, 3, 4]);
  } finally {
    await endpoint[Symbol.asyncDispose]();
  }
});
