// Fetches feeds from other members, and serves them: deltas where they are kept, else a snapshot page by page.
import { z } from 'zod';
import {
  type Change,
  changeSchema,
  type Feeds,
  maxFeedBytes,
  maxFeedRecords,
  type Position,
  positionOf,
  positionSchema,
  signedHeadSchema,
  type VerifiedHead,
  verifyDelta,
  verifyHead,
} from '#registry/feeds';
import type { Membership } from '#registry/roster';
import { type Clock, within } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { bytesSchema, fromBytes, toBytes } from '../wire.ts';
import { ask, maxMessageBytes, memberBounds } from './ask.ts';
import { type Deed, maxPulledBytes, type Replica } from './replicate.ts';

const feedProtocol = '/hermesh/feed/1.0.0';
/** Deltas in one message. */
const maxDeltas = 2_000;
/** Pulls at a time: each may hold a feed of 32 MiB. One a member, so that a slow one can't hold up the others' feeds. */
const maxPulls = 3;
/** A whole pull: 32 MiB at 2 Mbit/s. */
const pullTimeoutMs = 150_000;
/** A member that gave nothing, or what had to be refused, is asked for that feed again after pauses that grow so far. */
const maxPullPauseMs = 60_000;
/** Members and feeds that are remembered for it. */
const maxPauses = 4_000;
/** Pages of a snapshot: 10,000 records or 32 MiB, and some begun anew. */
const maxPages = 120;
/** Rounds of deltas in one pull. */
const maxRounds = 64;

const feedRequest = z.strictObject({
  feed: z.string().max(64),
  have: positionSchema.nullable(),
  after: bytesSchema(32).nullable(),
});
const feedAnswer = z.union([
  z.strictObject({ deltas: z.array(bytesSchema({ maxBytes: maxMessageBytes })).max(maxDeltas) }),
  z.strictObject({
    head: signedHeadSchema,
    records: z.array(changeSchema).max(2_000),
    next: bytesSchema(32).nullable(),
  }),
  z.strictObject({ none: z.literal(true) }),
]);

/** What fetching needs of the driver that it belongs to. */
export interface FetchParts {
  readonly network: Network;
  readonly replica: Replica;
  readonly feeds: Feeds;
  readonly membership: Membership;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Does what was decided. */
  readonly do: (deeds: readonly Deed[]) => void;
}

export class Fetch {
  readonly #parts: FetchParts;
  readonly #waiting: { readonly from: StackId; readonly run: () => Promise<void> }[] = [];
  readonly #pulling = new Set<StackId>();
  /** Until when a member isn't asked for a feed, in milliseconds of the monotonic clock, and how long that was. */
  readonly #pauses = new Map<string, { readonly until: number; readonly pauseMs: number }>();

