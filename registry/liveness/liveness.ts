// Which stacks are there, as seen from here: connected, heard of, or out of reach since when and why.
import type { StackId } from '../network.ts';

/** What is known of a stack's presence; `by` is the stack that says so. Times are milliseconds since 1970. */
export interface Presence {
  readonly state: 'up' | 'unreachable' | 'expired' | 'left' | 'revoked';
  readonly since: number;
  readonly why: string;
  readonly by: StackId;
}

/** Pure but for what it was told: no timers, no network. */
export class Liveness {
  readonly #self: StackId;
  readonly #since: number;
  readonly #seen = new Map<StackId, Presence>();

  constructor(self: StackId, now: number) {
    this.#self = self;
    this.#since = now;
  }

  of(stack: StackId): Presence {
    if (stack === this.#self) return { state: 'up', since: this.#since, why: 'it is this stack', by: this.#self };
    return (
      this.#seen.get(stack) ?? {
        state: 'unreachable',
        since: this.#since,
        why: 'it has not been reached since this stack started',
        by: this.#self,
      }
    );
  }

  /** A member connected. Returns whether that is news. */
  connected(stack: StackId, now: number): boolean {
    return this.#set(stack, { state: 'up', since: now, why: 'connected', by: this.#self });
  }

  /** A member's connection is gone and dialling it anew failed. Returns whether that is news. */
  lost(stack: StackId, why: string, now: number): boolean {
    return this.#set(stack, { state: 'unreachable', since: now, why, by: this.#self });
  }

  #set(stack: StackId, presence: Presence): boolean {
    if (this.#seen.get(stack)?.state === presence.state) return false;
    this.#seen.set(stack, presence);
    return true;
  }
}
