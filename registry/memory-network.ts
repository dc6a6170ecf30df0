// The transport's twin without sockets: stacks of one process, whose links and publishing a test can cut.
import { setImmediate as turn } from 'node:timers/promises';
import { Broadcast } from './broadcast.ts';
import { type Identity, makeIdentity } from './identity.ts';
import { type ChannelEnd, openChannelPair } from './memory-channel.ts';
import { answerInPieces, type StreamServed, untilAborted } from './memory-pieces.ts';
import {
  type Access,
  type Channel,
  type ChannelListener,
  type ChannelOptions,
  defaultChannelMessageBytes,
  type Exchange,
  type Handler,
  type Listener,
  mayOpen,
  type Network,
  type PeerEvent,
  type PiecesHandler,
  type ProtocolOptions,
  type RequestOptions,
  type StackId,
} from './network.ts';
import { RegistryError } from './registry-error.ts';
import { sha256, toHex } from './wire.ts';

/** The most that is published at once, in bytes. */
const maxPublishBytes = 256 * 1024;
/** Messages that are known again when they come by another way: some seconds of a busy mesh. */
const maxKnownMessages = 4_096;

/** The wires between the networks of one process. */
export class MemoryHub {
  /** While true, everything published is lost. */
  losesPublished = false;
  readonly #nodes = new Map<string, MemoryNetwork>();
  readonly #cuts = new Set<string>();
  readonly #silences = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  #next = 1;

