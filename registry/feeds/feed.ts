// What a feed is on the wire: signed heads, deltas and their verification; pure, and bytes stay as they were received.
import { z } from 'zod';
import { isStackId, verifyBy } from '../identity.ts';
import { maxNameLength, maxRecordBytes } from '../kind.ts';
import { bytesSchema, fromBytes, fromSignedBytes, sameBytes, sha256, toBytes, toHex } from '../wire.ts';
import { emptyRoot } from './trie.ts';

/** A feed holds at most this many live records and bytes of bodies: what one stack may cost every other. */
export const maxFeedRecords = 10_000;
export const maxFeedBytes = 32 * 1024 * 1024;
/** Changes in one delta: a whole feed written at once. */
const maxChanges = maxFeedRecords;
/** A head has about 300 bytes. */
const maxHeadBytes = 1024;
/** The largest delta that is read: it travels whole, and a larger step is fetched as a snapshot. */
export const maxDeltaBytes = 900 * 1024;

const hash = bytesSchema(32);
const counter = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const epoch = z.strictObject({ counter, nonce: bytesSchema(16) });
const feedId = z.string().refine(isStackId);

const headSchema = z.strictObject({
  mesh: z.string().max(128),
  feed: feedId,
  epoch,
  sequence: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
  count: z.int().min(0).max(maxFeedRecords),
  root: hash,
  previous: hash,
  changes: hash,
});

/** The summary of a feed that its owner signs. `previous` is the hash of the head before, zeros for the first of an epoch. */
export type Head = z.infer<typeof headSchema>;
/** A counter that only grows, and a nonce that tells two beginnings of one counter apart. */
export type Epoch = Head['epoch'];

/** Where a feed stands: enough to judge which of two heads is newer. */
export const positionSchema = z.strictObject({ feed: feedId, epoch, sequence: counter, hash });
export type Position = z.infer<typeof positionSchema>;

/** One record written (`body` in encoded bytes) or, with null, deleted. */
export interface Change {
  readonly kind: string;
  readonly name: string;
  readonly body: Uint8Array | null;
}

/** A change as it travels: kind, name, body or null. */
export const changeSchema = z.tuple([
  z.string().min(1).max(64),
  z.string().min(1).max(maxNameLength),
  bytesSchema({ maxBytes: maxRecordBytes }).nullable(),
]);
/** Bytes that aren't UTF-8 are read as this; nothing else in a list can be written in two ways, so that few are encoded again. */
const notUtf8 = '\ufffd';
const changesSchema = z.array(changeSchema).max(maxChanges);
const signature = bytesSchema(64);
export const signedHeadSchema = z.tuple([bytesSchema({ maxBytes: maxHeadBytes }), signature]);
const deltaSchema = z.tuple([...signedHeadSchema.def.items, bytesSchema({ maxBytes: maxDeltaBytes })]);

/** A head's bytes and its owner's signature, as received. */
export type SignedHead = readonly [bytes: Uint8Array, signature: Uint8Array];

declare const verified: unique symbol;

/** A head whose signature by its feed's owner was checked; only this room makes one. */
export interface VerifiedHead {
  readonly head: Head;
  /** SHA-256 of the head's bytes: what `previous` of the next one names. */
  readonly hash: Uint8Array;
  /** As received. */
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly [verified]: true;
}

/** A verified head with the list of changes that leads to it. */
export interface VerifiedDelta extends VerifiedHead {
  readonly changes: readonly Change[];
  /** The whole delta, as received. */
  readonly wire: Uint8Array;
}

/** Why bytes are refused; state stays as it was. */
export type Fault = 'shape' | 'mesh' | 'signature' | 'changes' | 'proof';

/** Signs the head and puts the delta together; `changes` lead from `previous` to the head's root. */
export function makeDelta(
  head: Omit<Head, 'changes'>,
  changes: readonly Change[],
  sign: (message: Uint8Array) => Uint8Array,
): VerifiedDelta {
  const list = toBytes(changes.map(({ kind, name, body }) => [kind, name, body]));
  const whole: Head = { ...head, changes: sha256(list) };
  const bytes = toBytes(whole);
  const signed = sign(signedMessage(bytes));
  const wire = toBytes([bytes, signed, list]);
  return { head: whole, hash: sha256(bytes), bytes, signature: signed, changes, wire } as unknown as VerifiedDelta;
}

