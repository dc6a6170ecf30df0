// The feed that this stack writes: validated writes become one signed delta a transaction, and epochs begin where continuity is in doubt.
import type { FeedStore, Feeds, VerifiedDelta } from '#registry/feeds';
import type { Membership } from '#registry/roster';
import type { Clock } from './clock.ts';
import type { Write } from './contract.ts';
import type { Log } from './log.ts';
import type { StackId } from './network.ts';
import type { Standing } from './standing.ts';

/** A restore needs one new epoch; two stacks with one identity would outbid one another for ever. */
const maxRenewals = 3;
const renewalWindowMs = 10 * 60 * 1000;
const nonceBytes = 16;

export interface OwnFeedParts {
  readonly self: StackId;
  readonly store: FeedStore;
  readonly feeds: Feeds;
  readonly standing: Standing;
  readonly membership: Membership;
  readonly clock: Clock;
  /** That many random bytes. */
  readonly random: (sizeBytes: number) => Uint8Array;
  readonly log: Log;
  /** A delta is durable and may leave. */
  readonly committed: (delta: VerifiedDelta) => void;
}

export class OwnFeed {
  readonly #parts: OwnFeedParts;
  #renewals: readonly number[] = [];

  constructor(parts: OwnFeedParts) {
    this.#parts = parts;
  }

  /** All writes of the outermost transaction become one delta. Throws what `Standing.encode` throws, or `feed-full`. */
  write(changes: readonly Write[]): void {
    const { standing, store, self } = this.#parts;
    const encoded = changes.map(({ kind, name, body }) => ({
      kind,
      name,
      body: body === undefined ? null : standing.encode(kind, name, body, self),
    }));
    store.database.transaction(() => {
      for (const change of encoded) store.addPending(change);
      store.database.beforeCommit(this.#commitPending);
    });
  }

  /** Begins an epoch above the stored one and `counter`, in the open transaction. */
  beginEpoch(counter = 0): VerifiedDelta {
    const { feeds, membership, random, self } = this.#parts;
    const next = Math.max(counter, feeds.position(self)?.epoch.counter ?? 0) + 1;
    return feeds.beginEpoch(membership.roster.mesh, { counter: next, nonce: new Uint8Array(random(nonceBytes)) });
  }

  /** The own feed is elsewhere further on than here (a restore, a lost database): begin above whatever was heard. */
  renew(counter: number): void {
    const { clock, log, store, committed } = this.#parts;
    const now = clock.monotonic();
    this.#renewals = this.#renewals.filter((at) => now - at < renewalWindowMs);
    if (this.#renewals.length >= maxRenewals) {
      log.error({ renewals: this.#renewals.length }, 'another stack runs with this identity: end one');
      return;
    }
    this.#renewals = [...this.#renewals, now];
    const delta = store.database.transaction(() => this.beginEpoch(counter));
    log.warn({ counter: delta.head.epoch.counter }, 'own feed was further on elsewhere: began a new epoch');
    committed(delta);
  }

  readonly #commitPending = (): void => {
    const { store, feeds, membership, committed } = this.#parts;
    const changes = store.pending();
    store.clearPending();
    const delta = feeds.commit(membership.roster.mesh, changes);
    if (delta) store.database.afterCommit(() => committed(delta));
  };
}
