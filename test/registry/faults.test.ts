// What the person on call meets: a clock that is set back, a disk that takes nothing, one identity run twice, a peer that flaps.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Network, openDatabase, registryMigrations } from '#registry';
import { Feeds } from '../../registry/feeds/feeds.ts';
import { FeedStore } from '../../registry/feeds/store.ts';
import { Replica } from '../../registry/replication/replicate.ts';
import { toBytes } from '../../registry/wire.ts';
import { Constellation, converge, identityOf, join, notes, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const year = 365 * 24 * 60 * 60 * 1000;

for (const [how, backMs] of [
  ['an hour', 60 * 60 * 1000],
  ['a year', year],
] as const) {
  test(`a clock that is set back by ${how} delays neither a round nor what is written`, async () => {
    await using sky = new Constellation({ antiEntropyMs: 50 });
    let now = Date.now();
    const one = await sky.open('one', { now: () => now });
    const two = await sky.open('two', { now: () => now });
    await join(two, one);
    write(one, 'first', '1');
    await converge([one, two], ['first=1@one']);
    now -= backMs;
    sky.hub.losesPublished = true;
    write(one, 'second', '2');
    write(two, 'third', '3');
    await converge([one, two], ['first=1@one', 'second=2@one', 'third=3@two'], 3_000);
  });
}

test('a database that takes nothing loses a write and nothing else, and what is heard meanwhile comes later', async () => {
  await using sky = new Constellation({ antiEntropyMs: 40 });
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  write(one, 'before', '1');
  await converge([one, two], ['before=1@one']);
  one.database.prepare('PRAGMA query_only = ON').run();
  assert.throws(() => write(one, 'lost', '2'), /readonly/);
  write(two, 'meanwhile', '3');
  await converge([two], ['before=1@one', 'meanwhile=3@two']);
  // What was published is delivered some turns later.
  for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  one.database.prepare('PRAGMA query_only = OFF').run();
  write(one, 'after', '4');
  await converge([one, two], ['before=1@one', 'meanwhile=3@two', 'after=4@one']);
  assert.deepEqual(one.registry.quarantined(), []);
  assert.deepEqual(two.registry.quarantined(), []);
});

test('a disk that is full during a large write leaves feed, roster and sequence as the store has them', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'hermesh-full-'));
  try {
    await using sky = new Constellation({ antiEntropyMs: 40 });
    const one = await sky.open('one', { file: path.join(home, 'one.db') });
    const two = await sky.open('two');
    await join(two, one);
    const pages = one.database.prepare<{ page_count: number }>('PRAGMA page_count').get()?.page_count ?? 0;
    one.database.prepare(`PRAGMA max_page_count = ${pages + 10}`).all();
    const large = Array.from({ length: 50 }, (_, at) => ({
      kind: 'note',
      name: `n${at}`,
      body: { text: 'x'.repeat(10_000) },
    }));
    assert.throws(() => one.registry.write(large), /full/);
    for (let at = 0; at < 50; at += 1) write(two, `m${at}`, 'y'.repeat(10_000));
    await eventually('the other has them', () => notes(two).length === 50);
    one.database.prepare('PRAGMA max_page_count = 1000000').all();
    write(one, 'small', '1');
    await eventually('all is there', () => notes(one).length === 51 && notes(two).length === 51);
    assert.deepEqual(
      [one, two].flatMap(({ registry }) => registry.quarantined()),
      [],
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('a member that closes each connection at once is dialled with growing pauses', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  await two[Symbol.asyncDispose]();
  // One that lets this stack in and closes, as a crashing daemon or a rogue does.
  const network: Network = sky.hub.open(two.identity);
  network.setGate(() => 'member');
  let connections = 0;
  const follow = (async () => {
    for await (const { type, stack } of network.events({ signal: AbortSignal.timeout(1_500) })) {
      if (type !== 'connected') continue;
      connections += 1;
      void network.disconnect(stack);
    }
  })();
  one.database
    .prepare('INSERT OR REPLACE INTO registry_address VALUES (?, ?)')
    .run(two.identity.stack, JSON.stringify(network.addresses()));
  await network.connect(one.registry.stack, one.network.addresses(), { signal: AbortSignal.timeout(500) });
  await follow;
  await network[Symbol.asyncDispose]();
  assert.ok(connections >= 2 && connections < 12, `${connections} connections in 1.5 s`);
});

test('bytes nested a hundred thousand deep are refused', () => {
  const deep = Buffer.alloc(100_000, 0x81);
  deep[deep.length - 1] = 0;
  const identity = identityOf('one');
  using database = openDatabase(':memory:', [registryMigrations]);
  const feeds = new Feeds(new FeedStore(database), identity, () => undefined);
  const around = {
    self: identity.stack,
    mesh: () => 'a'.repeat(64),
    isMember: () => true,
    members: () => [identity.stack],
    candidates: () => [],
    rosterDigest: () => '',
    chance: () => 0.5,
  };
  const replica = new Replica(feeds, around, { batchMs: 100, antiEntropyMs: 1_000 }, 0);
  assert.deepEqual(replica.hear(deep).faults, ['refused-shape']);
  const inside = toBytes({ deltas: [new Uint8Array(deep)] });
  assert.deepEqual(replica.hear(inside).faults, ['refused-shape']);
});
