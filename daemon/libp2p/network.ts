// The registry's seam to the network, kept by a libp2p node: admission, exchanges, gossip, and news of connections.
import type { Connection, Stream, StreamHandler } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import {
  type Access,
  Broadcast,
  type Channel,
  type ChannelListener,
  type ChannelOptions,
  defaultChannelMessageBytes,
  type Handler,
  type Identity,
  type Listener,
  type Log,
  type Network,
  type PeerEvent,
  type PiecesHandler,
  type ProtocolOptions,
  RegistryError,
  type RequestOptions,
  type StackId,
} from '#registry';
import { DaemonError } from '../errors.ts';
import { keepChannel, maxChannels } from './channel.ts';
import { dialAny, requestWithKey, withPeer } from './dial.ts';
import { ask, openStream, receive, send, unlessAborted } from './exchange.ts';
import { Gate } from './gate.ts';
import { Gossip } from './gossip.ts';
import { type MemberNode, makeMemberNode } from './node.ts';
import { answerInPieces, askInPieces } from './pieces.ts';
import { Turns } from './turns.ts';

export interface Libp2pOptions {
  readonly identity: Pick<Identity, 'stack' | 'seed'>;
  /** Multiaddrs to listen at, such as `/ip4/0.0.0.0/tcp/4801`; port 0 takes a free one. */
  readonly listen: readonly string[];
  /** Multiaddrs that others are told instead. */
  readonly announce?: readonly string[];
  /** Whether members find one another's addresses by a DHT among themselves; false by default. */
  readonly dht?: boolean;
  readonly log: Log;
  /** Closes the network. */
  readonly signal?: AbortSignal;
}

/** Opened by the dialler of each connection; only a member gets an answer. */
const helloProtocol = '/hermesh/hello/1.0.0';
const helloTimeoutMs = 5_000;
/** Greetings on one connection: the first, and those by which the DHT asks whether a member is still there. */
const maxHellos = 1_000;
/** A peer with an invite asks one thing and goes. */
const inviteConnectionMs = 10_000;
/** Connections of one member: two that meet half-way, and one that is half-open still. The oldest goes. */
const maxMemberConnections = 4;
/** Connections under the key of one invite: a fleet of 30 joins at once, and tries again. The newest goes. */
const maxInviteConnections = 64;
/** Exchanges of one protocol that one peer has open at a time. */
const maxStreams = 16;
/** Closing waits this long for what is under way. */
const closeTimeoutMs = 1_500;

/** Starts a node that listens; nobody is let in before the gate is set. */
export async function openLibp2pNetwork(options: Libp2pOptions): Promise<Network> {
  const gate = new Gate();
  const network = new Libp2pNetwork(options, gate);
  const { identity, listen, announce = [], dht = false, signal } = options;
  const node = await makeMemberNode({
    seed: identity.seed,
    listen,
    announce,
    gate,
    dht,
    ping: (peer) => network.ping(peer.toString()),
  });
  await network.start(node).catch((cause: unknown) => {
    throw cannotListen(listen, cause);
  });
  signal?.addEventListener('abort', () => void network[Symbol.asyncDispose](), { once: true });
  return network;
}

function cannotListen(listen: readonly string[], cause: unknown): DaemonError {
  const { message, cause: deeper } = cause as Error;
  const said = deeper instanceof Error ? deeper.message : message;
  const places = listen.map((place) => `"${place}"`).join(', ');
  if (said.includes('EADDRINUSE')) {
    return new DaemonError('port-in-use', `Cannot listen at ${places}: another program does`, {
      cause,
      mend: 'stop it, or take another port with --listen /ip4/0.0.0.0/tcp/PORT (0 for any)',
    });
  }
  const reason = /Error: ([^\n]+)/.exec(said)?.[1] ?? said.split('\n')[0];
  return new DaemonError('bad-config', `Cannot listen at ${places}: ${reason}`, {
    cause,
    mend: 'name an address of this host, such as --listen /ip4/0.0.0.0/tcp/4801',
  });
}

