// Which mesh this stack is in, and how that changes: founding, joining, leaving, and revoking others; each in one transaction.
import type { Feeds } from '#registry/feeds';
import { askToJoin, type Membership, type RosterStore, readToken, type Statement } from '#registry/roster';
import { type Clock, pause } from './clock.ts';
import type { Identity } from './identity.ts';
import type { Log } from './log.ts';
import type { Members } from './members.ts';
import type { Network, StackId } from './network.ts';
import type { OwnFeed } from './own-feed.ts';
import { RegistryError } from './registry-error.ts';
import type { Standing } from './standing.ts';

/** Leaving waits this long for the others to hear of it. */
const leaveTimeoutMs = 2_000;
const nonceBytes = 16;

export interface BelongingParts {
  readonly identity: Identity;
  readonly name: string;
  /** The zone to found or to ask for. */
  readonly zone: string;
  readonly network: Network;
  readonly store: RosterStore;
  readonly feeds: Feeds;
  readonly membership: Membership;
  readonly standing: Standing;
  readonly ownFeed: OwnFeed;
  readonly members: Members;
  readonly ownAddresses: () => readonly string[];
  readonly clock: Clock;
  readonly random: (sizeBytes: number) => Uint8Array;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Another mesh stands in place of the one before. */
  readonly entered: () => void;
  /** The roster of this mesh changed by something done here. */
  readonly stated: (statements: readonly Statement[]) => void;
  /** Tells all neighbours of statements; resolves when they were told. */
  readonly tell: (statements: readonly Statement[]) => Promise<void>;
  readonly dial: (stack: StackId) => Promise<void>;
}

export class Belonging {
  readonly #parts: BelongingParts;

  constructor(parts: BelongingParts) {
    this.#parts = parts;
  }

  /** Founds a mesh at first, renews the own certificate, and judges anew what was stored under other rules. */
  begin(): void {
    const { identity, store, membership, standing, name, zone, random } = this.#parts;
    store.database.transaction(() => {
      // One that left and was ended before it had a mesh again goes on here.
      const hasLeft = membership.roster.memberships.get(identity.stack)?.state === 'left';
      if (store.setting('mesh') === undefined || hasLeft)
        this.#change(() => membership.found(name, random(nonceBytes), zone));
      membership.renewOwn();
      standing.judgeByKinds();
    });
  }

  async join(line: string, { signal }: { signal: AbortSignal }): Promise<void> {
    const { identity, network, name, zone, membership, clock, random, log } = this.#parts;
    const token = readToken(line);
    if (token.mesh === membership.roster.mesh && membership.valid(identity.stack)) return;
    this.#requireAlone();
    const nonce = random(nonceBytes);
    const facts = { identity, network, name, zone, addresses: this.#parts.ownAddresses(), nonce, clock };
    const limit = AbortSignal.any([signal, this.#parts.signal]);
    const statements = await askToJoin(token, facts, { signal: limit });
    limit.throwIfAborted();
    // Somebody may have joined here meanwhile.
    this.#requireAlone();
    this.#enter(() => {
      membership.enter(token.mesh, statements);
      this.#parts.store.setAddresses(token.stack, token.addresses);
    });
    log.info({ mesh: token.mesh, by: token.stack }, 'joined');
    await this.#parts.dial(token.stack);
  }

  async revoke(label: string): Promise<void> {
    const { membership, members, stated, tell } = this.#parts;
    const statements = membership.revoke(members.stackOf(label));
    stated(statements);
    await tell(statements);
  }

  async leave(): Promise<void> {
    const { membership, members, name, zone, random, network, clock, signal, tell } = this.#parts;
    if (members.others().length > 0) {
      const told = new AbortController();
      const limit = AbortSignal.any([signal, told.signal]);
      await Promise.race([tell(membership.leave()), pause(clock, leaveTimeoutMs, { signal: limit })]);
      told.abort();
    }
    this.#enter(() => membership.found(name, random(nonceBytes), zone));
    await Promise.all(network.connected().map((peer) => network.disconnect(peer)));
  }

  #requireAlone(): void {
    const others = this.#parts.members.others().length;
    if (others === 0) return;
    throw new RegistryError(
      'has-members',
      `Cannot join: this stack's mesh has ${others} other members; leave it first`,
    );
  }

  /** Another mesh in place of this one, in one transaction: other feeds go, the own one is written anew. */
  #enter(fill: () => void): void {
    try {
      this.#parts.store.database.transaction(() => this.#change(fill));
    } catch (error) {
      this.#parts.membership.reload();
      throw error;
    }
    this.#parts.entered();
  }

  #change(fill: () => void): void {
    const { feeds, ownFeed } = this.#parts;
    feeds.dropOthers();
    fill();
    ownFeed.beginEpoch();
  }
}
