// Renewal: certificates that grow old with their stacks online or away, and whom nobody renews.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { RegistryError } from '#registry';
import { toBytes } from '../../registry/wire.ts';
import { Constellation, converge, join, type Node, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const day = 24 * 60 * 60 * 1000;
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) });
const expiresAt = (at: Node, of: Node): number => at.registry.member(of.registry.stack)?.expires ?? 0;
const state = (at: Node, of: Node): string | undefined => at.registry.member(of.registry.stack)?.liveness.state;

class Time implements Disposable {
  value = Date.now();
  readonly folder = mkdtempSync(path.join(tmpdir(), 'hermesh-renewal-'));
  readonly now = (): number => this.value;
  file(name: string): string {
    return path.join(this.folder, `${name}.db`);
  }
  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

test('a member asks for a new certificate once two thirds of its own one are over, with the same name, role and key', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const before = one.registry.member(two.registry.stack);
  time.value += 59 * day;
  await eventually('the founder is its own age', () => expiresAt(two, one) > 0);
  assert.equal(expiresAt(one, two), before?.expires);
  time.value += 2 * day;
  await eventually(
    'renewed',
    () => expiresAt(two, two) > (before?.expires ?? 0) && expiresAt(one, two) === expiresAt(two, two),
  );
  const after = one.registry.member(two.registry.stack);
  assert.deepEqual([after?.name, after?.role, after?.x25519], [before?.name, before?.role, before?.x25519]);
  write(two, 'note', 'still here');
  await converge([one, two], ['note=still here@two']);
});

test('a certificate that ran out 80 days ago is renewed when its stack is back, and its records return (failure mode 35)', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one');
  const two = await sky.open('two', { file: time.file('two') });
  await join(two, one);
  write(two, 'note', 'of two');
  await converge([one], ['note=of two@two']);
  await two[Symbol.asyncDispose]();
  time.value += 170 * day;
  await eventually('the founder renewed itself', () => expiresAt(one, one) > time.value);
  assert.equal(state(one, two), 'expired');
  const again = await sky.open('two', { file: time.file('two') });
  await eventually('it is up', () => state(one, again) === 'up' && state(again, one) === 'up');
  await converge([one, again], ['note=of two@two']);
});

test('a revoked stack is not renewed, nor one that left (failure mode 35)', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one');
  const two = await sky.open('two', { file: time.file('two') });
  const three = await sky.open('three', { file: time.file('three') });
  for (const node of [two, three]) await join(node, one);
  await eventually('all know of all', () => two.registry.members().length === 3);
  await two[Symbol.asyncDispose]();
  await one.registry.revoke('two');
  await three.registry.leave();
  await eventually('it left', () => state(one, three) === 'left');
  time.value += 170 * day;
  const before = expiresAt(one, two);
  await sky.open('two', { file: time.file('two') });
  for (const { identity } of [two, three]) {
    const knock = sky.hub.open({ stack: 'knock' });
    const request = toBytes({ mesh: one.registry.mesh().id, show: [] });
    await assert.rejects(
      knock.requestWithKey(identity.seed, one.network.addresses(), '/hermesh/renew/1.0.0', request, {
        ...soon(),
        maxResponseBytes: 1e6,
      }),
      (error: RegistryError) => error.code === 'refused',
    );
  }
  assert.equal(expiresAt(one, two), before);
  assert.equal(state(one, two), 'revoked');
});

test('an admin that no founder is, is renewed by a founder and not by another such admin', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one', { file: time.file('one') });
  const [two, three] = [await sky.open('two'), await sky.open('three')];
  for (const node of [two, three]) await join(node, one, 'admin');
  await eventually('they are connected', () => two.network.connected().length === 2);
  const before = expiresAt(two, two);
  await one[Symbol.asyncDispose]();
  time.value += 65 * day;
  const ask = await two.network.request(
    three.registry.stack,
    '/hermesh/renew/1.0.0',
    toBytes({ mesh: two.registry.mesh().id, show: [] }),
    { ...soon(), maxResponseBytes: 1e6 },
  );
  assert.match(Buffer.from(ask).toString('latin1'), /not-admin/);
  assert.equal(expiresAt(three, two), before);
  await sky.open('one', { file: time.file('one') });
  await eventually('renewed', () => expiresAt(two, two) > before);
});

