// Who may say what about whom: rogue admins, members that flood the set, names that two stacks have, and long-lived founders.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegistryError } from '#registry';
import { readRoster, rightful } from '../../registry/roster/roster.ts';
import {
  certificateMs,
  makeStatement,
  type Payload,
  type Root,
  rootHash,
  type Statement,
  verifyStatement,
} from '../../registry/roster/statement.ts';
import { toBytes } from '../../registry/wire.ts';
import { Constellation, identityOf, join } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const [founder, admin, other, member] = ['founder', 'admin', 'other', 'member'].map(identityOf) as [
  ReturnType<typeof identityOf>,
  ReturnType<typeof identityOf>,
  ReturnType<typeof identityOf>,
  ReturnType<typeof identityOf>,
];
const root: Root = {
  type: 'root',
  version: 1,
  admins: [founder.stack],
  threshold: 1,
  nonce: new Uint8Array(16),
  createdAt: 0,
};
const mesh = rootHash(root);
type Role = 'member' | 'admin' | 'viewer';
const certify = (stack: string, name: string, role: Role, by: typeof founder, notAfter = 1_000): Statement =>
  makeStatement(
    { type: 'certificate', mesh, stack, name, role, x25519: new Uint8Array(32), notBefore: 0, notAfter },
    by,
  );
const revoke = (stack: string, by: typeof founder, at = 1): Statement =>
  makeStatement({ type: 'revocation', mesh, stack, at, survivors: [] }, by);
const leave = (by: typeof founder, certificates: readonly string[], at: number): Statement =>
  makeStatement({ type: 'leave', mesh, certificates: [...certificates], at }, by);
const memberCertificate = certify(member.stack, 'member', 'member', admin);
const base = [
  makeStatement(root, founder),
  certify(founder.stack, 'founder', 'admin', founder),
  certify(admin.stack, 'admin', 'admin', founder),
  certify(other.stack, 'other', 'admin', founder),
  memberCertificate,
];
const view = (statements: readonly Statement[]): string[] =>
  [...readRoster(mesh, statements).memberships.values()]
    .map(({ name, role, state }) => `${name} ${role} ${state}`)
    .sort();

test('an admin that a founder made neither revokes the founder nor certifies an admin or a founder as something else', () => {
  const rogue = [
    revoke(founder.stack, admin),
    certify(founder.stack, 'nobody', 'viewer', admin, 9_000),
    certify(other.stack, 'nobody', 'viewer', admin, 9_000),
    certify(member.stack, 'member', 'admin', admin, 9_000),
  ];
  assert.deepEqual(view([...base, ...rogue]), view(base));
  assert.deepEqual(rightful(mesh, base, rogue), []);
});

test('a certificate that would last longer than any that comes after it is not granted', () => {
  const eternal = certify(member.stack, 'eternal', 'member', admin, certificateMs * 2);
  assert.deepEqual(view([...base, eternal]), view(base));
  assert.deepEqual(rightful(mesh, base, [eternal]), []);
});

test('an admin may certify an admin that left as a member', () => {
  const left = [...base, leave(other, [base[3]?.id ?? ''], 1)];
  const back = certify(other.stack, 'back', 'member', admin, 2_000);
  assert.deepEqual(rightful(mesh, left, [back]), [back]);
  assert.ok(view([...left, back]).includes('back member valid'));
});

test('a member cannot fill the roster: of a thousand leaves and revocations one each is kept', () => {
  const at = Array.from({ length: 1_000 }, (_, index) => index);
  const leaves = at.map((each) => leave(member, [memberCertificate.id, 'f'.repeat(64)], each));
  assert.equal(rightful(mesh, base, leaves).length, 1);
  assert.equal(
    rightful(
      mesh,
      base,
      at.map((each) => revoke(member.stack, admin, each)),
    ).length,
    1,
  );
  const strangers = at.map((each) => revoke(identityOf(`stranger ${each}`).stack, admin));
  assert.equal(rightful(mesh, base, strangers).length, 0);
});

test('two admins that revoke one stack at the same time come to the same set', () => {
  const [one, two] = [revoke(member.stack, admin), revoke(member.stack, other)];
  const here = [...base, ...rightful(mesh, base, [one])];
  const there = [...base, ...rightful(mesh, base, [two])];
  const [a, b] = [
    [...here, ...rightful(mesh, here, [two])],
    [...there, ...rightful(mesh, there, [one])],
  ];
  assert.equal(readRoster(mesh, a).digest, readRoster(mesh, b).digest);
});

