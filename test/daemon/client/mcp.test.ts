// What `hermesh mcp` does: stdio bridged to the daemon's endpoint by the client, over the unix socket.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { openClient } from '#daemon/client';
import { bridgeStdio } from '#mcp';
import { openEndpoint } from '../../mcp/endpoint.ts';

async function ask(home: string, ...messages: object[]): Promise<{ id?: number; error?: { message: string } }[]> {
  const client = openClient({ home });
  const output = new PassThrough();
  const input = new PassThrough();
  input.end(messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''));
  await bridgeStdio({
    input,
    output,
    post: (body, headers, { signal }) => client.raw('POST', '/mcp', { body, headers, signal }),
    signal: new AbortController().signal,
  });
  const text = String(output.read() ?? '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { id?: number });
}

test('the bridge answers over the socket of the daemon, and without one says how to start it', async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'hermesh-mcp-'));
  const initialize = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '0' } };
  const messages = [
    { id: 1, method: 'initialize', params: initialize },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/list' },
  ];
  try {
    {
      await using _endpoint = await openEndpoint({ socket: path.join(home, 'daemon.sock') });
      const [first, second] = await ask(home, ...messages);
      assert.deepEqual([first?.id, second?.id, second?.error], [1, 2, undefined]);
    }
    const [absent] = await ask(home, { id: 1, method: 'tools/list' });
    assert.match(absent?.error?.message ?? '', /start it with "hermesh up"/);
  } finally {
    await rm(home, { recursive: true });
  }
});