  constructor(parts: FetchParts) {
    this.#parts = parts;
    parts.network.serve(feedProtocol, memberBounds, async (request, { from }) => this.#answerFeed(request, from));
  }

  /** Fetches what is missing of a feed from there, when its turn comes; the replica is told when that ended. */
  pull(feed: string, from: StackId): void {
    this.#waiting.push({ from, run: () => this.#runPull(feed, from) });
    this.#nextPull();
  }

  async #runPull(feed: string, from: StackId): Promise<void> {
    const pair = `${from} ${feed}`;
    try {
      if ((this.#pauses.get(pair)?.until ?? 0) > this.#parts.clock.monotonic()) return;
      const { clock, signal } = this.#parts;
      const deeds = await within(clock, pullTimeoutMs, { signal }, (limit) => this.#pull(feed, from, limit));
      if (deeds.some((deed) => deed.type === 'report' && deed.what === 'refused')) this.#pause(pair);
      else this.#pauses.delete(pair);
      this.#parts.do(deeds);
    } catch (error) {
      this.#pause(pair);
      this.#parts.log.debug({ feed, from, error }, 'pull failed');
    } finally {
      this.#pulling.delete(from);
      this.#ended(feed);
      this.#nextPull();
    }
  }

  #pause(pair: string): void {
    const pauseMs = Math.min(maxPullPauseMs, 2 * (this.#pauses.get(pair)?.pauseMs ?? 500));
    if (this.#pauses.size >= maxPauses) this.#pauses.clear();
    this.#pauses.set(pair, { until: this.#parts.clock.monotonic() + pauseMs, pauseMs });
  }

  #nextPull(): void {
    if (this.#pulling.size >= maxPulls || this.#parts.signal.aborted) return;
    const at = this.#waiting.findIndex(({ from }) => !this.#pulling.has(from));
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (!next) return;
    this.#pulling.add(next.from);
    void next.run();
  }

  /** Fetches what is missing: deltas where the other side kept them, else a snapshot and the deltas since it began. */
  async #pull(feed: string, from: StackId, signal: AbortSignal): Promise<readonly Deed[]> {
    const { feeds, replica } = this.#parts;
    const isOwn = feed === this.#parts.network.stack;
    let have = isOwn ? null : (feeds.position(feed) ?? null);
    for (let round = 0; round < maxRounds; round += 1) {
      const answer = await this.#askFeed(from, { feed, have, after: null }, signal);
      if ('none' in answer) return [];
      if ('head' in answer) {
        if (!isOwn) return this.#pullSnapshot(feed, from, answer, signal);
        const own = verifyHead(...answer.head, this.#parts.membership.roster.mesh);
        return typeof own !== 'string' && own.head.feed === feed ? replica.own(positionOf(own)) : [];
      }
      const deeds = answer.deltas.flatMap((wire) => replica.delta(wire, from));
      this.#parts.do(deeds.filter(({ type }) => type !== 'pull'));
      if (answer.deltas.length === 0) return [];
      // Deltas that don't lead on from here belong to another history: the snapshot tells.
      have = deeds.some(({ type }) => type === 'changed') ? (feeds.position(feed) ?? null) : null;
    }
    return [];
  }

  /** Pages may come from several states of the feed; the deltas from the first page's head on even them out. */
  async #pullSnapshot(feed: string, from: StackId, first: SnapshotPage, signal: AbortSignal): Promise<readonly Deed[]> {
    const { feeds, replica, membership } = this.#parts;
    const mesh = membership.roster.mesh;
    const head = verifyHead(...first.head, mesh);
    if (typeof head === 'string' || head.head.feed !== feed) return [{ type: 'report', what: 'refused', feed }];
    const records = new Map<string, Change>();
    let page = first;
    let size = 0;
    for (let count = 0; ; count += 1) {
      for (const [kind, name, body] of page.records) {
        records.set(`${kind}\n${name}`, { kind, name, body });
        size += body?.byteLength ?? 0;
      }
      // Room for records that were replaced while the pages were read.
      if (size > 2 * maxFeedBytes || records.size > 2 * maxFeedRecords)
        return [{ type: 'report', what: 'refused', feed }];
      if (!page.next || count >= maxPages) break;
      const answer = await this.#askFeed(from, { feed, have: null, after: page.next }, signal);
      if (!('head' in answer)) return [];
      // Keys only grow: a snapshot has an end.
      if (answer.next && Buffer.compare(answer.next, page.next) <= 0)
        return [{ type: 'report', what: 'refused', feed }];
      page = answer;
    }
    const last = verifyHead(...page.head, mesh);
    if (typeof last === 'string' || last.head.feed !== feed) return [{ type: 'report', what: 'refused', feed }];
    if (last.head.sequence !== head.head.sequence || last.head.epoch.counter !== head.head.epoch.counter) {
      return this.#evenOut(from, head, records, signal);
    }
    return replica
      .applied(feeds.replace(last, [...records.values()]), feed, from)
      .filter(({ type }) => type !== 'pull');
  }

  async #evenOut(
    from: StackId,
    head: VerifiedHead,
    records: Map<string, Change>,
    signal: AbortSignal,
  ): Promise<readonly Deed[]> {
    const { feeds, replica, membership } = this.#parts;
    const { feed } = head.head;
    const have: Position = { feed, epoch: head.head.epoch, sequence: head.head.sequence, hash: head.hash };
    const answer = await this.#askFeed(from, { feed, have, after: null }, signal);
    if (!('deltas' in answer)) return [];
    let last: VerifiedHead = head;
    for (const wire of answer.deltas) {
      const delta = verifyDelta(wire, membership.roster.mesh);
      if (typeof delta === 'string' || delta.head.feed !== feed) return [{ type: 'report', what: 'refused', feed }];
      for (const change of delta.changes) {
        const key = `${change.kind}\n${change.name}`;
        if (change.body) records.set(key, change);
        else records.delete(key);
      }
      last = delta;
    }
    return replica
      .applied(feeds.replace(last, [...records.values()]), feed, from)
      .filter(({ type }) => type !== 'pull');
  }

  async #askFeed(
    from: StackId,
    request: z.infer<typeof feedRequest>,
    until: AbortSignal,
  ): Promise<z.infer<typeof feedAnswer>> {
    const answer = await ask(this.#parts, from, feedProtocol, toBytes(request), { signal: until });
    return fromBytes(feedAnswer, answer, maxMessageBytes) ?? { none: true };
  }

  /** A fault of the store (a full disk) ends nothing: what was not kept is asked for again in a later round. */
  #ended(feed: string): void {
    try {
      this.#parts.do(this.#parts.replica.pulled(feed));
    } catch (error) {
      this.#parts.log.error({ feed, error }, 'replication failed after a pull');
    }
  }

  #answerFeed(request: Uint8Array, from: StackId): Uint8Array {
    const { feeds, membership } = this.#parts;
    const read = fromBytes(feedRequest, request, maxMessageBytes);
    if (!read) throw new Error('the request cannot be read');
    if (!membership.isNear(read.feed) || !membership.isNear(from)) return toBytes({ none: true });
    const deltas = read.have && feeds.served.deltasAfter(read.have, maxPulledBytes);
    if (deltas) return toBytes({ deltas });
    const page = feeds.served.page(read.feed, read.after ?? new Uint8Array());
    if (!page) return toBytes({ none: true });
    const records = page.records.map(({ kind, name, body }) => [kind, name, body]);
    return toBytes({ head: page.head, records, next: page.next ?? null });
  }
}

type SnapshotPage = Extract<z.infer<typeof feedAnswer>, { next: unknown }>;
