// Following by position and filter: no gap and no double wherever a reader begins, and each is told why it ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { openClient } from '#daemon/client';
import { startDaemon } from '../support/daemon-process.ts';
import { Daemons, type Stack } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';
import { seededRandom } from '../support/seeded-random.ts';

interface Change {
  readonly position: number;
  readonly name: string;
  readonly entry?: { readonly body: { readonly description?: string } };
}

interface Follower {
  readonly seen: Change[];
  end(): void;
}

const ci = (description: string) => ({
  name: 'n',
  type: 'x',
  description,
  capabilities: [],
  health: 'healthy',
  services: [],
});

function writeCi(stack: Stack, name: string, description: string | undefined): void {
  const body = description === undefined ? undefined : ci(description);
  stack.node.context.registry.write([{ kind: 'ci', name, body }]);
}

/** Server-sent events as an `EventSource` reads them: data by blank lines, and the id that it would come back with. */
async function openEvents(stack: Stack, place: string, headers: Record<string, string> = {}) {
  const asked = request(`${stack.url}${place}`, {
    headers: { authorization: `Bearer ${stack.node.token}`, accept: 'text/event-stream', ...headers },
  }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const seen: Change[] = [];
  const events: string[] = [];
  const it = { answer, seen, events, lastId: '', text: '', end: () => void asked.destroy() };
  asked.on('error', () => undefined);
  answer.on('error', () => undefined);
  answer.setEncoding('utf8').on('data', (part: string) => {
    it.text += part;
    for (let end = it.text.indexOf('\n\n'); end >= 0; end = it.text.indexOf('\n\n')) {
      const lines = it.text.slice(0, end).split('\n');
      it.text = it.text.slice(end + 2);
      const value = (field: string) => lines.find((line) => line.startsWith(`${field}: `))?.slice(field.length + 2);
      it.lastId = value('id') ?? it.lastId;
      const data = value('data');
      const event = value('event');
      if (event !== undefined) events.push(`${event} ${data}`);
      else if (data !== undefined) seen.push(JSON.parse(data) as Change);
    }
  });
  return it;
}

async function openLines(stack: Stack, place: string): Promise<Follower> {
  const stop = new AbortController();
  const seen: Change[] = [];
  void (async () => {
    for await (const value of openClient({ home: stack.home }).stream(place, { signal: stop.signal })) {
      seen.push(value as Change);
    }
  })().catch(() => undefined);
  return { seen, end: () => stop.abort() };
}

async function openMessages(stack: Stack, place: string): Promise<Follower> {
  const socket = new WebSocket(`${stack.url.replace('http', 'ws')}${place.replace('/api/watch', '/ws')}`, {
    headers: { authorization: `Bearer ${stack.node.token}` },
  });
  const seen: Change[] = [];
  socket.on('message', (data) => seen.push(JSON.parse(String(data)) as Change));
  await once(socket, 'open');
  return { seen, end: () => socket.terminate() };
}

test('whoever begins at any position while writes go on misses no change and gets none twice', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const { directory } = stack.node.context.registry;
  const random = seededRandom(11);
  const start = directory.position();
  const followers: { from: number | undefined; follower: Follower }[] = [];
  const openings = [openLines, openMessages, openEvents];
  for (let step = 0; step < 400; step += 1) {
    const name = `ci-${Math.floor(random() * 20)}`;
    writeCi(stack, name, random() < 0.2 ? undefined : `${step}`);
    if (step % 13 === 0) {
      const from = random() < 0.3 ? undefined : start + Math.floor(random() * (directory.position() - start + 1));
      const open = openings[followers.length % openings.length] ?? openLines;
      const place = `/api/watch?kind=ci${from === undefined ? '' : `&from=${from}`}`;
      const opening = open(stack, place);
      // What is written while it connects is what the cut-over must not lose.
      for (let more = 0; more < 5; more += 1) writeCi(stack, `ci-${more}`, `${step}.${more}`);
      followers.push({ from, follower: await opening });
    }
  }
  writeCi(stack, 'last', 'last');
  const all = new Map<number, string>();
  for await (const change of directory.follow({ from: start, kind: 'ci', signal: AbortSignal.timeout(10_000) })) {
    all.set(change.position, change.name);
    if (change.name === 'last') break;
  }
  const now = new Map(directory.list({ kind: 'ci' }).map(({ name, position }) => [name, position]));
  for (const [index, { from, follower }] of followers.entries()) {
    const { seen } = follower;
    const what = `follower ${index} from ${from}`;
    await eventually(`${what} is done`, () => seen.some(({ name }) => name === 'last'));
    const positions = seen.map(({ position }) => position);
    assert.deepEqual(
      positions,
      [...new Set(positions)].sort((a, b) => a - b),
      `${what}: in order, none twice`,
    );
    if (from !== undefined) {
      assert.deepEqual(
        positions,
        [...all.keys()].filter((position) => position > from),
        `${what}: no gap`,
      );
    }
    const held = new Map<string, number>();
    for (const { name, position, entry } of seen) {
      if (entry) held.set(name, position);
      else held.delete(name);
    }
    if (from === undefined) assert.deepEqual([...held].sort(), [...now].sort(), `${what}: holds what is there`);
    follower.end();
  }
});

