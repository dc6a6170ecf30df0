// A single record that travels without its feed: the owner's signed head, and the proof that the record is under its root.
import { z } from 'zod';
import { maxNameLength, maxRecordBytes } from '../kind.ts';
import { bytesSchema, fromBytes, toBytes } from '../wire.ts';
import {
  type Change,
  type Fault,
  recordHash,
  recordKey,
  signedHeadSchema,
  type VerifiedHead,
  verifyHead,
} from './feed.ts';
import { type Proof, proofSchema, verifyProof } from './proof.ts';

/** A record, a head and a proof of the greatest depth. */
export const maxProvenBytes = 64 * 1024;

const provenSchema = z.tuple([
  ...signedHeadSchema.def.items,
  z.string().min(1).max(64),
  z.string().min(1).max(maxNameLength),
  bytesSchema({ maxBytes: maxRecordBytes }).nullable(),
  proofSchema,
]);

/** What a feed held at a head that its owner signed; a body of null is the proof that it held no such record. */
export interface ProvenRecord extends Change {
  readonly head: VerifiedHead;
}

/** The bytes of a proven record: head, signature, kind, name, body or null, proof. */
export function makeProvenRecord(head: readonly [Uint8Array, Uint8Array], change: Change, proof: Proof): Uint8Array {
  return toBytes([...head, change.kind, change.name, change.body, proof]);
}

/** Reads a proven record and checks the owner's signature and the proof; whether the owner is a member is another question. */
export function verifyProvenRecord(wire: Uint8Array, mesh: string): ProvenRecord | Fault {
  const parts = fromBytes(provenSchema, wire, maxProvenBytes);
  if (!parts) return 'shape';
  const [bytes, signature, kind, name, body, proof] = parts;
  const head = verifyHead(bytes, signature, mesh);
  if (typeof head === 'string') return head;
  const value = body ? recordHash(body) : undefined;
  return verifyProof(head.head.root, recordKey(kind, name), value, proof) ? { head, kind, name, body } : 'proof';
}
