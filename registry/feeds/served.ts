// What other stacks ask of a feed that is kept here: deltas, pages, nodes of its trie, records by key, and proofs; nothing is written.
import { fit, sameBytes } from '../wire.ts';
import { type Change, type Position, recordKey, type SignedHead } from './feed.ts';
import type { Held } from './held.ts';
import { prove } from './proof.ts';
import { makeProvenRecord } from './proven.ts';
import type { FeedStore, RecordRow } from './store.ts';
import { below, rootOf, type Trie } from './trie.ts';

/** A page of a snapshot: records in the order of their keys, and the head that stood when it was read. */
export interface Page {
  readonly head: SignedHead;
  readonly records: readonly Change[];
  /** The last key of the page; undefined after the last page. */
  readonly next: Uint8Array | undefined;
}

/**
 * A node of a trie as it travels: a leaf is its key and value; a branch has sixteen places, each null, the hash of the
 * branch there, or the leaf there.
 */
export type WireNode = WireLeaf | readonly (null | Uint8Array | WireLeaf)[];
export type WireLeaf = readonly [Uint8Array, Uint8Array];

/** A page has at most this many bytes of records: an answer stays below 1 MiB. */
const maxPageBytes = 700 * 1024;
export const maxPageRecords = 2_000;
/** Deltas are served while they are smaller than the feed, or than this: more than a round of hashes costs. */
const minDeltaBytes = 64 * 1024;
/** Of CBOR around a record. */
const recordOverhead = 16;

export class Served {
  readonly #store: FeedStore;
  readonly #heldOf: (feed: string) => Held | undefined;

  constructor(store: FeedStore, heldOf: (feed: string) => Held | undefined) {
    this.#store = store;
    this.#heldOf = heldOf;
  }

  /** The head that stands. */
  head(feed: string): SignedHead | undefined {
    const held = this.#heldOf(feed);
    return held && [held.head.bytes, held.head.signature];
  }

  /** Deltas that follow a position, as they were received, or undefined where they aren't all kept or outweigh the feed. */
  deltasAfter(have: Position, maxBytes: number): Uint8Array[] | undefined {
    const stored = this.#heldOf(have.feed)?.head;
    if (!stored || stored.epoch.counter !== have.epoch.counter || !sameBytes(stored.epoch.nonce, have.epoch.nonce)) {
      return undefined;
    }
    if (have.sequence > stored.sequence || sameBytes(have.hash, stored.hash)) return [];
    const deltas = this.#store.deltasAfter(have.feed, have.epoch.counter, have.sequence);
    if (deltas.length === 0 || deltas.length !== stored.sequence - have.sequence) return undefined;
    const size = deltas.reduce((sum, delta) => sum + delta.byteLength, 0);
    if (size > Math.max(minDeltaBytes, stored.liveBytes)) return undefined;
    const fitting = fit(deltas, maxBytes, (delta) => delta);
    return fitting.length > 0 ? fitting : undefined;
  }

  /** A page of the feed as it stands, from after that key; undefined where the feed isn't here. */
  page(feed: string, after: Uint8Array): Page | undefined {
    const head = this.head(feed);
    if (!head) return undefined;
    const rows = this.#store.recordsAfter(feed, after, maxPageRecords);
    const fitting = rows.slice(0, fitFrom(rows));
    const done = fitting.length === rows.length && rows.length < maxPageRecords;
    return { head, records: fitting.map(changeOf), next: done ? undefined : fitting.at(-1)?.key };
  }

  /** Whether the feed stands at that root now. */
  isAt(feed: string, root: Uint8Array): boolean {
    const held = this.#heldOf(feed);
    return held !== undefined && sameBytes(rootOf(held.contents().trie), root);
  }

  /** The nodes at paths of nibbles; null where nothing is. */
  nodes(feed: string, paths: readonly Uint8Array[]): (WireNode | null)[] {
    return nodesAt(this.#heldOf(feed)?.contents().trie, paths);
  }

  /** The first of the records of these keys, as many as one answer holds. */
  records(feed: string, keys: readonly Uint8Array[]): Change[] {
    const rows = keys.flatMap((key) => this.#store.record(feed, key) ?? []);
    return rows.slice(0, fitFrom(rows)).map(changeOf);
  }

  /** One record, or its absence, with the proof that anybody can check; undefined where the feed isn't here. */
  proven(feed: string, kind: string, name: string): Uint8Array | undefined {
    const held = this.#heldOf(feed);
    const head = this.head(feed);
    if (!held || !head) return undefined;
    const key = recordKey(kind, name);
    const body = this.#store.record(feed, key)?.body ?? null;
    return makeProvenRecord(head, { kind, name, body }, prove(held.contents().trie, key));
  }
}

/** The nodes of a trie at paths of nibbles, as they travel. */
export function nodesAt(trie: Trie, paths: readonly Uint8Array[]): (WireNode | null)[] {
  return paths.map((path) => toWire(below(trie, path)));
}
type Row = Pick<RecordRow, 'kind' | 'name' | 'body'>;

function toWire(node: Trie): WireNode | null {
  if (!node) return null;
  if ('key' in node) return [node.key, node.value];
  return node.children.map((child) => {
    if (!child) return null;
    return 'key' in child ? [child.key, child.value] : rootOf(child);
  });
}

function changeOf({ kind, name, body }: Row): Change {
  return { kind, name, body };
}

/** How many of the rows one answer holds. */
function fitFrom(rows: readonly Row[]): number {
  let size = 0;
  const end = rows.findIndex((row) => {
    size += sizeOf(row);
    return size > maxPageBytes;
  });
  return end < 0 ? rows.length : end;
}

function sizeOf({ kind, name, body }: Row): number {
  return Buffer.byteLength(kind) + Buffer.byteLength(name) + body.byteLength + recordOverhead;
}
