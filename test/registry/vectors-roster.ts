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
  const revocation = (who: Who, by: Who, survivors: string[] = [], at = 3_000) =>
    makeStatement({ type: 'revocation', mesh, stack: who.stack, at, survivors }, by);
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
  const rules = [
    ...ofAdmins({ mesh, first, start, next, certificate }),
    ...ofRevocations({ start, certificate, revocation, pardon }),
    ...ofCertificates({ mesh, start, certificate }),
    ...ofRoots({ start, two, second, next }),
  ];
  return [...sets, ...rules].map(([what, all]) => shown(what, mesh, all));
}

type Sets = readonly (readonly [string, readonly Statement[]])[];
interface Making {
  readonly mesh: string;
  readonly first: Root;
  readonly second: Root;
  readonly start: readonly Statement[];
  readonly two: Statement;
  readonly next: (before: Root, admins: readonly Who[], threshold: number, createdAt: number, fill?: number) => Root;
  readonly certificate: (who: Who, more?: Partial<Extract<Payload, { type: 'certificate' }>>) => Payload;
  readonly revocation: (who: Who, by: Who, survivors?: string[], at?: number) => Statement;
  readonly pardon: (who: Who, counter: number, by: Who) => Statement;
}

/** Who may certify whom. */
function ofAdmins({
  mesh,
  first,
  start,
  next,
  certificate,
}: Pick<Making, 'mesh' | 'first' | 'start' | 'next' | 'certificate'>): Sets {
  const c2 = makeStatement(certificate(c, { role: 'admin', name: 'c' }), a);
  const demoted = makeStatement(certificate(c, { name: 'demoted', notAfter: 2_001 + 90 * day }), b);
  const gaveUp = makeStatement({ type: 'leave', mesh, certificates: [c2.id], at: 5_000 }, c);
  const own = makeStatement(certificate(a, { role: 'admin', name: 'a' }), a);
  return [
    ['an appointed admin certifies no other appointed admin, not as a member either', [...start, c2, demoted]],
    [
      'who gave up being an admin is certified by another one, in whatever order that came',
      [...start, c2, demoted, gaveUp],
    ],
    [
      'an appointed admin that a founder revoked: what it certified goes',
      [
        ...start,
        c2,
        makeStatement(certificate(member), c),
        makeStatement({ type: 'revocation', mesh, stack: c.stack, at: 3_000, survivors: [] }, a),
      ],
    ],
    ['a founder that certified itself as an admin is one', [...start, own]],
    [
      'who certified itself as an admin and is out of the root is a member',
      [...start, own, makeStatement(next(first, [b], 1, 10_000), a)],
    ],
    [
      'a founder that another one certified as an admin stays one out of the root',
      [
        ...start,
        makeStatement(next(first, [a, b], 1, 10_000), a),
        makeStatement(certificate(a, { role: 'admin', name: 'a', notBefore: 11_000 }), b),
        makeStatement(next(next(first, [a, b], 1, 10_000), [b], 1, 20_000), b),
      ],
    ],
  ];
}

