// Wires the registry: one object over feeds, roster, replication, liveness and the directory, and what each tells the others.
import { Directory } from '#registry/directory';
import { type Change, FeedStore, Feeds } from '#registry/feeds';
import { observersOf, subjectsOf, type Watch } from '#registry/liveness';
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
  Membership,
  type MeshTime,
  Renewal,
  RosterStore,
  type Statement,
  type TimeSample,
  type Welcome,
} from '#registry/roster';
import { type Found, maxZoneMembers, type ZoneSummary, type Zones, zoneKind } from '#registry/zones';
import { Belonging } from './belonging.ts';
import type { DeedOptions, Member, MeshRoot, MeshRoots, Registry, RegistryOptions, Write } from './contract.ts';
import { makeInvite, serveEntrance } from './entrance.ts';
import { HeldWrites } from './held-writes.ts';
import { tellHidden } from './hidden.ts';
import { openMeshTime } from './judged-time.ts';
import { Kinds, type MemberRole } from './kind.ts';
import { Members } from './members.ts';
import { readMeshRoots, tellForks } from './mesh-roots.ts';
import { noMetrics } from './metrics.ts';
import type { StackId } from './network.ts';
import { openWatch } from './open-watch.ts';
import { openZones } from './open-zones.ts';
import { OwnFeed } from './own-feed.ts';
import { Standing } from './standing.ts';
import { Start } from './start.ts';

const defaultRetryMs = 1_000;