class Libp2pNetwork implements Network {
  readonly stack: StackId;
  readonly #log: Log;
  readonly #gate: Gate;
  readonly #admitted = new Map<StackId, Set<Connection>>();
  readonly #hellos = new WeakMap<Connection, Promise<void>>();
  readonly #greeted = new WeakMap<Connection, number>();
  readonly #events = new Broadcast<PeerEvent>();
  readonly #stop = new AbortController();
  #node: MemberNode | undefined;
  #gossip: Gossip | undefined;

  constructor({ identity, log }: Libp2pOptions, gate: Gate) {
    this.stack = identity.stack;
    this.#log = log;
    this.#gate = gate;
  }

  async start(node: MemberNode): Promise<void> {
    this.#node = node;
    node.addEventListener('connection:open', ({ detail }) => this.#opened(detail));
    node.addEventListener('connection:close', ({ detail }) => this.#closed(detail));
    this.#gossip = new Gossip({
      pubsub: node.services.pubsub,
      mayBeHeard: (stack) => this.#gate.of(stack) === 'member',
      log: this.#log,
      signal: this.#stop.signal,
    });
    this.#serve(helloProtocol, { access: 'member', maxRequestBytes: 0, timeoutMs: helloTimeoutMs }, async () => empty);
    await node.start();
  }

  addresses(): readonly string[] {
    return this.#open.getMultiaddrs().map((address) => withPeer(address.toString(), this.stack));
  }

