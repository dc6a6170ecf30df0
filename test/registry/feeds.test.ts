// What is kept of others' feeds: applied only as signed, refused without harm, quarantined with evidence, and pardoned.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { openDatabase, registryMigrations } from '#registry';
import { type Change, makeDelta, recordHash, recordKey, verifyDelta, verifyHead } from '../../registry/feeds/feed.ts';
import { Feeds, type FeedsOptions } from '../../registry/feeds/feeds.ts';
import { verifyProvenRecord } from '../../registry/feeds/proven.ts';
import { provesEquivocation } from '../../registry/feeds/quarantine.ts';
import { FeedStore } from '../../registry/feeds/store.ts';
import { emptyRoot, put, rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { Replica } from '../../registry/replication/replicate.ts';
import { fromBytes, toBytes } from '../../registry/wire.ts';
import { Constellation, converge, identityOf, join, noteKind, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const mesh = 'a'.repeat(64);
const owner = identityOf('owner');
const noteOf = (name: string, text: string): Change => ({ kind: 'note', name, body: toBytes({ text }) });

function open(word = 'reader', options: FeedsOptions = {}) {
  const database = openDatabase(':memory:', [registryMigrations]);
  const store = new FeedStore(database);
  const identity = identityOf(word);
  const feeds = new Feeds(store, identity, () => undefined, options);
  const around = {
    self: identity.stack,
    mesh: () => mesh,
    isMember: () => true,
    members: () => [],
    candidates: () => [],
    rosterDigest: () => '',
    chance: () => 0.5,
  };
  const replica = new Replica(feeds, around, { batchMs: 100, antiEntropyMs: 1_000 }, 0);
  const shown = (): string[] => store.select({ hidden: false }).map(({ name, body }) => `${name} ${body.byteLength}`);
  return { database, store, feeds, replica, shown, [Symbol.dispose]: () => database[Symbol.dispose]() };
}

interface Place {
  readonly counter?: number;
  readonly nonce?: number;
  readonly sequence?: number;
  readonly previous?: Uint8Array;
  readonly of?: string;
  readonly by?: string;
}

/** A delta as the owner signs it, over a feed that holds `all`. */
function deltaOf(all: readonly Change[], changes: readonly Change[] = all, place: Place = {}) {
  const { counter = 1, nonce = 0, sequence = 1, previous = emptyRoot, of = mesh, by = 'owner' } = place;
  let trie: Trie;
  for (const { kind, name, body } of all) trie = put(trie, recordKey(kind, name), recordHash(body ?? emptyRoot));
  const epoch = { counter, nonce: new Uint8Array(16).fill(nonce) };
  const head = { mesh: of, feed: owner.stack, epoch, sequence, count: all.length, root: rootOf(trie), previous };
  return makeDelta(head, changes, (message) => identityOf(by).sign(message));
}

test('junk beside a true head is refused without harm, and the good copy is taken afterwards (failure mode 1)', () => {
  using it = open();
  const good = deltaOf([noteOf('a', 'x')]);
  const junk = toBytes([good.bytes, good.signature, toBytes([['note', 'a', toBytes({ text: 'y' })]])]);
  assert.equal(verifyDelta(junk, mesh), 'changes');
  assert.deepEqual(it.replica.delta(junk, 'peer'), [{ type: 'report', what: 'refused', feed: 'peer' }]);
  assert.equal(it.feeds.replace(good, [noteOf('a', 'y')]), 'refused');
  assert.equal(it.feeds.repair(good, undefined, [noteOf('b', 'x')], []), 'refused');
  assert.deepEqual(it.feeds.positions(), []);
  assert.equal(it.feeds.apply(good), 'applied');
  assert.equal(it.feeds.apply(good), 'known');
});

test('a delta whose root does not come out leaves the head unseen, and the feed is taken from elsewhere', () => {
  using it = open();
  const all = [noteOf('a', 'x'), noteOf('b', 'x')];
  const cut = deltaOf(all, all.slice(1));
  assert.equal(it.feeds.apply(cut), 'gap');
  assert.equal(it.feeds.position(owner.stack), undefined);
  assert.equal(it.feeds.replace(cut, all), 'applied');
  assert.equal(it.shown().length, 2);
});

test('bytes are kept and handed on as they were received', () => {
  using it = open();
  // Not in the order that this program would write its keys, and still what the owner signed.
  const body = Uint8Array.of(0xa2, 0x61, 0x62, 0x01, 0x61, 0x61, 0x02);
  assert.notDeepEqual(toBytes({ a: 2, b: 1 }), body);
  const delta = deltaOf([{ kind: 'odd', name: 'n', body }]);
  assert.equal(it.feeds.apply(delta), 'applied');
  const { served } = it.feeds;
  const position = it.feeds.position(owner.stack);
  assert.ok(position);
  const kept = served.deltasAfter({ ...position, sequence: 0, hash: emptyRoot }, 10_000);
  assert.deepEqual(
    kept?.map((wire) => [...wire]),
    [[...delta.wire]],
  );
  assert.deepEqual(served.page(owner.stack, new Uint8Array())?.records[0]?.body, Buffer.from(body));
  assert.deepEqual(
    served.head(owner.stack)?.map((part) => [...part]),
    [[...delta.bytes], [...delta.signature]],
  );
});

test('a head of a forger, of another mesh or of the past changes nothing (failure mode 15)', () => {
  using it = open();
  const first = deltaOf([noteOf('a', 'old')]);
  assert.equal(it.feeds.apply(first), 'applied');
  const second = deltaOf([noteOf('a', 'new')], undefined, { sequence: 2, previous: first.hash });
  assert.equal(it.feeds.apply(second), 'applied');
  const before = JSON.stringify(it.feeds.positions());
  assert.equal(verifyDelta(deltaOf([noteOf('a', 'z')], undefined, { by: 'forger' }).wire, mesh), 'signature');
  assert.equal(verifyDelta(deltaOf([noteOf('a', 'z')], undefined, { of: 'b'.repeat(64) }).wire, mesh), 'mesh');
  assert.equal(it.feeds.apply(first), 'known');
  assert.equal(it.feeds.replace(first, [noteOf('a', 'old')]), 'known');
  assert.equal(it.feeds.repair(first, it.feeds.trie(owner.stack), [noteOf('a', 'old')], []), 'known');
  assert.equal(JSON.stringify(it.feeds.positions()), before);
});

test('an epoch that begins with the records of the one before moves none of them', () => {
  using it = open();
  const all = Array.from({ length: 50 }, (_, at) => noteOf(`n${at}`, 'x'));
  assert.equal(it.feeds.apply(deltaOf(all)), 'applied');
  const position = it.store.lastPosition();
  assert.equal(it.feeds.apply(deltaOf(all, [], { counter: 2, nonce: 7 })), 'applied');
  assert.equal(it.store.lastPosition(), position);
  assert.equal(it.shown().length, 50);
});

test('two heads of one place are kept as evidence that anybody can check (failure mode 14)', () => {
  using it = open();
  const [one, other] = [deltaOf([noteOf('a', 'this')]), deltaOf([noteOf('a', 'that')])];
  assert.equal(it.feeds.apply(one), 'applied');
  const deeds = it.replica.delta(other.wire, 'peer');
  assert.deepEqual(deeds[0], { type: 'report', what: 'equivocation', feed: owner.stack });
  const [a, b] = (it.feeds.evidence(owner.stack) ?? []).map(([bytes, signature]) => verifyHead(bytes, signature, mesh));
  assert.ok(a && b && typeof a !== 'string' && typeof b !== 'string' && provesEquivocation(a, b));
  assert.ok(!provesEquivocation(a, a));
  assert.deepEqual(it.feeds.quarantineOf(owner.stack), { reason: 'equivocation', counter: 1 });
  assert.equal(it.feeds.apply(deltaOf([noteOf('a', 'x')], undefined, { counter: 2 })), 'refused');
  assert.equal(it.shown().length, 1);

  // The message that it publishes convinces another stack, once; made-up evidence doesn't.
  using third = open('third');
  assert.equal(third.feeds.apply(other), 'applied');
  const published = deeds.find((deed) => deed.type === 'publish');
  assert.ok(published?.type === 'publish');
  const same = toBytes({
    evidence: [
      [one.bytes, one.signature],
      [one.bytes, one.signature],
    ],
  });
  assert.equal(third.replica.hear(same).verdict, 'reject');
  const forged = deltaOf([noteOf('a', 'that')], undefined, { by: 'liar' });
  const made = toBytes({
    evidence: [
      [one.bytes, one.signature],
      [forged.bytes, forged.signature],
    ],
  });
  assert.equal(third.replica.hear(made).verdict, 'reject');
  assert.deepEqual(third.feeds.quarantined(), []);
  assert.deepEqual(third.replica.take(third.replica.hear(published.message), 'it', 0), [
    { type: 'report', what: 'equivocation', feed: owner.stack },
  ]);
  assert.deepEqual(third.feeds.quarantined(), [owner.stack]);
  assert.deepEqual(third.replica.take(third.replica.hear(published.message), 'it', 0), []);
  // It is still so after a restart.
  assert.deepEqual(new Feeds(third.store, identityOf('third'), () => undefined).quarantined(), [owner.stack]);
});

test('a pardoned owner is taken again from a later epoch, and old evidence does not count any more (failure mode 14)', () => {
  let pardoned = 0;
  using it = open('reader', { pardoned: () => pardoned });
  const [one, other] = [deltaOf([noteOf('a', 'this')]), deltaOf([noteOf('a', 'that')])];
  it.feeds.apply(one);
  assert.equal(it.feeds.apply(other), 'equivocation');
  pardoned = 1;
  assert.equal(it.feeds.apply(deltaOf([], undefined, { sequence: 2, previous: one.hash })), 'refused');
  assert.ok(it.feeds.isQuarantined(owner.stack));
  assert.ok(!it.feeds.isQuarantined(owner.stack, 2));
  assert.equal(it.feeds.apply(deltaOf([noteOf('a', 'back')], undefined, { counter: 2 })), 'applied');
  assert.deepEqual(it.feeds.quarantined(), []);
  assert.equal(it.feeds.accuse(one, other), false);
  assert.deepEqual(it.feeds.quarantined(), []);
});

test('three rival epochs in ten minutes are a clone; a restore, a replay and a crash loop are not (failure modes 12, 13)', () => {
  let now = 0;
  using it = open('reader', { monotonic: () => now });
  const rival = (counter: number, nonce: number) =>
    it.feeds.apply(deltaOf([noteOf('a', `${nonce}`)], undefined, { counter, nonce }));
  // A crash loop raises the counter at each start.
  for (let counter = 1; counter <= 20; counter += 1) assert.equal(rival(counter, counter), 'applied');
  // A restore writes one second epoch, which is heard many times; its owner goes on above.
  for (let heard = 0; heard < 10; heard += 1) assert.equal(rival(20, 99), 'other-epoch');
  assert.equal(rival(21, 1), 'applied');
  assert.equal(rival(21, 2), 'other-epoch');
  now += 11 * 60_000;
  // Two stacks with one identity begin against one another.
  for (const counter of [22, 23]) {
    assert.equal(rival(counter, 1), 'applied');
    assert.equal(rival(counter, 2), 'other-epoch');
  }
  assert.equal(rival(24, 1), 'applied');
  assert.equal(rival(24, 2), 'clone');
  assert.deepEqual(it.feeds.quarantineOf(owner.stack), { reason: 'clone', counter: 24 });
  assert.equal(rival(25, 1), 'refused');
  assert.equal(it.feeds.evidence(owner.stack), undefined);
});

test('a record that stands, and one that does not, are proven to whoever has only the head', () => {
  using it = open();
  const all = Array.from({ length: 30 }, (_, at) => noteOf(`n${at}`, 'x'));
  it.feeds.apply(deltaOf(all));
  for (const name of ['n3', 'gone']) {
    const wire = it.feeds.served.proven(owner.stack, 'note', name);
    const read = wire && verifyProvenRecord(wire, mesh);
    assert.ok(read && typeof read !== 'string');
    assert.equal(read.name, name);
    assert.equal(read.body === null, name === 'gone');
    assert.deepEqual(read.head.head.root, rootOf(it.feeds.trie(owner.stack)));
  }
  assert.equal(it.feeds.served.proven('nobody', 'note', 'n3'), undefined);
});

test('more than four megabytes are refused before they are parsed, and a feed of more is never sent in one message (failure mode 24)', () => {
  using it = open();
  const huge = new Uint8Array(5 * 1024 * 1024);
  assert.equal(verifyDelta(huge, mesh), 'shape');
  assert.equal(it.replica.hear(huge).verdict, 'reject');
  assert.equal(fromBytes({} as never, huge, 1024), undefined);
  const all = Array.from({ length: 600 }, (_, at) => noteOf(`n${at}`, 'x'.repeat(10_000)));
  assert.equal(it.feeds.replace(deltaOf(all, []), all), 'applied');
  const { served } = it.feeds;
  let after: Uint8Array | undefined = new Uint8Array();
  let count = 0;
  while (after) {
    const page = served.page(owner.stack, after);
    assert.ok(page);
    assert.ok(toBytes(page.records.map(({ kind, name, body }) => [kind, name, body])).byteLength < 1024 * 1024);
    count += page.records.length;
    after = page.next;
  }
  assert.equal(count, 600);
  const keys = all.map(({ kind, name }) => recordKey(kind, name));
  assert.ok(served.records(owner.stack, keys).length < 100);
});

test('a record of a kind that is not known yet is kept, hidden and handed on, and shown once it is known (failure mode 2)', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-kinds-'));
  try {
    const novelty = { ...noteKind, name: 'novelty' };
    await using sky = new Constellation({ kinds: [noteKind, novelty] });
    const one = await sky.open('one');
    const file = path.join(folder, 'two.db');
    {
      await using old = await sky.open('two', { kinds: [noteKind], file });
      await join(old, one);
      one.registry.write([{ kind: 'novelty', name: 'x', body: { text: 'new' } }]);
      write(one, 'fine', 'ok');
      await converge([old], ['fine=ok@one']);
      assert.deepEqual(
        old.registry.directory.hidden().map(({ kind, name }) => [kind, name]),
        [['novelty', 'x']],
      );
      // A third, which knows the kind, gets it from the one that doesn't.
      const third = await sky.open('three');
      await join(third, one);
      await eventually('they are connected', () => third.network.connected().includes(old.registry.stack));
      sky.hub.cut(one.registry.stack, third.registry.stack);
      one.registry.write([{ kind: 'novelty', name: 'y', body: { text: 'newer' } }]);
      await eventually('it was handed on', () =>
        third.registry.directory.get('novelty', 'y', { includeUnreachable: true }),
      );
    }
    const young = await sky.open('two', { file });
    assert.ok(young.registry.directory.get('novelty', 'x', { includeUnreachable: true }));
    assert.deepEqual(young.registry.directory.hidden(), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a poison record that its kind does not take is hidden, and the feed and those of others go on (failure mode 1)', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  const two = await sky.open('two', { kinds: [{ ...noteKind, schema: z.looseObject({}) }] });
  await join(two, one);
  two.registry.write([{ kind: 'note', name: 'poison', body: { text: 1, deep: [[[[[[]]]]]] } }]);
  write(two, 'after', 'x');
  write(one, 'own', 'y');
  await converge([one], ['after=x@two', 'own=y@one']);
  assert.deepEqual(
    one.registry.directory.hidden().map(({ name }) => name),
    ['poison'],
  );
});
