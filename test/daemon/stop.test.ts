// A daemon that is told to stop does, in time and with exit code 0, whatever hangs on it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { type DaemonProcess, startDaemon } from '../support/daemon-process.ts';
import { eventually } from '../support/deadline.ts';

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} ends it within 5 s, with watches, an MCP stream and a question under way`, async () => {
    // It takes questions and never answers.
    let asked = 0;
    const deaf = createServer((socket) => void socket.on('data', () => (asked += 1)).on('error', () => undefined));
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    const { port } = deaf.address() as { port: number };
    try {
      await using daemon = await startDaemon('busy', { flags: ['--engine', 'none'] });
      const call = await callerOf(daemon);
      await call('POST', '/api/register', {
        name: 'deaf',
        type: 'x',
        version: '1',
        endpoint: `http://127.0.0.1:${port}`,
      }).done;
      const watch = call('GET', '/api/watch');
      const socket = new WebSocket(`${daemon.announced.http.replace('http', 'ws')}/ws`, { headers: call.headers });
      let seen = 0;
      socket.on('message', () => (seen += 1)).on('error', () => undefined);
      const initialize = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '0' } };
      const opened = call('POST', '/mcp', { jsonrpc: '2.0', id: 1, method: 'initialize', params: initialize });
      const session = (await opened.headers)['mcp-session-id'];
      const stream = call('GET', '/mcp', undefined, { ...(session ? { 'mcp-session-id': String(session) } : {}) });
      const question = call('POST', '/api/cis/deaf/ask', { question: 'status' });
      await watch.headers;
      await eventually('all is under way', () => asked > 0 && seen > 0);
      const { code, ms } = await daemon.end(signal);
      assert.equal(code, 0, daemon.log());
      assert.ok(ms < 5_000, `it took ${Math.round(ms)} ms`);
      await Promise.all([watch.done, stream.done, question.done]);
      socket.terminate();
    } finally {
      deaf.close();
    }
  });
}

interface Call {
  readonly headers: Promise<Record<string, unknown>>;
  /** Resolves once the connection is over, however it ends. */
  readonly done: Promise<void>;
}

async function callerOf(daemon: DaemonProcess) {
  const token = (await readFile(path.join(daemon.home, 'token'), 'utf8')).trim();
  const own = { authorization: `Bearer ${token}` };
  const call = (method: string, place: string, body?: unknown, more: Record<string, string> = {}): Call => {
    const headers = Promise.withResolvers<Record<string, unknown>>();
    const done = Promise.withResolvers<void>();
    const accept = 'application/json, text/event-stream';
    const sent = request(new URL(place, daemon.announced.http), {
      method,
      headers: { ...own, accept, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...more },
    });
    sent.on('response', (answer) => {
      headers.resolve(answer.headers);
      answer
        .resume()
        .on('error', () => undefined)
        .on('close', () => done.resolve());
    });
    sent.on('error', () => done.resolve());
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    return { headers: headers.promise, done: done.promise };
  };
  return Object.assign(call, { headers: own });
}