  /** A network of that identity, at an address of its own. */
  open(identity: Pick<Identity, 'stack'>): Network {
    const address = `/memory/${this.#next}`;
    this.#next += 1;
    const node = new MemoryNetwork(this, identity.stack, address, () => this.#nodes.delete(address));
    this.#nodes.set(address, node);
    return node;
  }

  /** Breaks the link between two stacks until it is healed. */
  cut(one: StackId, other: StackId): void {
    this.#cuts.add(linkOf(one, other));
    for (const node of this.#nodes.values()) {
      if (node.stack === one) node.drop(other);
      if (node.stack === other) node.drop(one);
    }
  }

  /** Loses all that goes this way, while both sides go on to call the other one connected. */
  silence(from: StackId, to: StackId): void {
    this.#silences.add(`${from} ${to}`);
  }

  /** Ends a cut, and silence either way. */
  heal(one: StackId, other: StackId): void {
    this.#cuts.delete(linkOf(one, other));
    this.#silences.delete(`${one} ${other}`);
    this.#silences.delete(`${other} ${one}`);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves once something goes this way, as what is sent again does; `timed-out` where the signal comes first. */
  async carried(from: StackId, to: StackId, signal: AbortSignal): Promise<void> {
    while (!this.carries(from, to)) {
      const healed = new Promise<void>((resolve) => this.#waiting.push(resolve));
      await untilAborted(healed, signal);
    }
  }

  carries(from: StackId, to: StackId): boolean {
    return !this.isCut(from, to) && !this.#silences.has(`${from} ${to}`);
  }

  isCut(one: StackId, other: StackId): boolean {
    return this.#cuts.has(linkOf(one, other));
  }

  at(address: string): MemoryNetwork | undefined {
    return this.#nodes.get(address.replace(/\/p2p\/.*$/, ''));
  }
}

class MemoryNetwork implements Network {
  readonly stack: StackId;
  readonly #hub: MemoryHub;
  readonly #address: string;
  readonly #forget: () => void;
  readonly #peers = new Map<StackId, MemoryNetwork>();
  /** What is under way with a peer ends with the connection. */
  readonly #ends = new Map<StackId, AbortController>();
  readonly #protocols = new Map<string, { options: ProtocolOptions; handler: Handler }>();
  readonly #streamProtocols = new Map<string, StreamServed>();
  readonly #channelProtocols = new Map<
    string,
    { options: ChannelOptions; accept: (channel: Channel) => ChannelListener }
  >();
  readonly #channels = new Map<StackId, Set<ChannelEnd>>();
  readonly #topics = new Map<string, Listener[]>();
  readonly #known = new Set<string>();
  readonly #events = new Broadcast<PeerEvent>();
  #gate: (peer: StackId) => Access | undefined = () => undefined;
  #closed = false;

  constructor(hub: MemoryHub, stack: StackId, address: string, forget: () => void) {
    this.#hub = hub;
    this.stack = stack;
    this.#address = address;
    this.#forget = forget;
  }

  addresses(): readonly string[] {
    return [`${this.#address}/p2p/${this.stack}`];
  }

  connected(): readonly StackId[] {
    return [...this.#peers.keys()];
  }

  setGate(gate: (peer: StackId) => Access | undefined): void {
    this.#gate = gate;
  }

  async disconnect(stack: StackId): Promise<void> {
    this.#peers.get(stack)?.drop(this.stack);
    this.drop(stack);
  }

  async connect(stack: StackId, addresses: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    await turn();
    signal.throwIfAborted();
    if (this.#peers.has(stack)) return;
    const other = this.#reach(addresses, stack, this.stack);
    await this.#roundTrip(other.stack, signal);
    if (this.#gate(stack) !== 'member' || other.admits(this.stack) !== 'member') {
      throw new RegistryError('refused', `Cannot connect to "${stack}": it does not let "${this.stack}" in`);
    }
    this.#peers.set(stack, other);
    other.accept(this);
    this.#events.send({ type: 'connected', stack });
  }

  async request(stack: StackId, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const other = this.#peers.get(stack);
    if (!other) throw new RegistryError('unreachable', `Cannot ask "${stack}": it isn't connected`);
    const signal = AbortSignal.any([options.signal, this.#endOf(stack)]);
    await this.#hub.carried(this.stack, stack, signal);
    other.heard(this);
    const answer = await ask(other, this.stack, protocol, request, { ...options, signal });
    await this.#hub.carried(stack, this.stack, signal);
    return answer;
  }

  async requestWithKey(
    seed: Uint8Array,
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    await turn();
    const key = makeIdentity(seed, seed).stack;
    return ask(this.#reach(addresses, undefined, this.stack), key, protocol, request, options);
  }

  serve(protocol: string, options: ProtocolOptions, handler: Handler): void {
    this.#protocols.set(protocol, { options, handler });
  }

  async *requestStream(
    stack: StackId,
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): AsyncIterable<Uint8Array> {
    const other = this.#peers.get(stack);
    if (!other) throw new RegistryError('unreachable', `Cannot ask "${stack}": it isn't connected`);
    const signal = AbortSignal.any([options.signal, this.#endOf(stack)]);
    await this.#hub.carried(this.stack, stack, signal);
    const access = other.admits(this.stack);
    const served = access && { access, ...other.#streamProtocols.get(protocol) };
    const carried = () => this.#hub.carried(stack, this.stack, signal);
    yield* answerInPieces(served, { stack, from: this.stack, request, options: { ...options, signal }, carried });
  }

  serveStream(protocol: string, options: ProtocolOptions, handler: PiecesHandler): void {
    this.#streamProtocols.set(protocol, { options, handler });
  }

  async openChannel(
    stack: StackId,
    protocol: string,
    listener: ChannelListener,
    {
      signal,
      maxMessageBytes = defaultChannelMessageBytes,
      refused,
    }: { signal: AbortSignal } & Partial<ChannelOptions>,
  ): Promise<Channel> {
    const other = this.#peers.get(stack);
    if (!other) throw new RegistryError('unreachable', `Cannot open a channel to "${stack}": it isn't connected`);
    await turn();
    await this.#roundTrip(stack, signal);
    const served = other.#channelProtocols.get(protocol);
    if (!served || other.admits(this.stack) !== 'member') {
      throw new RegistryError('refused', `Cannot open "${protocol}" at "${stack}": it isn't served for you`);
    }
    if (!this.#peers.has(stack)) {
      throw new RegistryError('unreachable', `Cannot open a channel to "${stack}": the connection is gone`);
    }
    const [near, far] = openChannelPair(this.stack, stack, (from, to) => this.#hub.carries(from, to));
    far.listen(served.accept(far), served.options);
    near.listen(listener, { maxMessageBytes, ...(refused && { refused }) });
    this.#keep(near);
    other.#keep(far);
    return near;
  }

  serveChannel(protocol: string, options: ChannelOptions, accept: (channel: Channel) => ChannelListener): void {
    this.#channelProtocols.set(protocol, { options, accept });
  }

  publish(topic: string, message: Uint8Array): void {
    if (message.byteLength > maxPublishBytes) return;
    const id = toHex(sha256(Buffer.from(`${topic}\0`), message));
    this.#knows(id);
    this.#send(topic, id, new Uint8Array(message));
  }

  subscribe(topic: string, listener: Listener): () => void {
    this.#topics.set(topic, [...(this.#topics.get(topic) ?? []), listener]);
    return () => {
      const others = (this.#topics.get(topic) ?? []).filter((each) => each !== listener);
      if (others.length > 0) this.#topics.set(topic, others);
      else this.#topics.delete(topic);
    };
  }

  events(options: { signal: AbortSignal }): AsyncIterable<PeerEvent> {
    return this.#events.follow(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget();
    for (const stack of [...this.#peers.keys()]) await this.disconnect(stack);
    this.#events.close();
  }

  admits(peer: StackId): Access | undefined {
    return this.#closed ? undefined : this.#gate(peer);
  }

  accept(peer: MemoryNetwork): void {
    this.#peers.set(peer.stack, peer);
    this.#events.send({ type: 'connected', stack: peer.stack });
  }

  /** Of two networks with one identity the one that was heard last is asked, as over libp2p. */
  heard(peer: MemoryNetwork): void {
    if (this.#peers.has(peer.stack)) this.#peers.set(peer.stack, peer);
  }

  drop(stack: StackId): void {
    if (!this.#peers.delete(stack)) return;
    this.#ends.get(stack)?.abort();
    this.#ends.delete(stack);
    for (const channel of this.#channels.get(stack) ?? []) channel.end();
    this.#channels.delete(stack);
    this.#events.send({ type: 'disconnected', stack });
  }

  deliver(topic: string, id: string, message: Uint8Array, from: StackId): void {
    const listeners = this.#topics.get(topic);
    if (!listeners || this.admits(from) !== 'member' || !this.#hub.carries(from, this.stack) || this.#knows(id)) return;
    const verdicts = listeners.map((listener) => listener(message, from));
    if (verdicts.every((verdict) => verdict === 'accept')) this.#send(topic, id, message);
  }

  async answer(protocol: string, request: Uint8Array, exchange: Exchange): Promise<Uint8Array> {
    const served = this.#protocols.get(protocol);
    if (!served || !mayOpen(exchange.access, served.options.access)) {
      throw new RegistryError('refused', `Cannot open "${protocol}" at "${this.stack}": it isn't served for you`);
    }
    if (request.byteLength > served.options.maxRequestBytes) {
      served.options.refused?.(exchange.from, 'too-large');
      throw new RegistryError('too-large', `Cannot ask "${this.stack}": the request has ${request.byteLength} bytes`);
    }
    const limit = AbortSignal.timeout(served.options.timeoutMs);
    const signal = AbortSignal.any([exchange.signal, limit]);
    return untilAborted(served.handler(request, { ...exchange, signal }), signal);
  }

  /** To all neighbours; those that know it let it pass. */
  #send(topic: string, id: string, message: Uint8Array): void {
    if (this.#hub.losesPublished) return;
    for (const peer of this.#peers.values()) {
      if (!peer.#known.has(id)) setImmediate(() => peer.deliver(topic, id, message, this.stack));
    }
  }

  /** Whether it was known before; it is from now on. */
  #knows(id: string): boolean {
    if (this.#known.has(id)) return true;
    const [oldest] = this.#known;
    if (this.#known.size >= maxKnownMessages && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(id);
    return false;
  }

  #endOf(stack: StackId): AbortSignal {
    const end = this.#ends.get(stack) ?? new AbortController();
    this.#ends.set(stack, end);
    return end.signal;
  }

  #keep(channel: ChannelEnd): void {
    const others = [...(this.#channels.get(channel.stack) ?? [])].filter(({ isOpen }) => isOpen);
    this.#channels.set(channel.stack, new Set([...others, channel]));
  }

  /** What must be answered doesn't end where one direction is silent. */
  async #roundTrip(stack: StackId, signal: AbortSignal): Promise<void> {
    await this.#hub.carried(this.stack, stack, signal);
    await this.#hub.carried(stack, this.stack, signal);
  }

  #reach(addresses: readonly string[], stack: StackId | undefined, from: StackId): MemoryNetwork {
    for (const address of addresses) {
      const node = this.#hub.at(address);
      if (node && (stack === undefined || node.stack === stack) && !this.#hub.isCut(from, node.stack)) return node;
    }
    throw new RegistryError(
      'unreachable',
      `Cannot connect to "${stack ?? addresses.join(', ')}": nobody answers there`,
    );
  }
}

async function ask(
  other: MemoryNetwork,
  from: StackId,
  protocol: string,
  request: Uint8Array,
  { signal, maxResponseBytes }: RequestOptions,
): Promise<Uint8Array> {
  signal.throwIfAborted();
  await turn();
  const access = other.admits(from);
  if (!access) throw new RegistryError('refused', `Cannot ask "${other.stack}": it does not let "${from}" in`);
  const answer = await untilAborted(other.answer(protocol, new Uint8Array(request), { from, access, signal }), signal);
  if (answer.byteLength > maxResponseBytes) {
    throw new RegistryError(
      'too-large',
      `Cannot read the answer of "${other.stack}": it has ${answer.byteLength} bytes`,
    );
  }
  return new Uint8Array(answer);
}

function linkOf(one: StackId, other: StackId): string {
  return [one, other].sort().join(' ');
}
