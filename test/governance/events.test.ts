// The stream of events over a real database.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Events, GovernanceError } from '#governance';
import { openMemory } from './database.ts';

function makeEvents(database: ReturnType<typeof openMemory>, keep?: number): Events {
  let ids = 0;
  const newId = (): string => {
    ids += 1;
    return `id-${ids}`;
  };
  return new Events({ database, stack: '12D3', now: () => 1_700_000_000_000, newId, ...(keep && { keep }) });
}

const started = (name: string) =>
  ({ type: 'io.hermesh.container.started', subject: `containers/${name}`, data: { name } }) as const;

test('an event is a CloudEvent of its stack, and is read as it was appended', () => {
  using database = openMemory();
  const events = makeEvents(database);
  const appended = events.append(started('web'));
  assert.deepEqual(appended, {
    specversion: '1.0',
    id: 'id-1',
    source: '/stacks/12D3',
    type: 'io.hermesh.container.started',
    time: '2023-11-14T22:13:20.000Z',
    subject: 'containers/web',
    datacontenttype: 'application/json',
    data: { name: 'web' },
    position: 1,
  });
  assert.deepEqual(events.read(0), { events: [appended], position: 1, missed: false });
});

test('pages follow one another without gap or overlap', () => {
  using database = openMemory();
  const events = makeEvents(database);
  for (let index = 1; index <= 7; index += 1) events.append(started(`c${index}`));
  const seen: number[] = [];
  let position = 0;
  for (;;) {
    const page = events.read(position, 3);
    if (page.events.length === 0) break;
    assert.ok(page.events.length <= 3);
    seen.push(...page.events.map((event) => event.position));
    position = page.position;
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(events.read(position), { events: [], position: 7, missed: false });
});

test('only the newest events stay, and a reader that comes too late is told so', () => {
  using database = openMemory();
  const events = makeEvents(database, 3);
  for (let index = 1; index <= 10; index += 1) events.append(started(`c${index}`));
  assert.deepEqual(
    events.read(0).events.map((event) => event.position),
    [8, 9, 10],
  );
  assert.equal(events.read(6).missed, true);
  assert.equal(events.read(7).missed, false);
  assert.equal(events.position(), 10);
});

test('an event whose data is too large, or has no JSON, is refused and nothing is appended', () => {
  using database = openMemory();
  const events = makeEvents(database);
  assert.throws(() => events.append({ type: 'io.hermesh.a.b', data: 'x'.repeat(17_000) }), { code: 'event-too-large' });
  assert.throws(() => events.append({ type: 'io.hermesh.a.b', data: undefined }), { code: 'not-json' });
  assert.equal(events.position(), 0);
});

test('a follower gets what happened before, then what happens, and never what was rolled back', async () => {
  using database = openMemory();
  const events = makeEvents(database);
  events.append(started('before'));
  const controller = new AbortController();
  const follower = events.follow(0, { signal: controller.signal });
  const next = async () => ((await follower.next()).value as { data: { name: string } } | undefined)?.data.name;
  assert.equal(await next(), 'before');
  const coming = next();
  assert.throws(() =>
    database.transaction(() => {
      events.append(started('undone'));
      throw new Error('rolled back');
    }),
  );
  events.append(started('after'));
  assert.equal(await coming, 'after');
  const last = next();
  controller.abort();
  assert.equal(await last, undefined);
});

test('a follower that is too slow is cut off instead of waited for', async () => {
  using database = openMemory();
  const events = makeEvents(database, 2);
  events.append(started('first'));
  const follower = events.follow(0, { signal: new AbortController().signal });
  await follower.next();
  for (let index = 0; index < 5; index += 1) events.append(started(`c${index}`));
  await assert.rejects(follower.next(), (error) => error instanceof GovernanceError && error.code === 'events-gone');
});

test('a follower that waited a hundred times leaves nothing behind', async () => {
  using database = openMemory();
  const events = makeEvents(database, 10);
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const counted = new Proxy(signal, {
    get: (target, key) => {
      const value = Reflect.get(target, key, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (key === 'addEventListener') listeners += 1;
        if (key === 'removeEventListener') listeners -= 1;
        return (value as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  const follower = events.follow(0, { signal: counted });
  for (let index = 0; index < 100; index += 1) {
    const coming = follower.next();
    events.append(started(`c${index}`));
    await coming;
  }
  await follower.return(undefined);
  assert.equal(listeners, 0);
});
