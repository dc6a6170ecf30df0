// One stack's registry, whole: what it writes, what it reads, whom it belongs with; the rooms of this floor wired together.
import { setTimeout as pause } from 'node:timers/promises';
import { Admission, joinProtocol, joinTimeoutMs, maxJoinRequestBytes, readToken, writeToken } from './admission.ts';
import { Broadcast } from './broadcast.ts';
import { Connections } from './connections.ts';
import type { Member, Registry, RegistryOptions, Write } from './contract.ts';
import { Directory } from './directory.ts';
import type { VerifiedDelta } from './feed.ts';
import { Feeds } from './feeds.ts';
import { askToJoin } from './joining.ts';
import { Kinds, type MemberRole, stackKind } from './kind.ts';
import { Liveness, type Presence } from './liveness.ts';
import { Membership } from './membership.ts';
import type { StackId } from './network.ts';
import { RegistryError } from './registry-error.ts';
import { defaultReplicateOptions, Replica } from './replicate.ts';
import type { Statement } from './roster.ts';
import { Spread } from './spread.ts';
import { Standing } from './standing.ts';
import { Store } from './store.ts';

/** Leaving waits this long for the others to hear of it. */
const leaveTimeoutMs = 2_000;
const defaultRetryMs = 1_000;
/** Hidden records of a feed that a warning names. */
const maxToldHidden = 5;
/** A restore needs one new epoch; two stacks with one identity would outbid one another for ever. */
const maxRenewals = 3;
const renewalWindowMs = 10 * 60 * 1000;

