// A copy that is behind is repaired by what differs, found down the trie, and no answer that lies gets further than its hash.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryHub, openDatabase, registryMigrations, systemClock } from '#registry';
import { Descent } from '../../registry/feeds/descent.ts';
import { type Change, makeDelta, recordHash, recordKey } from '../../registry/feeds/feed.ts';
import { Feeds } from '../../registry/feeds/feeds.ts';
import { Served } from '../../registry/feeds/served.ts';
import { FeedStore } from '../../registry/feeds/store.ts';
import { emptyRoot, leavesOf, put, remove, rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { findDifference } from '../../registry/replication/difference.ts';
import { Source, serveFeeds } from '../../registry/replication/feed-exchange.ts';
import { toBytes, toHex } from '../../registry/wire.ts';
import { Constellation, converge, identityOf, notes, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const mesh = 'a'.repeat(64);
const owner = identityOf('owner');
const noteOf = (at: number, text: string): Change => ({ kind: 'note', name: `n${at}`, body: toBytes({ text }) });
const trieOfAll = (all: Iterable<Change>): Trie => {
  let trie: Trie;
  for (const { kind, name, body } of all) trie = put(trie, recordKey(kind, name), recordHash(body ?? emptyRoot));
  return trie;
};

function open(word: string) {
  const database = openDatabase(':memory:', [registryMigrations]);
  const store = new FeedStore(database);
  const feeds = new Feeds(store, identityOf(word), () => undefined);
  return { database, store, feeds, [Symbol.dispose]: () => database[Symbol.dispose]() };
}

/** A head over these records, as the owner signs it. */
function headOf(all: readonly Change[], sequence: number, counter = 1) {
  const epoch = { counter, nonce: new Uint8Array(16) };
  const root = rootOf(trieOfAll(all));
  const place = { mesh, feed: owner.stack, epoch, sequence, count: all.length, root, previous: emptyRoot };
  return makeDelta(place, [], (message) => owner.sign(message));
}

/** Two stacks over the memory network, with the bytes that the second asks for and gets counted. */
async function withTwo() {
  const parts = new AsyncDisposableStack();
  const [there, here] = [parts.use(open('there')), parts.use(open('here'))];
  const hub = new MemoryHub();
  const [far, near] = [parts.use(hub.open(identityOf('there'))), parts.use(hub.open(identityOf('here')))];
  for (const network of [far, near]) network.setGate(() => 'member');
  serveFeeds(far, there.feeds, () => true);
  const { signal } = new AbortController();
  await near.connect(far.stack, far.addresses(), { signal });
  const moved = { bytes: 0, exchanges: 0 };
  const network: typeof near = Object.create(near, {
    request: {
      value: async (...asked: Parameters<typeof near.request>) => {
        const answer = await near.request(...asked);
        moved.bytes += asked[2].byteLength + answer.byteLength;
        moved.exchanges += 1;
        return answer;
      },
    },
  });
  const source = new Source({ network, clock: systemClock }, { feed: owner.stack, from: far.stack, mesh }, { signal });
  return { there, here, source, moved, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

test('of any two sets exactly what differs is found', () => {
  const sets = fc.uniqueArray(fc.record({ at: fc.nat(80), text: fc.constantFrom('x', 'y') }), {
    selector: ({ at }) => at,
    maxLength: 60,
  });
  fc.assert(
    fc.property(sets, sets, (mine, theirs) => {
      const [own, other] = [mine, theirs].map((all) => trieOfAll(all.map(({ at, text }) => noteOf(at, text))));
      const head = { feed: 'x' } as never;
      const served = new Served({} as never, () => ({
        head,
        contents: () => ({ trie: other, count: 0, liveBytes: 0 }),
      }));
      const descent = new Descent(own, rootOf(other));
      for (let paths = descent.wanted(); paths.length > 0; paths = descent.wanted()) {
        assert.ok(descent.take(served.nodes('x', paths)));
      }
      let repaired = own;
      for (const key of descent.removed) repaired = remove(repaired, key);
      for (const { key, hash } of descent.differing.values()) repaired = put(repaired, key, hash);
      assert.deepEqual(rootOf(repaired), rootOf(other));
      const values = new Map([...leavesOf(own)].map(({ key, value }) => [toHex(key), toHex(value)]));
      for (const [key, { hash }] of descent.differing) assert.notEqual(values.get(key), toHex(hash));
    }),
    { numRuns: 200 },
  );
});

test('a node that is not what the hash above it says ends the descent', () => {
  const other = trieOfAll(Array.from({ length: 50 }, (_, at) => noteOf(at, 'x')));
  const lie = trieOfAll(Array.from({ length: 50 }, (_, at) => noteOf(at, 'y')));
  const served = (trie: Trie) =>
    new Served({} as never, () => ({ head: {} as never, contents: () => ({ trie, count: 0, liveBytes: 0 }) }));
  const descent = new Descent(undefined, rootOf(other));
  assert.equal(descent.take(served(lie).nodes('x', descent.wanted())), false);
  assert.equal(new Descent(undefined, rootOf(other)).take([null]), false);
  assert.equal(new Descent(undefined, rootOf(other)).take([]), false);
});

test('one change, one record more and one fewer among 5,000 move a few kilobytes, and so does a new epoch (failure mode 17)', async () => {
  await using two = await withTwo();
  const { there, here, source, moved } = two;
  const all = Array.from({ length: 5_000 }, (_, at) => noteOf(at, `${at}`.repeat(50)));
  const old = headOf(all, 1);
  for (const side of [there, here]) assert.equal(side.feeds.replace(old, all), 'applied');
  const now = [...all.slice(2), noteOf(1, 'changed'), noteOf(9_999, 'more')];
  const head = headOf(now, 900);
  assert.equal(there.feeds.replace(head, now), 'applied');
  const own = here.feeds.trie(owner.stack);
  const found = await findDifference(source, head, own);
  assert.ok(typeof found !== 'string');
  assert.deepEqual([found.records.length, found.removed.length], [2, 1]);
  assert.equal(here.feeds.repair(found.head, own, found.records, found.removed), 'applied');
  assert.equal(here.store.record(owner.stack, recordKey('note', 'n0')), undefined);
  assert.ok(moved.bytes < 20_000 && moved.exchanges <= 6, JSON.stringify(moved));

  moved.bytes = 0;
  const anew = headOf(now, 3, 2);
  assert.equal(there.feeds.replace(anew, now), 'applied');
  const same = await findDifference(source, anew, here.feeds.trie(owner.stack));
  assert.ok(typeof same !== 'string');
  assert.equal(here.feeds.repair(same.head, here.feeds.trie(owner.stack), same.records, same.removed), 'applied');
  assert.equal(moved.bytes, 0);
  assert.deepEqual(here.feeds.position(owner.stack), there.feeds.position(owner.stack));
});

test('a feed that goes on while it is compared is compared anew, and what came already is not fetched again', async () => {
  await using two = await withTwo();
  const { there, here, source, moved } = two;
  const first = Array.from({ length: 300 }, (_, at) => noteOf(at, 'x'.repeat(3_000)));
  there.feeds.replace(headOf(first, 2), first);
  const stale = headOf(first.slice(1), 1);
  const found = await findDifference(source, stale, here.feeds.trie(owner.stack));
  assert.ok(typeof found !== 'string');
  assert.equal(found.head.head.sequence, 2);
  assert.equal(here.feeds.repair(found.head, undefined, found.records, found.removed), 'applied');
  assert.ok(moved.bytes < 1_200_000, JSON.stringify(moved));
});

test('a stack that was away longer than deltas are kept gets what changed, and nothing deleted comes back (failure mode 17)', async () => {
  await using sky = new Constellation({ antiEntropyMs: 20 });
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  one.registry.write(
    Array.from({ length: 400 }, (_, at) => ({ kind: 'note', name: `n${at}`, body: { text: 'x'.repeat(200) } })),
  );
  await eventually('all there', () => notes(two).length === 400, { timeoutMs: 10_000 });
  sky.hub.cut(one.registry.stack, two.registry.stack);
  for (let at = 0; at < 200; at += 1) write(one, `n${at}`, undefined);
  write(one, 'n399', 'changed');
  sky.hub.heal(one.registry.stack, two.registry.stack);
  const expected = Array.from({ length: 199 }, (_, at) => `n${at + 200}=${'x'.repeat(200)}@one`);
  await converge([two], [...expected, 'n399=changed@one'], 20_000);
  write(two, 'own', 'x');
  await converge([one, two], [...expected, 'n399=changed@one', 'own=x@two'], 20_000);
});
