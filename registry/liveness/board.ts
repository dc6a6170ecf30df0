// What is shown of each stack's presence: judged states, their dates, and rest for those that come and go.
import type { StackId } from '../network.ts';
import type { Presence, Verdict } from './judge.ts';

/** A stack that came up or ceased to be so often within the window is shown as better only once it has been so for a while. */
const maxFlips = 6;
const windowMs = 60_000;
const restMs = 10_000;
/** News of one event come in any order, and what they come to may go to and fro: that is one change. */
const bounceMs = 1_000;

/** From better to worse. */
const order: readonly Presence['state'][] = ['up', 'suspect', 'unreachable', 'down'];

interface Shown {
  readonly presence: Presence;
  /** The state that was judged last, and when it came up or ceased to be, newest last. */
  readonly judged: Presence['state'];
  readonly flips: readonly number[];
  readonly changedAt: number;
}

const none: readonly number[] = [];

export class Board {
  readonly #shown = new Map<StackId, Shown>();
  readonly #wall: () => number;

  /** `wall` is milliseconds since 1970. */
  constructor(wall: () => number) {
    this.#wall = wall;
  }

  of(stack: StackId): Presence | undefined {
    return this.#shown.get(stack)?.presence;
  }

  /** Takes a verdict over; returns whether what is shown has another state, and when to judge again where it has to rest. */
  set(stack: StackId, verdict: Verdict, now: number): { readonly isNews: boolean; readonly againAt?: number } {
    const known = this.#shown.get(stack);
    const flipped = known?.flips ?? none;
    const recent = flipped.some((at) => now - at >= windowMs) ? flipped.filter((at) => now - at < windowMs) : flipped;
    const hasFlipped = known !== undefined && (known.judged === 'up') !== (verdict.state === 'up');
    const isCounted = hasFlipped && now - (recent.at(-1) ?? Number.NEGATIVE_INFINITY) >= bounceMs;
    const flips = isCounted ? [...recent, now].slice(-maxFlips) : recent;
    const changedAt = known && !hasFlipped ? known.changedAt : now;
    const state = known?.presence.state;
    const isBetter = state !== undefined && order.indexOf(verdict.state) < order.indexOf(state);
    if (known && isBetter && flips.length >= maxFlips && now - changedAt < restMs) {
      const presence = { ...known.presence, why: 'it comes and goes' };
      this.#shown.set(stack, { presence, judged: verdict.state, flips, changedAt });
      return { isNews: false, againAt: changedAt + restMs };
    }
    const since = known && state === verdict.state ? known.presence.since : this.#wall();
    this.#shown.set(stack, { presence: { ...verdict, since }, judged: verdict.state, flips, changedAt });
    return { isNews: state !== verdict.state };
  }

  /** Forgets all but these. */
  retain(stacks: ReadonlySet<StackId>): void {
    for (const stack of this.#shown.keys()) if (!stacks.has(stack)) this.#shown.delete(stack);
  }
}
