// Which range is asked of whom, when it is asked elsewhere too, and who is left out: a state machine without sockets or clocks.
import type { StackId } from '../network.ts';
import { maxRangesAsked } from './messages.ts';
import { RangeSet, rangeBytes } from './ranges.ts';

/** What is to be done. */
export type Deed =
  | { readonly type: 'ask'; readonly id: number; readonly stack: StackId; readonly ranges: readonly number[] }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'blame'; readonly stack: StackId }
  /** Ask a holder of a part what it has by now. */
  | { readonly type: 'look'; readonly stack: StackId };

/** How a request ended: all came, the other side is busy, hasn't it, or broke off. */
export type Ended = 'done' | 'busy' | 'none' | 'failed';

/** Peers at once: more give no more bandwidth to one link, and cost each a connection. */
const maxPeers = 4;
/** Requests of one peer at once: the next is under way while one ends. */
const maxRequestsOfOne = 2;
/** A request without a byte for so long is given up, and its peer pauses. */
const stallMs = 2_000;
/** One request takes about so long, so that what a dead or slow peer holds is little. */
const requestMs = 300;
/** Of who has all, while others fetch too: what is under way to one isn't known to the others. */
const maxRangesShared = 2;
/** Durations of ranges that the p90 is taken of, and how many make one. */
const maxDurations = 64;
const minDurations = 8;
/** Before there are enough durations, and at the least: what is quicker isn't worth asking twice. */
const firstHedgeMs = 1_000;
const minHedgeMs = 100;
/** A range is asked of two at most. */
const maxAskers = 2;
/** A holder of a part gets more while it is asked, and one of all tells who else asks it, and for what. */
const lookMs = 500;
/** After a failure a peer rests, longer each time; after so many it isn't asked again. */
const pauseMs = 1_000;
const maxFailures = 4;
const busyMs = 200;
/** Without one range for so long it ends, whatever trickles in: 1 MiB in that time is 18 KB/s. */
const stuckMs = 60_000;
/** Holders that are kept. */
export const maxHolders = 64;

interface Holder {
  have: RangeSet;
  /** What it gave to others, who soon have it too. */
  given: RangeSet | undefined;
  readonly requests: Set<number>;
  pausedUntil: number;
  failures: number;
  isOut: boolean;
  isLooking: boolean;
  lookAt: number;
  /** Bytes a millisecond, of late. */
  rate: number;
}

interface Request {
  readonly stack: StackId;
  readonly ranges: number[];
  /** Since when the range that comes is coming, and when a byte came last. */
  since: number;
  movedAt: number;
}

/** Times are milliseconds of a monotonic clock. */
export class Plan {
  readonly #verified: RangeSet;
  readonly #chance: () => number;
  readonly #holders = new Map<StackId, Holder>();
  readonly #requests = new Map<number, Request>();
  /** All that isn't verified, in an order of chance, so that stacks which begin together fetch different ranges. */
  readonly #open: number[];
  readonly #holderCounts: Uint16Array;
  readonly #askers: Uint8Array;
  readonly #durations: number[] = [];
  #nextId = 1;
  #movedAt: number;

