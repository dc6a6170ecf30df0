// Who belongs to a mesh: what a set of signed statements comes to, a set that only grows; deny wins.
import type { MemberRole } from '../kind.ts';
import type { StackId } from '../network.ts';
import { sha256, toBytes, toHex } from '../wire.ts';
import { inOrder, readRights } from './rights.ts';
import type { SignedRoot } from './roots.ts';
import { concerns, type Statement } from './statement.ts';

/** One stack as the roster knows it. */
export interface Membership {
  readonly stack: StackId;
  readonly name: string;
  /** The zone it belongs to: a DNS label, or "" for the one without a name. */
  readonly zone: string;
  readonly role: MemberRole;
  readonly x25519: Uint8Array;
  readonly notAfter: number;
  /** Whether its certificate stands; its date is a separate question. */
  readonly state: 'valid' | 'left' | 'revoked';
  readonly certificate: string;
}

/** The roster of one mesh, read from its statements. */
export interface Roster {
  readonly mesh: string;
  readonly memberships: ReadonlyMap<StackId, Membership>;
  /** The roots that stand, the oldest first; the last one names the founders. */
  readonly roots: readonly SignedRoot[];
  /** Roots that enough admins signed beside one that stands. */
  readonly forks: readonly SignedRoot[];
  /** Roots that wait for more signatures. */
  readonly proposals: readonly SignedRoot[];
  /** Stacks whose quarantine an admin lifted, and up to which counter of their epochs. */
  readonly pardons: ReadonlyMap<StackId, number>;
  /** One hash over the set of statements. */
  readonly digest: string;
  mayIssue(stack: StackId, role: MemberRole, now: number): boolean;
  isFounder(stack: StackId): boolean;
}

/** Pure: the same set of statements gives the same roster, in whatever order it came. */
export function readRoster(mesh: string, statements: readonly Statement[]): Roster {
  const own = statements.filter((statement) => concerns(statement, mesh)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const rights = readRights(own);
  const granted = own.flatMap((statement) => {
    const { payload, signer, id } = statement;
    if (payload.type !== 'certificate' || !rights.allow(statement)) return [];
    const survivors = rights.revoked.get(signer);
    const isDenied = survivors !== undefined && !survivors.has(id) && signer !== payload.stack;
    if (isDenied) return [];
    // The root makes admins; who was one by it alone is a plain member once it is out of it.
    const isOver = payload.role === 'admin' && signer === payload.stack && !rights.isAppointed(signer);
    const role: MemberRole = rights.isFounder(payload.stack) ? 'admin' : isOver ? 'member' : payload.role;
    return [{ payload, id, role }];
  });
  const memberships = new Map<StackId, Membership>();
  for (const { payload, id, role } of granted.sort(
    (a, b) => a.payload.notAfter - b.payload.notAfter || (a.id < b.id ? -1 : 1),
  )) {
    const state = rights.revoked.has(payload.stack) ? 'revoked' : rights.left.has(id) ? 'left' : 'valid';
    const { stack: member, name, zone = '', x25519, notAfter } = payload;
    const known = memberships.get(member);
    if (known?.state === 'valid' && state !== 'valid') continue;
    memberships.set(member, { stack: member, name, zone, role, x25519, notAfter, state, certificate: id });
  }
  return {
    mesh,
    memberships,
    roots: rights.roots.chain(),
    forks: rights.roots.forks(),
    proposals: rights.roots.proposals(),
    pardons: rights.pardons,
    digest: toHex(sha256(toBytes(own.map((statement) => statement.id)))),
    isFounder: (stack) => rights.isFounder(stack),
    mayIssue: (issuer, role, now) => {
      const membership = memberships.get(issuer);
      if (membership?.state !== 'valid' || membership.notAfter <= now) return false;
      return rights.isFounder(issuer) || (membership.role === 'admin' && role !== 'admin');
    },
  };
}

/** Those of the new statements that have effect beside the known ones; the others would only fill the set. */
export function rightful(mesh: string, known: readonly Statement[], fresh: readonly Statement[]): readonly Statement[] {
  const ids = new Set(known.map((statement) => statement.id));
  const rights = readRights(known.filter((each) => concerns(each, mesh)));
  const kept: Statement[] = [];
  for (const statement of inOrder(fresh.filter((each) => concerns(each, mesh)))) {
    if (ids.has(statement.id) || !rights.allow(statement) || !rights.isNews(statement)) continue;
    ids.add(statement.id);
    rights.add(statement);
    kept.push(statement);
  }
  return kept;
}