  connected(): readonly StackId[] {
    return [...this.#admitted.keys()];
  }

  setGate(gate: (peer: StackId) => Access | undefined): void {
    this.#gate.set(gate);
  }

  async disconnect(stack: StackId): Promise<void> {
    for (const connection of this.#open.getConnections(peerIdFromString(stack))) {
      connection.abort(new Error('the peer is no longer admitted'));
      this.#closed(connection);
    }
  }

  async connect(stack: StackId, addresses: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    if (this.#admitted.has(stack)) return;
    if (this.#gate.of(stack) !== 'member') {
      throw new RegistryError('refused', `Cannot connect to "${stack}": it is not a member of this mesh`);
    }
    const limit = AbortSignal.any([signal, this.#stop.signal]);
    const connection = await this.#dial(stack, addresses, limit);
    await unlessAborted(this.#greet(connection), limit);
  }

  async request(stack: StackId, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    return ask(this.#connectionTo(stack), protocol, request, options);
  }

  requestWithKey(
    seed: Uint8Array,
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    return requestWithKey(seed, addresses, protocol, request, options);
  }

  serve(protocol: string, options: ProtocolOptions, handler: Handler): void {
    this.#serve(protocol, options, handler);
  }

  async *requestStream(
    stack: StackId,
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): AsyncIterable<Uint8Array> {
    yield* askInPieces(this.#connectionTo(stack), protocol, request, options);
  }

  serveStream(protocol: string, options: ProtocolOptions, handler: PiecesHandler): void {
    this.#gate.need(protocol, options.access);
    const answer = async (stream: Stream, connection: Connection): Promise<void> => {
      const from = connection.remotePeer.toString();
      const end = new AbortController();
      stream.addEventListener('close', () => end.abort(), { once: true });
      const signal = AbortSignal.any([this.#stop.signal, end.signal]);
      try {
        await answerInPieces(stream, options, { signal }, (request) =>
          handler(request, { from, access: this.#gate.of(from) ?? options.access, signal }),
        );
      } catch (error) {
        this.#log.debug({ protocol, error }, 'answer in pieces was reset');
        stream.abort(error instanceof Error ? error : new Error(String(error)));
      }
    };
    this.#handle(protocol, answer, maxStreams);
  }

  async openChannel(
    stack: StackId,
    protocol: string,
    listener: ChannelListener,
    { signal, ...bounds }: { signal: AbortSignal } & Partial<ChannelOptions>,
  ): Promise<Channel> {
    const limit = AbortSignal.any([signal, this.#stop.signal]);
    const stream = await openStream(this.#connectionTo(stack), protocol, { signal: limit });
    return keepChannel(stream, stack, { maxMessageBytes: defaultChannelMessageBytes, ...bounds }, () => listener);
  }

  serveChannel(protocol: string, options: ChannelOptions, accept: (channel: Channel) => ChannelListener): void {
    const handler = (stream: Stream, { remotePeer }: Connection): void => {
      keepChannel(stream, remotePeer.toString(), options, accept);
    };
    this.#handle(protocol, handler, maxChannels);
  }

  publish(topic: string, message: Uint8Array): void {
    this.#gossip?.publish(topic, message);
  }

  subscribe(topic: string, listener: Listener): () => void {
    return this.#gossip?.subscribe(topic, listener) ?? (() => undefined);
  }

  events(options: { signal: AbortSignal }): AsyncIterable<PeerEvent> {
    return this.#events.follow(options);
  }

  /** Milliseconds until that peer answered as a member. */
  async ping(stack: StackId): Promise<number> {
    const begin = performance.now();
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(helloTimeoutMs)]);
    const connection = await this.#open.dial(peerIdFromString(stack), { signal });
    await ask(connection, helloProtocol, empty, { signal, maxResponseBytes: 0 });
    return performance.now() - begin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#events.close();
    const node = this.#open;
    // Half-open connections would make the node wait for each of them.
    const limit = new Promise<void>((resolve) => {
      setTimeout(resolve, closeTimeoutMs).unref();
    });
    await Promise.race([node.stop(), limit]);
    for (const connection of node.getConnections()) connection.abort(new Error('the network is closed'));
  }

  get #open(): MemberNode {
    if (!this.#node) throw new RegistryError('closed', 'Cannot use the network: it is not started');
    return this.#node;
  }

  #opened(connection: Connection): void {
    const access = this.#gate.of(connection.remotePeer);
    const all = this.#open.getConnections(connection.remotePeer);
    const surplus = access === 'member' ? all.slice(0, -maxMemberConnections) : all.slice(maxInviteConnections);
    for (const each of surplus) each.abort(new Error('the peer has too many connections'));
    if (connection.direction === 'outbound') {
      this.#greet(connection).catch((error: unknown) => {
        this.#log.debug({ peer: connection.remotePeer.toString(), error }, 'not admitted there');
        connection.abort(new Error('the other side did not admit this stack'));
      });
    } else if (access !== 'member') {
      const timer = setTimeout(() => connection.abort(new Error('the invite had its time')), inviteConnectionMs);
      const ended = (): void => {
        clearTimeout(timer);
        this.#forget(connection);
      };
      connection.addEventListener('close', ended, { once: true });
    }
  }

  /** Resolves once the other side answered as to a member; one greeting a connection. */
  #greet(connection: Connection): Promise<void> {
    const known = this.#hellos.get(connection);
    if (known) return known;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(helloTimeoutMs)]);
    const greeting = ask(connection, helloProtocol, empty, { signal, maxResponseBytes: 0 }).then(() =>
      this.#admit(connection),
    );
    this.#hellos.set(connection, greeting);
    return greeting;
  }

  /** One that goes on greeting wants to cost something: it is closed. */
  #greeting(connection: Connection): void {
    const count = (this.#greeted.get(connection) ?? 0) + 1;
    this.#greeted.set(connection, count);
    if (count > maxHellos) {
      this.#log.warn({ peer: connection.remotePeer.toString() }, 'a peer greets without end');
      connection.abort(new Error('too many greetings'));
    } else this.#admit(connection);
  }

  #admit(connection: Connection): void {
    const stack = connection.remotePeer.toString();
    const connections = this.#admitted.get(stack) ?? new Set();
    if (connections.has(connection) || connection.status !== 'open' || this.#gate.of(stack) !== 'member') return;
    connections.add(connection);
    this.#admitted.set(stack, connections);
    // Gossip and the DHT learn from identify that a peer speaks their protocols.
    this.#open.services.identify.identify(connection).catch((error: unknown) => {
      this.#log.debug({ stack, error }, 'identify failed');
    });
    if (connections.size === 1) this.#events.send({ type: 'connected', stack });
  }

  /**
   * Of several connections the one that was heard last is asked first: where two daemons run with one identity, what one of them
   * says is looked into there.
   */
  #heard(connection: Connection): void {
    const connections = this.#admitted.get(connection.remotePeer.toString());
    if (connections?.delete(connection)) connections.add(connection);
  }

  #closed(connection: Connection): void {
    const stack = connection.remotePeer.toString();
    const connections = this.#admitted.get(stack);
    if (!connections?.delete(connection) || connections.size > 0) return;
    this.#admitted.delete(stack);
    this.#events.send({ type: 'disconnected', stack });
  }

  /** libp2p notes of each peer what it opens, for hours and more: each invite has a key of its own. */
  #forget({ remotePeer }: Connection): void {
    this.#open.peerStore.delete(remotePeer).catch((error: unknown) => {
      this.#log.debug({ peer: remotePeer.toString(), error }, 'not forgotten');
    });
  }

  #serve(protocol: string, options: ProtocolOptions, handler: Handler): void {
    this.#gate.need(protocol, options.access);
    const turns = new Turns(options.maxAtOnce ?? Number.POSITIVE_INFINITY);
    const answer = async (stream: Stream, connection: Connection): Promise<void> => {
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(options.timeoutMs)]);
      try {
        const from = connection.remotePeer.toString();
        // Read at once: a stream whose other side ended before it is read gives nothing.
        const request = await receive(stream, options.maxRequestBytes, { signal }).catch((error: unknown) => {
          const code = error instanceof RegistryError ? error.code : undefined;
          if (code === 'too-large') options.refused?.(from, 'too-large');
          if (code === 'refused') options.refused?.(from, 'cut-short');
          throw error;
        });
        this.#heard(connection);
        using _turn = await turns.take(from, { signal });
        if (protocol === helloProtocol) this.#greeting(connection);
        const exchange = { from, access: this.#gate.of(from) ?? options.access, signal };
        await send(stream, await unlessAborted(handler(request, exchange), signal), { signal });
      } catch (error) {
        this.#log.debug({ protocol, error }, 'exchange was reset');
        stream.abort(error instanceof Error ? error : new Error(String(error)));
      }
    };
    this.#handle(protocol, answer, maxStreams);
  }

  #handle(protocol: string, handler: StreamHandler, maxInboundStreams: number): void {
    this.#open.handle(protocol, handler, { maxInboundStreams }).catch((error: unknown) => {
      this.#log.error({ protocol, error }, 'protocol is not served');
    });
  }

  #connectionTo(stack: StackId): Connection {
    const connection = [...(this.#admitted.get(stack) ?? [])].findLast(({ status }) => status === 'open');
    if (!connection) throw new RegistryError('unreachable', `Cannot ask "${stack}": it isn't connected`);
    return connection;
  }

  /** By its addresses in turn, and then by what the other members know of it, where the DHT is on. */
  async #dial(stack: StackId, addresses: readonly string[], signal: AbortSignal): Promise<Connection> {
    const own = addresses.map((address) => withPeer(address, stack)).filter((address) => address.endsWith(stack));
    try {
      return await dialAny(this.#open, own, signal);
    } catch (error) {
      if (signal.aborted || !('dht' in this.#open.services)) throw error;
      const found = await this.#open.peerRouting.findPeer(peerIdFromString(stack), { signal }).catch(() => undefined);
      if (!found) throw error;
      const more = found.multiaddrs.map((address) => withPeer(address.toString(), stack));
      return dialAny(this.#open, more, signal);
    }
  }
}

const empty = new Uint8Array();
