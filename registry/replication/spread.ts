// Drives replication over a network: serves and asks for heads, rosters and feeds, and does what the state machine decides.
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
import type { Membership, Statement } from '#registry/roster';
import { type Clock, within } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { bytesSchema, fit, fromBytes, toBytes } from '../wire.ts';
import { type Deed, maxPulledBytes, type Replica } from './replicate.ts';

const headsProtocol = '/hermesh/heads/1.0.0';
const rosterProtocol = '/hermesh/roster/1.0.0';
const feedProtocol = '/hermesh/feed/1.0.0';
/** One message between members: libp2p's streams carry 1 MiB well. */
const maxMessageBytes = 1024 * 1024;
const exchangeTimeoutMs = 10_000;
/** Statements in one message: about 400 bytes each. */
const maxStatementsBytes = 512 * 1024;
/** Statements whose ids are compared: what fits into one message. */
const maxStatements = 10_000;
/** Statements or deltas in one message. */
const maxWires = 2_000;
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
/** Rounds of deltas in one pull, and of a roster that comes in parts. */
const maxRounds = 64;

const digest = z.string().max(64);
const positions = z.array(positionSchema).max(4_000);
const headsRequest = z.strictObject({
  roster: digest.optional(),
  heads: bytesSchema(32).optional(),
  offer: positions.optional(),
});
const headsAnswer = z.strictObject({
  statements: z.array(digest).max(maxStatements).nullable(),
  heads: positions.nullable(),
});
const wires = z.array(bytesSchema({ maxBytes: maxMessageBytes })).max(maxWires);
const rosterRequest = z.strictObject({ want: z.array(digest).max(maxWires), give: wires });
const rosterAnswer = z.strictObject({ statements: wires });
const feedRequest = z.strictObject({
  feed: z.string().max(64),
  have: positionSchema.nullable(),
  after: bytesSchema(32).nullable(),
});
const feedAnswer = z.union([
  z.strictObject({ deltas: wires }),
  z.strictObject({
    head: signedHeadSchema,
    records: z.array(changeSchema).max(2_000),
    next: bytesSchema(32).nullable(),
  }),
  z.strictObject({ none: z.literal(true) }),
]);

/** What the driver needs of the registry that it belongs to. */
export interface SpreadParts {
  readonly network: Network;
  readonly replica: Replica;
  readonly feeds: Feeds;
  readonly membership: Membership;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Records of a feed changed. */
  readonly changed: (feed: string) => void;
  readonly stated: (statements: readonly Statement[]) => void;
  readonly renew: (counter: number) => void;
  /** A member is compared with now: whatever else is. */
  readonly exchanged: (peer: StackId) => void;
  /** Time went on: whatever else has its day. */
  readonly due: () => void;
}

export class Spread {
  readonly #parts: SpreadParts;
  readonly #exchanging = new Set<StackId>();
  readonly #waiting: { readonly from: StackId; readonly run: () => Promise<void> }[] = [];
  readonly #pulling = new Set<StackId>();
  /** Until when a member isn't asked for a feed, in milliseconds of the monotonic clock, and how long that was. */
  readonly #pauses = new Map<string, { readonly until: number; readonly pauseMs: number }>();
  #topic: { readonly name: string; end(): void } = { name: '', end: () => undefined };
  #cancelTimer = (): void => undefined;

