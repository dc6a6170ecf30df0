// Vectors of the roster: which of some statements are kept, and what they come to.
import { readRoster, rightful } from '../../registry/roster/roster.ts';
import { makeStatement, type Payload, type Root, rootHash, type Statement } from '../../registry/roster/statement.ts';
import { toBytes, toHex } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';

type Who = ReturnType<typeof identityOf>;
const [a, b, c, d, member] = ['a', 'b', 'c', 'd', 'member'].map(identityOf) as [Who, Who, Who, Who, Who];
const day = 24 * 60 * 60 * 1000;
const nonceOf = (fill: number) => new Uint8Array(16).fill(fill);

/** Sets of statements, each with what is kept of it and what it comes to. */
export function rosters(): readonly unknown[] {
  const first: Root = {
    type: 'root',
    version: 1,
    admins: [a.stack],
    threshold: 1,
    nonce: nonceOf(0),
    createdAt: 1_000,
  };
  const mesh = rootHash(first);
  const next = (before: Root, admins: readonly Who[], threshold: number, createdAt: number, fill = 0): Root => ({
    type: 'root',
    version: before.version + 1,
    mesh,
    previous: rootHash(before),
    admins: admins.map(({ stack }) => stack).sort(),
    threshold,
    nonce: nonceOf(fill),
    createdAt,
  });
  const certificate = (who: Who, more: Partial<Extract<Payload, { type: 'certificate' }>> = {}): Payload => ({
    type: 'certificate',
    mesh,
    stack: who.stack,
    name: 'some-name',
    role: 'member',
    x25519: who.box.publicKey,
    notBefore: 2_000,
    notAfter: 2_000 + 90 * day,
    ...more,
  });
  const second = next(first, [a, b], 2, 10_000);
  const third = next(second, [b, c], 1, 20_000);
  const rival = next(second, [b, d], 1, 20_000, 1);
  const start = [makeStatement(first, a), makeStatement(certificate(b, { role: 'admin', name: 'b' }), a)];
  const two = makeStatement(second, a);
  const admitted = makeStatement(certificate(member, { name: 'member' }), b);
  const revocation = (who: Who, by: Who, survivors: string[] = []) =>
    makeStatement({ type: 'revocation', mesh, stack: who.stack, at: 3_000, survivors }, by);
  const pardon = (who: Who, counter: number, by: Who) =>
    makeStatement({ type: 'pardon', mesh, stack: who.stack, counter, at: 4_000 }, by);
  const sets: readonly (readonly [string, readonly Statement[]])[] = [
    ['a founder, an admin that it made, and a member that the admin certified', [...start, admitted]],
    [
      'a later certificate counts, and has a zone',
      [
        ...start,
        admitted,
        makeStatement(certificate(member, { name: 'renamed', zone: 'north', notAfter: 2_001 + 90 * day }), a),
      ],
    ],
    [
      'a certificate of 91 days counts, one of a millisecond more is not kept',
      [
        ...start,
        makeStatement(certificate(member, { name: 'just', notAfter: 2_000 + 91 * day }), a),
        makeStatement(certificate(c, { name: 'too-long', notAfter: 2_001 + 91 * day }), a),
      ],
    ],
    [
      'an admin makes no admin, certifies no founder, and revokes none',
      [
        ...start,
        makeStatement(certificate(c, { role: 'admin' }), b),
        makeStatement(certificate(a), b),
        revocation(a, b),
      ],
    ],
    ['nobody else states anything', [...start, makeStatement(certificate(c), d), revocation(member, d)]],
    [
      'a revoked admin: what it certified goes, but for the survivors',
      [...start, admitted, makeStatement(certificate(c, { name: 'c' }), b), revocation(b, a, [admitted.id])],
    ],
    [
      'of two revocations only what both spare survives',
      [
        ...start,
        admitted,
        makeStatement(certificate(c, { role: 'admin', name: 'c' }), a),
        revocation(b, a, [admitted.id]),
        revocation(b, c),
      ],
    ],
    [
      'who was revoked is so whatever is certified later',
      [
        ...start,
        admitted,
        revocation(member, b),
        makeStatement(certificate(member, { notAfter: 9_000 + 90 * day }), a),
      ],
    ],
    [
      'a leave counts when the owner of the certificate signed it',
      [
        ...start,
        admitted,
        makeStatement({ type: 'leave', mesh, certificates: [admitted.id], at: 1 }, member),
        makeStatement({ type: 'leave', mesh, certificates: [admitted.id], at: 1 }, b),
      ],
    ],
    [
      'pardons: the highest counter counts; an admin pardons neither itself nor a founder',
      [
        ...start,
        admitted,
        pardon(member, 3, b),
        pardon(member, 5, a),
        pardon(b, 1, b),
        pardon(a, 1, b),
        pardon(b, 2, a),
      ],
    ],
    ['a second root stands by the threshold of the first; it needs no more', [...start, two]],
    ['a third root needs both of the second: one signature is a proposal', [...start, two, makeStatement(third, a)]],
    [
      'a third root that both signed; the founder that is out of it keeps what it stated, and states nothing more',
      [
        ...start,
        two,
        makeStatement(third, a),
        makeStatement(third, b),
        makeStatement(certificate(c, { name: 'before', notBefore: 19_999 }), a),
        makeStatement(certificate(d, { name: 'after', notBefore: 20_000 }), a),
      ],
    ],
    [
      'two third roots that both signed: the one with the lower hash',
      [...start, two, ...[third, rival].flatMap((root) => [makeStatement(root, a), makeStatement(root, b)])],
    ],
    [
      'two third roots, of which one has a successor: that one',
      [
        ...start,
        two,
        ...[third, rival].flatMap((root) => [makeStatement(root, a), makeStatement(root, b)]),
        makeStatement(next(rootHash(third) < rootHash(rival) ? rival : third, [b], 1, 30_000), b),
      ],
    ],
    ['a root that follows nothing known is not kept', [...start, makeStatement(third, b)]],
    ['a root that is older than the one before is not kept', [...start, makeStatement(next(first, [a], 1, 999), a)]],
    ['a root that an admin signed who is not in the one before is not kept', [...start, makeStatement(second, b)]],
  ];
  return sets.map(([what, all]) => shown(what, mesh, all));
}

function shown(what: string, mesh: string, all: readonly Statement[]) {
  const kept = rightful(mesh, [], all);
  const roster = readRoster(mesh, kept);
  const hashes = (those: typeof roster.roots) => those.map(({ hash, signers }) => ({ hash, signers }));
  return {
    what,
    mesh,
    statements: all.map(({ payload, id, signer, wire }) => ({
      type: payload.type,
      body: toHex(toBytes(payload)),
      signer,
      id,
      wire: toHex(wire),
      kept: kept.some((each) => each.id === id),
    })),
    memberships: [...roster.memberships.values()]
      .map(({ stack, name, zone, role, state, notAfter, certificate }) => ({
        stack,
        name,
        zone,
        role,
        state,
        notAfter,
        certificate,
      }))
      .sort((one, other) => (one.stack < other.stack ? -1 : 1)),
    chain: hashes(roster.roots),
    proposals: hashes(roster.proposals),
    forks: hashes(roster.forks),
    pardons: Object.fromEntries(roster.pardons),
    digest: roster.digest,
  };
}
