// Who belongs to a mesh: signed statements (root, certificates, revocations, leaves), a set that only grows; deny wins.
import { z } from 'zod';
import { isStackId, verifyBy } from '../identity.ts';
import type { MemberRole } from '../kind.ts';
import type { StackId } from '../network.ts';
import { bytesSchema, fromBytes, sha256, toBytes, toHex } from '../wire.ts';

/** A certificate is valid this long: a stack that was away longer is admitted anew. */
export const certificateMs = 90 * 24 * 60 * 60 * 1000;
/** The largest statement: a root with 64 admins, or a revocation with its survivors. */
export const maxStatementBytes = 8 * 1024;

const stack = z.string().refine(isStackId);
const time = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const mesh = z.string().regex(/^[0-9a-f]{64}$/);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
/** A stack's name is a DNS label, so that `name@stack` and host names stay unambiguous. */
export const stackNameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'a stack name: 1 to 63 of a-z, 0-9 and "-", not at its ends');

const payloadSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('root'),
    version: z.literal(1),
    admins: z.array(stack).min(1).max(64),
    threshold: z.literal(1),
    nonce: bytesSchema(16),
    createdAt: time,
  }),
  z.strictObject({
    type: z.literal('certificate'),
    mesh,
    stack,
    name: stackNameSchema,
    /** The zone it belongs to; left out in the one without a name. */
    zone: stackNameSchema.optional(),
    role: z.enum(['member', 'admin', 'viewer']),
    x25519: bytesSchema(32),
    notBefore: time,
    notAfter: time,
  }),
  z.strictObject({
    type: z.literal('revocation'),
    mesh,
    stack,
    at: time,
    /** Certificates issued by the revoked stack that stay valid. */
    survivors: z.array(digest).max(100),
  }),
  z.strictObject({ type: z.literal('leave'), mesh, certificates: z.array(digest).max(16), at: time }),
]);
const statementSchema = z.tuple([bytesSchema({ maxBytes: maxStatementBytes }), stack, bytesSchema(64)]);

/** What a statement says; who says it is its signer. */
export type Payload = z.infer<typeof payloadSchema>;

/** A statement whose signature was checked; whether its signer had the right is for `readRoster`. */
export interface Statement {
  readonly payload: Payload;
  readonly signer: StackId;
  /** SHA-256 over the payload's bytes and the signer, in hex: its identity in the set. */
  readonly id: string;
  readonly wire: Uint8Array;
}

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
  /** One hash over the set of statements. */
  readonly digest: string;
  mayIssue(stack: StackId, role: MemberRole, now: number): boolean;
  isFounder(stack: StackId): boolean;
}

/** Signs a statement. */
export function makeStatement(
  payload: Payload,
  signer: { readonly stack: StackId; sign(message: Uint8Array): Uint8Array },
): Statement {
  const body = toBytes(payload);
  const wire = toBytes([body, signer.stack, signer.sign(signedMessage(body))]);
  return { payload, signer: signer.stack, id: idOf(body, signer.stack), wire };
}

/** Reads a statement and checks its signature; undefined where either is wrong. */
export function verifyStatement(wire: Uint8Array): Statement | undefined {
  const parts = fromBytes(statementSchema, wire, maxStatementBytes);
  if (!parts) return undefined;
  const [body, signer, signature] = parts;
  const payload = fromBytes(payloadSchema, body, maxStatementBytes);
  if (!payload || !verifyBy(signer, signedMessage(body), signature)) return undefined;
  return { payload, signer, id: idOf(body, signer), wire };
}

/** The id of the mesh that a root of version 1 founds: the hash of what it says. */
export function meshOf(root: Payload): string {
  return toHex(sha256(toBytes(root)));
}

/** Whether a statement belongs to the mesh at all; its right is judged with the whole set. */
export function concerns(statement: Statement, mesh: string): boolean {
  const { payload } = statement;
  return payload.type === 'root' ? meshOf(payload) === mesh : payload.mesh === mesh;
}

