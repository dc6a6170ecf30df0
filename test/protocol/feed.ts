// This room alone knows heads, deltas, proven records and how a delta is judged (docs/protocol.md, sections 2 and 3).
import { decode, type Encodable, encode } from './cbor.ts';
import { hashText, hex, insistSigned, sha256, stackId } from './identity.ts';
import { insist } from './refusal.ts';
import { bytes, integer, list, map, type Of, orNull, text, tuple } from './shape.ts';
import { type Entry, insistProven, keyOf, proof, rootOf } from './trie.ts';

const maxRecords = 10_000;
const maxHeadBytes = 1024;
const maxBody = 16_384;
const maxBodies = 32 * 1024 * 1024;

/** A kind, as a record and a request have it. */
export const kind = text(1, 64);
/** A name of a record. */
export const recordName = text(1, 200);
/** An epoch of a feed. */
export const epoch = map({ counter: integer(), nonce: bytes(16) });
const headShape = map({
  mesh: hashText,
  feed: stackId,
  epoch,
  sequence: integer(1),
  count: integer(0, maxRecords),
  root: bytes(32),
  previous: bytes(32),
  changes: bytes(32),
});
const changesShape = list(tuple(kind, recordName, orNull(bytes({ most: maxBody }))), maxRecords);
/** Head bytes and their signature, as they stand within other messages. */
export const signedHead = tuple(bytes({ most: maxHeadBytes }), bytes(64));
/** A live record within an answer. */
export const recordShape = tuple(kind, recordName, bytes({ most: maxBody }));

/** A head whose signature was verified. */
export type Head = Of<typeof headShape>;
/** What a delta changes: kind, name, and the body, or null where it deletes. */
export type Change = Of<typeof changesShape>[number];
/** A delta whose signature and list were verified; `hash` is that of the head's bytes. */
export interface Delta {
  readonly head: Head;
  readonly hash: Uint8Array;
  readonly headBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly changes: readonly Change[];
}
/** Live records by the hex of their key. */
export type Records = ReadonlyMap<string, { readonly kind: string; readonly name: string; readonly body: Uint8Array }>;
/** What a stack holds of a feed. */
export interface Stored {
  readonly head: Head;
  readonly hash: Uint8Array;
  readonly records: Records;
}

/** Verifies a head of that mesh. */
export function readHead(headBytes: Uint8Array, signature: Uint8Array, mesh: string): { head: Head; hash: Uint8Array } {
  insist(headBytes.length <= maxHeadBytes, 'size', 'the head is too long');
  const head = headShape(decode(headBytes, { ordered: true }), 'head');
  insist(head.mesh === mesh, 'mesh', 'the head is of another mesh');
  insistSigned('head', headBytes, signature, head.feed);
  return { head, hash: sha256(headBytes) };
}

/** Verifies a delta of that mesh, of at most so many bytes. */
export function readDelta(wire: Uint8Array, mesh: string, mostBytes = 921_600): Delta {
  insist(wire.length <= mostBytes, 'size', 'the delta is too long');
  const parts = tuple(bytes({ most: maxHeadBytes }), bytes(64), bytes({ most: mostBytes }));
  const [headBytes, signature, listBytes] = parts(decode(wire), 'delta');
  const { head, hash } = readHead(headBytes, signature, mesh);
  const changes = changesShape(decode(listBytes, { ordered: true }), 'changes');
  insist(hex(sha256(listBytes)) === hex(head.changes), 'changes', 'the list is not the one that the head names');
  return { head, hash, headBytes, signature, changes };
}

/** The bytes of a delta. */
export function writeDelta(head: Head, signature: Uint8Array, changes: readonly Change[]): Uint8Array {
  return encode([encode(head as Encodable), signature, encode(changes)]);
}

/** The root over records. */
export function rootOfRecords(records: Records): Uint8Array {
  return rootOf(entriesOf(records));
}

