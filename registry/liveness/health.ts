// Whether this stack is fit to judge others: its own event loop's lag, as Lifeguard does (Dadgar and others, 2017).

/** A timer that comes later than this, smoothed, says that this process lags. */
const lagLimitMs = 200;
/** The weight of the newest lateness. */
const smoothing = 0.3;
/** Timeouts are stretched so many times at most. */
const maxMultiplier = 8;
/** Healthy for so long, and it may accuse again. */
const recoveryMs = 5_000;
/** A timer that is later than this: the process was stopped or the machine slept, and nothing it remembers is of now. */
export const pauseMs = 2_000;

/** Told how late each timer was; pure. */
export class Health {
  #lagMs = 0;
  #unfitUntil = 0;

  /** A timer came that late, at that monotonic time. Returns whether the process had been paused. */
  late(lateMs: number, now: number): boolean {
    // One long pause is not lag: what it leaves behind is dealt with by asking anew.
    if (lateMs >= pauseMs) {
      this.#unfitUntil = Math.max(this.#unfitUntil, now + recoveryMs);
      return true;
    }
    this.#lagMs += smoothing * (Math.max(0, lateMs) - this.#lagMs);
    if (this.#lagMs > lagLimitMs) this.#unfitUntil = now + recoveryMs;
    return false;
  }

  /** 1 to 8: timeouts are that many times as long. */
  get multiplier(): number {
    return Math.min(maxMultiplier, 1 + Math.floor(this.#lagMs / lagLimitMs));
  }

  isFit(now: number): boolean {
    return now >= this.#unfitUntil;
  }
}
