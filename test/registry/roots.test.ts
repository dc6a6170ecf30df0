// The threshold root: who makes the next one, what a founder keeps that is out of it, forks, and pardons.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readRoster, rightful } from '../../registry/roster/roster.ts';
import {
  certificateMs,
  makeStatement,
  type Root,
  rootHash,
  type Statement,
  verifyStatement,
} from '../../registry/roster/statement.ts';
import { identityOf } from '../support/constellation.ts';

type Who = ReturnType<typeof identityOf>;
const [a, b, c, d, member] = ['a', 'b', 'c', 'd', 'member'].map(identityOf) as [Who, Who, Who, Who, Who];
const first: Root = {
  type: 'root',
  version: 1,
  admins: [a.stack],
  threshold: 1,
  nonce: new Uint8Array(16),
  createdAt: 1_000,
};
const mesh = rootHash(first);
const next = (before: Root, admins: readonly Who[], threshold: number, createdAt: number, nonce = 0): Root => ({
  type: 'root',
  version: before.version + 1,
  mesh,
  previous: rootHash(before),
  admins: admins.map(({ stack }) => stack).sort(),
  threshold,
  nonce: new Uint8Array(16).fill(nonce),
  createdAt,
});
const certify = (who: Who, role: 'member' | 'admin', by: Who, at = 1_000): Statement =>
  makeStatement(
    {
      type: 'certificate',
      mesh,
      stack: who.stack,
      name: `${role}-${at}`,
      role,
      x25519: new Uint8Array(32),
      notBefore: at,
      notAfter: at + certificateMs,
    },
    by,
  );
const sign = (root: Root, ...by: readonly Who[]): Statement[] => by.map((each) => makeStatement(root, each));
const base = [...sign(first, a), certify(a, 'admin', a), certify(b, 'admin', a), certify(c, 'admin', a)];
const second = next(first, [a, b, c], 2, 2_000);
const versions = (statements: readonly Statement[]): number[] =>
  readRoster(mesh, statements).roots.map(({ root }) => root.version);
const founders = (statements: readonly Statement[]): string[] =>
  [a, b, c, d].filter(({ stack }) => readRoster(mesh, statements).isFounder(stack)).map(({ stack }) => stack);

test('a root stands once as many admins of the one before signed it as that one asks for', () => {
  const rotated = [...base, ...sign(second, a)];
  assert.deepEqual(founders(rotated), [a.stack, b.stack, c.stack]);
  const third = next(second, [a, b, d], 2, 3_000);
  assert.deepEqual(versions([...rotated, ...sign(third, a)]), [1, 2]);
  assert.equal(readRoster(mesh, [...rotated, ...sign(third, a)]).proposals.length, 1);
  assert.deepEqual(
    versions([...rotated, ...sign(third, a, d)]),
    [1, 2],
    'one that is to become an admin signs nothing',
  );
  assert.deepEqual(versions([...rotated, ...sign(third, a, c)]), [1, 2, 3]);
});

test('signatures under two bodies are not added up, and one that signs twice counts once', () => {
  const rotated = [...base, ...sign(second, a)];
  const [one, other] = [next(second, [a, d], 1, 3_000, 1), next(second, [a, d], 1, 3_000, 2)];
  assert.deepEqual(versions([...rotated, ...sign(one, a), ...sign(other, b)]), [1, 2]);
  assert.equal(rightful(mesh, [...rotated, ...sign(one, a)], sign(one, a)).length, 0);
});

test('a root of another mesh, one that skips a version and one of nobody are refused', () => {
  const skips = { ...next(first, [a, b], 1, 2_000), version: 3 };
  const stranger = next(first, [d], 1, 2_000);
  const other = { ...second, mesh: 'f'.repeat(64) };
  assert.deepEqual(rightful(mesh, base, [...sign(skips, a), ...sign(stranger, d), ...sign(other, a)]), []);
  const doubled = { ...second, admins: [a.stack, a.stack] };
  assert.equal(verifyStatement(makeStatement(doubled, a).wire), undefined);
  assert.equal(verifyStatement(makeStatement({ ...second, threshold: 4 }, a).wire), undefined);
});

test('who is out of the root loses its right from then on, and what it certified before stays', () => {
  const rotated = [...base, ...sign(second, a)];
  const out = [...rotated, ...sign(next(second, [b, c], 1, 5_000), b, c)];
  const early = certify(member, 'member', a, 4_000);
  const late = certify(d, 'member', a, 6_000);
  const roster = readRoster(mesh, [...out, early, late]);
  assert.equal(roster.memberships.get(member.stack)?.state, 'valid');
  assert.equal(roster.memberships.get(d.stack), undefined);
  assert.equal(roster.mayIssue(a.stack, 'member', 5_000), false);
  assert.equal(roster.memberships.get(a.stack)?.role, 'member');
  assert.deepEqual(rightful(mesh, out, [late]), []);
  const revocation = makeStatement({ type: 'revocation', mesh, stack: a.stack, at: 7_000, survivors: [] }, b);
  assert.equal(readRoster(mesh, [...out, early, revocation]).memberships.get(member.stack), undefined);
});

