// Why nothing more is taken from an owner: two heads that it signed for one place, or epochs that two stacks begin against one another.
import { sameBytes, toHex } from '../wire.ts';
import type { Epoch, VerifiedHead } from './feed.ts';

export type QuarantineReason = 'equivocation' | 'clone';

/** The reason, and the counter of the epoch that it is about: a pardon of that counter or a higher one ends it. */
export interface Quarantine {
  readonly reason: QuarantineReason;
  readonly counter: number;
}

/** Two heads for which `provesEquivocation` holds. */
export type Evidence = readonly [VerifiedHead, VerifiedHead];

/** Whether two heads show that their owner wrote two histories: one mesh, feed, epoch and sequence, and not the same bytes. */
export function provesEquivocation(a: VerifiedHead, b: VerifiedHead): boolean {
  const [one, other] = [a.head, b.head];
  const isOnePlace =
    one.mesh === other.mesh &&
    one.feed === other.feed &&
    one.epoch.counter === other.epoch.counter &&
    sameBytes(one.epoch.nonce, other.epoch.nonce) &&
    one.sequence === other.sequence;
  return isOnePlace && !sameBytes(a.hash, b.hash);
}

/** A restore makes one second epoch of a counter; two stacks with one identity make one after the other. */
const maxRivals = 3;
const rivalWindowMs = 10 * 60 * 1000;
/** Feeds whose rivals are remembered: more than a mesh has; the oldest is forgotten first. */
const maxFeeds = 2_000;

/** Counts the epochs of each feed that were begun against another one of the same counter. */
export class Rivals {
  readonly #seen = new Map<string, readonly { readonly epoch: string; readonly at: number }[]>();

  /**
   * An owner signed a head of that epoch, and an epoch of the same counter with another nonce is stored. Whether it is a
   * clone: the third such epoch in ten minutes. One that raises its counter at each start never comes here.
   */
  saw(feed: string, { counter, nonce }: Epoch, now: number): boolean {
    const epoch = `${counter} ${toHex(nonce)}`;
    const recent = (this.#seen.get(feed) ?? []).filter(({ at }) => now - at < rivalWindowMs);
    // The same epoch heard again, or replayed by whomever, is one event.
    const all = recent.some((one) => one.epoch === epoch) ? recent : [...recent, { epoch, at: now }];
    const oldest = this.#seen.keys().next();
    if (!this.#seen.has(feed) && this.#seen.size >= maxFeeds && !oldest.done) this.#seen.delete(oldest.value);
    this.#seen.set(feed, all);
    if (all.length < maxRivals) return false;
    this.#seen.delete(feed);
    return true;
  }
}