/** The entries of the trie over records. */
export function entriesOf(records: Records): Entry[] {
  return [...records.values()].map(({ kind, name, body }) => ({ key: keyOf(kind, name), hash: sha256(body) }));
}

/** The records after these changes, in their order. */
export function applyChanges(records: Records, changes: readonly Change[]): Records {
  const after = new Map(records);
  for (const [kind, name, body] of changes) {
    const key = hex(keyOf(kind, name));
    if (body) after.set(key, { kind, name, body });
    else after.delete(key);
  }
  return after;
}

/** What becomes of a delta, by the steps 3 to 7; quarantine and membership are judged before. */
export type Verdict =
  | { readonly is: 'applied'; readonly stored: Stored }
  | { readonly is: 'known' | 'equivocation' | 'another history' | 'to be fetched' | 'beyond the limits' };

/** Judges a verified delta against what is stored of the feed. */
export function judge(delta: Delta, stored: Stored | undefined): Verdict {
  const { head } = delta;
  const old = stored?.head;
  const begins = !old || head.epoch.counter > old.epoch.counter;
  if (old && !begins) {
    if (head.epoch.counter < old.epoch.counter) return { is: 'known' };
    if (hex(head.epoch.nonce) !== hex(old.epoch.nonce)) return { is: 'another history' };
    if (head.sequence < old.sequence) return { is: 'known' };
    if (head.sequence === old.sequence) return { is: hex(delta.hash) === hex(stored.hash) ? 'known' : 'equivocation' };
  }
  const previous = begins ? new Uint8Array(32) : (stored?.hash ?? new Uint8Array(32));
  const sequence = begins ? 1 : (old?.sequence ?? 0) + 1;
  const follows = head.sequence === sequence && hex(head.previous) === hex(previous);
  if (!follows) return { is: 'to be fetched' };
  const records = applyChanges(begins ? new Map() : (stored?.records ?? new Map()), delta.changes);
  const sizeBytes = [...records.values()].reduce((sum, { body }) => sum + body.length, 0);
  if (records.size > maxRecords || sizeBytes > maxBodies) return { is: 'beyond the limits' };
  const comesOut = records.size === head.count && hex(rootOfRecords(records)) === hex(head.root);
  return comesOut ? { is: 'applied', stored: { head, hash: delta.hash, records } } : { is: 'to be fetched' };
}

/** Verifies evidence: two signed heads of one place with other bytes. */
export function insistEvidence(pair: readonly [Of<typeof signedHead>, Of<typeof signedHead>], mesh: string): Head {
  const [one, other] = pair.map(([head, signature]) => readHead(head, signature, mesh));
  insist(!!one && !!other, 'evidence', 'no two heads');
  const place = ({ feed, epoch: { counter, nonce }, sequence }: Head): string =>
    [feed, counter, hex(nonce), sequence].join();
  insist(place(one.head) === place(other.head), 'evidence', 'the heads are of two places');
  insist(hex(one.hash) !== hex(other.hash), 'evidence', 'the heads are one');
  return one.head;
}

const provenShape = tuple(
  bytes({ most: maxHeadBytes }),
  bytes(64),
  kind,
  recordName,
  orNull(bytes({ most: maxBody })),
  proof,
);

/** Verifies a record that travels with its proof, or the proof that it isn't there. */
export function readProvenRecord(wire: Uint8Array, mesh: string) {
  insist(wire.length <= 65_536, 'size', 'the proven record is too long');
  const [headBytes, signature, kindOf, name, body, given] = provenShape(decode(wire), 'proven record');
  const { head } = readHead(headBytes, signature, mesh);
  insistProven(given, head.root, keyOf(kindOf, name), body ? sha256(body) : null);
  return { head, headBytes, signature, kind: kindOf, name, body, proof: given };
}

/** The bytes of a proven record. */
export function writeProvenRecord(record: ReturnType<typeof readProvenRecord>): Uint8Array {
  return encode([record.headBytes, record.signature, record.kind, record.name, record.body, record.proof as Encodable]);
}
