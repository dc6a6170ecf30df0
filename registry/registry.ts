// Wires the registry: one object over feeds, roster, replication, liveness and the directory, and what each tells the others.
import { Directory } from '#registry/directory';
import { FeedStore, Feeds } from '#registry/feeds';
import { Liveness } from '#registry/liveness';
import { Connections, defaultReplicateOptions, Replica, Spread } from '#registry/replication';
import {
  Admission,
  answerRenewal,
  joinProtocol,
  joinTimeoutMs,
  Membership,
  MeshTime,
  maxJoinRequestBytes,
  maxRenewRequestBytes,
  Renewal,
  RosterStore,
  renewProtocol,
  renewTimeoutMs,
  type Statement,
  type TimeSample,
  type Welcome,
  writeToken,
} from '#registry/roster';
import { type Found, maxZoneMembers, type ZoneSummary, type Zones, zoneKind } from '#registry/zones';
import { Belonging } from './belonging.ts';
import type { Clock } from './clock.ts';
import type { DeedOptions, Member, MeshRoot, MeshRoots, Registry, RegistryOptions, Write } from './contract.ts';
import { Kinds, type MemberRole } from './kind.ts';
import { Members } from './members.ts';
import { readMeshRoots } from './mesh-roots.ts';
import type { StackId } from './network.ts';
import { openZones } from './open-zones.ts';
import { OwnFeed } from './own-feed.ts';
import { Standing } from './standing.ts';

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
    const kinds = new Kinds([zoneKind, ...options.kinds]);
    const time = new MeshTime({
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      floor: Number(rosterStore.setting('time-floor') ?? 0),
      keep: (floor) => rosterStore.setSetting('time-floor', String(floor)),
    });
    this.#time = time;
    const judged: Clock = {
      now: () => time.now(),
      monotonic: () => clock.monotonic(),
      after: (...at) => clock.after(...at),
    };
    const membership = new Membership(rosterStore, identity, judged.now, () => time.requireClock());
    this.#membership = membership;
    this.#standing = new Standing(kinds, membership, feedStore, rosterStore, options.mayStand);
    this.#feeds = new Feeds(feedStore, identity, (feed, change) => this.#standing.faultOf(feed, change), {
      monotonic: () => clock.monotonic(),
      pardoned: (feed) => membership.roster.pardons.get(feed) ?? 0,
    });
    this.#admission = new Admission(rosterStore, membership, judged.now, options.maxZoneMembers ?? maxZoneMembers);
    const liveness = new Liveness(self, clock.now());
    const ownAddresses = (): readonly string[] => this.#ownAddresses();
    const directory = (): Directory => this.directory;
    const quarantineOf = (stack: StackId): string | undefined =>
      this.#feeds.isQuarantined(stack) ? this.#feeds.quarantineOf(stack)?.reason : undefined;
    const store = rosterStore;
    const elsewhere = (stack: StackId): readonly string[] => this.#zones?.addressesOf(stack) ?? [];
    const seen = { liveness, directory, ownAddresses, elsewhere, quarantineOf };
    this.#members = new Members({ self, membership, store, ...seen });
    this.directory = new Directory(feedStore, kinds, (stack) => {
      const member = membership.roster.memberships.get(stack);
      const presence = this.#members.presence(stack);
      const isGone = ['expired', 'left', 'revoked'].includes(presence.state) || !membership.isNear(stack);
      return member && !isGone ? { name: member.name, presence } : undefined;
    });
    const own = { self, store: feedStore, feeds: this.#feeds, standing: this.#standing, membership };
    this.#ownFeed = new OwnFeed({
      ...own,
      clock,
      random,
      log,
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
    const isNear = (stack: StackId): boolean => membership.isNear(stack);
    const around = { self, mesh: () => membership.roster.mesh, isMember: isNear, chance };
    const replicate = { ...defaultReplicateOptions, ...options.replicate };
    this.#replica = new Replica(this.#feeds, around, replicate, clock.monotonic());
    network.setGate((peer) => {
      if (isMember(peer)) return 'member';
      return membership.mayRenew(peer) ? 'renewal' : this.#admission.isOpen(peer) ? 'invite' : undefined;
    });
    this.#serveJoins();
    this.#serveRenewals();
    this.#spread = new Spread({
      network,
      replica: this.#replica,
      feeds: this.#feeds,
      membership,
      log,
      signal,
      clock,
      changed: (feed) => this.#changed(feed),
      stated: (statements) => this.#stated(statements),
      renew: (counter) => this.#ownFeed.renew(counter),
      due: () => this.#renewal.due(),
      exchanged: (peer) => this.#zones?.exchanged(peer),
    });
    this.#connections = new Connections({
      network,
      liveness,
      log,
      signal,
      clock,
      chance,
      retryMs: options.retryMs ?? defaultRetryMs,
      isMember,
      members: () => this.#members.near(),
      addressesOf: (stack) => this.#members.addressesOf(stack),
      connected: (stack) => this.#spread.do(this.#replica.connected(stack)),
      disconnected: (stack) => this.#replica.disconnected(stack),
      presence: () => {
        this.#members.tell();
        this.#zones?.changed('presence');
      },
    });
    this.#zones = openZones({
      ...own,
      options,
      directory: this.directory,
      members: this.#members,
      ownFeed: this.#ownFeed,
      chance,
      signal,
      reach: (stack, until) => this.#reach(stack, until),
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
    const secret = new Uint8Array(this.#options.random(32));
    const expiresAt = this.#admission.create(secret, options);
    const { role } = options;
    const addresses = [...this.#ownAddresses()].slice(0, maxInviteAddresses);
    const token = writeToken({ mesh: this.mesh().id, stack: this.stack, addresses, secret, expiresAt, role });
    return { token, expiresAt };
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
    return this.#belonging.leave(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#members.close();
    this.directory.wake();
  }

  #serveJoins(): void {
    const bounds = { access: 'invite', maxRequestBytes: maxJoinRequestBytes, timeoutMs: joinTimeoutMs } as const;
    this.#options.network.serve(joinProtocol, bounds, async (request, { from }) => {
      const { answer, admitted } = this.#admission.answer(request, from);
      if (admitted) this.#spreadNews([admitted]);
      return answer;
    });
  }

  #serveRenewals(): void {
    const bounds = { access: 'renewal', maxRequestBytes: maxRenewRequestBytes, timeoutMs: renewTimeoutMs } as const;
    this.#options.network.serve(renewProtocol, bounds, async (request, { from }) => {
      const { answer, stated } = answerRenewal(this.#membership, request, from);
      this.#spreadNews(stated);
      return answer;
    });
  }

  #spreadNews(statements: readonly Statement[]): void {
    if (statements.length === 0) return;
    this.#stated(statements);
    void this.#tell(statements);
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
      for (const stack of this.#membership.touched(statements)) this.#standing.judgeAnew(stack);
    });
    for (const { payload } of statements) {
      if ('stack' in payload && !this.#membership.valid(payload.stack)) this.#time.forget(payload.stack);
    }
    const { forks } = this.#membership.roster;
    if (forks.length > 0 && statements.some(({ payload }) => payload.type === 'root')) {
      const outdone = forks.map(({ hash, root, signers }) => ({ version: root.version, hash, signers }));
      this.#options.log.warn({ outdone }, 'admins signed two roots of one version: one stands, see "mesh root export"');
    }
    for (const peer of network.connected()) if (!this.#membership.valid(peer)) void network.disconnect(peer);
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

  async #reach(stack: StackId, until: { signal: AbortSignal }): Promise<void> {
    const { network } = this.#options;
    if (network.connected().includes(stack)) return;
    await network.connect(stack, this.#members.addressesOf(stack), until);
  }

  #ownAddresses(): readonly string[] {
    return this.#options.addresses?.() ?? this.#options.network.addresses();
  }
}
