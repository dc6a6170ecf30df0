// Who belongs to a mesh: what a set of signed statements comes to, a set that only grows; deny wins.
import { find, put, rootOf, type Trie } from '#registry/feeds';
import type { MemberRole } from '../kind.ts';
import type { StackId } from '../network.ts';
import { toHex } from '../wire.ts';
import { inOrder, type Rights, readRights } from './rights.ts';
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
  /** One hash over the set of statements: the root of their trie, in hex. */
  readonly digest: string;
  /** The ids of the statements. */
  readonly trie: Trie;
  /** Who may state what; told only of statements that are in the set. */
  readonly rights: Rights;
  mayIssue(stack: StackId, role: MemberRole, now: number): boolean;
  isFounder(stack: StackId): boolean;
}

/** Pure: the same set of statements gives the same roster, in whatever order it came. */
export function readRoster(mesh: string, statements: readonly Statement[]): Roster {
  const own = statements.filter((statement) => concerns(statement, mesh));
  const rights = readRights(own);
  return makeRoster(mesh, rights, grantAll(rights, new Map(), own), putAll(undefined, own));
}

/**
 * The roster with more statements, which are rightful beside those that it was read from (`all` with the new ones). A plain
 * certificate changes nobody's rights, so only its stack is read anew: 10,000 of them cost what reading all costs once.
 */
export function extendRoster(roster: Roster, fresh: readonly Statement[], all: readonly Statement[]): Roster {
  if (!fresh.every(isPlain)) return readRoster(roster.mesh, all);
  const { mesh, rights, memberships, trie } = roster;
  for (const statement of fresh) rights.add(statement);
  return makeRoster(mesh, rights, grantAll(rights, new Map(memberships), fresh), putAll(trie, fresh));
}

/** Those of the new statements that have effect beside the known ones; the others would only fill the set. */
export function rightful(mesh: string, known: readonly Statement[], fresh: readonly Statement[]): readonly Statement[] {
  return rightfulIn(readRoster(mesh, known), known, fresh);
}

/** The same, where the roster of the known ones is at hand. */
export function rightfulIn(
  roster: Roster,
  known: readonly Statement[],
  fresh: readonly Statement[],
): readonly Statement[] {
  const { mesh } = roster;
  const unknown = fresh.filter((each) => concerns(each, mesh) && !has(roster, each.id));
  if (unknown.length === 0) return [];
  const ids = new Set<string>();
  const isPlainAll = unknown.every(isPlain);
  const rights = isPlainAll ? roster.rights : readRights(known.filter((each) => concerns(each, mesh)));
  const kept: Statement[] = [];
  const ordered = inOrder(unknown);
  // Who gave up being an admin may be certified by other admins, and certificates come before leaves: they are looked at again.
  for (let round = 0; round < (isPlainAll ? 1 : 2); round += 1) {
    for (const statement of ordered) {
      if (ids.has(statement.id) || !rights.allow(statement) || !rights.isNews(statement)) continue;
      ids.add(statement.id);
      if (!isPlainAll) rights.add(statement);
      kept.push(statement);
    }
  }
  return kept;
}

/** Whether a statement is in the set. */
export function has({ trie }: Roster, id: string): boolean {
  return find(trie, keyOf(id)) !== undefined;
}

/** A certificate that makes no admin. */
function isPlain({ payload }: Statement): boolean {
  return payload.type === 'certificate' && payload.role !== 'admin';
}

function grantAll(
  rights: Rights,
  memberships: Map<StackId, Membership>,
  statements: readonly Statement[],
): ReadonlyMap<StackId, Membership> {
  for (const statement of statements) {
    const granted = grant(rights, statement);
    if (!granted) continue;
    const known = memberships.get(granted.stack);
    memberships.set(granted.stack, known ? better(known, granted) : granted);
  }
  return memberships;
}

function grant(rights: Rights, statement: Statement): Membership | undefined {
  const { payload, signer, id } = statement;
  if (payload.type !== 'certificate' || !rights.allow(statement)) return undefined;
  const survivors = rights.revoked.get(signer);
  const isDenied = survivors !== undefined && !survivors.has(id) && signer !== payload.stack;
  if (isDenied) return undefined;
  // The root makes admins; who was one by it alone is a plain member once it is out of it.
  const isOver = payload.role === 'admin' && signer === payload.stack && !rights.isAppointed(signer);
  const role: MemberRole = rights.isFounder(payload.stack) ? 'admin' : isOver ? 'member' : payload.role;
  const state = rights.revoked.has(payload.stack) ? 'revoked' : rights.left.has(id) ? 'left' : 'valid';
  const { stack, name, zone = '', x25519, notAfter } = payload;
  return { stack, name, zone, role, x25519, notAfter, state, certificate: id };
}

/** Of two certificates of one stack that which lasts longer, but a valid one before one that was given up. */
function better(one: Membership, other: Membership): Membership {
  if ((one.state === 'valid') !== (other.state === 'valid')) return one.state === 'valid' ? one : other;
  if (one.notAfter !== other.notAfter) return one.notAfter > other.notAfter ? one : other;
  return one.certificate > other.certificate ? one : other;
}

function makeRoster(mesh: string, rights: Rights, memberships: ReadonlyMap<StackId, Membership>, trie: Trie): Roster {
  return {
    mesh,
    memberships,
    roots: rights.roots.chain(),
    forks: rights.roots.forks(),
    proposals: rights.roots.proposals(),
    pardons: rights.pardons,
    digest: toHex(rootOf(trie)),
    trie,
    rights,
    isFounder: (stack) => rights.isFounder(stack),
    mayIssue: (issuer, role, now) => {
      const membership = memberships.get(issuer);
      if (membership?.state !== 'valid' || membership.notAfter <= now) return false;
      return rights.isFounder(issuer) || (membership.role === 'admin' && role !== 'admin');
    },
  };
}

function putAll(trie: Trie, statements: readonly Statement[]): Trie {
  let next = trie;
  for (const { id } of statements) next = put(next, keyOf(id), present);
  return next;
}

/** A set: each key has the same value. */
const present = new Uint8Array(32);

function keyOf(id: string): Uint8Array {
  return new Uint8Array(Buffer.from(id, 'hex'));
}