  constructor(verified: RangeSet, chance: () => number, now: number) {
    this.#verified = verified;
    this.#chance = chance;
    this.#movedAt = now;
    this.#open = shuffled(
      Array.from({ length: verified.count }, (_, index) => index).filter((index) => !verified.has(index)),
      chance,
    );
    this.#holderCounts = new Uint16Array(verified.count);
    this.#askers = new Uint8Array(verified.count);
  }

  get isDone(): boolean {
    return this.#verified.isFull;
  }

  /** Whether nobody is left who might give more. */
  get isStuck(): boolean {
    return !this.isDone && this.#requests.size === 0 && [...this.#holders.values()].every(({ isOut }) => isOut);
  }

  /** Whether nothing came for a minute, whoever is asked. */
  isLate(now: number): boolean {
    return !this.isDone && now - this.#movedAt > stuckMs;
  }

  /** Whether that one may still be asked. */
  isIn(stack: StackId): boolean {
    return this.#holders.get(stack)?.isOut === false;
  }

  knows(stack: StackId): boolean {
    return this.#holders.has(stack);
  }

  /** That stack has these ranges; who was left out stays out. */
  holder(stack: StackId, have: RangeSet, now: number, given?: RangeSet): Deed[] {
    const known = this.#holders.get(stack);
    if (known?.isOut || have.count !== this.#verified.count) return [];
    if (!known && this.#holders.size >= maxHolders) return [];
    const holder: Holder = known ?? {
      have: new RangeSet(have.count),
      given: undefined,
      requests: new Set(),
      pausedUntil: 0,
      failures: 0,
      isOut: false,
      isLooking: false,
      lookAt: 0,
      rate: 0,
    };
    this.#count(holder, -1);
    holder.have = have;
    holder.given = given;
    this.#count(holder, 1);
    holder.isLooking = false;
    holder.lookAt = now + lookMs * (0.75 + this.#chance() / 2);
    this.#holders.set(stack, holder);
    return this.#next(now);
  }

  /** That stack couldn't be asked what it has by now: it is asked again later. */
  unseen(stack: StackId, now: number): void {
    const holder = this.#holders.get(stack);
    if (!holder) return;
    holder.isLooking = false;
    holder.lookAt = now + 2 * lookMs;
  }

  /** That stack has nothing of it, went, or can't be asked. */
  gone(stack: StackId, now: number): Deed[] {
    return [...this.#leaveOut(stack), ...this.#next(now)];
  }

  /** Bytes came for that request. */
  came(id: number, sizeBytes: number, now: number): void {
    const request = this.#requests.get(id);
    if (!request) return;
    const holder = this.#holders.get(request.stack);
    if (holder) holder.rate = holder.rate * 0.9 + (sizeBytes / Math.max(1, now - request.movedAt)) * 0.1;
    request.movedAt = now;
  }

  /** That range came and fits its hash. Undefined where it isn't wanted: it was verified before, or never asked for. */
  verified(id: number, range: number, now: number): Deed[] | undefined {
    const request = this.#requests.get(id);
    if (request?.ranges[0] !== range) return undefined;
    request.ranges.shift();
    this.#askers[range] = Math.max(0, (this.#askers[range] as number) - 1);
    this.#durations.push(now - request.since);
    if (this.#durations.length > maxDurations) this.#durations.shift();
    request.since = now;
    const holder = this.#holders.get(request.stack);
    if (holder) holder.failures = 0;
    if (this.#verified.has(range)) return this.#next(now);
    this.#verified.add(range);
    this.#open.splice(this.#open.indexOf(range), 1);
    this.#movedAt = now;
    return [...this.#cancelIdle(), ...this.#next(now)];
  }

  /** What came for that request doesn't fit: who sent it is never asked again. */
  wrong(id: number, now: number): Deed[] {
    const stack = this.#requests.get(id)?.stack;
    if (stack === undefined) return [];
    return [{ type: 'blame', stack }, ...this.gone(stack, now)];
  }

  ended(id: number, how: Ended, now: number): Deed[] {
    const stack = this.#drop(id);
    const holder = stack === undefined ? undefined : this.#holders.get(stack);
    if (stack === undefined || !holder) return this.#next(now);
    if (how === 'busy') holder.pausedUntil = now + busyMs * (1 + this.#chance());
    else if (how === 'none') return this.gone(stack, now);
    else if (how === 'failed') return [...this.#failed(stack, holder, now), ...this.#next(now)];
    return this.#next(now);
  }

  /** Time went on. */
  tick(now: number): Deed[] {
    const deeds: Deed[] = [];
    for (const [id, request] of [...this.#requests]) {
      if (now - request.movedAt < stallMs) continue;
      const holder = this.#holders.get(request.stack);
      this.#drop(id);
      deeds.push({ type: 'cancel', id });
      if (holder) deeds.push(...this.#failed(request.stack, holder, now));
    }
    for (const [stack, holder] of this.#holders) {
      if (holder.isOut || holder.isLooking || now < holder.lookAt) continue;
      holder.isLooking = true;
      deeds.push({ type: 'look', stack });
    }
    return [...deeds, ...this.#next(now)];
  }

  /** Whether others are fetching it too. */
  get #isShared(): boolean {
    return [...this.#holders.values()].some(({ have, isOut }) => !isOut && !have.isFull);
  }

  /** All that is free and may be asked is asked. */
  #next(now: number): Deed[] {
    const deeds: Deed[] = [];
    while (!this.isDone) {
      const free = this.#free(now);
      const choice = this.#choose(free) ?? this.#hedge(free, now);
      if (!choice) break;
      const id = this.#nextId;
      this.#nextId += 1;
      for (const range of choice.ranges) this.#askers[range] = (this.#askers[range] as number) + 1;
      this.#requests.set(id, { stack: choice.stack, ranges: [...choice.ranges], since: now, movedAt: now });
      this.#holders.get(choice.stack)?.requests.add(id);
      deeds.push({ type: 'ask', id, stack: choice.stack, ranges: choice.ranges });
    }
    return deeds;
  }

  /** Who may be asked now: holders of a part before those of all, the less busy first, by chance among equals. */
  #free(now: number): (readonly [StackId, Holder])[] {
    const active = [...this.#holders.values()].filter(({ requests }) => requests.size > 0).length;
    return [...this.#holders]
      .filter(([, one]) => !one.isOut && now >= one.pausedUntil && one.requests.size < maxRequestsOfOne)
      .filter(([, { requests }]) => requests.size > 0 || active < maxPeers)
      .map((one) => ({ one, by: Number(one[1].have.isFull) * 8 + one[1].requests.size + this.#chance() }))
      .sort((a, b) => a.by - b.by)
      .map(({ one }) => one);
  }

  /** The rarest range that a free holder has, and others as rare that it has. */
  #choose(free: readonly (readonly [StackId, Holder])[]): { stack: StackId; ranges: number[] } | undefined {
    let least = Number.POSITIVE_INFINITY;
    let found: readonly [StackId, Holder] | undefined;
    for (const range of this.#open) {
      const count = this.#holderCounts[range] as number;
      if (count >= least || count === 0 || (this.#askers[range] as number) > 0) continue;
      const holder = free.find(([, { have }]) => have.has(range));
      if (!holder) continue;
      least = count;
      found = holder;
    }
    if (!found) return undefined;
    const [stack, { have, rate }] = found;
    const bound = have.isFull && this.#isShared ? maxRangesShared : maxRangesAsked;
    const most = Math.min(bound, Math.max(1, Math.floor((rate * requestMs) / rangeBytes)));
    const ranges: number[] = [];
    for (const range of this.#open) {
      if (ranges.length >= most) break;
      if ((this.#askers[range] as number) > 0 || this.#holderCounts[range] !== least) continue;
      if (have.has(range)) ranges.push(range);
    }
    return { stack, ranges };
  }

  /** A range that takes longer than nine of ten took is asked of another one too, where nothing else is left to ask. */
  #hedge(free: readonly (readonly [StackId, Holder])[], now: number): { stack: StackId; ranges: number[] } | undefined {
    if (free.length === 0) return undefined;
    const late = this.#hedgeMs();
    for (const { stack: asked, ranges, since } of this.#requests.values()) {
      const [range] = ranges;
      if (range === undefined || now - since < late || (this.#askers[range] as number) >= maxAskers) continue;
      if (this.#verified.has(range)) continue;
      const other = free.find(([stack, { have }]) => stack !== asked && have.has(range));
      if (other) return { stack: other[0], ranges: [range] };
    }
    return undefined;
  }

  #hedgeMs(): number {
    if (this.#durations.length < minDurations) return firstHedgeMs;
    const sorted = [...this.#durations].sort((a, b) => a - b);
    return Math.max(minHedgeMs, sorted[Math.ceil(sorted.length * 0.9) - 1] as number);
  }

  /** Requests of which nothing is wanted any more. */
  #cancelIdle(): Deed[] {
    const idle = [...this.#requests].filter(
      ([, { ranges }]) => ranges.length > 0 && ranges.every((range) => this.#verified.has(range)),
    );
    return idle.map(([id]) => {
      this.#drop(id);
      return { type: 'cancel', id };
    });
  }

  /** A range is as rare as few have it, or are getting it. */
  #count({ have, given }: Holder, by: 1 | -1): void {
    for (let index = 0; index < have.count; index += 1) {
      const found = Number(have.has(index)) + Number(given?.has(index) === true);
      this.#holderCounts[index] = (this.#holderCounts[index] as number) + by * found;
    }
  }

  #failed(stack: StackId, holder: Holder, now: number): Deed[] {
    holder.failures += 1;
    holder.rate = 0;
    holder.pausedUntil = now + pauseMs * 2 ** holder.failures * (0.75 + this.#chance() / 2);
    return holder.failures > maxFailures ? this.#leaveOut(stack) : [];
  }

  #leaveOut(stack: StackId): Deed[] {
    const holder = this.#holders.get(stack);
    if (!holder || holder.isOut) return [];
    holder.isOut = true;
    this.#count(holder, -1);
    return [...holder.requests].map((id) => {
      this.#drop(id);
      return { type: 'cancel', id };
    });
  }

  /** Forgets a request: what it didn't bring is open again. */
  #drop(id: number): StackId | undefined {
    const request = this.#requests.get(id);
    if (!request) return undefined;
    this.#requests.delete(id);
    this.#holders.get(request.stack)?.requests.delete(id);
    for (const range of request.ranges) this.#askers[range] = Math.max(0, (this.#askers[range] as number) - 1);
    return request.stack;
  }
}

/** Fisher and Yates. */
function shuffled(all: number[], chance: () => number): number[] {
  for (let last = all.length - 1; last > 0; last -= 1) {
    const other = Math.floor(chance() * (last + 1));
    [all[last], all[other]] = [all[other] as number, all[last] as number];
  }
  return all;
}
