// Coming into a mesh and going out of it: each refusal with its code, and nothing changed by a join that failed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { RegistryError, type RegistryErrorCode } from '#registry';
import { makeJoinRequest } from '../../registry/roster/admission.ts';
import { Membership } from '../../registry/roster/membership.ts';
import { RosterStore } from '../../registry/roster/store.ts';
import { readToken, writeToken } from '../../registry/roster/token.ts';
import { Constellation, converge, join, type Node, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) });
const isCode = (code: RegistryErrorCode) => (error: unknown) => error instanceof RegistryError && error.code === code;
const state = ({ registry }: Node): unknown => ({
  mesh: registry.mesh(),
  members: registry.members().map(({ stack, name, role }) => ({ stack, name, role })),
});

/** Tries to join and sees that nothing changed at either side. */
async function refused(joiner: Node, token: string, code: RegistryErrorCode, inviter?: Node): Promise<void> {
  const before = [state(joiner), inviter && state(inviter)];
  await assert.rejects(joiner.registry.join(token, soon()), isCode(code));
  assert.deepEqual([state(joiner), inviter && state(inviter)], before);
}

const invite = (node: Node, uses = 1, expiresInMs = 60_000): string =>
  node.registry.createInvite({ role: 'member', expiresInMs, uses }).token;

test('a stack founds a mesh at first, and is its only admin', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  assert.equal(one.registry.mesh().foundedHere, true);
  const [self] = one.registry.members();
  assert.deepEqual([self?.name, self?.role, self?.self, self?.liveness.state], ['one', 'admin', true, 'up']);
});

test('who joins is a member of the inviter’s mesh, and both know of one another', async () => {
  await using sky = new Constellation();
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  await join(two, one);
  assert.equal(two.registry.mesh().id, one.registry.mesh().id);
  assert.equal(two.registry.mesh().foundedHere, false);
  for (const node of [one, two]) {
    await eventually('both up', () => node.registry.members().every(({ liveness }) => liveness.state === 'up'));
    assert.deepEqual(
      node.registry.members().map(({ name, role }) => [name, role]),
      [
        ['one', 'admin'],
        ['two', 'member'],
      ],
    );
  }
});

test('records written before joining come along', async () => {
  await using sky = new Constellation();
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  write(two, 'early', 'bird');
  await join(two, one);
  await converge([one, two], ['early=bird@two']);
});

test('an invite with one use admits one stack, and the same one again without another use', async () => {
  await using sky = new Constellation();
  const [one, two, three] = [await sky.open('one'), await sky.open('two'), await sky.open('three')];
  const token = invite(one);
  // The first answer is lost on its way: the use is counted, the joiner knows nothing of it.
  const lost = makeJoinRequest(two.identity, readToken(token), {
    name: 'two',
    addresses: [],
    nonce: new Uint8Array(16),
  });
  const network = sky.hub.open({ stack: 'postman' });
  const { secret, addresses } = readToken(token);
  await network.requestWithKey(secret, addresses, '/hermesh/join/1.0.0', lost, { ...soon(), maxResponseBytes: 1e6 });
  await refused(three, token, 'invite-used', one);
  const members = one.registry.members().length;
  await two.registry.join(token, soon());
  assert.equal(one.registry.members().length, members);
  await refused(three, token, 'invite-used', one);
});

test('an invite with two uses admits two', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  const token = invite(one, 2);
  for (const name of ['two', 'three']) await (await sky.open(name)).registry.join(token, soon());
  await refused(await sky.open('four'), token, 'invite-used', one);
});

test('an expired invite is refused at both sides, whatever the token says', async () => {
  await using sky = new Constellation();
  let now = Date.now();
  const one = await sky.open('one', { now: () => now });
  const two = await sky.open('two');
  const token = invite(one, 1, 1_000);
  now += 2_000;
  const forged = writeToken({ ...readToken(token), expiresAt: Date.now() + 60_000 });
  await refused(two, forged, 'invite-unknown', one);
  await refused(two, writeToken({ ...readToken(token), expiresAt: 1 }), 'invite-expired', one);
});

test('an unknown invite, a cut one, another mesh’s and one whose inviter is away are each told apart', async () => {
  await using sky = new Constellation();
  const [one, two, other] = [await sky.open('one'), await sky.open('two'), await sky.open('other')];
  const token = readToken(invite(one));
  await refused(two, writeToken({ ...token, secret: new Uint8Array(32) }), 'invite-unknown', one);
  await refused(two, invite(one).slice(0, -5), 'invite-invalid', one);
  await refused(two, 'hello', 'invite-invalid', one);
  await refused(two, writeToken({ ...token, mesh: other.registry.mesh().id }), 'wrong-mesh', one);
  await refused(two, writeToken({ ...token, addresses: ['/memory/999'] }), 'unreachable', one);
});