/** What survives several revocations, and which of them are kept. */
function ofRevocations({
  start,
  certificate,
  revocation,
  pardon,
}: Pick<Making, 'start' | 'certificate' | 'revocation' | 'pardon'>): Sets {
  const [x, y] = [
    makeStatement(certificate(member, { name: 'x' }), b),
    makeStatement(certificate(d, { name: 'y' }), b),
  ];
  const granted = [...start, x, y, makeStatement(certificate(c, { role: 'admin', name: 'c' }), a)];
  /** The first of those dated from 3,000 on whose id is lower, or higher, than that one's. */
  const dated = (by: Who, survivors: string[], than: Statement, isLower: boolean): Statement => {
    for (let at = 3_000; ; at += 1) {
      const made = revocation(b, by, survivors, at);
      if (made.id !== than.id && made.id < than.id === isLower) return made;
    }
  };
  const both = revocation(b, a, [x.id, y.id]);
  const oneByC = dated(c, [x.id], both, false);
  return [
    [
      'a second revocation by the same signer that spares fewer is kept, and counts',
      [...granted, both, dated(a, [x.id], both, false)],
    ],
    [
      'a second revocation by the same signer that spares more is not kept',
      [...granted, both, dated(a, [x.id], both, true)],
    ],
    [
      'a second revocation by another signer is kept though it spares more',
      [...granted, both, dated(c, [x.id, y.id], both, false)],
    ],
    [
      'a second revocation by the same signer that spares what is spared after a third one is not kept',
      [...granted, both, oneByC, dated(a, [x.id], oneByC, false)],
    ],
    [
      'a pardon by a stack that is revoked is kept, and does not count',
      [...start, x, pardon(member, 5, b), pardon(member, 3, a), revocation(b, a, [x.id])],
    ],
  ];
}

/** Which certificate of several a stack is known by. */
function ofCertificates({ mesh, start, certificate }: Pick<Making, 'mesh' | 'start' | 'certificate'>): Sets {
  const of = (name: string, days: number): Statement =>
    makeStatement(certificate(member, { name, notAfter: 2_000 + days * day }), a);
  const [short, long, one, other] = [of('short', 60), of('long', 90), of('one', 80), of('other', 80)];
  const leave = (...all: readonly Statement[]): Statement =>
    makeStatement({ type: 'leave', mesh, certificates: all.map(({ id }) => id), at: 4_000 }, member);
  return [
    ['of two certificates that end alike, that with the higher id', [...start, one, other]],
    ['a certificate that was not given up goes before a longer one that was', [...start, short, long, leave(long)]],
    [
      'of two that were given up, the one that ends later is shown, as left',
      [...start, short, long, leave(short, long)],
    ],
    [
      'a second leave that gives up nothing more is not kept',
      [
        ...start,
        short,
        leave(short),
        makeStatement({ type: 'leave', mesh, certificates: [short.id], at: 4_001 }, member),
      ],
    ],
  ];
}

/** What follows a root, stands or waits. */
function ofRoots({ start, two, second, next }: Pick<Making, 'start' | 'two' | 'second' | 'next'>): Sets {
  const proposals = Array.from({ length: 17 }, (_, at) => next(second, [a, b], 1, 20_000, at + 1));
  const [third, rival] = [next(second, [b, c], 1, 20_000), next(second, [b, d], 1, 20_000, 1)];
  const signed = (root: Root, ...by: readonly Who[]): Statement[] => by.map((who) => makeStatement(root, who));
  const [chosen, beside] = rootHash(third) < rootHash(rival) ? [third, rival] : [rival, third];
  return [
    [
      'of one signer the 16 roots after one that have the lowest ids',
      [...start, two, ...proposals.flatMap((root) => signed(root, a))],
    ],
    [
      'a signature under the proposal of another counts among the 16',
      [...start, two, ...proposals.flatMap((root) => signed(root, a)), ...signed(proposals[16] as Root, b)],
    ],
    [
      'what waits beside the root that was chosen is no proposal any more',
      [...start, two, ...signed(third, a, b), ...signed(rival, a)],
    ],
    [
      'a root that follows one beside the chain is no fork itself',
      [
        ...start,
        two,
        ...signed(third, a, b),
        ...signed(rival, a, b),
        ...signed(next(chosen, [b], 1, 30_000), b),
        ...signed(next(beside, [b], 1, 30_000), b),
      ],
    ],
  ];
}

function byHash(one: { readonly hash: string }, other: { readonly hash: string }): number {
  return one.hash < other.hash ? -1 : 1;
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
    proposals: hashes(roster.proposals).sort(byHash),
    forks: hashes(roster.forks).sort(byHash),
    pardons: Object.fromEntries(roster.pardons),
    digest: roster.digest,
  };
}
