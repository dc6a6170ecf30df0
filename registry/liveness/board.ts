// What is shown of each stack's presence: judged states, their dates, and rest for those that come and go.
import type { StackId } from '../network.ts';
import type { Presence, Verdict } from './judge.ts';

/** A stack whose state changed so often within the window comes up only once it has been up for a while. */
const maxFlips = 6;
const windowMs = 60_000;
const restMs = 10_000;

interface Shown {
  readonly presence: Presence;
  /** The state that was judged last, and when it changed, newest last. */
  readonly judged: Presence['state'];
  readonly flips: readonly number[];
}

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
    const recent = (known?.flips ?? []).filter((at) => now - at < windowMs);
    const flips = known && known.judged !== verdict.state ? [...recent, now].slice(-maxFlips) : recent;
    const state = known?.presence.state;
    const lastFlip = flips.at(-1) ?? now;
    const mustRest = state !== undefined && state !== 'up' && verdict.state === 'up' && flips.length >= maxFlips;
    if (known && mustRest && now - lastFlip < restMs) {
      const presence = { ...known.presence, why: 'it comes and goes' };
      this.#shown.set(stack, { presence, judged: verdict.state, flips });
      return { isNews: false, againAt: lastFlip + restMs };
    }
    const since = known && state === verdict.state ? known.presence.since : this.#wall();
    this.#shown.set(stack, { presence: { ...verdict, since }, judged: verdict.state, flips });
    return { isNews: state !== verdict.state };
  }

  /** Forgets all but these. */
  retain(stacks: ReadonlySet<StackId>): void {
    for (const stack of this.#shown.keys()) if (!stacks.has(stack)) this.#shown.delete(stack);
  }
}
