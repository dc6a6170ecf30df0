// Fetches feeds from other members, a few at a time: chooses between deltas, what differs, and all of a feed.
import {
  type Applied,
  emptyRoot,
  type Feeds,
  relate,
  type VerifiedHead,
  verifyDelta,
  verifyWhole,
} from '#registry/feeds';
import type { Membership } from '#registry/roster';
import { type Clock, within } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { sameBytes } from '../wire.ts';
import { findDifference } from './difference.ts';
import { type Page, Source, serveFeeds } from './feed-exchange.ts';
import { Intake } from './intake.ts';
import type { Deed, Replica } from './replicate.ts';
import { takeSnapshot } from './snapshot.ts';

/** Pulls at a time: each may hold a feed of 32 MiB. One a member, so that a slow one can't hold up the others' feeds. */
const maxPulls = 3;
/** A whole pull: 32 MiB at 2 Mbit/s. */
const pullTimeoutMs = 150_000;
/** A member that gave nothing, or what had to be refused, is asked for that feed again after pauses that grow so far. */
const maxPullPauseMs = 60_000;
/** Members and feeds that are remembered for it. */
const maxPauses = 4_000;
/** Rounds of deltas in one pull. */
const maxRounds = 64;

/** A feed with so many times the records of the copy that is here is fetched whole: little of it would be spared. */
const maxGrowth = 8;

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
  readonly #intake: Intake;
  readonly #waiting: { readonly from: StackId; readonly run: (leave: () => void) => Promise<void> }[] = [];
  readonly #pulling = new Set<StackId>();
  /** Until when a member isn't asked for a feed, in milliseconds of the monotonic clock, and how long that was. */
  readonly #pauses = new Map<string, { readonly until: number; readonly pauseMs: number }>();

  constructor(parts: FetchParts) {
    this.#parts = parts;
    this.#intake = new Intake(parts.feeds, parts.clock, parts);
    const { network, feeds, membership, replica } = parts;
    // Feeds don't leave their zone; and while a stack starts, the rows of its own feed may be ahead of its head.
    const mayServe = (feed: StackId, from: StackId): boolean =>
      membership.isNear(feed) && membership.isNear(from) && !(feed === network.stack && replica.isRestoring);
    serveFeeds(network, feeds, mayServe);
  }

  /** Fetches what is missing of a feed from there, when its turn comes; the replica is told when that ended. */
  pull(feed: string, from: StackId): void {
    const pull = { from, run: (leave: () => void) => this.#runPull(feed, from, leave) };
    // A stack that starts waits for its own feed before it signs anything.
    if (feed === this.#parts.network.stack) this.#waiting.unshift(pull);
    else this.#waiting.push(pull);
    this.#nextPull();
  }

  async #runPull(feed: string, from: StackId, leave: () => void): Promise<void> {
    const pair = `${from} ${feed}`;
    try {
      if ((this.#pauses.get(pair)?.until ?? 0) > this.#parts.clock.monotonic()) return;
      const { clock, signal } = this.#parts;
      const deeds = await within(clock, pullTimeoutMs, { signal }, (limit) => this.#pull(feed, from, leave, limit));
      if (deeds.some((deed) => deed.type === 'report' && deed.what === 'refused')) this.#pause(pair);
      else this.#pauses.delete(pair);
      this.#parts.do(deeds);
    } catch (error) {
      this.#pause(pair);
      this.#parts.log.debug({ feed, from, error }, 'pull failed');
    } finally {
      this.#ended(feed, from);
      leave();
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
    const { from, run } = next;
    let isIn = true;
    const leave = (): void => {
      if (!isIn) return;
      isIn = false;
      this.#pulling.delete(from);
      this.#nextPull();
    };
    this.#pulling.add(from);
    void run(leave);
  }

  /** Deltas where the other side kept them; else what differs from the copy that is here; else all, page by page. */
  async #pull(feed: string, from: StackId, leave: () => void, signal: AbortSignal): Promise<readonly Deed[]> {
    const { feeds, replica, membership } = this.#parts;
    const source = new Source(this.#parts, { feed, from, mesh: membership.roster.mesh }, { signal });
    const isOwn = feed === this.#parts.network.stack && !replica.isRestoring;
    const progress = (): void => replica.pulling(feed, from, this.#parts.clock.monotonic());
    let have = (isOwn ? replica.ownStart() : feeds.position(feed)) ?? null;
    let isBefore = false;
    for (let round = 0; round < maxRounds; round += 1) {
      const answer = await source.ask(have, null);
      if ('none' in answer) return [];
      if ('head' in answer) {
        const head = source.verify(answer.head);
        if (!head) return [{ type: 'report', what: 'refused', feed }];
        if (isOwn) return replica.own(head);
        progress();
        return 'records' in answer ? this.#takePages(source, answer, leave) : this.#repair(source, head, leave);
      }
      if (isOwn) {
        const told = takeOwn(replica, source, answer.deltas);
        if (told.length > 0) return told;
        // Nothing of it is another history: the head tells.
        have = null;
        continue;
      }
      const deeds = answer.deltas.flatMap((wire) => replica.delta(wire, from));
      if (deeds.some(({ type }) => type === 'changed')) progress();
      this.#parts.do(deeds.filter(({ type }) => type !== 'pull'));
      if (answer.deltas.length === 0) return [];
      if (deeds.some(({ type }) => type === 'changed')) have = feeds.position(feed) ?? null;
      // Deltas that don't lead on from here belong to another history. Where it is one of the same epoch, the head that it has in
      // the place of the one here proves that; else the pages tell.
      else if (have && !isBefore && isFork(feeds, answer.deltas, membership.roster.mesh)) {
        have = { ...have, sequence: have.sequence - 1, hash: emptyRoot };
        isBefore = true;
      } else have = null;
    }
    return [];
  }

  async #repair(source: Source, head: VerifiedHead, leave: () => void): Promise<readonly Deed[]> {
    const { feeds, replica } = this.#parts;
    const judged = replica.judge(head);
    if (judged !== 'next' && judged !== 'gap') return this.#applied(source, judged);
    const count = feeds.count(source.feed);
    if (count > 0 && head.head.count <= maxGrowth * count) {
      const own = feeds.trie(source.feed);
      const found = await findDifference(source, head, own);
      if (found === 'refused') return this.#applied(source, 'refused');
      if (found !== 'moved') {
        return this.#applied(
          source,
          replica.apply(found.head, () => feeds.repair(found.head, own, found.records, found.removed)),
        );
      }
    }
    const first = await source.ask(null, null);
    return 'records' in first ? this.#takePages(source, first, leave) : [];
  }

  async #takePages(source: Source, first: Page, leave: () => void): Promise<readonly Deed[]> {
    const { feeds, replica, network } = this.#parts;
    const found = await takeSnapshot(source, first);
    if (found === 'moved') return [];
    if (found === 'refused') return this.#applied(source, 'refused');
    const { head, records } = found;
    if (source.feed === network.stack) {
      return this.#applied(
        source,
        replica.apply(head, () => feeds.replace(head, records)),
      );
    }
    const whole = verifyWhole(head, records);
    if (!whole) return this.#applied(source, 'refused');
    // The next feed is asked for while this one waits for others that go into the same transaction.
    leave();
    return this.#applied(source, await this.#intake.keep(whole, { follows: this.#pulling.size > 0 }));
  }

  #applied({ feed, from }: Source, outcome: Applied): readonly Deed[] {
    return this.#parts.replica.applied(outcome, feed, from).filter(({ type }) => type !== 'pull');
  }

  /** A fault of the store (a full disk) ends nothing: what was not kept is asked for again in a later round. */
  #ended(feed: string, from: StackId): void {
    try {
      this.#parts.do(this.#parts.replica.pulled(feed, from, this.#parts.clock.monotonic()));
    } catch (error) {
      this.#parts.log.error({ feed, error }, 'replication failed after a pull');
    }
  }
}

/** Deltas of the own feed, in their order: what proves another history goes before what is further on. */
function takeOwn(replica: Replica, { feed, mesh }: Source, wires: readonly Uint8Array[]): readonly Deed[] {
  let deeds: readonly Deed[] = [];
  for (const wire of wires) {
    const delta = verifyDelta(wire, mesh);
    if (typeof delta === 'string' || delta.head.feed !== feed) continue;
    deeds = replica.own(delta);
    if (deeds.some(({ type }) => type === 'cloned')) return deeds;
  }
  return deeds;
}

/** Whether deltas begin right after the head that is here, in its epoch, and don't follow it. */
function isFork(feeds: Feeds, [first]: readonly Uint8Array[], mesh: string): boolean {
  const delta = first && verifyDelta(first, mesh);
  if (!delta || typeof delta === 'string') return false;
  const { feed, epoch, sequence, previous } = delta.head;
  const here = feeds.position(feed);
  if (!here || relate(here, { ...here, epoch, sequence: sequence - 1 }) !== 'same') return false;
  return !sameBytes(previous, here.hash);
}
