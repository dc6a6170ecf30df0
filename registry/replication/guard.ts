// The network with conduct in front: whatever comes from a peer is counted against what it may send before anybody reads it.
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type {
  Access,
  Channel,
  ChannelListener,
  ChannelOptions,
  Exchange,
  Handler,
  Listener,
  Network,
  PeerEvent,
  PiecesHandler,
  ProtocolOptions,
  Refused,
  RequestOptions,
  StackId,
} from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { Conduct, type Fault } from './conduct.ts';
import { type Protocol, protocolOf } from './manners.ts';

export interface GuardParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly batchMs: number;
}

const faultOf = { 'too-large': 'oversized', 'cut-short': 'refused-shape' } as const satisfies Record<Refused, Fault>;
const deaf: ChannelListener = { message: () => undefined, closed: () => undefined };

export class Guard implements Network {
  readonly conduct: Conduct;
  readonly #parts: GuardParts;
  readonly #network: Network;

  constructor(parts: GuardParts) {
    this.#parts = parts;
    this.#network = parts.network;
    this.conduct = new Conduct(parts);
  }

  /** A peer did something wrong: counted, told once, and in the end the peer is cut off. */
  fault(peer: StackId, fault: Fault, protocol?: Protocol): void {
    const { clock, metrics, log } = this.#parts;
    metrics.count('refused_total', { what: fault });
    const { tell, cutMs } = this.conduct.fault(peer, fault, clock.monotonic());
    const by = protocol === undefined ? {} : { protocol };
    if (tell) log.warn({ peer, what: fault, ...by }, 'refused what a peer sent');
    if (cutMs === undefined) return;
    metrics.count('cut_total');
    log.warn({ peer, what: fault, forMs: cutMs, ...by }, 'cut off a peer');
    void this.#network.disconnect(peer);
  }

  get stack(): StackId {
    return this.#network.stack;
  }

  addresses(): readonly string[] {
    return this.#network.addresses();
  }

  connected(): readonly StackId[] {
    return this.#network.connected();
  }

  /** Nobody who is cut off passes, whatever the gate says. */
  setGate(gate: (peer: StackId) => Access | undefined): void {
    const { metrics } = this.#parts;
    this.#network.setGate((peer) => {
      const isCut = this.#isCut(peer);
      const access = isCut ? undefined : gate(peer);
      if (access === undefined) metrics.count('refused_total', { what: isCut ? 'cut' : 'gate' });
      return access;
    });
  }

  disconnect(stack: StackId): Promise<void> {
    return this.#network.disconnect(stack);
  }

  connect(stack: StackId, addresses: readonly string[], options: { signal: AbortSignal }): Promise<void> {
    return this.#network.connect(stack, addresses, options);
  }

  request(stack: StackId, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    return this.#network.request(stack, protocol, request, options);
  }

  requestWithKey(
    seed: Uint8Array,
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    return this.#network.requestWithKey(seed, addresses, protocol, request, options);
  }

  serve(name: string, options: ProtocolOptions, handler: Handler): void {
    const protocol = protocolOf(name);
    this.#network.serve(name, { ...options, refused: this.#refused(protocol) }, async (request, exchange) => {
      const junk = this.#entering(exchange.from, protocol, request.byteLength);
      try {
        return await handler(request, { ...exchange, junk });
      } catch (error) {
        if (isRefusal(error)) junk();
        throw error;
      }
    });
  }

  requestStream(
    stack: StackId,
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): AsyncIterable<Uint8Array> {
    return this.#network.requestStream(stack, protocol, request, options);
  }

  serveStream(name: string, options: ProtocolOptions, handler: PiecesHandler): void {
    const protocol = protocolOf(name);
    const bounds = { ...options, refused: this.#refused(protocol) };
    this.#network.serveStream(name, bounds, (request, exchange) =>
      this.#inPieces(protocol, handler, request, exchange),
    );
  }

  openChannel(
    stack: StackId,
    name: string,
    listener: ChannelListener,
    options: { signal: AbortSignal } & Partial<ChannelOptions>,
  ): Promise<Channel> {
    const protocol = protocolOf(name);
    const bounds = { ...options, refused: this.#refused(protocol) };
    return this.#network.openChannel(stack, name, this.#listening(stack, protocol, listener), bounds);
  }

  serveChannel(name: string, options: ChannelOptions, accept: (channel: Channel) => ChannelListener): void {
    const protocol = protocolOf(name);
    this.#network.serveChannel(name, { ...options, refused: this.#refused(protocol) }, (channel) => {
      if (this.#admits(channel.stack, protocol, 0)) {
        return this.#listening(channel.stack, protocol, accept(channel));
      }
      channel[Symbol.dispose]();
      return deaf;
    });
  }

  publish(topic: string, message: Uint8Array): void {
    this.#network.publish(topic, message);
  }

  subscribe(topic: string, listener: Listener): () => void {
    const protocol = protocolOf(topic);
    return this.#network.subscribe(topic, (message, from) => {
      if (this.#isCut(from) || !this.#admits(from, protocol, message.byteLength)) return 'ignore';
      return listener(message, from);
    });
  }

  events(options: { signal: AbortSignal }): AsyncIterable<PeerEvent> {
    return this.#network.events(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network[Symbol.asyncDispose]();
  }

  async *#inPieces(
    protocol: Protocol,
    handler: PiecesHandler,
    request: Uint8Array,
    exchange: Exchange,
  ): AsyncIterable<Uint8Array> {
    const junk = this.#entering(exchange.from, protocol, request.byteLength);
    try {
      yield* handler(request, { ...exchange, junk });
    } catch (error) {
      if (isRefusal(error)) junk();
      throw error;
    }
  }

  /** Counts a request; throws `busy` where it is too much, and returns how to say that it was none of the protocol. */
  #entering(from: StackId, protocol: Protocol, sizeBytes: number): () => void {
    if (this.#admits(from, protocol, sizeBytes)) return () => this.fault(from, 'refused-shape', protocol);
    throw new RegistryError('busy', `Cannot answer: too much came from "${from}" by "${protocol}"`);
  }

  #listening(stack: StackId, protocol: Protocol, listener: ChannelListener): ChannelListener {
    return {
      message: (bytes) => {
        if (this.#admits(stack, protocol, bytes.byteLength)) listener.message(bytes);
      },
      closed: () => listener.closed(),
    };
  }

  #refused(protocol: Protocol): (from: StackId, why: Refused) => void {
    return (from, why) => this.fault(from, faultOf[why], protocol);
  }

  #isCut(peer: StackId): boolean {
    return this.conduct.isCut(peer, this.#parts.clock.monotonic());
  }

  #admits(from: StackId, protocol: Protocol, sizeBytes: number): boolean {
    if (this.conduct.sent(from, protocol, sizeBytes, this.#parts.clock.monotonic())) return true;
    this.fault(from, 'flood', protocol);
    return false;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof RegistryError && error.code === 'refused';
}