/** Reads and verifies a delta of that mesh; bounds are checked before anything is parsed. */
export function verifyDelta(wire: Uint8Array, mesh: string): VerifiedDelta | Fault {
  const parts = fromBytes(deltaSchema, wire, maxDeltaBytes);
  if (!parts) return 'shape';
  const [bytes, signed, list] = parts;
  const head = verifyHead(bytes, signed, mesh);
  if (typeof head === 'string') return head;
  if (!sameBytes(sha256(list), head.head.changes)) return 'changes';
  const changes = fromBytes(changesSchema, list, maxDeltaBytes);
  const isOdd = changes?.some(([kind, name]) => kind.includes(notUtf8) || name.includes(notUtf8));
  if (!changes || (isOdd && !fromSignedBytes(changesSchema, list, maxDeltaBytes))) return 'shape';
  return { ...head, changes: changes.map(([kind, name, body]) => ({ kind, name, body })), wire };
}

/** Reads and verifies a head of that mesh. */
export function verifyHead(bytes: Uint8Array, signed: Uint8Array, mesh: string): VerifiedHead | Fault {
  const head = fromSignedBytes(headSchema, bytes, maxHeadBytes);
  if (!head) return 'shape';
  if (head.mesh !== mesh) return 'mesh';
  if (!verifyBy(head.feed, signedMessage(bytes), signed)) return 'signature';
  return { head, hash: sha256(bytes), bytes, signature: signed } as unknown as VerifiedHead;
}

/** The place of a record in the trie of its feed. */
export function recordKey(kind: string, name: string): Uint8Array {
  return sha256(toBytes([kind, name]));
}

/** What the trie holds for a record. */
export function recordHash(body: Uint8Array): Uint8Array {
  return sha256(body);
}

/** The position that a head stands for. */
export function positionOf(verifiedHead: VerifiedHead): Position {
  const { feed, epoch: at, sequence } = verifiedHead.head;
  return { feed, epoch: at, sequence, hash: verifiedHead.hash };
}

/**
 * How a position relates to the stored one. `next` follows it at once, `ahead` leaves a gap, `equivocation` is another
 * head at the same place, `other-epoch` has the same counter and another nonce: a restore or a clone.
 */
export type Relation = 'same' | 'behind' | 'next' | 'ahead' | 'equivocation' | 'other-epoch';

/** Judges by (epoch counter, sequence); `previous` is that of the head, where the head is at hand. */
export function relate(stored: Position | undefined, other: Position, previous?: Uint8Array): Relation {
  if (!stored) return other.sequence === 1 && previous && sameBytes(previous, emptyRoot) ? 'next' : 'ahead';
  if (other.epoch.counter !== stored.epoch.counter) {
    if (other.epoch.counter < stored.epoch.counter) return 'behind';
    return other.sequence === 1 && previous && sameBytes(previous, emptyRoot) ? 'next' : 'ahead';
  }
  if (!sameBytes(other.epoch.nonce, stored.epoch.nonce)) return 'other-epoch';
  if (other.sequence < stored.sequence) return 'behind';
  if (other.sequence === stored.sequence) return sameBytes(other.hash, stored.hash) ? 'same' : 'equivocation';
  const follows = other.sequence === stored.sequence + 1 && previous && sameBytes(previous, stored.hash);
  return follows ? 'next' : 'ahead';
}

/** One hash over many positions, whatever their order: two stacks with the same one hold the same heads. */
export function digestOf(positions: readonly Position[]): Uint8Array {
  const hashes = positions.map((position) => toHex(position.hash)).sort();
  return sha256(toBytes(hashes));
}

/** Keeps a signature for a head from being one for anything else. */
const headDomain = Buffer.from('hermesh/head/1\0');

function signedMessage(head: Uint8Array): Uint8Array {
  return Buffer.concat([headDomain, head]);
}
