// What replication decides, told step by step: no network, no clock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase, registryMigrations } from '#registry';
import { verifyHead } from '../../registry/feeds/feed.ts';
import { Feeds } from '../../registry/feeds/feeds.ts';
import { FeedStore } from '../../registry/feeds/store.ts';
import { briefOf } from '../../registry/replication/fingerprints.ts';
import { type Deed, Replica } from '../../registry/replication/replicate.ts';
import { toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';

const mesh = 'a'.repeat(64);

const everybody = ['one', 'two', 'third', 'a', 'b', 'c', 'd', 'e'].map((word) => identityOf(word).stack);

function open(word: string) {
  const identity = identityOf(word);
  const database = openDatabase(':memory:', [registryMigrations]);
  const feeds = new Feeds(new FeedStore(database), identity, () => undefined);
  const others = everybody.slice(3);
  const around = {
    self: identity.stack,
    mesh: () => mesh,
    isMember: () => true,
    members: () => everybody,
    candidates: () => others,
    rosterDigest: () => '',
    chance: () => 0.5,
  };
  const replica = new Replica(feeds, around, { batchMs: 100, antiEntropyMs: 1_000 }, 0);
  let count = 0;
  database.transaction(() => feeds.beginEpoch(mesh, { counter: 1, nonce: new Uint8Array(16) }));
  const write = () => {
    count += 1;
    const body = toBytes(count);
    const delta = database.transaction(() => feeds.commit(mesh, [{ kind: 'note', name: 'n', body }]));
    assert.ok(delta);
    return delta;
  };
  return { stack: identity.stack, feeds, replica, write, [Symbol.dispose]: () => database[Symbol.dispose]() };
}

const typesOf = (deeds: readonly Deed[]): string[] => deeds.map(({ type }) => type);

test('a change after a quiet moment leaves at once, and those that follow leave together', () => {
  using one = open('one');
  assert.deepEqual(typesOf(one.replica.committed(one.write(), 0)), ['publish']);
  assert.deepEqual(one.replica.committed(one.write(), 10), []);
  assert.deepEqual(one.replica.committed(one.write(), 20), []);
  assert.equal(one.replica.wakeAt(), 100);
  assert.deepEqual(one.replica.tick(99), []);
  assert.deepEqual(typesOf(one.replica.tick(100)), ['publish']);
  assert.deepEqual(typesOf(one.replica.committed(one.write(), 300)), ['publish']);
});

test('a round of anti-entropy asks three random ones of those that are not down, connected or not', () => {
  using one = open('one');
  const at = one.replica.wakeAt();
  assert.ok(at >= 500 && at <= 1_500);
  const asked = one.replica.tick(at).flatMap((deed) => (deed.type === 'exchange' ? [deed.with] : []));
  assert.equal(new Set(asked).size, 3);
  assert.ok(asked.every((stack) => everybody.slice(3).includes(stack)));
});

test('of two that connect one compares, and a stack that compared with nobody yet compares with all', () => {
  using one = open('one');
  using two = open('two');
  const asks = (): number[] => [one.replica.connected(two.stack).length, two.replica.connected(one.stack).length];
  assert.deepEqual(asks(), [1, 1]);
  for (const { replica } of [one, two]) replica.compared();
  assert.deepEqual(asks(), one.stack < two.stack ? [1, 0] : [0, 1]);
});

test('a gap is pulled once, from whoever told of it, and once more where more was heard meanwhile', () => {
  using one = open('one');
  using two = open('two');
  two.write();
  const late = two.write();
  assert.deepEqual(one.replica.delta(late.wire, two.stack), [{ type: 'pull', feed: two.stack, from: two.stack }]);
  assert.deepEqual(one.replica.delta(late.wire, 'third'), []);
  assert.deepEqual(one.replica.pulled(two.stack, two.stack, 0), [{ type: 'pull', feed: two.stack, from: 'third' }]);
  assert.deepEqual(one.replica.pulled(two.stack, 'third', 0), []);
});

test('a claim about the own feed is looked into, and only a signed head begins a new epoch', () => {
  using one = open('one');
  using elsewhere = open('one');
  for (let at = 0; at < 3; at += 1) elsewhere.write();
  const [position] = elsewhere.feeds.positions();
  assert.ok(position);
  const claim = { ...position, epoch: { ...position.epoch, counter: Number.MAX_SAFE_INTEGER } };
  assert.deepEqual(typesOf(one.replica.claims([briefOf(claim)], 'liar', 0)), ['pull']);
  const [renew] = one.replica.delta(elsewhere.write().wire, 'peer');
  assert.ok(renew?.type === 'renew' && renew.head.head.sequence === 5);
  const own = verifyHead(...(one.feeds.served.head(one.stack) ?? assert.fail()), mesh);
  assert.ok(typeof own !== 'string');
  assert.deepEqual(one.replica.own(own), []);
});

test('a member that claims a feed ahead and brings nothing does not keep it from coming from another', () => {
  using one = open('one');
  using two = open('two');
  two.write();
  const ahead = two.write();
  const brief = briefOf({ feed: two.stack, epoch: ahead.head.epoch, sequence: 99, hash: ahead.hash });
  assert.deepEqual(typesOf(one.replica.claims([brief], 'liar', 0)), ['pull']);
  assert.deepEqual(one.replica.claims([brief], 'honest', 10), []);
  assert.deepEqual(one.replica.tick(999 - 500), []);
  const at = one.replica.wakeAt();
  assert.ok(at <= 1_000);
  const pulls = one.replica.tick(1_000).filter(({ type }) => type === 'pull');
  assert.deepEqual(pulls, [{ type: 'pull', feed: two.stack, from: 'honest' }]);
});

test('a thousand writes in a loop leave as a few messages of bounded size', (context) => {
  using one = open('one');
  let messages = 0;
  let bytes = 0;
  const count = (deeds: readonly Deed[]): void => {
    for (const deed of deeds) {
      if (deed.type !== 'publish') continue;
      messages += 1;
      bytes += deed.message.byteLength;
      assert.ok(deed.message.byteLength <= 200 * 1024);
    }
  };
  // A write takes about a tenth of a millisecond.
  for (let at = 0; at < 1_000; at += 1) {
    count(one.replica.tick(at / 10));
    count(one.replica.committed(one.write(), at / 10));
  }
  for (let at = 100; at < 3_000; at += 50) count(one.replica.tick(at));
  context.diagnostic(`${messages} messages of ${bytes} bytes in all for 1,000 writes`);
  assert.ok(messages <= 5, `${messages} messages`);
});
