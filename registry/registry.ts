// Wires the registry: one object over feeds, roster, replication, liveness and the directory, and what each tells the others.
import { Directory } from '#registry/directory';

import { type Change, FeedStore, Feeds } from '#registry/feeds';
import { observersOf, subjectsOf, Watch } from '#registry/liveness';
import {
  Barrier,
  Conduct,
  Connections,
  defaultReplicateOptions,
  HeldStore,
  makeKept,
  Replica,
  Spread,
} from '#registry/replication';

import {
  Admission,
  joinProtocol,
  joinTimeoutMs,
  Membership,
  maxJoinRequestBytes,
  RosterStore,
  type Statement,
  writeToken,
} from '#registry/roster';
import { Belonging } from './belonging.ts';
import type { Member, Registry, RegistryOptions, Write } from './contract.ts';
import { HeldWrites } from './held-writes.ts';
import { Kinds, type MemberRole } from './kind.ts';
import { Members } from './members.ts';
import { noMetrics } from './metrics.ts';
import type { StackId } from './network.ts';
import { OwnFeed } from './own-feed.ts';
import { Standing } from './standing.ts';
import { Start } from './start.ts';

const defaultRetryMs = 1_000;
/** Hidden records of a feed that a warning names. */
const maxToldHidden = 5;
/** Addresses that an invite names. */
const maxInviteAddresses = 16;

