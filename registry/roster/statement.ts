// What is stated about a mesh: roots, certificates, revocations, pardons and leaves, their bytes and signatures; rights are judged elsewhere.
import { z } from 'zod';
import { isStackId, verifyBy } from '../identity.ts';
import { memberRoles } from '../kind.ts';
import type { StackId } from '../network.ts';
import { bytesSchema, fromBytes, fromSignedBytes, sha256, toBytes, toHex } from '../wire.ts';

/** A certificate is valid this long: a stack that was away longer asks an admin to renew it. */
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

/** Roots of one mesh: admins change some times a year, and a chain is walked whole. */
const maxRootVersion = 1_000;
/** Admins of one root: its body stays within a statement. */
export const maxAdmins = 64;

const rootSchema = z
  .strictObject({
    type: z.literal('root'),
    version: z.int().min(1).max(maxRootVersion),
    /** The mesh that version 1 founded; version 1 itself can't name its own hash. */
    mesh: mesh.optional(),
    /** The hash of the root before. */
    previous: digest.optional(),
    admins: z.array(stack).min(1).max(maxAdmins),
    /** So many admins of this root make the next one. */
    threshold: z.int().min(1).max(maxAdmins),
    nonce: bytesSchema(16),
    createdAt: time,
  })
  .refine(
    (root) =>
      (root.version === 1) === (root.mesh === undefined) &&
      (root.version === 1) === (root.previous === undefined) &&
      root.threshold <= root.admins.length &&
      new Set(root.admins).size === root.admins.length,
  );

const payloadSchema = z.discriminatedUnion('type', [
  rootSchema,
  z.strictObject({
    type: z.literal('certificate'),
    mesh,
    stack,
    name: stackNameSchema,
    /** The zone it belongs to; left out in the one without a name. */
    zone: stackNameSchema.optional(),
    role: z.enum(memberRoles),
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
  /** Takes a quarantined feed again, from an epoch whose counter is above this one. */
  z.strictObject({
    type: z.literal('pardon'),
    mesh,
    stack,
    counter: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
    at: time,
  }),
  z.strictObject({ type: z.literal('leave'), mesh, certificates: z.array(digest).max(16), at: time }),
]);
const statementSchema = z.tuple([bytesSchema({ maxBytes: maxStatementBytes }), stack, bytesSchema(64)]);

/** What a statement says; who says it is its signer. */
export type Payload = z.infer<typeof payloadSchema>;
export type Root = z.infer<typeof rootSchema>;

/** A statement whose signature was checked; whether its signer had the right is for `readRoster`. */
export interface Statement {
  readonly payload: Payload;
  readonly signer: StackId;
  /** SHA-256 over the payload's bytes and the signer, in hex: its identity in the set. */
  readonly id: string;
  readonly wire: Uint8Array;
}

/** Signs a statement. */
export function makeStatement(
  payload: Payload,
  signer: { readonly stack: StackId; sign(message: Uint8Array): Uint8Array },
): Statement {
  const body = toBytes(payload);
  // Copied out of Node's pool of buffers: it is kept for as long as the roster stands, and would keep 64 KiB with it.
  const wire = new Uint8Array(toBytes([body, signer.stack, signer.sign(signedMessage(body))]));
  return { payload, signer: signer.stack, id: idOf(body, signer.stack), wire };
}

/**
 * Statements that were found right: one comes from several members, with each comparison of rosters, and from the store
 * after a rollback. Those of a mesh of 10,000, whose signatures take a second; a kilobyte each, most of it shared with the
 * roster. The oldest goes first. Longer ones are few in any mesh, and whoever makes up some must not fill the memory.
 */
const maxVerified = 12_000;
const maxKeptBytes = 1_024;
const verified = new Map<string, Statement>();

/** Reads a statement and checks its signature; undefined where either is wrong. */
export function verifyStatement(wire: Uint8Array): Statement | undefined {
  if (wire.byteLength > maxStatementBytes) return undefined;
  const place = Buffer.from(sha256(wire)).toString('latin1');
  const known = verified.get(place);
  if (known) return known;
  const read = readStatement(wire);
  if (!read || wire.byteLength > maxKeptBytes) return read;
  if (verified.size >= maxVerified) for (const oldest of verified.keys()) if (verified.delete(oldest)) break;
  verified.set(place, read);
  return read;
}

/** Whether it is a statement of a known type whose signature is wrong: what a newer stack makes isn't. */
export function isForged(wire: Uint8Array): boolean {
  if (verifyStatement(wire)) return false;
  const parts = fromBytes(statementSchema, wire, maxStatementBytes);
  return parts !== undefined && fromSignedBytes(payloadSchema, parts[0], maxStatementBytes) !== undefined;
}

function readStatement(wire: Uint8Array): Statement | undefined {
  const parts = fromBytes(statementSchema, wire, maxStatementBytes);
  if (!parts) return undefined;
  const [body, signer, signature] = parts;
  const payload = fromSignedBytes(payloadSchema, body, maxStatementBytes);
  if (!payload || !verifyBy(signer, signedMessage(body), signature)) return undefined;
  return { payload, signer, id: idOf(body, signer), wire };
}

/** The hash of what a root says, in hex; that of version 1 is the id of the mesh that it founds. */
export function rootHash(root: Root): string {
  return toHex(sha256(toBytes(root)));
}

/** Whether a statement belongs to the mesh at all; its right is judged with the whole set. */
export function concerns(statement: Statement, mesh: string): boolean {
  const { payload } = statement;
  return payload.type === 'root' && payload.version === 1 ? rootHash(payload) === mesh : payload.mesh === mesh;
}

/** Keeps a signature for a statement from being one for anything else. */
const statementDomain = Buffer.from('hermesh/statement/1\0');

function signedMessage(body: Uint8Array): Uint8Array {
  return Buffer.concat([statementDomain, body]);
}

function idOf(body: Uint8Array, signer: StackId): string {
  return toHex(sha256(body, Buffer.from(signer)));
}
