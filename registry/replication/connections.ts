// Keeps this stack connected to the members that it is to be connected with: dials, and dials again with growing pauses.
// Others are dialled when they are needed, and let go once they are quiet.
import { type Clock, within } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { firstDialMs, idleMs } from './overlay.ts';

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
  /** The members to stay connected with. */
  readonly kept: () => ReadonlySet<StackId>;
  readonly addressesOf: (stack: StackId) => readonly string[];
  readonly connected: (stack: StackId) => void;
  readonly disconnected: (stack: StackId) => void;
  /** Dialling it failed. */
  readonly unreached: (stack: StackId, why: string) => void;
}

/** The longest pause between two attempts: a stack that comes back is met within a minute. */
const maxRetryMs = 60_000;
const dialTimeoutMs = 10_000;
/** Members that couldn't be reached and are remembered for it: those of a mesh. */
const maxRemembered = 2_048;
/** A connection that breaks before this counts as a failed attempt, so that one that closes at once isn't dialled at once for ever. */
const lastingMs = 10_000;

export class Connections {
  readonly #parts: ConnectionParts;
  readonly #timers = new Map<StackId, () => void>();
  readonly #attempts = new Map<StackId, number>();
  /** Where a member was dialled last: elsewhere it is tried at once. */
  readonly #tried = new Map<StackId, string>();
  readonly #dialling = new Set<StackId>();
  readonly #since = new Map<StackId, number>();
  /** Members that are connected only because something was asked of them, and how to stop waiting for the end of it. */
  readonly #reached = new Map<StackId, () => void>();
  #kept: ReadonlySet<StackId> = new Set();
  /** Until when a member that couldn't be reached isn't tried without need, in monotonic milliseconds. */
  readonly #notBefore = new Map<StackId, number>();

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    parts.signal.addEventListener('abort', () => {
      for (const cancel of [...this.#timers.values(), ...this.#reached.values()]) cancel();
    });
    const events = parts.network.events({ signal: parts.signal });
    void this.#follow(events);
    for (const stack of parts.network.connected()) this.#up(stack);
    this.check();
  }

  /** Looks for members to dial: after the roster changed, or the records of that one, its addresses perhaps among them. */
  check(changed?: StackId): void {
    const connected = new Set(this.#parts.network.connected());
    const { network, retryMs, chance } = this.#parts;
    const kept = this.#parts.kept();
    for (const stack of [...this.#timers.keys()]) if (!kept.has(stack)) this.#forget(stack);
    for (const stack of [...this.#tried.keys()]) if (!kept.has(stack)) this.#tried.delete(stack);
    // A mesh that grew: who was kept by both sides is let go by both.
    for (const stack of this.#kept) if (!kept.has(stack) && connected.has(stack)) this.#letGoLater(stack);
    this.#kept = kept;
    for (const stack of kept) {
      this.#reached.get(stack)?.();
      this.#reached.delete(stack);
      if (connected.has(stack) || this.#dialling.has(stack)) continue;
      if (stack === changed) this.#moved(stack);
      if (this.#timers.has(stack)) continue;
      const first = firstDialMs(network.stack, stack, { members: kept.size, retryMs, chance: chance() });
      this.#later(stack, this.#attempts.has(stack) ? this.#pause(stack) : first);
    }
  }

  /** Whether a member is connected, or may be dialled without being a nuisance. */
  isNear(stack: StackId): boolean {
    if (this.#since.has(stack)) return true;
    if (this.#timers.has(stack) || this.#dialling.has(stack)) return false;
    return this.#parts.clock.monotonic() >= (this.#notBefore.get(stack) ?? 0);
  }

  /**
   * Connects to a member that isn't connected, for as long as it is used and a minute more. Throws `unknown-stack` where it
   * is no member, and what `Network.connect` throws.
   */
  async reach(stack: StackId, { signal }: { signal: AbortSignal }): Promise<void> {
    const { network, clock, isMember, addressesOf } = this.#parts;
    if (stack === network.stack) return;
    if (!isMember(stack)) throw new RegistryError('unknown-stack', `Cannot reach "${stack}": it is not a member`);
    if (!network.connected().includes(stack)) {
      const limits = { signal: AbortSignal.any([signal, this.#parts.signal]) };
      try {
        await within(clock, dialTimeoutMs, limits, (limit) =>
          network.connect(stack, addressesOf(stack), { signal: limit }),
        );
        this.#notBefore.delete(stack);
      } catch (error) {
        if (this.#notBefore.size >= maxRemembered) this.#notBefore.clear();
        this.#notBefore.set(stack, clock.monotonic() + this.#pause(stack));
        throw error;
      }
    }
    if (!this.#parts.kept().has(stack)) this.#letGoLater(stack);
  }

  /** Dials at once, whatever pause was planned; resolves when that is done, well or not. */
  async dial(stack: StackId): Promise<void> {
    const { network, signal, clock, log } = this.#parts;
    this.#forget(stack);
    if (signal.aborted || this.#dialling.has(stack) || !this.#parts.isMember(stack)) return;
    if (network.connected().includes(stack)) return;
    this.#dialling.add(stack);
    try {
      const addresses = this.#parts.addressesOf(stack);
      this.#tried.set(stack, addresses.join(' '));
      // The network may know more of it (a DHT), but that its feed comes is likelier.
      if (addresses.length === 0 && !this.#attempts.has(stack)) {
        this.#attempts.set(stack, 1);
        return;
      }
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
      const isWanted = this.#parts.kept().has(stack) && !network.connected().includes(stack);
      if (!signal.aborted && isWanted) this.#later(stack, this.#pause(stack));
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
    this.#forget(stack);
    this.#tried.delete(stack);
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
    this.#reached.get(stack)?.();
    this.#reached.delete(stack);
    if (!this.#timers.has(stack) && this.#parts.kept().has(stack))
      this.#later(stack, attempts === 0 ? 0 : this.#pause(stack));
  }

  /** A member is known before its feed says where it is: what failed till then says nothing. */
  #moved(stack: StackId): void {
    const tried = this.#tried.get(stack);
    if (tried === undefined || tried === this.#parts.addressesOf(stack).join(' ')) return;
    this.#tried.delete(stack);
    this.#attempts.delete(stack);
    this.#forget(stack);
  }

  #pause(stack: StackId): number {
    const failures = this.#attempts.get(stack) ?? 0;
    const mean = Math.min(maxRetryMs, this.#parts.retryMs * 2 ** Math.min(failures, 10));
    return mean * (0.5 + this.#parts.chance() / 2);
  }

  #forget(stack: StackId): void {
    this.#timers.get(stack)?.();
    this.#timers.delete(stack);
  }

  /** Closes the connection unless it is used again; only who isn't kept, and only at the side that asked for it. */
  #letGoLater(stack: StackId): void {
    this.#reached.get(stack)?.();
    const cancel = this.#parts.clock.after(idleMs, () => {
      this.#reached.delete(stack);
      if (!this.#parts.kept().has(stack)) void this.#parts.network.disconnect(stack);
    });
    this.#reached.set(stack, cancel);
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
