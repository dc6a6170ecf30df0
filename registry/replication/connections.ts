// Keeps this stack connected to the members whose addresses it knows: dials, and dials again with growing pauses.
import { type Clock, within } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';

export interface ConnectionParts {
  readonly network: Network;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly chance: () => number;
  /** The pause before the second attempt, in milliseconds. */
  readonly retryMs: number;
  readonly isMember: (stack: StackId) => boolean;
  /** All members but this stack. */
  readonly members: () => readonly StackId[];
  readonly addressesOf: (stack: StackId) => readonly string[];
  readonly connected: (stack: StackId) => void;
  readonly disconnected: (stack: StackId) => void;
  /** Dialling it failed. */
  readonly unreached: (stack: StackId, why: string) => void;
}

/** The longest pause between two attempts: a stack that comes back is met within a minute. */
const maxRetryMs = 60_000;
const dialTimeoutMs = 10_000;
/** A connection that breaks before this counts as a failed attempt, so that one that closes at once isn't dialled at once for ever. */
const lastingMs = 10_000;

export class Connections {
  readonly #parts: ConnectionParts;
  readonly #timers = new Map<StackId, () => void>();
  readonly #attempts = new Map<StackId, number>();
  readonly #dialling = new Set<StackId>();
  readonly #since = new Map<StackId, number>();

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    parts.signal.addEventListener('abort', () => {
      for (const cancel of this.#timers.values()) cancel();
    });
    const events = parts.network.events({ signal: parts.signal });
    void this.#follow(events);
    for (const stack of parts.network.connected()) this.#up(stack);
    this.check();
  }

  /** Looks for members to dial: after the roster or somebody's addresses changed. */
  check(): void {
    const connected = new Set(this.#parts.network.connected());
    for (const stack of this.#parts.members()) {
      if (connected.has(stack) || this.#timers.has(stack) || this.#dialling.has(stack)) continue;
      // Of two that learn of one another the one with the lower id dials, so that they don't meet half-way.
      const first = this.#parts.network.stack < stack ? 0 : this.#parts.retryMs;
      this.#later(stack, this.#attempts.has(stack) ? this.#pause(stack) : first);
    }
  }

  /** Dials at once, whatever pause was planned; resolves when that is done, well or not. */
  async dial(stack: StackId): Promise<void> {
    const { network, signal, clock, log } = this.#parts;
    this.#timers.get(stack)?.();
    this.#timers.delete(stack);
    if (signal.aborted || this.#dialling.has(stack) || !this.#parts.isMember(stack)) return;
    if (network.connected().includes(stack)) return;
    this.#dialling.add(stack);
    try {
      const addresses = this.#parts.addressesOf(stack);
      await within(clock, dialTimeoutMs, { signal }, (limit) => network.connect(stack, addresses, { signal: limit }));
    } catch (error) {
      // While this stack dialled, the other one may have come by itself.
      if (signal.aborted || network.connected().includes(stack)) return;
      this.#attempts.set(stack, (this.#attempts.get(stack) ?? 0) + 1);
      const why = error instanceof Error ? error.message : String(error);
      log.debug({ stack, why }, 'not reached');
      this.#parts.unreached(stack, why);
    } finally {
      this.#dialling.delete(stack);
      if (!signal.aborted && !network.connected().includes(stack)) this.#later(stack, this.#pause(stack));
    }
  }

  async #follow(events: ReturnType<Network['events']>): Promise<void> {
    try {
      for await (const { type, stack } of events) {
        if (type === 'connected') this.#up(stack);
        else this.#down(stack);
      }
    } catch (error) {
      this.#parts.log.error({ error }, 'connections are followed no more');
    }
  }

  #up(stack: StackId): void {
    this.#timers.get(stack)?.();
    this.#timers.delete(stack);
    this.#since.set(stack, this.#parts.clock.monotonic());
    this.#parts.connected(stack);
  }

  #down(stack: StackId): void {
    this.#parts.disconnected(stack);
    const lastedMs = this.#parts.clock.monotonic() - (this.#since.get(stack) ?? 0);
    const attempts = lastedMs < lastingMs ? (this.#attempts.get(stack) ?? 0) : 0;
    this.#since.delete(stack);
    this.#attempts.set(stack, attempts + 1);
    // One that broke is probed at once, but for one that breaks again and again.
    if (!this.#timers.has(stack)) this.#later(stack, attempts === 0 ? 0 : this.#pause(stack));
  }

  #pause(stack: StackId): number {
    const failures = this.#attempts.get(stack) ?? 0;
    const mean = Math.min(maxRetryMs, this.#parts.retryMs * 2 ** Math.min(failures, 10));
    return mean * (0.5 + this.#parts.chance() / 2);
  }

  #later(stack: StackId, afterMs: number): void {
    if (this.#parts.signal.aborted) return;
    this.#timers.get(stack)?.();
    this.#timers.set(
      stack,
      this.#parts.clock.after(afterMs, () => void this.dial(stack)),
    );
  }
}
