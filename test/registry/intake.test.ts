// Feeds that come whole are kept several in one transaction, within bounds, and one's fault is no other's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, openDatabase, registryMigrations } from '#registry';
import { type Change, FeedStore, Feeds, recordHash, recordKey, verifyWhole, type WholeFeed } from '#registry/feeds';
import { makeDelta } from '../../registry/feeds/feed.ts';
import { emptyRoot, put, rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { Intake, maxGroupBytes } from '../../registry/replication/intake.ts';
import { toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';

const mesh = 'a'.repeat(64);
const note = (name: string, text = name): Change => ({ kind: 'note', name, body: toBytes({ text }) });

/** A feed whole, as its owner signs it. */
function wholeOf(word: string, records: readonly Change[]): WholeFeed {
  const owner = identityOf(word);
  let trie: Trie;
  for (const { kind, name, body } of records) trie = put(trie, recordKey(kind, name), recordHash(body ?? emptyRoot));
  const epoch = { counter: 1, nonce: new Uint8Array(16) };
  const place = { mesh, feed: owner.stack, epoch, sequence: 1, count: records.length, previous: emptyRoot };
  const head = makeDelta({ ...place, root: rootOf(trie) }, [], (message) => owner.sign(message));
  const whole = verifyWhole(head, records);
  assert.ok(whole);
  return whole;
}

function open() {
  const database = openDatabase(':memory:', [registryMigrations]);
  const feeds = new Feeds(new FeedStore(database), identityOf('reader'), (_, { name }) => {
    if (name === 'poison') throw new Error('It cannot be judged');
    return undefined;
  });
  const stop = new AbortController();
  const due: (() => void)[] = [];
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_ms, act) => {
      due.push(act);
      return () => void due.splice(due.indexOf(act), 1);
    },
  };
  const intake = new Intake(feeds, clock, stop);
  return { feeds, intake, due, stop, [Symbol.dispose]: () => database[Symbol.dispose]() };
}

test('feeds that come close together are kept together, when the last one came or time is up', async () => {
  using it = open();
  const first = it.intake.keep(wholeOf('one', [note('a')]), { follows: true });
  const second = it.intake.keep(wholeOf('two', [note('b')]), { follows: true });
  assert.equal(it.feeds.positions().length, 0);
  assert.equal(it.due.length, 1);
  for (const act of [...it.due]) act();
  assert.deepEqual(await Promise.all([first, second]), ['applied', 'applied']);
  assert.equal(it.due.length, 0);
  const third = it.intake.keep(wholeOf('three', [note('c')]), { follows: true });
  const last = it.intake.keep(wholeOf('four', [note('d')]), { follows: false });
  assert.equal(it.feeds.positions().length, 4);
  assert.deepEqual(await Promise.all([third, last]), ['applied', 'applied']);
});

test('what waits has a bound in bytes: beyond, it is kept at once', async () => {
  using it = open();
  const large = Array.from({ length: maxGroupBytes / 16_000 + 1 }, (_, at) => note(`n${at}`, 'x'.repeat(16_000)));
  const kept = it.intake.keep(wholeOf('one', large), { follows: true });
  assert.equal(it.feeds.positions().length, 1);
  assert.equal(await kept, 'applied');
});

test('a feed that cannot be kept holds up none of those that came with it', async () => {
  using it = open();
  const good = it.intake.keep(wholeOf('one', [note('a')]), { follows: true });
  const bad = it.intake.keep(wholeOf('two', [note('poison')]), { follows: true });
  const twin = it.intake.keep(wholeOf('one', [note('a')]), { follows: false });
  await assert.rejects(bad, /cannot be judged/);
  assert.deepEqual(await Promise.all([good, twin]), ['applied', 'known']);
  assert.equal(it.feeds.positions().length, 1);
});

test('what waits when the stack stops is not kept', async () => {
  using it = open();
  const waiting = it.intake.keep(wholeOf('one', [note('a')]), { follows: true });
  it.stop.abort(new Error('It stops'));
  await assert.rejects(waiting, /It stops/);
  assert.equal(it.feeds.positions().length, 0);
  assert.equal(it.due.length, 0);
});
