// Keeps feeds that came whole: those that come close together go into one transaction, since each commit rewrites much of the index.
import { type Applied, type Feeds, maxFeedBytes, type WholeFeed } from '#registry/feeds';
import type { Clock } from '../clock.ts';

/** What waits for one transaction: beyond, what a transaction costs is spread over so many records that more spares little. */
export const maxGroupBytes = maxFeedBytes / 4;
/** How long the first one waits for others while they are being fetched: far below a round of anti-entropy. */
const gatherMs = 250;

interface Waiting {
  readonly whole: WholeFeed;
  readonly resolve: (outcome: Applied) => void;
  readonly reject: (error: unknown) => void;
}

export class Intake {
  readonly #feeds: Feeds;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #waiting: Waiting[] = [];
  #sizeBytes = 0;
  #cancel: (() => void) | undefined;

  constructor(feeds: Feeds, clock: Clock, { signal }: { signal: AbortSignal }) {
    this.#feeds = feeds;
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.flush(), { once: true });
  }

  /** Keeps it with those that follow, at once where none `follows`; rejects where the store can't, or the signal ends it. */
  keep(whole: WholeFeed, { follows }: { readonly follows: boolean }): Promise<Applied> {
    const { promise, resolve, reject } = Promise.withResolvers<Applied>();
    this.#waiting.push({ whole, resolve, reject });
    this.#sizeBytes += whole.contents.liveBytes;
    if (!follows || this.#sizeBytes >= maxGroupBytes) this.flush();
    else this.#cancel ??= this.#clock.after(gatherMs, () => this.flush());
    return promise;
  }

  /** Keeps what waits, now. */
  flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    this.#sizeBytes = 0;
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#signal.aborted) {
      for (const { reject } of group) reject(this.#signal.reason);
    } else if (group.length > 0 && !this.#keepAll(group) && group.length > 1) {
      for (const one of group) this.#keepAll([one]);
    }
  }

  /** False where one of several is at fault, and nothing was kept: each is tried alone then. */
  #keepAll(group: readonly Waiting[]): boolean {
    try {
      const outcomes = this.#feeds.replaceAll(group.map(({ whole }) => whole));
      for (const [at, { resolve }] of group.entries()) resolve(outcomes[at] ?? 'refused');
      return true;
    } catch (error) {
      if (group.length === 1) for (const { reject } of group) reject(error);
      return false;
    }
  }
}
