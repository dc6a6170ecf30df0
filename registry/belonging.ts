// Which mesh this stack is in, and how that changes: founding, joining, leaving, and revoking others; each in one transaction.
import type { Feeds } from '#registry/feeds';
import {
  askToJoin,
  type JoinerFacts,
  type Membership,
  probeInvite,
  type RosterStore,
  readToken,
  rootHash,
  type Statement,
  type Welcome,
} from '#registry/roster';
import { type Clock, pause } from './clock.ts';
import type { DeedOptions } from './contract.ts';
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
      store.dropInvitesUntil(this.#parts.clock.now());
      standing.judgeByKinds();
    });
  }

  async join(line: string, { signal, within }: { signal: AbortSignal } & DeedOptions): Promise<void> {
    const { identity, membership, log } = this.#parts;
    const token = readToken(line);
    if (token.mesh === membership.roster.mesh && membership.valid(identity.stack)) return;
    this.#requireAlone();
    const limit = AbortSignal.any([signal, this.#parts.signal]);
    const statements = await askToJoin(token, this.#facts(), { signal: limit });
    limit.throwIfAborted();
    // Somebody may have joined here meanwhile.
    this.#requireAlone();
    this.#enter(() => {
      membership.enter(token.mesh, statements);
      this.#parts.store.setAddresses(token.stack, token.addresses);
    }, within);
    log.info({ mesh: token.mesh, by: token.stack }, 'joined');
    await this.#parts.dial(token.stack);
  }

  async probe(line: string, { signal }: { signal: AbortSignal }): Promise<Welcome> {
    const token = readToken(line);
    if (token.mesh !== this.#parts.membership.roster.mesh) this.#requireAlone();
    return probeInvite(token, this.#facts(), { signal: AbortSignal.any([signal, this.#parts.signal]) });
  }

  async revoke(label: string, options: DeedOptions = {}): Promise<void> {
    const { membership, members, stated, tell } = this.#parts;
    const statements = this.#inOne(() => membership.revoke(members.stackOf(label)), options.within);
    stated(statements);
    await tell(statements);
  }

  async leave({ within }: DeedOptions = {}): Promise<void> {
    const { membership, members, name, zone, random, network, clock, signal, tell } = this.#parts;
    const hasOthers = members.others().length > 0;
    if (hasOthers) {
      const told = new AbortController();
      const limit = AbortSignal.any([signal, told.signal]);
      const given = this.#inOne(() => membership.leave(), within);
      await Promise.race([tell(given), pause(clock, leaveTimeoutMs, { signal: limit })]);
      told.abort();
    }
    this.#enter(() => membership.found(name, random(nonceBytes), zone), hasOthers ? undefined : within);
    await Promise.all(network.connected().map((peer) => network.disconnect(peer)));
  }

  /** Signs a root and gives its hash; that of the one that waits already where this stack signed it before. */
  signRoot(
    wanted: { readonly admins: readonly string[]; readonly threshold: number } | undefined,
    options: DeedOptions,
  ): string {
    const { membership, members, random } = this.#parts;
    const signed = this.#state(
      () =>
        wanted
          ? membership.proposeRoot(
              wanted.admins.map((each) => members.stackOf(each)),
              wanted.threshold,
              random(nonceBytes),
            )
          : membership.approveRoot(),
      options,
    );
    const payload = signed[0]?.payload;
    if (payload?.type === 'root') return rootHash(payload);
    throw new RegistryError(
      'root-invalid',
      'Cannot sign the root: this stack signed it already, or too many that wait',
    );
  }

  pardon(label: string, options: DeedOptions): { readonly stack: StackId; readonly counter: number } {
    const { membership, members, feeds } = this.#parts;
    const stack = members.stackOf(label);
    const counter = Math.max(feeds.position(stack)?.epoch.counter ?? 0, feeds.quarantineOf(stack)?.counter ?? 0);
    this.#state(() => membership.pardon(stack, counter), options);
    return { stack, counter };
  }

  /** States something about the mesh, in one transaction with `within`; the others are told behind. */
  #state(make: () => readonly Statement[], { within }: DeedOptions): readonly Statement[] {
    const statements = this.#inOne(make, within);
    this.#parts.stated(statements);
    void this.#parts.tell(statements);
    return statements;
  }

  #inOne(make: () => readonly Statement[], within?: () => void): readonly Statement[] {
    const { store, membership } = this.#parts;
    try {
      return store.database.transaction(() => {
        const statements = make();
        within?.();
        return statements;
      });
    } catch (error) {
      membership.reload();
      throw error;
    }
  }

  #facts(): JoinerFacts {
    const { identity, network, name, zone, clock, random, ownAddresses } = this.#parts;
    return { identity, network, name, zone, addresses: ownAddresses(), nonce: random(nonceBytes), clock };
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
  #enter(fill: () => void, within?: () => void): void {
    try {
      this.#parts.store.database.transaction(() => {
        this.#change(fill);
        within?.();
      });
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
