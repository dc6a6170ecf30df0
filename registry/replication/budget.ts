// A budget that fills with time and is spent by what is done: a token bucket; pure.

export interface Rate {
  /** What is given back a second. */
  readonly perSecond: number;
  /** What may be spent at once after a quiet time. */
  readonly burst: number;
}

export class Budget {
  readonly #rate: Rate;
  #left: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#at = now;
  }

  /** Spends that much at that time (milliseconds of a monotonic clock); false where it isn't there, and then nothing is spent. */
  spend(amount: number, now: number): boolean {
    const { perSecond, burst } = this.#rate;
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1_000) * perSecond);
    this.#at = now;
    if (amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }
}
