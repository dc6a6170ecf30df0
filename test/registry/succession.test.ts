// What comes after an owner that went, and what it hands to another: who is meant by a bare name, at each point between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineKind, RegistryError } from '#registry';
import { type Claim, inSuccession, type Succession } from '../../registry/directory/succession.ts';
import { makeDelta, recordHash, recordKey } from '../../registry/feeds/feed.ts';
import { emptyRoot, put as putKey, rootOf } from '../../registry/feeds/trie.ts';
import { toBytes } from '../../registry/wire.ts';
import { Constellation, identityOf, join, lawKind, type Node, noteKind } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const deedKind = defineKind({
  name: 'deed',
  schema: z.strictObject({ text: z.string() }),
  maxBytes: 1_000,
  writer: 'any-member',
  outlastsOwner: true,
});
const kinds = [noteKind, lawKind, deedKind];
const put = (node: Node, name: string, text: string, kind = 'deed'): void =>
  node.registry.write([{ kind, name, body: { text } }]);
const bare = (node: Node, name: string, kind = 'deed'): string => {
  const found = node.registry.directory.get<{ text: string }>(kind, name);
  return found ? `${found.body.text}@${found.stackName}` : 'nothing';
};
const code = (expected: string) => (error: unknown) => error instanceof RegistryError && error.code === expected;
const everywhere = (nodes: readonly Node[], name: string, expected: string): Promise<unknown> =>
  eventually(`"${name}" is ${expected}`, () => nodes.every((node) => bare(node, name) === expected));

test('a claim whose successor is there stands behind it, through chains, and a circle falls back to the order', () => {
  const claim = (stack: string): Claim => ({ kind: 'deed', name: 'a', stack, hash: `hash of ${stack}` });
  const order = (stacks: readonly string[], handed: Readonly<Record<string, string>>, adopted = ''): string => {
    const succession: Succession = {
      adopted: (by, owner) => adopted === `${by}<${owner}`,
      handedOff: (owner) => (handed[owner] ? { to: handed[owner], hash: `hash of ${owner}` } : undefined),
    };
    return inSuccession(stacks.map(claim), () => succession)
      .map(({ stack }) => stack)
      .join('');
  };
  assert.equal(order(['x', 'y'], {}), 'xy');
  assert.equal(order(['x', 'y'], { x: 'y' }), 'yx');
  assert.equal(order(['x', 'y', 'z'], { x: 'y', y: 'z' }), 'zxy');
  assert.equal(order(['x', 'y'], { x: 'y', y: 'x' }), 'xy');
  assert.equal(order(['x', 'y'], { x: 'gone' }), 'xy');
  assert.equal(order(['x', 'y'], {}, 'y<x'), 'yx');
});

test('a hand-off that ends in the middle leaves the old record meant, and the new one is meant once it is there (failure mode 19)', async () => {
  await using sky = new Constellation({ kinds });
  const [one, two, three] = await sky.mesh('one', 'two', 'three');
  assert.ok(one && two && three);
  for (const name of ['a', 'b', 'c', 'd']) put(one, name, 'old');
  await everywhere([two, three], 'd', 'old@one');
  for (const name of ['a', 'b', 'c', 'd']) one.registry.handOff('deed', name, 'two');
  await eventually('told', () => three.registry.directory.list({ kind: 'handoff' }).length === 4);
  // The new owner is gone before its step: nothing changed.
  for (const name of ['a', 'b', 'c', 'd']) await everywhere([one, two, three], name, 'old@one');
  for (const name of ['a', 'b', 'c']) put(two, name, 'new');
  for (const name of ['a', 'b', 'c']) await everywhere([one, two, three], name, 'new@two');
  assert.equal(bare(three, 'a@one'), 'old@one');
  assert.equal(bare(three, 'd'), 'old@one');
  put(two, 'a', 'newer');
  await everywhere([one, two, three], 'a', 'newer@two');
});

test('a record that is written anew after it was handed off is taken back by that', async () => {
  await using sky = new Constellation({ kinds });
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const name of names) put(one, name, 'old');
  for (const name of names) put(two, name, 'other');
  await eventually('both', () => names.every((name) => one.registry.directory.claimants('deed', name).length === 2));
  const before = names.map((name) => bare(one, name));
  for (const name of names) one.registry.handOff('deed', name, 'two');
  for (const name of names) assert.equal(bare(one, name), 'other@two');
  for (const name of names) put(one, name, 'old again');
  assert.deepEqual(
    names.map((name) => bare(one, name)),
    before.map((each) => each.replace('old@', 'old again@')),
  );
});

test('nobody hands off what it has not, nor to a stranger', async () => {
  await using sky = new Constellation({ kinds });
  const [one] = await sky.mesh('one', 'two');
  assert.ok(one);
  assert.throws(() => one.registry.handOff('deed', 'none', 'two'), code('invalid-record'));
  assert.throws(() => one.registry.handOff('stack', 'one', 'two'), code('invalid-record'));
  put(one, 'a', 'mine');
  assert.throws(() => one.registry.handOff('deed', 'a', identityOf('stranger').stack), code('unknown-stack'));
});

