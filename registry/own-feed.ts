// The feed that this stack writes: validated writes become one signed delta a transaction, and epochs begin where continuity is in doubt.
import type { FeedStore, Feeds, VerifiedDelta, VerifiedHead } from '#registry/feeds';
import type { Membership } from '#registry/roster';
import type { Clock } from './clock.ts';
import type { Write } from './contract.ts';
import type { HeldWrites } from './held-writes.ts';
import type { Log } from './log.ts';
import type { StackId } from './network.ts';
import { RegistryError } from './registry-error.ts';
import type { Standing } from './standing.ts';

/** A restore needs one new epoch; two stacks with one identity would outbid one another for ever: the third is a clone. */
const maxRenewals = 2;
const renewalWindowMs = 10 * 60 * 1000;
const nonceBytes = 16;
/** Records that are held while the stack starts: a whole feed. */
const maxHeld = 10_000;

export interface OwnFeedParts {
  readonly self: StackId;
  readonly store: FeedStore;
  readonly feeds: Feeds;
  readonly standing: Standing;
  readonly membership: Membership;
  readonly held: HeldWrites;
  readonly clock: Clock;
  /** That many random bytes. */
  readonly random: (sizeBytes: number) => Uint8Array;
  readonly log: Log;
  /** The highest epoch counter of the own feed whose quarantine an admin lifted; 0 for none. */
  readonly pardoned: () => number;
  /** Another stack signed that head of the own feed, and goes on: all are to be told. */
  readonly testify: (head: VerifiedHead) => void;
  /** A delta is durable and may leave. */
  readonly committed: (delta: VerifiedDelta) => void;
  /** Records are to be read anew. */
  readonly changed: () => void;
}

export class OwnFeed {
  readonly #parts: OwnFeedParts;
  #renewals: readonly number[] = [];
  #isHolding = false;
  /** The epoch's counter at which another stack was found to run with this identity. */
  #clonedAt: number | undefined;

  constructor(parts: OwnFeedParts) {
    this.#parts = parts;
  }

  /** Whether writes are kept without a head, until `release`. */
  get isHolding(): boolean {
    return this.#isHolding;
  }

  /** Whether another stack was found to write under this identity; then nothing more is signed here until an admin pardons. */
  get isQuarantined(): boolean {
    return this.#clonedAt !== undefined && this.#parts.pardoned() < this.#clonedAt;
  }

  /** From now on writes are durable and seen here, and nothing is signed. What an earlier run held is seen again. */
  hold(): void {
    this.#isHolding = true;
    const { store, held, feeds, self } = this.#parts;
    // The trie is that of the head: it is built before the rows go ahead.
    feeds.count(self);
    store.database.transaction(() => held.stepForward());
  }

  /** Signs what was held, in a new epoch where the own feed came back from others or `isDoubtful`. */
  release({ isDoubtful }: { readonly isDoubtful: boolean }): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    const { store, held, log } = this.#parts;
    if (isDoubtful || held.isEpochDue || this.#isPardonDue) {
      const began = store.database.transaction(() => {
        held.stepBack();
        held.epochBegan();
        return this.beginEpoch();
      });
      this.#parts.committed(began);
    }
    try {
      const delta = store.database.transaction(() => {
        held.stepBack();
        const changes = held.changes();
        held.clear();
        return this.#parts.feeds.commit(this.#parts.membership.roster.mesh, changes);
      });
      if (delta) this.#parts.committed(delta);
    } catch (error) {
      // What came back from others may leave no room for what was written since the start.
      log.error({ error, records: held.count }, 'what was written since the start was given up');
      store.database.transaction(() => {
        held.stepBack();
        held.clear();
      });
    }
    this.#parts.changed();
    // What an earlier run was told of, or this one before it could sign.
    for (const [{ head }] of this.#parts.feeds.accusations(this.#parts.membership.roster.mesh)) {
      if (head.feed === this.#parts.self) this.cloned(head.epoch.counter);
    }
  }