/** Opens the registry on its database and network; founds a mesh where the stack belongs to none. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  return new OpenRegistry(options);
}

class OpenRegistry implements Registry {
  readonly stack: StackId;
  readonly directory: Directory;
  readonly #options: RegistryOptions;
  readonly #standing: Standing;
  readonly #membership: Membership;
  readonly #feeds: Feeds;
  readonly #time: MeshTime;
  readonly #admission: Admission;
  readonly #members: Members;
  readonly #ownFeed: OwnFeed;
  readonly #belonging: Belonging;
  readonly #replica: Replica;
  readonly #spread: Spread;
  readonly #connections: Connections;
  /** Opened last, as it looks at all the others. */
  #zones: Zones | undefined;
  readonly #renewal: Renewal;
  readonly #start: Start;
  readonly #watch: Watch;
  readonly #stop = new AbortController();
  readonly #tellHidden: (feed: StackId) => void;

  constructor(options: RegistryOptions) {
    const { database, identity, network, clock, log, random, name } = options;
    const { signal } = this.#stop;
    this.#options = options;
    this.stack = identity.stack;
    const self = this.stack;
    const rosterStore = new RosterStore(database);
    const feedStore = new FeedStore(database);
    this.#tellHidden = tellHidden(feedStore, log);
    const kinds = new Kinds([zoneKind, ...options.kinds]);
    const { time, judged } = openMeshTime(clock, rosterStore);
    this.#time = time;
    const membership = new Membership(rosterStore, identity, judged.now, () => time.requireClock());
    this.#membership = membership;
    this.#standing = new Standing(kinds, membership, feedStore, rosterStore, options.mayStand);
    const faultOf = (feed: string, change: Change): string | undefined => this.#standing.faultOf(feed, change);
    const held = new HeldWrites({ self, store: feedStore, held: new HeldStore(database), faultOf });
    // The rows of an earlier run that was killed stand ahead of the head that tries are built for.
    database.transaction(() => held.stepBack());
    this.#feeds = new Feeds(feedStore, identity, faultOf, {
      monotonic: () => clock.monotonic(),
      pardoned: (feed) => membership.roster.pardons.get(feed) ?? 0,
    });
    this.#admission = new Admission(rosterStore, membership, judged.now, options.maxZoneMembers ?? maxZoneMembers);
    const ownAddresses = (): readonly string[] => this.#ownAddresses();
    const directory = (): Directory => this.directory;
    const quarantineOf = (stack: StackId): string | undefined =>
      this.#feeds.isQuarantined(stack) ? this.#feeds.quarantineOf(stack)?.reason : undefined;
    const elsewhere = (stack: StackId): readonly string[] => this.#zones?.addressesOf(stack) ?? [];
    const seen = (stack: StackId) => this.#watch.of(stack);
    const asked = { seen, directory, ownAddresses, elsewhere, quarantineOf };
    this.#members = new Members({ self, membership, store: rosterStore, ...asked });
    this.directory = new Directory(feedStore, kinds, (stack) => {
      const member = membership.roster.memberships.get(stack);
      const presence = this.#members.presence(stack);
      const isGone = ['expired', 'left', 'revoked'].includes(presence.state) || !membership.isNear(stack);
      return member && !isGone ? { name: member.name, presence } : undefined;
    });
    const own = { self, store: feedStore, feeds: this.#feeds, standing: this.#standing, membership };
    this.#ownFeed = new OwnFeed({
      ...own,
      held,
      clock,
      random,
      log,
      pardoned: () => membership.roster.pardons.get(self) ?? 0,
      changed: () => this.directory.wake(),
      committed: (delta) => {
        this.directory.wake();
        this.#spread.do(this.#replica.committed(delta, clock.monotonic()));
      },
    });
    this.#belonging = new Belonging({
      identity,
      name,
      zone: options.zone ?? '',
      network,
      store: rosterStore,
      feeds: this.#feeds,
      membership,
      standing: this.#standing,
      ownFeed: this.#ownFeed,
      members: this.#members,
      ownAddresses,
      clock: judged,
      random,
      log,
      signal,
      entered: () => {
        this.#spread.enter();
        this.#zones?.entered();
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
    const around = this.#members.around({ chance, isKept: (stack) => this.#connections.isNear(stack) });
    const replicate = { ...defaultReplicateOptions, ...options.replicate };
    this.#replica = new Replica(this.#feeds, around, replicate, clock.monotonic());
    const metrics = options.metrics ?? noMetrics;
    const conduct = new Conduct(replicate);
    serveEntrance({
      network,
      membership,
      admission: this.#admission,
      conduct,
      clock,
      metrics,
      stated: (statements) => this.#spreadNews(statements),
    });
    this.#watch = openWatch({
      options,
      membership,
      store: rosterStore,
      signal,
      timeSample: (stack, offsetMs, roundTripMs) => this.timeSample({ stack, offsetMs, roundTripMs }),
      probe: (stack) => void this.#connections.dial(stack),
      presence: () => {
        this.#members.tell();
        this.#zones?.changed('presence');
      },
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
        this.#zones?.exchanged(peer);
      },
      moved: () => this.#start.look(),
      stated: (statements) => this.#stated(statements),
      renew: (counter) => this.#ownFeed.renew(counter),
      due: () => this.#renewal.due(),
    });
    const keptFor = makeKept(self, () => this.#members.near(), { observersOf, subjectsOf });
    this.#connections = new Connections({
      network,
      log,
      signal,
      clock,
      chance,
      retryMs: options.retryMs ?? defaultRetryMs,
      isMember,
      kept: () => keptFor(`${membership.roster.digest} ${this.#members.near().length}`),
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
        new Barrier({ others: this.#members.near().length, limitMs: replicate.barrierMs }, clock.monotonic()),
    });
    this.#zones = openZones({
      ...own,
      options,
      directory: this.directory,
      members: this.#members,
      ownFeed: this.#ownFeed,
      chance,
      signal,
      reach: (stack, until) => this.reach(stack, until),
      exchange: (stack) => this.#spread.exchange(stack),
    });
    this.#renewal = new Renewal({
      identity,
      network,
      membership,
      clock: judged,
      log,
      signal,
      chance,
      retryMs: options.retryMs ?? defaultRetryMs,
      addressesOf: (stack) => this.#members.addressesOf(stack),
      stated: (statements) => this.#spreadNews(statements),
    });
    this.#renewal.due();
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

  member(stack: StackId): Member | undefined {
    return this.#members.of(stack);
  }

  roots(): MeshRoots {
    return readMeshRoots(this.#membership);
  }

  signRoot(
    wanted: { readonly admins: readonly string[]; readonly threshold: number } | undefined,
    options: DeedOptions = {},
  ): MeshRoot {
    const hash = this.#belonging.signRoot(wanted, options);
    const { chain, proposals, forks } = this.roots();
    return [...chain, ...proposals, ...forks].find((root) => root.hash === hash) as MeshRoot;
  }

  pardon(stack: string, options: DeedOptions = {}): { readonly stack: StackId; readonly counter: number } {
    return this.#belonging.pardon(stack, options);
  }

  timeSample(sample: TimeSample): void {
    if (this.#membership.valid(sample.stack)) this.#time.sample(sample);
  }

  time(): { readonly now: number; readonly skewMs: number } {
    return { now: this.#time.now(), skewMs: this.#time.skewMs() };
  }

  quarantined(): StackId[] {
    return this.#feeds.quarantined();
  }

  zones(): ZoneSummary[] {
    return this.#zones?.list() ?? [];
  }

  find(kind: string, label: string, options: { signal: AbortSignal }): Promise<Found> {
    return this.#zones?.find(kind, label, options) ?? Promise.resolve({ records: [], unanswered: [] });
  }

  followMembers(options: { signal: AbortSignal }): AsyncIterable<readonly Member[]> {
    return this.#members.follow(options);
  }

  write(changes: readonly Write[]): void {
    this.#ownFeed.write(changes);
  }

  createInvite(options: { role: MemberRole; expiresInMs: number; uses: number }): { token: string; expiresAt: number } {
    const invite = { ...options, addresses: this.#ownAddresses() };
    return makeInvite(this.#admission, this.#membership, this.#options.random, invite);
  }

  join(token: string, options: { signal: AbortSignal } & DeedOptions): Promise<void> {
    return this.#belonging.join(token, options);
  }

  probe(token: string, options: { signal: AbortSignal }): Promise<Welcome> {
    return this.#belonging.probe(token, options);
  }

  revoke(stack: string, options: DeedOptions = {}): Promise<void> {
    return this.#belonging.revoke(stack, options);
  }

  leave(options: DeedOptions = {}): Promise<void> {
    this.#start.release();
    return this.#belonging.leave(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch.stop();
    this.#stop.abort();
    this.#members.close();
    this.directory.wake();
  }

  #spreadNews(statements: readonly Statement[]): void {
    if (statements.length === 0) return;
    this.#stated(statements);
    void this.#tell(statements);
  }

  #changed(feed: string): void {
    this.#tellHidden(feed);
    this.directory.wake();
    this.#connections.check();
  }

  /** The roster changed: rights are judged anew, and who lost its own is cut off. */
  #stated(statements: readonly Statement[]): void {
    const { database, network } = this.#options;
    database.transaction(() => {
      for (const stack of this.#membership.touched(statements)) this.#standing.judgeAnew(stack);
    });
    for (const { payload } of statements) {
      if ('stack' in payload && !this.#membership.valid(payload.stack)) this.#time.forget(payload.stack);
    }
    tellForks(this.#membership, statements, this.#options.log);
    for (const peer of network.connected()) if (!this.#membership.valid(peer)) void network.disconnect(peer);
    this.#ownFeed.pardon();
    this.#watch.refresh();
    this.#connections.check();
    this.#zones?.changed('roster');
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
