// Wires the registry: one object over feeds, roster, replication, liveness and the directory, and what each tells the others.
import type { Directory } from '#registry/directory';
import { observersOf, subjectsOf, Watch } from '#registry/liveness';
import { Barrier, Connections, defaultReplicateOptions, Guard, makeKept, Replica, Spread } from '#registry/replication';
import { Renewal, type TimeSample, type Welcome, writeToken } from '#registry/roster';
import type { Found, ZoneSummary, Zones } from '#registry/zones';
import { type AdoptingParts, adopt, handOff } from './adopting.ts';
import { Belonging } from './belonging.ts';
import type { DeedOptions, Member, MeshRoot, MeshRoots, Registry, RegistryOptions, Write } from './contract.ts';
import { type Kept, openKept } from './kept.ts';
import type { MemberRole } from './kind.ts';
import { readMeshRoots } from './mesh-roots.ts';
import { noMetrics } from './metrics.ts';
import type { Network, StackId } from './network.ts';
import { News } from './news.ts';
import { openZones } from './open-zones.ts';
import { OwnFeed } from './own-feed.ts';
import { serveAdmission } from './serving.ts';
import { Start } from './start.ts';

const defaultRetryMs = 1_000;
/** Addresses that an invite names. */
const maxInviteAddresses = 16;

