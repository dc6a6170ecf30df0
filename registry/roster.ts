// Who belongs to a mesh: signed statements (root, certificates, revocations, leaves), a set that only grows; deny wins.
import { z } from 'zod';
import { isStackId, verifyBy } from './identity.ts';
import type { MemberRole } from './kind.ts';
import type { StackId } from './network.ts';
import { bytesSchema, fromBytes, sha256, toBytes, toHex } from './wire.ts';

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
type Certificate = Extract<Payload, { type: 'certificate' }>;

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
  const founders = new Set(own.flatMap(({ payload }) => (payload.type === 'root' ? payload.admins : [])));
  const denials = readDenials(own, founders);
  const certificates = own.flatMap((statement) =>
    statement.payload.type === 'certificate' ? [{ ...statement, payload: statement.payload }] : [],
  );
  const granted = certificates.filter((statement) => mayGrant(statement, certificates, founders, denials));
  const memberships = new Map<StackId, Membership>();
  for (const { payload, id } of granted.sort(
    (a, b) => a.payload.notAfter - b.payload.notAfter || (a.id < b.id ? -1 : 1),
  )) {
    const state = denials.revoked.has(payload.stack) ? 'revoked' : denials.left.has(id) ? 'left' : 'valid';
    const { stack: member, name, role, x25519, notAfter } = payload;
    const known = memberships.get(member);
    if (known?.state === 'valid' && state !== 'valid') continue;
    memberships.set(member, { stack: member, name, role, x25519, notAfter, state, certificate: id });
  }
  return {
    mesh,
    memberships,
    digest: toHex(sha256(toBytes(own.map((statement) => statement.id)))),
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
  const kept = [...known];
  const order = (statement: Statement): number => typeOrder.indexOf(statement.payload.type);
  for (const statement of fresh.filter((each) => concerns(each, mesh)).sort((a, b) => order(a) - order(b))) {
    if (ids.has(statement.id) || !hasRight(statement, kept)) continue;
    ids.add(statement.id);
    kept.push(statement);
  }
  return kept.slice(known.length);
}

const typeOrder: readonly Payload['type'][] = ['root', 'certificate', 'revocation', 'leave'];

function hasRight({ payload, signer }: Statement, all: readonly Statement[]): boolean {
  if (payload.type === 'root') return payload.admins.includes(signer);
  const founders = new Set(all.flatMap((each) => (each.payload.type === 'root' ? each.payload.admins : [])));
  if (payload.type === 'leave') {
    const own = all.filter((each) => each.payload.type === 'certificate' && each.payload.stack === signer);
    return payload.certificates.length > 0 && payload.certificates.every((id) => own.some((each) => each.id === id));
  }
  if (founders.has(signer)) return true;
  if (payload.type === 'certificate' && payload.role === 'admin') return false;
  return all.some(
    (each) =>
      each.payload.type === 'certificate' &&
      each.payload.stack === signer &&
      each.payload.role === 'admin' &&
      founders.has(each.signer),
  );
}

type Granted = Statement & { readonly payload: Certificate };

interface Denials {
  /** Revoked stacks, and which certificates of theirs survive. */
  readonly revoked: ReadonlyMap<StackId, ReadonlySet<string>>;
  /** Certificates that their owners gave up. */
  readonly left: ReadonlySet<string>;
}

/** Who may revoke is read without regard to revocations, so that deny wins over every order of two of them. */
function readDenials(own: readonly Statement[], founders: ReadonlySet<StackId>): Denials {
  const admins = new Set(founders);
  for (const { payload, signer } of own) {
    if (payload.type === 'certificate' && payload.role === 'admin' && founders.has(signer)) admins.add(payload.stack);
  }
  const revoked = new Map<StackId, Set<string>>();
  const left = new Set<string>();
  const owners = new Map(
    own.flatMap(({ id, payload }) => (payload.type === 'certificate' ? [[id, payload.stack] as const] : [])),
  );
  for (const { payload, signer } of own) {
    if (payload.type === 'revocation' && admins.has(signer)) {
      const survivors = revoked.get(payload.stack);
      // Of two revocations of one stack only what both spare survives.
      const spared = new Set(payload.survivors.filter((id) => !survivors || survivors.has(id)));
      revoked.set(payload.stack, spared);
    }
    if (payload.type === 'leave') {
      for (const id of payload.certificates) if (owners.get(id) === signer) left.add(id);
    }
  }
  return { revoked, left };
}

/** A founder grants every role; a stack that a founder made an admin grants the others. */
function mayGrant(
  statement: Granted,
  all: readonly Granted[],
  founders: ReadonlySet<StackId>,
  { revoked }: Denials,
): boolean {
  const survivors = revoked.get(statement.signer);
  if (survivors && !survivors.has(statement.id) && statement.signer !== statement.payload.stack) return false;
  if (founders.has(statement.signer)) return true;
  if (statement.payload.role === 'admin') return false;
  return all.some(
    ({ payload, signer }) => payload.stack === statement.signer && payload.role === 'admin' && founders.has(signer),
  );
}

/** Keeps a signature for a statement from being one for anything else. */
const statementDomain = Buffer.from('hermesh/statement/1\0');

function signedMessage(body: Uint8Array): Uint8Array {
  return Buffer.concat([statementDomain, body]);
}

function idOf(body: Uint8Array, signer: StackId): string {
  return toHex(sha256(body, Buffer.from(signer)));
}