test('with all admins away members go on replicating, and one that is no founder renews nobody', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const [one, two, three] = await sky.mesh('one', 'two', 'three');
  assert.ok(one && two && three);
  await eventually('all know of all', () => [two, three].every(({ network }) => network.connected().length === 2));
  await one[Symbol.asyncDispose]();
  time.value += 80 * day;
  write(two, 'note', 'without admins');
  await converge([three], ['note=without admins@two']);
  assert.ok(expiresAt(two, two) < time.value + 11 * day);
});

test('a founder whose certificate ran out while it was away shows its new one to a member, which lets it in (failure mode 35)', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one', { file: time.file('one') });
  const [two, three] = [await sky.open('two'), await sky.open('three')];
  for (const node of [two, three]) await join(node, one, 'admin');
  await eventually('all are connected', () => two.network.connected().length === 2);
  one.registry.signRoot({ admins: ['one', 'two'], threshold: 1 });
  await eventually('it stands', () => [two, three].every(({ registry }) => registry.roots().chain.length === 2));
  await one[Symbol.asyncDispose]();
  time.value += 61 * day;
  await eventually('those that stayed are renewed', () => expiresAt(two, three) > time.value + 80 * day);
  time.value += 40 * day;
  assert.equal(state(two, one), 'expired');
  const again = await sky.open('one', { file: time.file('one') });
  await eventually('it is let in', () => state(two, again) === 'up' && state(again, three) === 'up');
});

test('a member that was away while a founder renewed itself in time takes it for a member again (failure mode 35)', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one');
  const two = await sky.open('two', { file: time.file('two') });
  time.value += 40 * day;
  await join(two, one);
  await converge([one, two], []);
  await eventually(
    'it knows where the founder is',
    () => (two.registry.member(one.identity.stack)?.addresses.length ?? 0) > 0,
  );
  await two[Symbol.asyncDispose]();
  time.value += 21 * day;
  await eventually('the founder renewed itself', () => expiresAt(one, one) > time.value + 80 * day);
  time.value += 40 * day;
  // At another address, so that only it can ask; its own certificate lasts for a month yet.
  const again = await sky.open('two', { file: time.file('two') });
  assert.equal(state(again, one), 'expired');
  assert.ok(expiresAt(again, again) > time.value + 28 * day);
  await eventually('they are connected', () => state(again, one) === 'up' && state(one, again) === 'up');
});

test('a founder that renewed itself in time while it was parted shows that to a member that cannot reach it (failure mode 35)', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one', { file: time.file('one') });
  const two = await sky.open('two');
  time.value += 40 * day;
  await join(two, one);
  await eventually(
    'it knows where the member is',
    () => (one.registry.member(two.identity.stack)?.addresses.length ?? 0) > 0,
  );
  sky.hub.cut(one.identity.stack, two.identity.stack);
  time.value += 21 * day;
  await eventually('the founder renewed itself', () => expiresAt(one, one) > time.value + 80 * day);
  await one[Symbol.asyncDispose]();
  time.value += 40 * day;
  assert.equal(state(two, one), 'expired');
  sky.hub.heal(one.identity.stack, two.identity.stack);
  // At another address, so that only it can ask.
  const again = await sky.open('one', { file: time.file('one') });
  await eventually('they are connected', () => state(again, two) === 'up' && state(two, again) === 'up');
});

test('two members that were parted from a founder together find it again (failure mode 35)', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one');
  const [two, three] = [await sky.open('two'), await sky.open('three')];
  time.value += 40 * day;
  for (const node of [two, three]) await join(node, one);
  await eventually('all are connected', () =>
    [one, two, three].every(({ network }) => network.connected().length === 2),
  );
  for (const node of [two, three]) sky.hub.cut(one.identity.stack, node.identity.stack);
  time.value += 21 * day;
  await eventually('the founder renewed itself', () => expiresAt(one, one) > time.value + 80 * day);
  time.value += 40 * day;
  for (const node of [two, three]) sky.hub.heal(one.identity.stack, node.identity.stack);
  await eventually('all are up', () =>
    [two, three].every((node) => state(node, one) === 'up' && state(one, node) === 'up'),
  );
});