/** Opens the registry on its database and network; founds a mesh where the stack belongs to none. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const stop = new AbortController();
  try {
    return new OpenRegistry(options, stop);
  } catch (error) {
    // What was opened before the fault hangs on the signal.
    stop.abort();
    throw error;
  }
}

class OpenRegistry implements Registry {
  readonly stack: StackId;
  readonly directory: Directory;
  readonly network: Guard;
  readonly #options: RegistryOptions;
  readonly #kept: Kept;
  readonly #ownFeed: OwnFeed;
  readonly #belonging: Belonging;
  readonly #replica: Replica;
  readonly #spread: Spread;
  readonly #connections: Connections;
  /** Opened last, as it looks at all the others. */
  #zones: Zones | undefined;
  readonly #start: Start;
  readonly #renewal: Renewal;
  readonly #adopting: AdoptingParts;
  readonly #watch: Watch;
  readonly #stop: AbortController;

  constructor(options: RegistryOptions, stop: AbortController) {
    this.#stop = stop;
    const { identity, clock, log, random, name, metrics = noMetrics } = options;
    const replicate = { ...defaultReplicateOptions, ...options.replicate };
    const guard = new Guard({ network: options.network, clock, log, metrics, batchMs: replicate.batchMs });
    const network: Network = guard;
    this.network = guard;
    const { signal } = this.#stop;
    this.#options = options;
    const ownAddresses = (): readonly string[] => this.#ownAddresses();
    const elsewhere = (stack: StackId): readonly string[] => this.#zones?.addressesOf(stack) ?? [];
    const isCloned = (): boolean => this.#ownFeed.isQuarantined;
    const kept = openKept(options, { seen: (stack) => this.#watch.of(stack), ownAddresses, elsewhere, isCloned });
    this.#kept = kept;
    const { self, rosterStore, feedStore, kinds, judged, membership, standing, held, feeds, admission, members } = kept;
    this.stack = self;
    this.directory = kept.directory;
    const news = new News({
      kept,
      network,
      log,
      told: () => ({
        ownFeed: this.#ownFeed,
        replica: this.#replica,
        spread: this.#spread,
        connections: this.#connections,
        watch: this.#watch,
        zones: this.#zones,
      }),
    });
    this.#ownFeed = new OwnFeed({
      self,
      store: feedStore,
      feeds,
      standing,
      membership,
      held,
      clock,
      random,
      log,
      pardoned: () => membership.roster.pardons.get(self) ?? 0,
      testify: (head) => this.#spread.do(this.#replica.testify(head)),
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
      feeds,
      membership,
      standing,
      ownFeed: this.#ownFeed,
      members,
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
        members.tell();
        this.directory.wake();
      },
      stated: (statements) => news.stated(statements),
      tell: (statements) => news.tell(statements),
      dial: (stack) => this.#connections.dial(stack),
    });
    this.#adopting = {
      self,
      store: feedStore,
      kinds,
      members,
      membership,
      now: judged.now,
      write: (changes) => this.#ownFeed.write(changes),
    };
    this.#belonging.begin();
    const isMember = (stack: StackId): boolean => membership.valid(stack) !== undefined;
    const chance = (): number => Buffer.from(random(4)).readUInt32BE(0) / 2 ** 32;
    const around = {
      self,
      mesh: () => membership.roster.mesh,
      isMember: (stack: StackId) => membership.isNear(stack),
      chance,
      members: () => members.around(),
      // Who sees nobody any more may be the one who was cut off: then all are worth a try.
      candidates: () => {
        const near = members.near().filter((stack) => this.#connections.isNear(stack));
        const running = near.filter((stack) => members.presence(stack).state !== 'down');
        return running.length > 0 ? running : near;
      },
      rosterDigest: () => membership.roster.digest,
    };
    this.#replica = new Replica(feeds, around, replicate, clock.monotonic());
    network.setGate((peer) => {
      if (isMember(peer)) return 'member';
      if (membership.mayRenew(peer)) return 'renewal';
      return admission.isOpen(peer) ? 'invite' : undefined;
    });
    serveAdmission({ network, admission, membership, stated: (all) => news.spread(all) });
    this.#watch = new Watch({
      network,
      identity,
      clock,
      log,
      signal,
      timing: options.liveness,
      timeSample: (stack, offsetMs, roundTripMs) => {
        this.timeSample({ stack, offsetMs, roundTripMs });
        options.timeSample?.(stack, offsetMs, roundTripMs);
      },
      zone: () => membership.zone,
      roster: () => ({
        mesh: membership.roster.mesh,
        digest: membership.roster.digest,
        members: membership.near(),
      }),
      incarnation: {
        read: () => Number(rosterStore.setting('incarnation') ?? 0),
        keep: (incarnation) => rosterStore.setSetting('incarnation', `${incarnation}`),
      },
      fault: (peer, fault) => guard.fault(peer, fault),
      probe: (stack) => void this.#connections.dial(stack),
      presence: () => {
        members.tell();
        this.#zones?.changed('presence');
      },
    });
    this.#spread = new Spread({
      network,
      replica: this.#replica,
      feeds,
      membership,
      log,
      signal,
      clock,
      changed: (feed) => news.changed(feed),
      metrics,
      conduct: guard.conduct,
      fault: (peer, fault) => guard.fault(peer, fault),
      reach: (peer, limits) => this.#connections.reach(peer, limits),
      exchanged: (peer) => {
        this.#watch.exchanged(peer);
        this.#start.exchanged(peer);
        this.#zones?.exchanged(peer);
      },
      moved: () => this.#start.look(),
      stated: (statements) => news.stated(statements),
      renew: (head) => this.#ownFeed.renew(head),
      cloned: (counter) => this.#ownFeed.cloned(counter),
      due: () => {
        this.#renewal.due();
        news.cutOff();
      },
    });
    const fellows = (): readonly StackId[] => this.#zones?.fellows ?? [];
    const keptFor = makeKept(self, () => members.near(), { observersOf, subjectsOf }, fellows);
    this.#connections = new Connections({
      network,
      log,
      signal,
      clock,
      chance,
      retryMs: options.retryMs ?? defaultRetryMs,
      isMember,
      kept: () => keptFor(`${membership.roster.digest} ${members.near().length}`),
      addressesOf: (stack) => members.addressesOf(stack),
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
      barrier: () => new Barrier({ others: members.near().length, limitMs: replicate.barrierMs }, clock.monotonic()),
    });
    this.#zones = openZones({
      self,
      network,
      meshNow: judged.now,
      options,
      membership,
      feeds,
      directory: this.directory,
      standing,
      members,
      ownFeed: this.#ownFeed,
      chance,
      signal,
      reach: (stack, until) => this.reach(stack, until),
      exchange: (stack) => this.#spread.exchange(stack),
      regrouped: () => this.#connections.check(),
    });
    this.#watch.refresh();
    this.#renewal = new Renewal({
      identity,
      network,
      membership,
      clock: judged,
      log,
      signal,
      chance,
      retryMs: options.retryMs ?? defaultRetryMs,
      addressesOf: (stack) => members.addressesOf(stack),
      stated: (statements) => news.spread(statements),
    });
    this.#renewal.due();
  }

  confirmed(): boolean {
    return this.#start.isConfirmed;
  }

  syncing(): boolean {
    return this.#start.isSyncing;
  }

  fault(stack: StackId, fault: 'wrong-bytes'): void {
    this.network.fault(stack, fault);
  }

  reach(stack: StackId, options: { signal: AbortSignal }): Promise<void> {
    return this.#connections.reach(stack, options);
  }

  mesh(): { readonly id: string; readonly foundedHere: boolean } {
    return { id: this.#kept.membership.roster.mesh, foundedHere: this.#kept.membership.foundedHere };
  }

  members(): Member[] {
    return this.#kept.members.list();
  }

  member(stack: StackId): Member | undefined {
    return this.#kept.members.of(stack);
  }

  roots(): MeshRoots {
    return readMeshRoots(this.#kept.membership);
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

  adopt(stack: string, options: DeedOptions = {}): { readonly stack: StackId; readonly records: number } {
    return adopt(this.#adopting, stack, options);
  }

  handOff(kind: string, name: string, to: string): void {
    handOff(this.#adopting, kind, name, to);
  }

  timeSample(sample: TimeSample): void {
    if (this.#kept.membership.valid(sample.stack)) this.#kept.time.sample(sample);
  }

  time(): { readonly now: number; readonly skewMs: number } {
    return { now: this.#kept.time.now(), skewMs: this.#kept.time.skewMs() };
  }

  quarantined(): StackId[] {
    return this.#kept.feeds.quarantined();
  }

  zones(): ZoneSummary[] {
    return this.#zones?.list() ?? [];
  }

  find(kind: string, label: string, options: { signal: AbortSignal }): Promise<Found> {
    return this.#zones?.find(kind, label, options) ?? Promise.resolve({ records: [], unanswered: [] });
  }

  followMembers(options: { signal: AbortSignal }): AsyncIterable<readonly Member[]> {
    return this.#kept.members.follow(options);
  }

  write(changes: readonly Write[]): void {
    this.#ownFeed.write(changes);
  }

  createInvite(options: { role: MemberRole; expiresInMs: number; uses: number }): { token: string; expiresAt: number } {
    const secret = new Uint8Array(this.#options.random(32));
    const expiresAt = this.#kept.admission.create(secret, options);
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
    this.#start.release();
    return this.#belonging.leave(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch.stop();
    this.#stop.abort();
    this.#kept.members.close();
    this.#kept.settle();
    this.directory.wake();
  }

  #ownAddresses(): readonly string[] {
    return this.#options.addresses?.() ?? this.#options.network.addresses();
  }
}