test('an admin adopts what a stack that is gone for ever left, and bare names mean the copies (failure mode 18)', async () => {
  await using sky = new Constellation({ kinds });
  const [one, dead, three] = await sky.mesh('one', 'dead', 'three');
  assert.ok(one && dead && three);
  for (let at = 0; at < 20; at += 1) put(dead, `deed-${at}`, `number ${at}`);
  put(dead, 'note', 'of now', 'note');
  put(one, 'deed-7', 'my own');
  await everywhere([one, three], 'deed-19', 'number 19@dead');
  assert.throws(() => one.registry.adopt('dead'), code('still-there'));
  await dead[Symbol.asyncDispose]();
  await eventually('gone', () => one.registry.member(dead.registry.stack)?.liveness.state !== 'up');
  assert.throws(() => three.registry.adopt('dead'), code('not-admin'));
  assert.throws(
    () => one.registry.adopt('dead', { within: () => assert.fail('the audit log is full') }),
    /audit log is full/,
  );
  assert.equal(one.registry.directory.list({ kind: 'adoption' }).length, 0);
  assert.deepEqual(one.registry.adopt('dead'), { stack: dead.registry.stack, records: 19 });
  for (let at = 0; at < 20; at += 1) {
    await everywhere([one, three], `deed-${at}`, at === 7 ? 'my own@one' : `number ${at}@one`);
  }
  assert.equal(bare(one, 'note', 'note'), 'nothing');
  // It comes back: its records are there under its own name.
  const back = await sky.open('dead', { identity: dead.identity });
  put(back, 'deed-1', 'back');
  assert.equal(bare(one, 'deed-1'), 'number 1@one');
});

test('what a revoked stack left is adopted by those that still have it', async () => {
  await using sky = new Constellation({ kinds });
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  put(two, 'a', 'left behind');
  await everywhere([one], 'a', 'left behind@two');
  await one.registry.revoke('two');
  assert.equal(bare(one, 'a'), 'nothing');
  one.registry.adopt('two');
  assert.equal(bare(one, 'a'), 'left behind@one');
});

test('a stack cannot write a stack record under another name, and one that came so is hidden with the reason', async () => {
  await using sky = new Constellation({ kinds });
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const squat = { kind: 'stack', name: 'one', body: { name: 'one', addresses: [] } };
  assert.throws(() => two.registry.write([squat]), code('invalid-record'));
  // One that doesn't mind the rule: its certificate at its own side bears the other name.
  await two[Symbol.asyncDispose]();
  const epoch = { counter: 50, nonce: new Uint8Array(16) };
  const change = { kind: 'stack', name: 'one', body: toBytes(squat.body) };
  const root = rootOf(putKey(undefined, recordKey('stack', 'one'), recordHash(change.body)));
  const place = { mesh: one.registry.mesh().id, feed: two.identity.stack, epoch, sequence: 1, count: 1, root };
  const delta = makeDelta({ ...place, previous: emptyRoot }, [change], (message) => two.identity.sign(message));
  const network = sky.hub.open(two.identity);
  network.setGate(() => 'member');
  network.serve('/hermesh/feed/1.0.0', { access: 'member', maxRequestBytes: 1e6, timeoutMs: 1_000 }, async () =>
    toBytes({ head: [delta.bytes, delta.signature], records: [['stack', 'one', change.body]], next: null }),
  );
  await network.connect(one.registry.stack, one.network.addresses(), { signal: AbortSignal.timeout(2_000) });
  network.publish(`/hermesh/feeds/1.0.0/${one.registry.mesh().id}`, toBytes({ deltas: [delta.wire] }));
  await eventually('hidden', () =>
    one.registry.directory
      .hidden()
      .some(({ stack, name, why }) => stack === two.identity.stack && name === 'one' && why.includes('"two"')),
  );
  assert.equal(one.registry.directory.get('stack', 'one')?.stack, one.registry.stack);
});

test('two stacks that two admins let in under one name while they were apart are both kept, and everybody means the same one (failure mode 20)', async () => {
  await using sky = new Constellation({ kinds });
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  await join(two, one, 'admin');
  sky.hub.cut(one.identity.stack, two.identity.stack);
  const [left, right] = [
    await sky.open('web', { identity: identityOf('left') }),
    await sky.open('web', { identity: identityOf('right') }),
  ];
  await join(left, one);
  await join(right, two);
  put(left, 'shop', 'left');
  put(right, 'shop', 'right');
  sky.hub.heal(one.identity.stack, two.identity.stack);
  const nodes = [one, two, left, right];
  await eventually('all see both', () =>
    nodes.every(
      (node) =>
        node.registry.directory.claimants('deed', 'shop').length === 2 &&
        node.registry.directory.claimants('stack', 'web').length === 2,
    ),
  );
  const meant = (node: Node): unknown[] =>
    ['deed/shop', 'stack/web'].map((label) => {
      const [kind = '', name = ''] = label.split('/');
      return node.registry.directory.get(kind, name)?.stack;
    });
  for (const node of nodes) assert.deepEqual(meant(node), meant(one));
  for (const { registry } of [left, right]) {
    assert.equal(one.registry.directory.get('deed', `shop@${registry.stack}`)?.stack, registry.stack);
    assert.equal(one.registry.directory.get('stack', `web@${registry.stack}`)?.stack, registry.stack);
  }
});
