// Which feeds are being pulled from whom, and when another member is asked for the same: one that claims much and brings
// nothing must not keep a feed from coming; pure.
import type { StackId } from '../network.ts';

/** A pull that brought nothing true for so long isn't waited for where another member tells of the same feed. */
const patienceMs = 1_000;
/** Members that one feed is pulled from at a time. */
const maxSources = 2;

interface Pull {
  /** Whom it runs from, and when that one brought something last, in monotonic milliseconds. */
  readonly from: Map<StackId, number>;
  /** Whom to ask once more: rather another one. */
  again: StackId | undefined;
}

export class Pulls {
  /** At most one for each member's feed. */
  readonly #pulls = new Map<string, Pull>();

  /** A member tells of news in a feed; whether it is to be pulled from there now. */
  wanted(feed: string, from: StackId, now: number): boolean {
    const pull = this.#pulls.get(feed);
    if (!pull) {
      this.#pulls.set(feed, { from: new Map([[from, now]]), again: undefined });
      return true;
    }
    if (pull.again === undefined || !pull.from.has(from)) pull.again = from;
    return false;
  }

  progress(feed: string, from: StackId, now: number): void {
    const pull = this.#pulls.get(feed);
    if (pull?.from.has(from)) pull.from.set(from, now);
  }

  /** A pull from there ended; whom to pull from next. */
  ended(feed: string, from: StackId, now: number): StackId[] {
    const pull = this.#pulls.get(feed);
    if (!pull) return [];
    pull.from.delete(from);
    if (pull.from.size > 0) return [];
    this.#pulls.delete(feed);
    return pull.again !== undefined && this.wanted(feed, pull.again, now) ? [pull.again] : [];
  }

  has(feed?: string): boolean {
    return feed === undefined ? this.#pulls.size > 0 : this.#pulls.has(feed);
  }

  /** When `late` has something next. */
  wakeAt(): number {
    const times = [...this.#pulls.values()].flatMap((pull) => (canHedge(pull) ? [lastOf(pull) + patienceMs] : []));
    return times.reduce((first, each) => Math.min(first, each), Number.POSITIVE_INFINITY);
  }

  /** Pulls to run beside those that bring nothing. */
  late(now: number): { readonly feed: string; readonly from: StackId }[] {
    return [...this.#pulls].flatMap(([feed, pull]) => {
      if (pull.again === undefined || !canHedge(pull) || lastOf(pull) + patienceMs > now) return [];
      const from = pull.again;
      pull.again = undefined;
      pull.from.set(from, now);
      return [{ feed, from }];
    });
  }
}

function canHedge({ from, again }: Pull): boolean {
  return again !== undefined && !from.has(again) && from.size < maxSources;
}

function lastOf({ from }: Pull): number {
  return [...from.values()].reduce((last, each) => Math.max(last, each), 0);
}