  /**
   * All writes of the outermost transaction become one delta. Throws what `Standing.encode` throws, `feed-full`, or
   * `quarantined` where another stack writes under this identity.
   */
  write(changes: readonly Write[]): void {
    const { standing, store, self, held } = this.#parts;
    this.#requireOnly();
    const encoded = changes.map(({ kind, name, body }) => ({
      kind,
      name,
      body: body === undefined ? null : standing.encode(kind, name, body, self),
    }));
    store.database.transaction(() => {
      if (this.#isHolding) {
        if (held.count + encoded.length > maxHeld) {
          throw new RegistryError(
            'feed-full',
            `Cannot write ${encoded.length} records: this stack starts and holds ${held.count} of ${maxHeld}; try again`,
          );
        }
        held.add(encoded);
        store.database.afterCommit(this.#parts.changed);
        return;
      }
      for (const change of encoded) store.addPending(change);
      store.database.beforeCommit(this.#commitPending);
    });
  }

  /** Begins an epoch above the stored one, the one that was pardoned and `counter`, in the open transaction. */
  beginEpoch(counter = 0): VerifiedDelta {
    const { feeds, membership, random, pardoned } = this.#parts;
    const next = Math.max(counter, pardoned(), this.#counter()) + 1;
    return feeds.beginEpoch(membership.roster.mesh, { counter: next, nonce: new Uint8Array(random(nonceBytes)) });
  }

  /** The own feed is elsewhere further on than here (a restore, a lost database): begin above whatever was heard. */
  renew(head: VerifiedHead): void {
    const { clock, log, store, committed, testify } = this.#parts;
    const { counter } = head.head.epoch;
    if (this.#isHolding || this.isQuarantined) return;
    const now = clock.monotonic();
    this.#renewals = this.#renewals.filter((at) => now - at < renewalWindowMs);
    if (this.#renewals.length >= maxRenewals) {
      if (counter > this.#parts.pardoned()) testify(head);
      return;
    }
    this.#renewals = [...this.#renewals, now];
    const delta = store.database.transaction(() => this.beginEpoch(counter));
    log.warn({ counter: delta.head.epoch.counter }, 'own feed was further on elsewhere: began a new epoch');
    committed(delta);
  }

  /** Another stack signs under this identity, in that epoch: nothing more is signed here until an admin pardons. */
  cloned(counter: number): void {
    const { log, pardoned } = this.#parts;
    if (this.#isHolding || this.isQuarantined || counter <= pardoned()) return;
    this.#clonedAt = counter;
    log.error(
      { counter: this.#clonedAt },
      'another stack runs with this identity: nothing more is signed here; end the other one, then let an admin pardon',
    );
  }

  /** An admin's pardons changed: where this stack is pardoned it goes on in an epoch above the one that was pardoned. */
  pardon(): void {
    const { store, committed } = this.#parts;
    if (this.#isHolding || this.isQuarantined || !this.#isPardonDue) return;
    const counter = this.#clonedAt;
    this.#clonedAt = undefined;
    this.#renewals = [];
    committed(store.database.transaction(() => this.beginEpoch(counter)));
  }

  /**
   * Others who quarantined this stack take nothing up to the epoch that was pardoned, whether or not it knows of that: the
   * one of two clones that won never stopped, and one that was started again forgot.
   */
  get #isPardonDue(): boolean {
    const pardoned = this.#parts.pardoned();
    return pardoned > 0 && (this.#clonedAt !== undefined || pardoned >= this.#counter());
  }

  #counter(): number {
    return this.#parts.feeds.position(this.#parts.self)?.epoch.counter ?? 0;
  }

  #requireOnly(): void {
    if (!this.isQuarantined) return;
    throw new RegistryError(
      'quarantined',
      `Cannot write: another stack runs with the identity "${this.#parts.self}"; end the other one, then have an admin pardon this one with "hermesh stacks pardon"`,
    );
  }

  readonly #commitPending = (): void => {
    const { store, feeds, membership, committed } = this.#parts;
    const changes = store.pending();
    store.clearPending();
    const delta = feeds.commit(membership.roster.mesh, changes);
    if (delta) store.database.afterCommit(() => committed(delta));
  };
}