  constructor(parts: SpreadParts) {
    this.#parts = parts;
    const bounds = { access: 'member', maxRequestBytes: maxMessageBytes, timeoutMs: exchangeTimeoutMs } as const;
    parts.network.serve(headsProtocol, bounds, async (request, { from }) => this.#answerHeads(request, from));
    parts.network.serve(rosterProtocol, bounds, async (request) => this.#answerRoster(request));
    parts.network.serve(feedProtocol, bounds, async (request) => this.#answerFeed(request));
    parts.signal.addEventListener('abort', () => this.#cancelTimer());
    this.enter();
  }

  /** Listens to the mesh that this stack is in now. */
  enter(): void {
    const mesh = this.#parts.membership.roster.mesh;
    const topic = topicOf(mesh);
    if (this.#topic.name !== topic) {
      // Of a mesh that was left nothing is heard any more, and its id is told to nobody.
      this.#topic.end();
      const end = this.#parts.network.subscribe(topic, (message, from) => {
        if (this.#parts.membership.roster.mesh !== mesh || this.#parts.signal.aborted) return;
        this.#guarded('a message was heard', () => this.do(this.#parts.replica.heard(message, from)));
      });
      this.#topic = { name: topic, end };
    }
    this.#schedule();
  }

  /** Does what was decided; what takes time goes on behind. */
  do(deeds: readonly Deed[]): void {
    for (const deed of deeds) {
      if (this.#parts.signal.aborted) return;
      if (deed.type === 'publish') {
        this.#parts.network.publish(topicOf(this.#parts.membership.roster.mesh), deed.message);
      } else if (deed.type === 'exchange') void this.exchange(deed.with);
      else if (deed.type === 'pull') this.#queuePull(deed.feed, deed.from);
      else if (deed.type === 'statements') this.#state(deed.wires);
      else if (deed.type === 'changed') this.#parts.changed(deed.feed);
      else if (deed.type === 'renew') this.#parts.renew(deed.counter);
      else this.#parts.log.warn({ feed: deed.feed, what: deed.what }, 'refused what was replicated');
    }
    this.#schedule();
  }

  /** Compares roster and heads with a member and brings both sides up to date; resolves when that is asked for. */
  async exchange(peer: StackId): Promise<void> {
    if (this.#exchanging.has(peer)) return;
    this.#exchanging.add(peer);
    this.#parts.exchanged(peer);
    try {
      const { replica, membership } = this.#parts;
      const ask = toBytes({ roster: membership.roster.digest, heads: replica.digest() });
      const answer = fromBytes(headsAnswer, await this.#ask(peer, headsProtocol, ask), maxMessageBytes);
      if (!answer) throw new Error('the answer cannot be read');
      if (answer.statements) await this.#exchangeRoster(peer, answer.statements);
      if (!answer.heads) return;
      this.do(replica.heads(answer.heads, peer));
      const offer = replica.newsFor(answer.heads).slice(0, 4_000);
      if (offer.length > 0) await this.#ask(peer, headsProtocol, toBytes({ offer }));
    } catch (error) {
      this.#parts.log.debug({ peer, error }, 'exchange of heads failed');
    } finally {
      this.#exchanging.delete(peer);
    }
  }

  async #exchangeRoster(peer: StackId, theirs: readonly string[]): Promise<void> {
    const { membership } = this.#parts;
    const at = new Set(theirs);
    const lacking = membership.statements.filter(({ id }) => !at.has(id));
    const give = fit(lacking.slice(0, maxWires), maxStatementsBytes, ({ wire }) => wire).map(({ wire }) => wire);
    for (let round = 0; round < maxRounds; round += 1) {
      const known = new Set(membership.statements.map(({ id }) => id));
      const want = theirs.filter((id) => !known.has(id)).slice(0, maxWires);
      if (want.length === 0 && (round > 0 || give.length === 0)) return;
      const request = toBytes({ want, give: round === 0 ? give : [] });
      const answer = fromBytes(rosterAnswer, await this.#ask(peer, rosterProtocol, request), maxMessageBytes);
      if (!answer || this.#state(answer.statements) === 0) return;
    }
  }

  #state(statements: readonly Uint8Array[]): number {
    const fresh = this.#parts.membership.add(statements);
    if (fresh.length > 0) this.#parts.stated(fresh);
    return fresh.length;
  }

  #queuePull(feed: string, from: StackId): void {
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
      this.do(deeds);
    } catch (error) {
      this.#pause(pair);
      this.#parts.log.debug({ feed, from, error }, 'pull failed');
    } finally {
      this.#pulling.delete(from);
      this.#guarded('a pull ended', () => this.do(this.#parts.replica.pulled(feed)));
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
      this.do(deeds.filter(({ type }) => type !== 'pull'));
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
    const answer = await this.#ask(from, feedProtocol, toBytes(request), until);
    return fromBytes(feedAnswer, answer, maxMessageBytes) ?? { none: true };
  }

  #ask(peer: StackId, protocol: string, request: Uint8Array, until = this.#parts.signal): Promise<Uint8Array> {
    return within(this.#parts.clock, exchangeTimeoutMs, { signal: until }, (signal) =>
      this.#parts.network.request(peer, protocol, request, { signal, maxResponseBytes: maxMessageBytes }),
    );
  }

  #answerHeads(request: Uint8Array, from: StackId): Uint8Array {
    const { replica, membership } = this.#parts;
    const read = fromBytes(headsRequest, request, maxMessageBytes);
    if (!read) throw new Error('the request cannot be read');
    if (read.offer) this.do(replica.heads(read.offer, from));
    const sameRoster = read.roster === undefined || read.roster === membership.roster.digest;
    const sameHeads = read.heads === undefined || Buffer.compare(read.heads, replica.digest()) === 0;
    return toBytes({
      statements: sameRoster ? null : membership.statements.slice(0, maxStatements).map(({ id }) => id),
      heads: sameHeads ? null : replica.positions().slice(0, 4_000),
    });
  }

  #answerRoster(request: Uint8Array): Uint8Array {
    const read = fromBytes(rosterRequest, request, maxMessageBytes);
    if (!read) throw new Error('the request cannot be read');
    this.#state(read.give);
    const want = new Set(read.want);
    const found = this.#parts.membership.statements.filter(({ id }) => want.has(id));
    return toBytes({ statements: fit(found, maxStatementsBytes, ({ wire }) => wire).map(({ wire }) => wire) });
  }

  #answerFeed(request: Uint8Array): Uint8Array {
    const { feeds, membership } = this.#parts;
    const read = fromBytes(feedRequest, request, maxMessageBytes);
    if (!read) throw new Error('the request cannot be read');
    if (!membership.valid(read.feed)) return toBytes({ none: true });
    const deltas = read.have && feeds.deltasAfter(read.have, maxPulledBytes);
    if (deltas) return toBytes({ deltas });
    const page = feeds.page(read.feed, read.after ?? new Uint8Array());
    if (!page) return toBytes({ none: true });
    const records = page.records.map(({ kind, name, body }) => [kind, name, body]);
    return toBytes({ head: page.head, records, next: page.next ?? null });
  }

  /** A fault of the store (a full disk) ends nothing: what was not kept is asked for again in a later round. */
  #guarded(when: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#parts.log.error({ when, error }, 'replication failed');
    }
  }

  #schedule(): void {
    this.#cancelTimer();
    const { signal, replica, clock } = this.#parts;
    if (signal.aborted) return;
    const now = clock.monotonic();
    this.#cancelTimer = clock.after(Math.max(0, replica.wakeAt() - now), () => {
      this.#guarded('time went on', () => {
        this.do(replica.tick(clock.monotonic()));
        this.#parts.due();
      });
      this.#schedule();
    });
  }
}

type SnapshotPage = Extract<z.infer<typeof feedAnswer>, { next: unknown }>;

function topicOf(mesh: string): string {
  return `/hermesh/feeds/1.0.0/${mesh}`;
}