test('an admin cannot revoke the founder from where it is', async () => {
  await using sky = new Constellation();
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  await join(two, one, 'admin');
  await assert.rejects(two.registry.revoke('one'), (error: RegistryError) => error.code === 'not-admin');
  assert.equal(
    one.registry.members().every(({ liveness }) => liveness.state === 'up'),
    true,
  );
});

test('a name that a stack left behind and another took means the one that is here', async () => {
  await using sky = new Constellation();
  const [one, first] = await sky.mesh('one', 'web');
  assert.ok(one && first);
  await first.registry.leave();
  const state = (stack: string) => one.registry.members().find((each) => each.stack === stack)?.liveness.state;
  await eventually('it left', () => state(first.identity.stack) === 'left');
  const second = await sky.open('web', { identity: identityOf('another') });
  await join(second, one);
  await one.registry.revoke('web');
  assert.equal(state(second.identity.stack), 'revoked');
  assert.equal(state(first.identity.stack), 'left');
});

test('a name that two members have is revoked by id only', async () => {
  await using sky = new Constellation();
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  await join(two, one, 'admin');
  sky.hub.cut(one.identity.stack, two.identity.stack);
  const webs = [
    await sky.open('web', { identity: identityOf('a') }),
    await sky.open('web', { identity: identityOf('b') }),
  ];
  await Promise.all([one, two].map((inviter, at) => join(webs[at] as typeof one, inviter)));
  sky.hub.heal(one.identity.stack, two.identity.stack);
  await eventually('both are known', () => one.registry.members().length === 4);
  await assert.rejects(
    one.registry.revoke('web'),
    (error: RegistryError) =>
      error.code === 'unknown-stack' && webs.every((web) => error.message.includes(web.identity.stack)),
  );
  await one.registry.revoke(identityOf('b').stack);
});

test('a stack that left does not come back with the invite that it used up', async () => {
  await using sky = new Constellation();
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  const { token } = one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 3 });
  await two.registry.join(token, { signal: AbortSignal.timeout(5_000) });
  await two.registry.leave();
  await eventually('it left', () => one.registry.members().some(({ liveness }) => liveness.state === 'left'));
  await assert.rejects(
    two.registry.join(token, { signal: AbortSignal.timeout(5_000) }),
    (error: RegistryError) => error.code === 'invite-used',
  );
});

test('a founder that runs for months renews its certificate, and one that was off for a year goes on', async () => {
  await using sky = new Constellation();
  let now = Date.now();
  const day = 24 * 60 * 60 * 1000;
  const one = await sky.open('one', { now: () => now, antiEntropyMs: 20 });
  const expires = (): number => one.registry.members()[0]?.expires ?? 0;
  const first = expires();
  now += 70 * day;
  await eventually('it was renewed', () => expires() > first);
  now += 365 * day;
  await eventually('it was renewed again', () => expires() > now);
  assert.equal(one.registry.members()[0]?.liveness.state, 'up');
});

test('a member that sends a roster of two thousand leaves does not stop the others from comparing heads', async () => {
  await using sky = new Constellation({ antiEntropyMs: 30 });
  const [one, two, rogue] = await sky.mesh('one', 'two', 'rogue');
  assert.ok(one && two && rogue);
  await rogue[Symbol.asyncDispose]();
  const network = sky.hub.open(rogue.identity);
  network.setGate(() => 'member');
  await network.connect(one.registry.stack, one.network.addresses(), { signal: AbortSignal.timeout(2_000) });
  const at = one.registry.mesh().id;
  const rows = one.database.prepare<{ wire: Uint8Array }>('SELECT wire FROM registry_statement');
  const before = rows.all().length;
  const own = rows.all().map(({ wire }) => verifyStatement(wire));
  const id = own.find(
    (each) => each?.payload.type === 'certificate' && each.payload.stack === rogue.identity.stack,
  )?.id;
  const give = Array.from({ length: 1_500 }, (_, index) => {
    const payload: Payload = { type: 'leave', mesh: at, certificates: [id ?? ''], at: index };
    return makeStatement(payload, rogue.identity).wire;
  });
  await network.request(one.registry.stack, '/hermesh/roster/1.0.0', toBytes({ want: [], give }), {
    signal: AbortSignal.timeout(10_000),
    maxResponseBytes: 1e6,
  });
  assert.equal(rows.all().length, before + 1);
});
