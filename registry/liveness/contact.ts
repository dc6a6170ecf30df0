// What this stack itself knows of one other: whether it is connected, when it was last heard, and what asking it came to.
import type { Suspicion } from './claims.ts';

/** Times in milliseconds; the defaults find a silent stack in about six seconds, with some ten bytes a second for each pair. */
export interface LivenessTiming {
  /** A subject that wasn't heard for so long is pinged. */
  readonly pingMs: number;
  /** A ping without an answer for so long is sent once more. */
  readonly answerMs: number;
  /** That one has so much time, and the stack counts as silent. */
  readonly retryMs: number;
  /** A connection that broke and isn't back after so long counts as a failed dial, whatever the dialling still tries. */
  readonly probeMs: number;
  /** A member that was never met isn't accused before: its addresses may not be here yet. */
  readonly graceMs: number;
  /** A stack of which nothing was heard for so long, from anybody, is down. */
  readonly leaseMs: number;
  /** An observer that misses a third of its subjects waits so long before it says so. */
  readonly crowdMs: number;
}

export const defaultLivenessTiming: LivenessTiming = {
  pingMs: 3_000,
  answerMs: 1_500,
  retryMs: 1_000,
  probeMs: 2_000,
  graceMs: 15_000,
  leaseMs: 300_000,
  crowdMs: 10_000,
};

/** Of two that observe one another the one with the higher id waits longer, so that the other one's pings serve both. */
const secondFactor = 1.2;
/** Pings on a connection that is silent, until it is broken and dialled anew. */
const maxSilentPings = 15;

export interface Failure {
  readonly seen: Suspicion['seen'];
  readonly why: string;
}

export class Contact {
  readonly #timing: LivenessTiming;
  readonly #pingMs: number;
  readonly #knownAt: number;
  #metAt: number | undefined;
  #connected = false;
  #heardAt: number;
  #steadySince: number;
  #pings = 0;
  /** Pings at that time, whatever was heard. */
  #askAt: number | undefined;
  #askedAt = 0;
  #brokeAt: number | undefined;
  #failure: Failure | undefined;
  /** Whether the failure was found out in a moment in which this stack was fit to. */
  #isConfirmed = false;

  constructor(timing: LivenessTiming, isSecond: boolean, now: number) {
    this.#timing = timing;
    this.#pingMs = timing.pingMs * (isSecond ? secondFactor : 1);
    this.#knownAt = now;
    this.#heardAt = now;
    this.#steadySince = now;
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  /** When it last connected. */
  get metAt(): number | undefined {
    return this.#metAt;
  }

  /** When this stack itself last heard it; undefined where it never did. */
  get heardAt(): number | undefined {
    return this.#metAt === undefined ? undefined : this.#heardAt;
  }

  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Since when it is heard without a failure. */
  get steadySince(): number {
    return this.#steadySince;
  }

  connected(now: number): void {
    this.#connected = true;
    this.#metAt = now;
    this.#brokeAt = undefined;
    this.heard(now);
  }

  disconnected(now: number): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#brokeAt = now;
    this.#pings = 0;
  }

  /** Anything came from it. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#askAt = undefined;
    this.#pings = 0;
    if (!this.#connected || !this.#failure) return;
    this.#failure = undefined;
    this.#steadySince = now;
  }

  /** Dialling it failed. */
  unreached(why: string): void {
    if (this.#connected) return;
    this.#failure = { seen: 'unreachable', why };
    this.#isConfirmed = true;
  }

  /** What was found out isn't of now: it is asked anew before it counts. */
  doubt(now: number): 'probe' | undefined {
    this.#isConfirmed = false;
    this.#pings = 0;
    if (this.#connected) {
      this.#askAt = now;
      return undefined;
    }
    this.#brokeAt = now;
    return 'probe';
  }

  /** Whether it may be accused of its failure. */
  isMissing(now: number): boolean {
    if (!this.#failure || !this.#isConfirmed) return false;
    return this.#metAt !== undefined || now - this.#knownAt >= this.#timing.graceMs;
  }

  /** What time asks for, with timeouts stretched by the multiplier: for a subject of this stack. */
  step(now: number, multiplier: number): 'ping' | 'break' | undefined {
    const { probeMs } = this.#timing;
    if (!this.#connected) {
      if (this.#brokeAt !== undefined && now >= this.#brokeAt + probeMs * multiplier) {
        this.#brokeAt = undefined;
        this.#failure ??= { seen: 'unreachable', why: 'its connection broke, and dialling it gets no answer' };
        this.#isConfirmed = true;
      }
      return undefined;
    }
    if (now < this.#wakeAt(multiplier)) return undefined;
    if (this.#pings >= 2) {
      this.#failure ??= { seen: 'silent', why: `it has not answered for ${seconds(now - this.#heardAt)}` };
      this.#isConfirmed = true;
    }
    if (this.#pings >= maxSilentPings) return 'break';
    this.#askedAt = now;
    this.#pings += 1;
    return 'ping';
  }

  /** When `step` has something to do. */
  wakeAt(multiplier: number): number {
    if (this.#connected) return this.#wakeAt(multiplier);
    if (this.#brokeAt !== undefined) return this.#brokeAt + this.#timing.probeMs * multiplier;
    return Number.POSITIVE_INFINITY;
  }

  /** When the grace of one that was never met ends. */
  get graceEndsAt(): number {
    return this.#knownAt + this.#timing.graceMs;
  }

  #wakeAt(multiplier: number): number {
    if (this.#pings === 0) return this.#askAt ?? this.#heardAt + this.#pingMs;
    const { answerMs, retryMs } = this.#timing;
    return this.#askedAt + (this.#pings === 1 ? answerMs : retryMs) * multiplier;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