/** Pure: the same set of statements gives the same roster, in whatever order it came. */
export function readRoster(mesh: string, statements: readonly Statement[]): Roster {
  const own = statements.filter((statement) => concerns(statement, mesh)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const rights = readRights(own);
  const { founders } = rights;
  const granted = own.flatMap((statement) => {
    const { payload, signer, id } = statement;
    if (payload.type !== 'certificate' || !rights.allow(statement)) return [];
    const survivors = rights.revoked.get(signer);
    const isDenied = survivors !== undefined && !survivors.has(id) && signer !== payload.stack;
    return isDenied ? [] : [{ payload, id }];
  });
  const memberships = new Map<StackId, Membership>();
  for (const { payload, id } of granted.sort(
    (a, b) => a.payload.notAfter - b.payload.notAfter || (a.id < b.id ? -1 : 1),
  )) {
    const state = rights.revoked.has(payload.stack) ? 'revoked' : rights.left.has(id) ? 'left' : 'valid';
    const { stack: member, name, zone = '', role, x25519, notAfter } = payload;
    const known = memberships.get(member);
    if (known?.state === 'valid' && state !== 'valid') continue;
    memberships.set(member, { stack: member, name, zone, role, x25519, notAfter, state, certificate: id });
  }
  return {
    mesh,
    memberships,
    digest: toHex(sha256(toBytes(own.map((statement) => statement.id)))),
    isFounder: (stack) => founders.has(stack),
    mayIssue: (issuer, role, now) => {
      const membership = memberships.get(issuer);
      if (membership?.state !== 'valid' || membership.notAfter <= now) return false;
      return founders.has(issuer) || (membership.role === 'admin' && role !== 'admin');
    },
  };
}

/** Those of the new statements that have effect beside the known ones; the others would only fill the set. */
export function rightful(mesh: string, known: readonly Statement[], fresh: readonly Statement[]): readonly Statement[] {
  const ids = new Set(known.map((statement) => statement.id));
  const rights = readRights(known.filter((each) => concerns(each, mesh)));
  // An admin's own certificate comes before those that it issued.
  const order = ({ payload }: Statement): number =>
    typeOrder.indexOf(payload.type) + (payload.type === 'certificate' && payload.role !== 'admin' ? 0.5 : 0);
  const kept: Statement[] = [];
  for (const statement of fresh.filter((each) => concerns(each, mesh)).sort((a, b) => order(a) - order(b))) {
    if (ids.has(statement.id) || !rights.allow(statement) || !rights.isNews(statement)) continue;
    ids.add(statement.id);
    rights.add(statement);
    kept.push(statement);
  }
  return kept;
}

const typeOrder: readonly Payload['type'][] = ['root', 'certificate', 'revocation', 'leave'];
/** A certificate may begin this much before it is issued; one that lasts longer than both would outdo every later one. */
const maxLifetimeMs = certificateMs + 24 * 60 * 60 * 1000;

/** Who may state what, read without regard to revocations, so that deny wins over every order of two of them. */
class Rights {
  readonly #founders = new Set<StackId>();
  /** Stacks that a founder made admins, by certificate: none of the others may certify them as something else. */
  readonly #appointed = new Map<StackId, Set<string>>();
  readonly #owners = new Map<string, StackId>();
  readonly #left = new Set<string>();
  readonly #spared = new Map<StackId, ReadonlySet<string>>();
  /** Who revoked whom. */
  readonly #revokers = new Map<StackId, Set<StackId>>();
  readonly #certified = new Set<StackId>();

  get founders(): ReadonlySet<StackId> {
    return this.#founders;
  }

  /** Certificates that their owners gave up. */
  get left(): ReadonlySet<string> {
    return this.#left;
  }

  /** Revoked stacks, and which certificates of theirs survive. */
  get revoked(): ReadonlyMap<StackId, ReadonlySet<string>> {
    return this.#spared;
  }

  /** Counts a statement in; those of one type after those of the types before it. */
  add(statement: Statement): void {
    const { payload, signer, id } = statement;
    if (payload.type === 'root') for (const admin of payload.admins) this.#founders.add(admin);
    if (payload.type === 'certificate') {
      this.#owners.set(id, payload.stack);
      this.#certified.add(payload.stack);
      if (payload.role !== 'admin' || !this.allow(statement)) return;
      this.#appointed.set(payload.stack, (this.#appointed.get(payload.stack) ?? new Set()).add(id));
    }
    if (payload.type === 'revocation' && this.allow(statement)) {
      const survivors = this.#spared.get(payload.stack);
      // Of two revocations of one stack only what both spare survives.
      this.#spared.set(payload.stack, new Set(payload.survivors.filter((each) => !survivors || survivors.has(each))));
      this.#revokers.set(payload.stack, (this.#revokers.get(payload.stack) ?? new Set()).add(signer));
    }
    if (payload.type === 'leave') {
      for (const each of payload.certificates) if (this.#owners.get(each) === signer) this.#left.add(each);
    }
  }

  /** A founder states everything; a stack that it made an admin what concerns no founder and makes no admin. */
  allow({ payload, signer }: Statement): boolean {
    if (payload.type === 'root') return payload.admins.includes(signer);
    if (payload.type === 'leave') return payload.certificates.some((each) => this.#owners.get(each) === signer);
    if (payload.type === 'certificate' && payload.notAfter - payload.notBefore > maxLifetimeMs) return false;
    if (this.#founders.has(signer)) return true;
    if (!this.#appointed.has(signer) || this.#founders.has(payload.stack)) return false;
    return payload.type === 'revocation' || (payload.role !== 'admin' && !this.isAppointed(payload.stack));
  }

  /**
   * Whether it adds to the set: a leave of what was given up, a second revocation by the same stack that denies nothing
   * more, and one of a stack that never belonged don't. So the set is bounded by the certificates that admins issue.
   */
  isNews({ payload, signer }: Statement): boolean {
    if (payload.type === 'leave') {
      return payload.certificates.some((each) => this.#owners.get(each) === signer && !this.#left.has(each));
    }
    if (payload.type !== 'revocation') return true;
    if (!this.#certified.has(payload.stack)) return false;
    const survivors = new Set(payload.survivors);
    const deniesMore = [...(this.#spared.get(payload.stack) ?? [])].some((each) => !survivors.has(each));
    return deniesMore || !this.#revokers.get(payload.stack)?.has(signer);
  }

  /** Whether a founder's certificate makes it an admin, and it didn't give that up. */
  isAppointed(stack: StackId): boolean {
    return [...(this.#appointed.get(stack) ?? [])].some((each) => !this.#left.has(each));
  }
}

function readRights(own: readonly Statement[]): Rights {
  const rights = new Rights();
  for (const type of typeOrder) for (const each of own) if (each.payload.type === type) rights.add(each);
  return rights;
}

/** Keeps a signature for a statement from being one for anything else. */
const statementDomain = Buffer.from('hermesh/statement/1\0');

function signedMessage(body: Uint8Array): Uint8Array {
  return Buffer.concat([statementDomain, body]);
}

function idOf(body: Uint8Array, signer: StackId): string {
  return toHex(sha256(body, Buffer.from(signer)));
}