test('a name that another member has is refused', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const { identity } = await sky.open('another');
  const twin = await sky.open('two', { identity });
  await refused(twin, invite(one), 'name-taken', one);
});

test('who has other members in its mesh leaves first', async () => {
  await using sky = new Constellation();
  const [one] = await sky.mesh('one', 'two');
  const other = await sky.open('other');
  assert.ok(one);
  await refused(one, invite(other), 'has-members', other);
});

test('only an admin invites, and one that a founder did not make makes no other admin', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  const [two, three] = [await sky.open('two'), await sky.open('three')];
  await join(two, one, 'member');
  assert.throws(() => invite(two), isCode('not-admin'));
  await join(three, one, 'admin');
  assert.match(invite(three), /^hermesh1\./);
  assert.throws(() => three.registry.createInvite({ role: 'admin', expiresInMs: 1_000, uses: 1 }), isCode('not-admin'));
});

test('a revoked stack is cut off everywhere, its records are hidden, and it does not come back', async () => {
  await using sky = new Constellation();
  const [one, two, three] = await sky.mesh('one', 'two', 'three');
  assert.ok(one && two && three);
  write(two, 'note', 'of two');
  await converge([one, three], ['note=of two@two']);
  await one.registry.revoke('two');
  await converge([one, three], []);
  for (const node of [one, three]) {
    const member = node.registry.members().find(({ name }) => name === 'two');
    assert.equal(member?.liveness.state, 'revoked');
  }
  const again = await sky.open('later', { identity: two.identity });
  await refused(again, invite(one), 'revoked', one);
});

test('a member cannot revoke', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  await assert.rejects(two.registry.revoke('one'), isCode('not-admin'));
});

test('a stack that leaves has a mesh of its own again, with its records, and may come back', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  write(one, 'note', 'of one');
  write(two, 'note', 'of two');
  await converge([one, two], ['note=of one@one', 'note=of two@two']);
  await two.registry.leave();
  assert.equal(two.registry.mesh().foundedHere, true);
  await converge([one], ['note=of one@one']);
  await converge([two], ['note=of two@two']);
  assert.equal(one.registry.members().find(({ name }) => name === 'two')?.liveness.state, 'left');
  await join(two, one);
  await converge([one, two], ['note=of one@one', 'note=of two@two']);
});

test('a use and its certificate are one: where one cannot be stored, neither is', async () => {
  await using sky = new Constellation();
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  const token = invite(one);
  one.database
    .prepare("CREATE TRIGGER fail BEFORE INSERT ON registry_invite_use BEGIN SELECT raise(ABORT, 'disk'); END")
    .run();
  await assert.rejects(two.registry.join(token, soon()));
  assert.equal(one.registry.members().length, 1);
  one.database.prepare('DROP TRIGGER fail').run();
  await two.registry.join(token, soon());
  assert.equal(one.registry.members().length, 2);
});

test('who follows the members is told when one joins, goes and is revoked', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  const end = new AbortController();
  const seen: string[] = [];
  const news = one.registry.followMembers(end);
  const done = (async () => {
    for await (const members of news) {
      const two = members.find(({ name }) => name === 'two');
      if (two && seen.at(-1) !== two.liveness.state) seen.push(two.liveness.state);
    }
  })();
  const two = await sky.open('two');
  await join(two, one);
  await eventually('up', () => seen.at(-1) === 'up');
  await two[Symbol.asyncDispose]();
  await eventually('down', () => seen.at(-1) === 'down');
  await one.registry.revoke('two');
  await eventually('revoked', () => seen.at(-1) === 'revoked');
  end.abort();
  await done;
});

test('a stack that was ended while it left founds a mesh of its own when it starts again', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-leave-'));
  try {
    await using sky = new Constellation();
    const one = await sky.open('one');
    const file = path.join(folder, 'two.db');
    const two = await sky.open('two', { file });
    await join(two, one);
    write(two, 'note', 'mine');
    new Membership(new RosterStore(two.database), two.identity, Date.now).leave();
    await two[Symbol.asyncDispose]();
    const again = await sky.open('two', { file });
    assert.equal(again.registry.mesh().foundedHere, true);
    assert.deepEqual(
      again.registry.members().map(({ name }) => name),
      ['two'],
    );
    await converge([again], ['note=mine@two']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