/** Opens the registry on its database and network; founds a mesh where the stack belongs to none. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  return new OpenRegistry(options);
}

class OpenRegistry implements Registry {
  readonly stack: StackId;
  readonly directory: Directory;
  readonly #options: RegistryOptions;
  readonly #store: Store;
  readonly #standing: Standing;
  readonly #membership: Membership;
  readonly #feeds: Feeds;
  readonly #admission: Admission;
  readonly #liveness: Liveness;
  readonly #replica: Replica;
  readonly #spread: Spread;
  readonly #connections: Connections;
  readonly #stop = new AbortController();
  /** What was last told of the hidden records of a feed. */
  readonly #toldHidden = new Map<StackId, string>();
  #renewals: readonly number[] = [];
  readonly #memberNews = new Broadcast<() => readonly Member[]>();

  constructor(options: RegistryOptions) {
    const { database, identity, network, now } = options;
    this.#options = options;
    this.stack = identity.stack;
    this.#store = new Store(database);
    const kinds = new Kinds(options.kinds);
    this.#membership = new Membership(this.#store, identity, now);
    this.#standing = new Standing(kinds, this.#membership, this.#store, options.mayStand);
    this.#feeds = new Feeds(this.#store, identity, (feed, change) => this.#standing.faultOf(feed, change));
    this.#admission = new Admission(this.#store, this.#membership, now);
    this.#liveness = new Liveness(this.stack, now());
    this.directory = new Directory(this.#store, kinds, (stack) => {
      const member = this.#membership.roster.memberships.get(stack);
      const presence = this.#presence(stack);
      return member && ['up', 'unreachable'].includes(presence.state) ? { name: member.name, presence } : undefined;
    });
    this.#begin();
    const replicate = { ...defaultReplicateOptions, ...options.replicate };
    const around = {
      self: this.stack,
      mesh: () => this.#membership.roster.mesh,
      isMember: (stack: StackId) => this.#membership.valid(stack) !== undefined,
      chance: () => this.#chance(),
    };
    this.#replica = new Replica(this.#feeds, around, replicate, now());
    network.setGate((peer) => (around.isMember(peer) ? 'member' : this.#admission.isOpen(peer) ? 'invite' : undefined));
    network.serve(
      joinProtocol,
      { access: 'invite', maxRequestBytes: maxJoinRequestBytes, timeoutMs: joinTimeoutMs },
      async (request, { from }) => {
        const { answer, admitted } = this.#admission.answer(request, from);
        if (admitted) {
          this.#stated([admitted]);
          void this.#tell([admitted]);
        }
        return answer;
      },
    );
    this.#spread = new Spread({
      network,
      replica: this.#replica,
      feeds: this.#feeds,
      membership: this.#membership,
      log: options.log,
      signal: this.#stop.signal,
      now,
      changed: (feed) => this.#changed(feed),
      stated: (statements) => this.#stated(statements),
      renew: (counter) => this.#renew(counter),
      due: () => this.#renewCertificate(),
    });
    this.#connections = new Connections({
      network,
      liveness: this.#liveness,
      log: options.log,
      signal: this.#stop.signal,
      now,
      chance: () => this.#chance(),
      retryMs: options.retryMs ?? defaultRetryMs,
      isMember: around.isMember,
      members: () => this.#others().map(({ stack }) => stack),
      addressesOf: (stack) => this.#addressesOf(stack),
      connected: (stack) => this.#spread.do(this.#replica.connected(stack)),
      disconnected: (stack) => this.#replica.disconnected(stack),
      presence: () => this.#tellMembers(),
    });
  }

  mesh(): { readonly id: string; readonly foundedHere: boolean } {
    return { id: this.#membership.roster.mesh, foundedHere: this.#membership.foundedHere };
  }

  members(): Member[] {
    return [...this.#membership.roster.memberships.values()]
      .map(({ stack, name, role, notAfter, x25519 }) => ({
        stack,
        name,
        role,
        self: stack === this.stack,
        liveness: this.#presence(stack),
        addresses: stack === this.stack ? this.#ownAddresses() : this.#addressesOf(stack),
        expires: notAfter,
        x25519,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.stack < b.stack ? -1 : 1));
  }

  quarantined(): StackId[] {
    return this.#feeds.quarantined();
  }

  followMembers(options: { signal: AbortSignal }): AsyncIterable<readonly Member[]> {
    const news = this.#memberNews.follow(options);
    return (async function* () {
      for await (const read of news) yield read();
    })();
  }

  write(changes: readonly Write[]): void {
    const encoded = changes.map(({ kind, name, body }) => ({
      kind,
      name,
      body: body === undefined ? null : this.#standing.encode(kind, name, body, this.stack),
    }));
    this.#store.database.transaction(() => {
      for (const change of encoded) this.#store.addPending(change);
      this.#store.database.beforeCommit(this.#commitPending);
    });
  }

  createInvite(options: { role: MemberRole; expiresInMs: number; uses: number }): { token: string; expiresAt: number } {
    const secret = new Uint8Array(this.#options.random(32));
    const expiresAt = this.#admission.create(secret, options);
    const { role } = options;
    const addresses = [...this.#ownAddresses()].slice(0, 16);
    const token = writeToken({ mesh: this.mesh().id, stack: this.stack, addresses, secret, expiresAt, role });
    return { token, expiresAt };
  }

  async join(line: string, { signal }: { signal: AbortSignal }): Promise<void> {
    const token = readToken(line);
    if (token.mesh === this.mesh().id && this.#membership.valid(this.stack)) return;
    this.#requireAlone();
    const { identity, network, name, now, random } = this.#options;
    const facts = { identity, network, name, addresses: this.#ownAddresses(), nonce: random(16), now: now() };
    const limit = AbortSignal.any([signal, this.#stop.signal]);
    const statements = await askToJoin(token, facts, { signal: limit });
    limit.throwIfAborted();
    // Somebody may have joined here meanwhile.
    this.#requireAlone();
    this.#enter(() => {
      this.#membership.enter(token.mesh, statements);
      this.#store.setAddresses(token.stack, token.addresses);
    });
    this.#options.log.info({ mesh: token.mesh, by: token.stack }, 'joined');
    await this.#connections.dial(token.stack);
  }

  async revoke(label: string): Promise<void> {
    const statements = this.#membership.revoke(this.#stackOf(label));
    this.#stated(statements);
    await this.#tell(statements);
  }

  async leave(): Promise<void> {
    if (this.#others().length > 0) {
      const statements = this.#membership.leave();
      this.#spread.do(this.#replica.stated(statements.map(({ wire }) => wire)));
      const told = Promise.all(this.#options.network.connected().map((peer) => this.#spread.exchange(peer)));
      await Promise.race([told, pause(leaveTimeoutMs, undefined, { ref: false })]);
    }
    const { name, random, network } = this.#options;
    this.#enter(() => this.#membership.found(name, random(16)));
    await Promise.all(network.connected().map((peer) => network.disconnect(peer)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#memberNews.close();
    this.directory.wake();
  }

  /** A name means the one member that has it now, not one that went; throws `unknown-stack` where there are several. */
  #stackOf(label: string): StackId {
    const named = this.members().filter(({ name }) => name === label);
    const present = named.filter(({ liveness }) => !['left', 'revoked'].includes(liveness.state));
    const [only, ...others] = present.length > 0 ? present : named;
    if (others.length === 0) return only?.stack ?? label;
    const ids = [only, ...others].map((each) => `"${each?.stack}"`).join(', ');
    throw new RegistryError(
      'unknown-stack',
      `Cannot tell which stack is "${label}": ${ids} have this name; give an id`,
    );
  }

  #requireAlone(): void {
    const others = this.#others().length;
    if (others === 0) return;
    throw new RegistryError(
      'has-members',
      `Cannot join: this stack's mesh has ${others} other members; leave it first`,
    );
  }

  /** Founds a mesh at first, renews the own certificate, and judges anew what was stored under other rules. */
  #begin(): void {
    const { database, name, random } = this.#options;
    database.transaction(() => {
      // One that left and was ended before it had a mesh again goes on here.
      const hasLeft = this.#membership.roster.memberships.get(this.stack)?.state === 'left';
      if (this.#store.setting('mesh') === undefined || hasLeft)
        this.#change(() => this.#membership.found(name, random(16)));
      this.#membership.renewOwn();
      this.#standing.judgeByKinds();
    });
  }

  /** Another mesh in place of this one, in one transaction: other feeds go, the own one is written anew. */
  #enter(fill: () => void): void {
    try {
      this.#options.database.transaction(() => this.#change(fill));
    } catch (error) {
      this.#membership.reload();
      throw error;
    }
    this.#spread.enter();
    this.#tellMembers();
    this.directory.wake();
  }

  #change(fill: () => void): void {
    const counter = (this.#feeds.position(this.stack)?.epoch.counter ?? 0) + 1;
    this.#feeds.dropOthers();
    fill();
    this.#beginEpoch(counter);
  }

  #beginEpoch(counter: number): VerifiedDelta {
    const nonce = new Uint8Array(this.#options.random(16));
    return this.#feeds.beginEpoch(this.#membership.roster.mesh, { counter, nonce });
  }

  /** The own feed is elsewhere further on than here (a restore, a lost database): begin above whatever was heard. */
  #renew(counter: number): void {
    const now = this.#options.now();
    this.#renewals = this.#renewals.filter((at) => Math.abs(now - at) < renewalWindowMs);
    if (this.#renewals.length >= maxRenewals) {
      this.#options.log.error({ renewals: this.#renewals.length }, 'another stack runs with this identity: end one');
      return;
    }
    this.#renewals = [...this.#renewals, now];
    const own = this.#feeds.position(this.stack)?.epoch.counter ?? 0;
    const delta = this.#options.database.transaction(() => this.#beginEpoch(Math.max(counter, own) + 1));
    this.#options.log.warn(
      { counter: delta.head.epoch.counter },
      'own feed was further on elsewhere: began a new epoch',
    );
    this.#spread.do(this.#replica.committed(delta, this.#options.now()));
  }

  #renewCertificate(): void {
    const renewed = this.#membership.renewOwn();
    if (renewed.length === 0) return;
    this.#stated(renewed);
    void this.#tell(renewed);
  }

  readonly #commitPending = (): void => {
    const changes = this.#store.pending();
    this.#store.clearPending();
    const delta = this.#feeds.commit(this.#membership.roster.mesh, changes);
    if (!delta) return;
    this.#store.database.afterCommit(() => {
      this.directory.wake();
      this.#spread.do(this.#replica.committed(delta, this.#options.now()));
    });
  };

  #changed(feed: string): void {
    const hidden = this.#store.hiddenOf(feed, maxToldHidden);
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
    this.#connections.check();
    this.#tellMembers();
    this.directory.wake();
  }

  /** Who belongs to the mesh is published and also told to each neighbour, since a message that is published may get lost. */
  async #tell(statements: readonly Statement[]): Promise<void> {
    this.#spread.do(this.#replica.stated(statements.map(({ wire }) => wire)));
    await Promise.all(this.#options.network.connected().map((peer) => this.#spread.exchange(peer)));
  }

  #presence(stack: StackId): Presence {
    const member = this.#membership.roster.memberships.get(stack);
    const seen = this.#liveness.of(stack);
    if (member?.state === 'left') return { ...seen, state: 'left', why: 'it left the mesh' };
    if (member?.state === 'revoked') return { ...seen, state: 'revoked', why: 'an admin revoked it' };
    if (!this.#membership.valid(stack)) return { ...seen, state: 'expired', why: 'its certificate ran out' };
    return seen;
  }

  #addressesOf(stack: StackId): readonly string[] {
    const entry = this.directory.list({ kind: stackKind, stack, includeUnreachable: true })[0];
    return [...new Set([...(entry?.body.addresses ?? []), ...this.#store.addresses(stack)])].slice(0, 16);
  }

  #ownAddresses(): readonly string[] {
    return this.#options.addresses?.() ?? this.#options.network.addresses();
  }

  #others(): readonly { readonly stack: StackId }[] {
    return [...this.#membership.roster.memberships.values()].filter(
      ({ stack }) => stack !== this.stack && this.#membership.valid(stack),
    );
  }

  #tellMembers(): void {
    this.#memberNews.send(() => this.members());
  }

  #chance(): number {
    return Buffer.from(this.#options.random(4)).readUInt32BE(0) / 2 ** 32;
  }
}
