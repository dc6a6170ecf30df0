// Following the registry: all that is there, then each change, for those with the token; who is too slow is cut.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { openClient } from '#daemon/client';
import { Daemons, type Stack } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

interface Change {
  readonly position: number;
  readonly kind: string;
  readonly name: string;
  readonly entry?: { readonly body: { readonly health?: string } };
  readonly error?: { readonly code: string };
}

const component = (name: string) => ({ name, type: 'x', version: '1', endpoint: 'http://localhost:1' });

/** Reads lines until the stream ends, however it does. */
async function collect(stack: Stack, place: string, signal: AbortSignal, into: Change[]): Promise<void> {
  try {
    for await (const value of openClient({ home: stack.home }).stream(place, { signal })) into.push(value as Change);
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (!['cancelled', 'connection-lost'].includes(code)) throw error;
  }
}

/** The last line of what arrives; none where the connection is cut before. */
async function textOf(answer: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of answer) parts.push(part);
  } catch {
    return '';
  }
  return Buffer.concat(parts).toString('utf8').trim().split('\n').at(-1) ?? '';
}

function openSocket(stack: Stack, place: string): { socket: WebSocket; seen: Change[] } {
  const socket = new WebSocket(`${stack.url.replace('http', 'ws')}${place}`, {
    headers: { authorization: `Bearer ${stack.node.token}` },
  });
  const seen: Change[] = [];
  socket.on('message', (data) => seen.push(JSON.parse(String(data)) as Change));
  return { socket, seen };
}

test('a watcher gets what is there, then each change, and nothing twice', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  await stack.ask('POST', '/api/register', component('before'));
  const stop = new AbortController();
  const lines: Change[] = [];
  const reading = collect(stack, '/api/watch?kind=ci', stop.signal, lines);
  const { socket, seen } = openSocket(stack, '/ws?kind=ci');
  for (const [how, got] of [
    ['lines', lines],
    ['socket', seen],
  ] as const) {
    await eventually(`${how} hold what is there`, () => got.length === 2);
    assert.deepEqual(
      got.map(({ name }) => name),
      ['berlin', 'before'],
      how,
    );
  }
  await stack.ask('POST', '/api/register', component('after'));
  await stack.ask('POST', '/api/unregister?component_id=before');
  for (const [how, got] of [
    ['lines', lines],
    ['socket', seen],
  ] as const) {
    await eventually(`${how} hold the changes`, () => got.length === 4);
    assert.deepEqual(
      got.slice(2).map(({ name, entry }) => [name, entry?.body.health]),
      [
        ['after', 'healthy'],
        ['before', undefined],
      ],
      how,
    );
  }
  stop.abort();
  await reading;
  socket.close();
  await once(socket, 'close');
});

test('a watcher goes on from a position that it knows, and one may begin now', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const position = stack.node.context.registry.directory.position();
  await stack.ask('POST', '/api/register', component('one'));
  const stop = new AbortController();
  const since: Change[] = [];
  const now: Change[] = [];
  const reading = [
    collect(stack, `/api/watch?from=${position}`, stop.signal, since),
    collect(stack, '/api/watch?from=now', stop.signal, now),
  ];
  await eventually('what came since', () => since.length === 1);
  await eventually('the other follows too', async () => {
    await stack.ask('POST', '/api/register', component('two'));
    return now.length > 0;
  });
  assert.equal(since[0]?.name, 'one');
  assert.equal(now[0]?.name, 'two');
  stop.abort();
  await Promise.allSettled(reading);
});

test('watching takes the token and a position that can be one', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  assert.equal((await stack.ask('GET', '/api/watch', undefined, { authorization: '' })).status, 401);
  assert.equal((await stack.ask('GET', '/api/watch', undefined, { authorization: 'Bearer no' })).status, 401);
  const bad = await stack.ask('GET', '/api/watch?from=yesterday');
  assert.deepEqual([bad.status, bad.body.error.code], [422, 'bad-input']);
  for (const [place, headers, status] of [
    ['/ws', {}, 401],
    ['/ws', { authorization: `Bearer ${stack.node.token}`, origin: 'http://evil.example' }, 403],
    ['/ws?from=x', { authorization: `Bearer ${stack.node.token}` }, 422],
    ['/other', { authorization: `Bearer ${stack.node.token}` }, 404],
  ] as const) {
    const socket = new WebSocket(`${stack.url.replace('http', 'ws')}${place}`, { headers });
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, new RegExp(`${status}`), place);
  }
});

test('the number of watchers is bounded, and one that leaves makes room', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const stops = Array.from({ length: 100 }, () => new AbortController());
  const seen: Change[][] = stops.map(() => []);
  const reading = stops.map(({ signal }, at) => collect(stack, '/api/watch?kind=stack', signal, seen[at] ?? []));
  await eventually('all watch', () => seen.every(({ length }) => length === 1));
  const next = await stack.ask('GET', '/api/watch');
  assert.deepEqual([next.status, next.body.error.code], [429, 'busy']);
  stops[0]?.abort();
  const last = new AbortController();
  const got: Change[] = [];
  await eventually('there is room', async () => {
    await collect(stack, '/api/watch?kind=stack', AbortSignal.any([last.signal, AbortSignal.timeout(200)]), got).catch(
      () => undefined,
    );
    return got.length > 0;
  });
  for (const stop of stops) stop.abort();
  await Promise.allSettled(reading);
});

test('a reader that takes all gets a registry of many megabytes; one that takes nothing is cut', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const { registry } = stack.node.context;
  const long = 'x'.repeat(250);
  const body = { name: 'n', type: 'x', capabilities: Array(50).fill(long), health: 'healthy', services: [] };
  for (let batch = 0; batch < 10; batch += 1) {
    registry.write(Array.from({ length: 100 }, (_, at) => ({ kind: 'ci', name: `ci-${batch}-${at}`, body })));
  }
  const stop = new AbortController();
  const all: Change[] = [];
  const reading = collect(stack, '/api/watch?kind=ci', stop.signal, all);
  const sleeper = request(`${stack.url}/api/watch`, { headers: { authorization: `Bearer ${stack.node.token}` } }).end();
  const [answer] = await once(sleeper, 'response');
  const { socket, seen } = openSocket(stack, '/ws?kind=ci');
  await eventually('the lines hold all', () => all.length === 1_001, { timeoutMs: 30_000 });
  await eventually('the messages hold all', () => seen.length === 1_001, { timeoutMs: 30_000 });
  await eventually('the one that slept is cut', () => stack.logged.some((line) => line.includes('a reader is cut')));
  assert.match(await textOf(answer), /"code":"too-slow".*follow anew|^$/);
  stop.abort();
  await reading;
  socket.terminate();
});

test('watches end when the daemon stops, at once', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const lines: Change[] = [];
  const reading = collect(stack, '/api/watch', new AbortController().signal, lines);
  const { socket, seen } = openSocket(stack, '/ws');
  await eventually('both follow', () => lines.length > 0 && seen.length > 0);
  const started = performance.now();
  const closed = once(socket, 'close');
  await stack[Symbol.asyncDispose]();
  await Promise.all([closed, reading]);
  assert.ok(performance.now() - started < 2_000);
});
