// The two protocols that a feed travels by, both ends: deltas, heads and pages; nodes and records under one root.
import { z } from 'zod';
import {
  changeSchema,
  type Feeds,
  maxPageRecords,
  maxPaths,
  positionSchema,
  signedHeadSchema,
  type VerifiedHead,
  verifyHead,
} from '#registry/feeds';
import type { Clock } from '../clock.ts';
import type { Network, StackId } from '../network.ts';
import { bytesSchema, fromBytes, readRequest, toBytes } from '../wire.ts';
import { ask, maxMessageBytes, memberBounds } from './ask.ts';
import { maxPulledBytes } from './replicate.ts';

const feedProtocol = '/hermesh/feed/1.0.0';
const trieProtocol = '/hermesh/trie/1.0.0';
/** Deltas in one message. */
const maxDeltas = 2_000;

const hash = bytesSchema(32);
const feedName = z.string().max(64);
const feedRequest = z.strictObject({ feed: feedName, have: positionSchema.nullable(), after: hash.nullable() });
const none = z.strictObject({ none: z.literal(true) });
const headAnswer = z.strictObject({ head: signedHeadSchema });
const pageAnswer = z.strictObject({
  head: signedHeadSchema,
  records: z.array(changeSchema).max(maxPageRecords),
  next: hash.nullable(),
});
const feedAnswer = z.union([
  z.strictObject({ deltas: z.array(bytesSchema({ maxBytes: maxMessageBytes })).max(maxDeltas) }),
  pageAnswer,
  headAnswer,
  none,
]);

/** The path to a node, in nibbles. */
export const pathSchema = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.byteLength < 64 && value.every((nibble) => nibble < 16),
);
const trieRequest = z.strictObject({
  feed: feedName,
  /** The root that the nodes and records are to be under. */
  root: hash,
  paths: z.array(pathSchema).max(maxPaths),
  keys: z.array(hash).max(maxPageRecords),
});
const leaf = z.tuple([hash, hash]);
/** A node as it travels. */
export const nodeSchema = z.union([leaf, z.array(z.union([hash, leaf]).nullable()).length(16)]).nullable();
const trieAnswer = z.union([
  z.strictObject({ nodes: z.array(nodeSchema).max(maxPaths), records: z.array(changeSchema).max(maxPageRecords) }),
  // The feed went on meanwhile: where it stands.
  headAnswer,
  none,
]);

export type Page = z.infer<typeof pageAnswer>;

/** Serves both protocols for the feeds that `mayServe` says. */
export function serveFeeds(network: Network, feeds: Feeds, mayServe: (feed: StackId, from: StackId) => boolean): void {
  network.serve(feedProtocol, memberBounds, async (request, { from }) =>
    toBytes(answerFeed(feeds, (feed) => mayServe(feed, from), request)),
  );
  network.serve(trieProtocol, memberBounds, async (request, { from }) =>
    toBytes(answerTrie(feeds, (feed) => mayServe(feed, from), request)),
  );
}

function answerFeed({ served }: Feeds, isMember: (feed: StackId) => boolean, request: Uint8Array): unknown {
  const read = readRequest(feedRequest, request, maxMessageBytes);
  const head = isMember(read.feed) ? served.head(read.feed) : undefined;
  if (!head) return { none: true };
  if (read.have) {
    const deltas = served.deltasAfter(read.have, maxPulledBytes);
    return deltas ? { deltas } : { head };
  }
  const page = served.page(read.feed, read.after ?? new Uint8Array());
  if (!page) return { none: true };
  const records = page.records.map(({ kind, name, body }) => [kind, name, body]);
  return { head: page.head, records, next: page.next ?? null };
}

function answerTrie({ served }: Feeds, isMember: (feed: StackId) => boolean, request: Uint8Array): unknown {
  const read = readRequest(trieRequest, request, maxMessageBytes);
  const head = isMember(read.feed) ? served.head(read.feed) : undefined;
  if (!head) return { none: true };
  if (!served.isAt(read.feed, read.root)) return { head };
  const records = served.records(read.feed, read.keys).map(({ kind, name, body }) => [kind, name, body]);
  return { nodes: served.nodes(read.feed, read.paths), records };
}

/** One feed as another member has it. */
export class Source {
  readonly feed: StackId;
  readonly from: StackId;
  readonly #parts: { readonly network: Network; readonly clock: Clock };
  readonly mesh: string;
  readonly #signal: AbortSignal;

  constructor(
    parts: { readonly network: Network; readonly clock: Clock },
    place: { readonly feed: StackId; readonly from: StackId; readonly mesh: string },
    { signal }: { signal: AbortSignal },
  ) {
    this.feed = place.feed;
    this.from = place.from;
    this.mesh = place.mesh;
    this.#parts = parts;
    this.#signal = signal;
  }

  /** Deltas after `have`, or the head where they can't be had; with null a page of records from after a key. */
  async ask(
    have: z.infer<typeof positionSchema> | null,
    after: Uint8Array | null,
  ): Promise<z.infer<typeof feedAnswer>> {
    const request = toBytes({ feed: this.feed, have, after });
    const answer = await ask(this.#parts, this.from, feedProtocol, request, { signal: this.#signal });
    return fromBytes(feedAnswer, answer, maxMessageBytes) ?? { none: true };
  }

  /** Nodes at paths and records of keys, under that root. */
  async under(
    root: Uint8Array,
    what: { readonly paths?: readonly Uint8Array[]; readonly keys?: readonly Uint8Array[] },
  ): Promise<z.infer<typeof trieAnswer>> {
    const request = toBytes({ feed: this.feed, root, paths: what.paths ?? [], keys: what.keys ?? [] });
    const answer = await ask(this.#parts, this.from, trieProtocol, request, { signal: this.#signal });
    return fromBytes(trieAnswer, answer, maxMessageBytes) ?? { none: true };
  }

  /** A head of this feed that its owner signed. */
  verify(signed: readonly [Uint8Array, Uint8Array]): VerifiedHead | undefined {
    const head = verifyHead(...signed, this.mesh);
    return typeof head !== 'string' && head.head.feed === this.feed ? head : undefined;
  }
}