/** Opens the registry on its database and network; founds a mesh where the stack belongs to none. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  return new OpenRegistry(options);
}

class OpenRegistry implements Registry {
  readonly stack: StackId;
  readonly directory: Directory;
  readonly #options: RegistryOptions;
  readonly #feedStore: FeedStore;
  readonly #standing: Standing;
  readonly #membership: Membership;
  readonly #feeds: Feeds;
  readonly #admission: Admission;
  readonly #members: Members;
  readonly #ownFeed: OwnFeed;
  readonly #belonging: Belonging;
  readonly #replica: Replica;
  readonly #spread: Spread;
  readonly #connections: Connections;
  readonly #start: Start;
  readonly #watch: Watch;
  readonly #stop = new AbortController();
  /** What was last told of the hidden records of a feed. */
  readonly #toldHidden = new Map<StackId, string>();

  constructor(options: RegistryOptions) {
    const { database, identity, network, clock, log, random, name } = options;
    const { signal } = this.#stop;
    this.#options = options;
    this.stack = identity.stack;
    const self = this.stack;
    const rosterStore = new RosterStore(database);
    const feedStore = new FeedStore(database);
    this.#feedStore = feedStore;
    const kinds = new Kinds(options.kinds);
    const membership = new Membership(rosterStore, identity, clock.now);
    this.#membership = membership;
    this.#standing = new Standing(kinds, membership, feedStore, rosterStore, options.mayStand);
    const faultOf = (feed: string, change: Change): string | undefined => this.#standing.faultOf(feed, change);
    const held = new HeldWrites({ self, store: feedStore, held: new HeldStore(database), faultOf });
    // The rows of an earlier run that was killed stand ahead of the head that tries are built for.
    database.transaction(() => held.stepBack());
    this.#feeds = new Feeds(feedStore, identity, faultOf, { monotonic: () => clock.monotonic() });
    this.#admission = new Admission(rosterStore, membership, clock.now);
    const ownAddresses = (): readonly string[] => this.#ownAddresses();
    const directory = (): Directory => this.directory;
    const seen = (stack: StackId) => this.#watch.of(stack);
    this.#members = new Members({ self, membership, store: rosterStore, seen, directory, ownAddresses });
    this.directory = new Directory(feedStore, kinds, (stack) => {
      const member = membership.roster.memberships.get(stack);
      const presence = this.#members.presence(stack);
      const isGone = ['expired', 'left', 'revoked'].includes(presence.state);
      return member && !isGone ? { name: member.name, presence } : undefined;
    });
    const own = { self, store: feedStore, feeds: this.#feeds, standing: this.#standing, membership };
    this.#ownFeed = new OwnFeed({
      ...own,
      held,
      clock,
      random,
      log,
      pardoned: () => 0,
      changed: () => this.directory.wake(),
      committed: (delta) => {
        this.directory.wake();
        this.#spread.do(this.#replica.committed(delta, clock.monotonic()));
      },
    });
    this.#belonging = new Belonging({
      identity,
      name,
      network,
      store: rosterStore,
      feeds: this.#feeds,
      membership,
      standing: this.#standing,
      ownFeed: this.#ownFeed,
      members: this.#members,
      ownAddresses,
      clock,
      random,
      log,
      signal,
      entered: () => {
        this.#spread.enter();
        this.#start.entered();
        this.#watch.refresh();
        this.#members.tell();
        this.directory.wake();
      },
      stated: (statements) => this.#stated(statements),
      tell: (statements) => this.#tell(statements),
      dial: (stack) => this.#connections.dial(stack),
    });
    this.#belonging.begin();
    const isMember = (stack: StackId): boolean => membership.valid(stack) !== undefined;
    const chance = (): number => Buffer.from(random(4)).readUInt32BE(0) / 2 ** 32;
    const around = {
      self,
      mesh: () => membership.roster.mesh,
      isMember,
      chance,
      members: () => [self, ...this.#members.others()],
      candidates: () =>
        this.#members
          .others()
          .filter((stack) => this.#members.presence(stack).state !== 'down' && this.#connections.isNear(stack)),
      rosterDigest: () => membership.roster.digest,
    };
    const replicate = { ...defaultReplicateOptions, ...options.replicate };
    this.#replica = new Replica(this.#feeds, around, replicate, clock.monotonic());
    const metrics = options.metrics ?? noMetrics;
    const conduct = new Conduct(replicate);
    network.setGate((peer) => {
      const isCut = conduct.isCut(peer, clock.monotonic());
      if (!isCut && isMember(peer)) return 'member';
      if (!isCut && this.#admission.isOpen(peer)) return 'invite';
      metrics.count('refused_total', { what: isCut ? 'cut' : 'gate' });
      return undefined;
    });
    this.#serveJoins();
    this.#watch = new Watch({
      network,
      identity,
      clock,
      log,
      signal,
      timing: options.liveness,
      timeSample: options.timeSample,
      roster: () => ({
        mesh: membership.roster.mesh,
        digest: membership.roster.digest,
        members: [...membership.roster.memberships.keys()].filter(isMember),
      }),
      incarnation: {
        read: () => Number(rosterStore.setting('incarnation') ?? 0),
        keep: (incarnation) => rosterStore.setSetting('incarnation', `${incarnation}`),
      },
      probe: (stack) => void this.#connections.dial(stack),
      presence: () => this.#members.tell(),
    });
    this.#spread = new Spread({
      network,
      replica: this.#replica,
      feeds: this.#feeds,
      membership,
      log,
      signal,
      clock,
      changed: (feed) => this.#changed(feed),
      metrics,
      conduct,
      reach: (peer, limits) => this.#connections.reach(peer, limits),
      exchanged: (peer) => {
        void this.#watch.exchange(peer);
        this.#start.exchanged(peer);
      },
      moved: () => this.#start.look(),
      stated: (statements) => this.#stated(statements),
      renew: (counter) => this.#ownFeed.renew(counter),
      due: () => this.#renewCertificate(),
    });
    const keptFor = makeKept(self, () => this.#members.others(), { observersOf, subjectsOf });
    this.#connections = new Connections({
      network,
      log,
      signal,
      clock,
      chance,
      retryMs: options.retryMs ?? defaultRetryMs,
      isMember,
      kept: () => keptFor(`${membership.roster.digest} ${this.#members.others().length}`),
      addressesOf: (stack) => this.#members.addressesOf(stack),
      connected: (stack) => {
        this.#watch.connected(stack);
        this.#spread.do(this.#replica.connected(stack));
      },
      disconnected: (stack) => this.#watch.disconnected(stack),
      unreached: (stack, why) => this.#watch.unreached(stack, why),
    });
    this.#start = new Start({
      self,
      clock,
      log,
      signal,
      held,
      ownFeed: this.#ownFeed,
      replica: this.#replica,
      barrier: () =>
        new Barrier({ others: this.#members.others().length, limitMs: replicate.barrierMs }, clock.monotonic()),
    });
    this.#watch.refresh();
  }

  confirmed(): boolean {
    return this.#start.isConfirmed;
  }

  syncing(): boolean {
    return this.#start.isSyncing;
  }

  reach(stack: StackId, options: { signal: AbortSignal }): Promise<void> {
    return this.#connections.reach(stack, options);
  }

  mesh(): { readonly id: string; readonly foundedHere: boolean } {
    return { id: this.#membership.roster.mesh, foundedHere: this.#membership.foundedHere };
  }

  members(): Member[] {
    return this.#members.list();
  }

  quarantined(): StackId[] {
    return this.#feeds.quarantined();
  }

  followMembers(options: { signal: AbortSignal }): AsyncIterable<readonly Member[]> {
    return this.#members.follow(options);
  }

  write(changes: readonly Write[]): void {
    this.#ownFeed.write(changes);
  }

  createInvite(options: { role: MemberRole; expiresInMs: number; uses: number }): { token: string; expiresAt: number } {
    const secret = new Uint8Array(this.#options.random(32));
    const expiresAt = this.#admission.create(secret, options);
    const { role } = options;
    const addresses = [...this.#ownAddresses()].slice(0, maxInviteAddresses);
    const token = writeToken({ mesh: this.mesh().id, stack: this.stack, addresses, secret, expiresAt, role });
    return { token, expiresAt };
  }

  join(token: string, options: { signal: AbortSignal }): Promise<void> {
    return this.#belonging.join(token, options);
  }

  revoke(stack: string): Promise<void> {
    return this.#belonging.revoke(stack);
  }

  leave(): Promise<void> {
    this.#start.release();
    return this.#belonging.leave();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch.stop();
    this.#stop.abort();
    this.#members.close();
    this.directory.wake();
  }

  #serveJoins(): void {
    const bounds = { access: 'invite', maxRequestBytes: maxJoinRequestBytes, timeoutMs: joinTimeoutMs } as const;
    this.#options.network.serve(joinProtocol, bounds, async (request, { from }) => {
      const { answer, admitted } = this.#admission.answer(request, from);
      if (admitted) {
        this.#stated([admitted]);
        void this.#tell([admitted]);
      }
      return answer;
    });
  }

  #renewCertificate(): void {
    const renewed = this.#membership.renewOwn();
    if (renewed.length === 0) return;
    this.#stated(renewed);
    void this.#tell(renewed);
  }

  #changed(feed: string): void {
    const hidden = this.#feedStore.hiddenOf(feed, maxToldHidden);
    const told = JSON.stringify(hidden);
    // Once for the same ones: a feed with a hidden record may change many times a second.
    if (hidden.length > 0 && this.#toldHidden.get(feed) !== told) {
      this.#options.log.warn({ stack: feed, hidden }, 'records are kept hidden');
      this.#toldHidden.set(feed, told);
    }
    this.directory.wake();
    this.#connections.check();
  }

  /** The roster changed: rights are judged anew, and who lost its own is cut off. */
  #stated(statements: readonly Statement[]): void {
    const { database, network } = this.#options;
    database.transaction(() => {
      for (const { payload } of statements) if (payload.type === 'certificate') this.#standing.judgeAnew(payload.stack);
    });
    for (const peer of network.connected()) if (!this.#membership.valid(peer)) void network.disconnect(peer);
    this.#ownFeed.pardon();
    this.#watch.refresh();
    this.#connections.check();
    this.#members.tell();
    this.directory.wake();
  }

  /** Who belongs to the mesh is published and also told to each neighbour, since a message that is published may get lost. */
  async #tell(statements: readonly Statement[]): Promise<void> {
    this.#spread.do(this.#replica.stated(statements.map(({ wire }) => wire)));
    await Promise.all(this.#options.network.connected().map((peer) => this.#spread.exchange(peer)));
  }

  #ownAddresses(): readonly string[] {
    return this.#options.addresses?.() ?? this.#options.network.addresses();
  }
}