test('a member that enters the root is an admin and a founder', () => {
  const statements = [...base, certify(d, 'member', a), ...sign(next(first, [a, d], 1, 2_000), a)];
  const roster = readRoster(mesh, statements);
  assert.equal(roster.memberships.get(d.stack)?.role, 'admin');
  assert.equal(roster.mayIssue(d.stack, 'admin', 2_000), true);
});

test('of two roots that follow the same one the mesh takes one everywhere, and the other is reported', () => {
  const [one, other] = [next(first, [a, b], 1, 2_000, 1), next(first, [a, c], 1, 2_000, 2)];
  const both = [...base, ...sign(one, a), ...sign(other, a)];
  const lower = [one, other].sort((x, y) => (rootHash(x) < rootHash(y) ? -1 : 1));
  const roster = readRoster(mesh, both);
  assert.equal(roster.roots[1]?.hash, rootHash(lower[0] as Root));
  assert.deepEqual(
    roster.forks.map(({ hash }) => hash),
    [rootHash(lower[1] as Root)],
  );
  // A mesh that went on with the other one isn't set back.
  const further = next(lower[1] as Root, [a], 1, 3_000);
  assert.deepEqual(readRoster(mesh, [...both, ...sign(further, a)]).roots[1]?.hash, rootHash(lower[1] as Root));
});

test('one admin cannot fill the set with roots that nobody else signs', () => {
  const rotated = [...base, ...sign(second, a)];
  const many = Array.from({ length: 200 }, (_, at) => sign(next(second, [a], 1, 3_000, at % 256), a)).flat();
  assert.ok(rightful(mesh, rotated, many).length <= 16);
});

test('a pardon is taken from an admin, counts its highest counter, and nobody but a founder pardons itself', () => {
  const pardon = (who: Who, counter: number, by: Who): Statement =>
    makeStatement({ type: 'pardon', mesh, stack: who.stack, counter, at: 2_000 }, by);
  const all = [...base, certify(member, 'member', b)];
  const given = rightful(mesh, all, [pardon(member, 3, b), pardon(member, 2, a), pardon(member, 9, member)]);
  assert.equal(given.length, 2);
  assert.equal(readRoster(mesh, [...all, ...given]).pardons.get(member.stack), 3);
  assert.deepEqual(rightful(mesh, all, [pardon(b, 1, b), pardon(identityOf('stranger'), 1, a)]), []);
  assert.equal(rightful(mesh, all, [pardon(a, 1, a)]).length, 1);
});

test('what a revoked stack pardoned does not count, whenever it was revoked', () => {
  const all = [...base, certify(member, 'member', b)];
  const pardon = makeStatement({ type: 'pardon', mesh, stack: member.stack, counter: 3, at: 2_000 }, b);
  const revocation = makeStatement({ type: 'revocation', mesh, stack: b.stack, at: 3_000, survivors: [] }, a);
  assert.equal(readRoster(mesh, [...all, pardon]).pardons.get(member.stack), 3);
  assert.equal(readRoster(mesh, [...all, pardon, revocation]).pardons.size, 0);
});

test('the order in which statements come never matters: each order, in any parts, gives the same roster', () => {
  const third = next(second, [b, c, d], 2, 4_000);
  const rival = next(second, [a, b], 1, 4_000, 7);
  const leaving = certify(identityOf('leaver'), 'member', b);
  const all = [
    ...base,
    ...sign(second, a),
    ...sign(third, a, b, c),
    ...sign(rival, b, c),
    certify(d, 'member', a),
    certify(d, 'member', b, 3_000),
    certify(member, 'member', b),
    leaving,
    certify(b, 'member', a, 9_000),
    makeStatement({ type: 'revocation', mesh, stack: member.stack, at: 3_000, survivors: [] }, a),
    makeStatement({ type: 'revocation', mesh, stack: c.stack, at: 3_000, survivors: [] }, a),
    makeStatement({ type: 'pardon', mesh, stack: d.stack, counter: 4, at: 3_000 }, a),
    makeStatement({ type: 'pardon', mesh, stack: d.stack, counter: 2, at: 3_000 }, b),
    makeStatement({ type: 'leave', mesh, certificates: [leaving.id], at: 5_000 }, identityOf('leaver')),
  ];
  const view = (statements: readonly Statement[]): string => {
    const { memberships, roots, forks, pardons } = readRoster(mesh, statements);
    return JSON.stringify([
      [...memberships.values()].map(({ stack, name, role, state }) => [stack, name, role, state]).sort(),
      roots.map(({ hash, signers }) => [hash, signers]),
      forks.map(({ hash }) => hash),
      [...pardons],
    ]);
  };
  const whole = view(all);
  assert.deepEqual(versions(all), [1, 2, 3]);
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), fc.integer({ min: 1, max: 6 }), (order, size) => {
      assert.equal(view(order), whole);
      // As they come in parts: what has no effect yet is offered again in a later round.
      let known: readonly Statement[] = [];
      for (let before = -1; before < known.length; ) {
        before = known.length;
        for (let at = 0; at < order.length; at += size) {
          known = [...known, ...rightful(mesh, known, order.slice(at, at + size))];
        }
      }
      assert.equal(view(known), whole);
    }),
    { numRuns: 150 },
  );
});
