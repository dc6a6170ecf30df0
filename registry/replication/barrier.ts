// Whether a stack that starts may sign yet: it asks a few members how far its own feed went before it was here; pure.
import type { StackId } from '../network.ts';

/** Members that are asked: one may be behind, three seldom are. */
const maxAsked = 3;
/** Longer than this the own feed isn't waited for either: 32 MiB at 2 Mbit/s. */
const maxFetchMs = 150_000;

/** How the barrier ended. */
export interface Settled {
  /** Whether enough members were met; where not, others may hold more of the own feed than is here. */
  readonly confirmed: boolean;
}

export class Barrier {
  readonly #until: number;
  readonly #needed: number;
  readonly #met = new Set<StackId>();
  #settled: Settled | undefined;

  /** Begins at that time (monotonic milliseconds) with so many other members in the roster. */
  constructor({ others, limitMs }: { readonly others: number; readonly limitMs: number }, now: number) {
    this.#needed = Math.min(maxAsked, others);
    this.#until = now + limitMs;
    if (this.#needed === 0) this.#settled = { confirmed: true };
  }

  /** How it ended, or undefined while it stands. */
  get settled(): Settled | undefined {
    return this.#settled;
  }

  /** Whether as many members were met as say enough; may become so after the barrier ended without. */
  get isConfirmed(): boolean {
    return this.#met.size >= this.#needed;
  }

  /** Whether any member was met, or there is none. */
  get hasMet(): boolean {
    return this.#met.size > 0 || this.#needed === 0;
  }

  /** The next time at which it may end by itself. */
  get wakeAt(): number {
    return this.#until;
  }

  /** Heads were compared with that member. */
  met(peer: StackId): void {
    if (this.#met.size < maxAsked) this.#met.add(peer);
  }

  /** Looks whether it ends; `isFetching` while the own feed is on its way from a member. */
  look(now: number, isFetching: boolean): Settled | undefined {
    if (this.#settled) return undefined;
    if (isFetching && now < this.#until + maxFetchMs) return undefined;
    if (!this.isConfirmed && now < this.#until) return undefined;
    this.#settled = { confirmed: this.isConfirmed };
    return this.#settled;
  }
}