test('a reader with a filter holds at each moment what matches, and hears of what does not any more', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const where = encodeURIComponent('kind == "ci" && has(body.description) && body.description == "yes"');
  writeCi(stack, 'a', 'yes');
  writeCi(stack, 'b', 'no');
  const followers = [];
  for (const open of [openLines, openMessages, openEvents])
    followers.push(await open(stack, `/api/watch?where=${where}`));
  for (const { seen } of followers) await eventually('what is there', () => seen.length === 1);
  writeCi(stack, 'b', 'yes');
  for (const { seen } of followers) await eventually('one that matches now', () => seen.length === 2);
  writeCi(stack, 'a', 'no');
  writeCi(stack, 'c', 'no');
  writeCi(stack, 'b', undefined);
  writeCi(stack, 'd', 'yes');
  for (const { seen, end } of followers) {
    await eventually('all', () => seen.some(({ name }) => name === 'd'));
    assert.deepEqual(
      seen.map(({ name, entry }) => `${entry ? '+' : '-'}${name}`),
      ['+a', '+b', '-a', '-b', '+d'],
    );
    end();
  }
});

test('an event source that comes back goes on from its last id, also one that beats moved on', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const { directory } = stack.node.context.registry;
  const first = await openEvents(stack, '/api/watch?kind=ci');
  assert.equal(first.answer.headers['content-type'], 'text/event-stream; charset=utf-8');
  await eventually('what is there', () => first.seen.length === 1 && first.lastId === `${directory.position()}`);
  stack.node.context.registry.write([{ kind: 'run', name: 'r', body: undefined }]);
  writeCi(stack, 'a', '1');
  await eventually('a change', () => first.seen.length === 2);
  first.end();
  writeCi(stack, 'b', '2');
  writeCi(stack, 'a', undefined);
  const second = await openEvents(stack, '/api/watch?kind=ci&from=0', { 'last-event-id': first.lastId });
  await eventually('what came meanwhile', () => second.seen.length === 2);
  assert.deepEqual(
    second.seen.map(({ name, entry }) => [name, entry !== undefined]),
    [
      ['b', true],
      ['a', false],
    ],
  );
  second.end();
});

test('a position that is gone or never was, and a wrong filter, are refused with what to do, in every form', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const wrong = encodeURIComponent('kind ==');
  for (const accept of ['application/x-ndjson', 'text/event-stream']) {
    const ahead = await stack.ask('GET', '/api/watch?from=99999', undefined, { accept });
    assert.deepEqual([ahead.status, ahead.body.error.code], [410, 'position-gone']);
    assert.match(ahead.body.error.message, /the last one is \d+; read all anew and follow from \d+/);
    const bad = await stack.ask('GET', `/api/watch?where=${wrong}`, undefined, { accept });
    assert.deepEqual([bad.status, bad.body.error.code], [422, 'bad-filter']);
    assert.match(bad.body.error.message, /at character 8: .*such as: /);
  }
  for (const [place, status] of [
    ['/ws?from=99999', 410],
    [`/ws?where=${wrong}`, 422],
  ] as const) {
    const socket = new WebSocket(`${stack.url.replace('http', 'ws')}${place}`, {
      headers: { authorization: `Bearer ${stack.node.token}` },
    });
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, new RegExp(`${status}`));
  }
  const records = await stack.ask('GET', `/api/records?where=${wrong}`);
  assert.deepEqual([records.status, records.body.error.code], [422, 'bad-filter']);
  const kinds = await stack.ask(
    'GET',
    `/api/records?where=${encodeURIComponent('kind == "stack" && state == "up"')}&all=true`,
  );
  assert.deepEqual(
    kinds.body.records.map(({ name }: { name: string }) => name),
    ['berlin'],
  );
});

test('a reader of events that takes nothing is told of the cut before it', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const { registry } = stack.node.context;
  const body = { ...ci('x'), capabilities: Array(50).fill('x'.repeat(250)) };
  for (let batch = 0; batch < 10; batch += 1) {
    registry.write(Array.from({ length: 100 }, (_, at) => ({ kind: 'ci', name: `ci-${batch}-${at}`, body })));
  }
  const sleeper = await openEvents(stack, '/api/watch');
  sleeper.answer.pause();
  await eventually('it is cut', () => stack.logged.some((line) => line.includes('a reader is cut')));
  sleeper.answer.resume();
  await eventually('it is told', () => sleeper.events.length === 1);
  assert.match(sleeper.events[0] ?? '', /^cut .*"code":"too-slow".*from the last position/);
});

test('"hermesh ls" and "hermesh watch" take a filter, and a wrong one ends with 2', async () => {
  await using daemon = await startDaemon('berlin', { flags: ['--engine', 'none'] });
  const listed = await daemon.json<{ records: { kind: string }[] }>(
    'hermesh',
    'ls',
    '--where',
    'kind == "stack"',
    '--all',
  );
  assert.deepEqual(
    listed.records.map(({ kind }) => kind),
    ['stack'],
  );
  for (const words of [
    ['ls', '--where', 'kind =='],
    ['watch', '--where', 'kind =='],
  ]) {
    const ran = await daemon.run('hermesh', words);
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, /Cannot filter by "kind ==": at character 8/);
  }
  const gone = await daemon.run('hermesh', ['watch', '--since', '99999']);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /read all anew and follow from/);
  const help = await daemon.run('hermesh', ['ls', '--help']);
  assert.match(help.stdout, /--where 'health != "healthy"'/);
});