test('a root that was changed while a stack was away is taken by it when it is back (failure mode 35)', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one', { file: time.file('one') });
  const two = await sky.open('two');
  const away = await sky.open('away', { file: time.file('away') });
  await join(two, one, 'admin');
  await join(away, one);
  await eventually('all know of all', () => state(away, two) === 'up');
  await away[Symbol.asyncDispose]();
  one.registry.signRoot({ admins: ['two'], threshold: 1 });
  await eventually('two is the founder', () => two.registry.roots().chain.length === 2);
  await one[Symbol.asyncDispose]();
  time.value += 100 * day;
  const back = await sky.open('away', { file: time.file('away') });
  await eventually('renewed by the new founder', () => state(back, two) === 'up' && state(two, back) === 'up');
  assert.equal(back.registry.roots().chain.length, 2);
  assert.deepEqual(back.registry.roots().chain[1]?.admins, [two.registry.stack]);
});

test('two admins make a root together, each from where it is', async () => {
  await using sky = new Constellation();
  const [one, two, three] = [await sky.open('one'), await sky.open('two'), await sky.open('three')];
  for (const node of [two, three]) await join(node, one, 'admin');
  await eventually('all know of all', () => two.registry.members().length === 3);
  one.registry.signRoot({ admins: ['one', 'two', 'three'], threshold: 2 });
  await eventually('it stands', () => three.registry.roots().chain.length === 2);
  const proposed = two.registry.signRoot({ admins: ['one', 'two'], threshold: 2 });
  assert.deepEqual(proposed.signers, [two.registry.stack]);
  assert.equal(two.registry.roots().chain.length, 2);
  await eventually('it waits', () => three.registry.roots().proposals.length === 1);
  three.registry.signRoot(undefined);
  await eventually('it stands', () => one.registry.roots().chain.length === 3);
  assert.throws(
    () => three.registry.signRoot({ admins: ['three'], threshold: 1 }),
    (error: unknown) => error instanceof RegistryError && error.code === 'not-admin',
  );
});

test('what fails within a deed of the mesh undoes it: revoking, leaving, joining, signing a root and pardoning', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  const three = await sky.open('three');
  assert.ok(one && two);
  const within = (): void => {
    throw new Error('the audit log is full');
  };
  const view = (): unknown =>
    [one, two, three].map(({ registry }) => [
      registry.mesh(),
      registry.roots().proposals,
      registry.roots().chain.length,
      registry.members().map(({ stack, role, liveness }) => [stack, role, liveness.state === 'revoked']),
    ]);
  const before = view();
  const full = /audit log is full/;
  await assert.rejects(one.registry.revoke('two', { within }), full);
  await assert.rejects(one.registry.leave({ within }), full);
  await assert.rejects(three.registry.leave({ within }), full);
  assert.throws(() => one.registry.signRoot({ admins: ['two'], threshold: 1 }, { within }), full);
  assert.throws(() => one.registry.pardon('two', { within }), full);
  assert.deepEqual(view(), before);
  const { token } = one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 });
  const mesh = three.registry.mesh();
  await assert.rejects(three.registry.join(token, { ...soon(), within }), full);
  assert.deepEqual(three.registry.mesh(), mesh);
  await three.registry.join(token, soon());
  assert.equal(three.registry.mesh().id, one.registry.mesh().id);
});

test('a stack of a zone without an admin is renewed in time by one of another zone that it isn’t connected with', async () => {
  using time = new Time();
  await using sky = new Constellation({ now: time.now });
  const one = await sky.open('one');
  const two = await sky.open('two', { zone: 'east' });
  await join(two, one);
  const before = expiresAt(two, two);
  // Who joined keeps the connection to who invited for a while.
  await two.network.disconnect(one.registry.stack);
  time.value += 61 * day;
  await eventually('it is renewed', () => expiresAt(two, two) > before && before > time.value);
});
