// How a stack starts among others: nothing is signed before a few members said how far its own feed went; and whether it is
// in step with the mesh yet.
import type { Barrier, Replica } from '#registry/replication';
import type { Clock } from './clock.ts';
import type { HeldWrites } from './held-writes.ts';
import type { Log } from './log.ts';
import type { StackId } from './network.ts';
import type { OwnFeed } from './own-feed.ts';

export interface StartParts {
  readonly self: StackId;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly held: HeldWrites;
  readonly ownFeed: OwnFeed;
  readonly replica: Replica;
  /** Begins a barrier with the members that there are now. */
  readonly barrier: () => Barrier;
}

export class Start {
  readonly #parts: StartParts;
  #barrier: Barrier;
  #wasUnconfirmed = false;
  #isSynced = false;
  #cancelTimer = (): void => undefined;

  constructor(parts: StartParts) {
    this.#parts = parts;
    this.#barrier = parts.barrier();
    parts.signal.addEventListener('abort', () => this.#cancelTimer());
    const { ownFeed, replica, held } = parts;
    ownFeed.hold();
    if (this.#barrier.settled) ownFeed.release({ isDoubtful: false });
    else {
      replica.restoreBy((apply) => held.under(apply));
      this.#wait();
    }
    this.look();
  }

  /** Whether as many members were met as say how far the own feed went; where not, others may hold more of it. */
  get isConfirmed(): boolean {
    return this.#barrier.isConfirmed;
  }

  /** Whether feeds of others may still be missing: no round of anti-entropy with a member is complete. */
  get isSyncing(): boolean {
    return !this.#isSynced;
  }

  /** Another mesh stands in place of the one before: its feeds have to come first. */
  entered(): void {
    this.release();
    this.#barrier = this.#parts.barrier();
    this.#isSynced = false;
    this.look();
  }

  /** Signs what is held without waiting: the mesh is left. */
  release(): void {
    this.#cancelTimer();
    this.#parts.replica.restoreBy(undefined);
    this.#parts.ownFeed.release({ isDoubtful: false });
  }

  /** Heads were compared with that member. */
  exchanged(peer: StackId): void {
    this.#barrier.met(peer);
    if (this.#wasUnconfirmed && this.#barrier.isConfirmed) {
      this.#wasUnconfirmed = false;
      this.#parts.log.info({}, 'the own feed is confirmed by others');
    }
    this.look();
  }

  /** Something moved, or time went on. */
  look(): void {
    const { clock, replica, ownFeed, log, self } = this.#parts;
    if (this.#barrier.hasMet && !replica.isPulling()) this.#isSynced = true;
    const settled = this.#barrier.look(clock.monotonic(), replica.isPulling(self));
    if (!settled) return;
    this.#cancelTimer();
    const isDoubtful = !settled.confirmed || replica.hasOwnConflict;
    replica.restoreBy(undefined);
    if (!settled.confirmed && ownFeed.isHolding) {
      this.#wasUnconfirmed = true;
      log.warn({}, 'too few members said how far the own feed went: it goes on in a new epoch, unconfirmed');
    }
    ownFeed.release({ isDoubtful });
  }

  #wait(): void {
    const { clock } = this.#parts;
    this.#cancelTimer = clock.after(Math.max(0, this.#barrier.wakeAt - clock.monotonic()), () => this.look());
  }
}
