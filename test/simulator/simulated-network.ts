// The seam to the transport, kept by the simulated wires: one at each stack that runs.
import {
  type Access,
  Broadcast,
  type Handler,
  makeIdentity,
  type Network,
  type PeerEvent,
  type ProtocolOptions,
  RegistryError,
  type RequestOptions,
  type StackId,
} from '#registry';
import { ChannelEnd, type Channels } from './channel.ts';
import { answer, Call, type Outcome, type Served, settle } from './exchange.ts';
import { Gossip } from './gossip.ts';
import type { Machine } from './machine.ts';
import type { Meter } from './meter.ts';
import { overheadBytes } from './model.ts';
import { Connection, type Endpoint, type Wires } from './wires.ts';

/** The most that is published at once, in bytes. */
const maxPublishBytes = 256 * 1024;
/** TCP, Noise, the choice of muxer and protocol, identify and hello: one-way trips before the last. */
const handshakeTrips = 7;

/** Where the networks of one simulation find one another. */
export class Addresses {
  readonly #machines = new Map<string, Machine>();
  readonly #networks = new Map<string, SimulatedNetwork>();

  add(address: string, machine: Machine, network: SimulatedNetwork): void {
    this.#machines.set(address, machine);
    this.#networks.set(address, network);
  }

  remove(address: string, network: SimulatedNetwork): void {
    if (this.#networks.get(address) === network) this.#networks.delete(address);
  }

  /** The first of the addresses that leads to a machine, and what listens there, if anything does. */
  find(addresses: readonly string[]): { readonly machine: Machine; readonly network?: SimulatedNetwork } | undefined {
    for (const each of addresses) {
      const address = each.replace(/\/p2p\/.*$/, '');
      const machine = this.#machines.get(address);
      const network = this.#networks.get(address);
      if (machine) return { machine, ...(network && { network }) };
    }
    return undefined;
  }
}

export class SimulatedNetwork implements Network, Endpoint {
  readonly stack: StackId;
  readonly machine: Machine;
  readonly meter: Meter;
  readonly gossip: Gossip;
  readonly #address: string;
  readonly #wires: Wires;
  readonly #addresses: Addresses;
  readonly #peers = new Map<StackId, Connection>();
  readonly #protocols = new Map<string, Served>();
  readonly #channels: Channels = new Map();
  readonly #topics = new Map<string, ((message: Uint8Array, from: StackId) => unknown)[]>();
  readonly #events = new Broadcast<PeerEvent>();
  #gate: (peer: StackId) => Access | undefined = () => undefined;
  #closed = false;

  constructor(stack: StackId, machine: Machine, meter: Meter, wires: Wires, addresses: Addresses) {
    this.stack = stack;
    this.machine = machine;
    this.meter = meter;
    this.#wires = wires;
    this.#addresses = addresses;
    this.#address = `/sim/${machine.index}`;
    this.gossip = new Gossip(this, wires, (topic, data, from) => this.#hear(topic, data, from));
    addresses.add(this.#address, machine, this);
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
    const connection = this.#peers.get(stack);
    if (connection) this.#wires.close(connection, this);
  }

  async connect(stack: StackId, addresses: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    if (this.#peers.has(stack)) return;
    if (this.#gate(stack) !== 'member') {
      throw new RegistryError('refused', `Cannot connect to "${stack}": it is not a member of this mesh`);
    }
    const call = new Call<void>(signal);
    this.#knock(addresses, call, (other, back) => {
      const connection = other?.stack === stack ? other.#admit(this) : undefined;
      back(() => {
        if (connection) this.#established(stack, connection, call);
        else if (other?.stack === stack) {
          call.fail(new RegistryError('refused', `Cannot connect to "${stack}": it does not let this stack in`));
        } else call.fail(new RegistryError('unreachable', `Cannot connect to "${stack}": nobody answers there`));
      });
    });
    await call.promise;
  }

  async request(stack: StackId, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const connection = this.#connectionTo(stack);
    const call = new Call<Uint8Array>(options.signal);
    this.#bind(call, connection);
    const other = connection.other(this) as SimulatedNetwork;
    const reply = (outcome: Outcome): void => {
      const size = overheadBytes.answer + (outcome instanceof RegistryError ? 0 : outcome.byteLength);
      this.#carry(connection, other, size, 'answer', () => settle(call, outcome, options));
    };
    const size = overheadBytes.request + request.byteLength;
    this.#carry(connection, this, size, 'request', () => {
      other.#answer(protocol, request, this.stack, reply);
    });
    return call.promise;
  }

  async requestWithKey(
    seed: Uint8Array,
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    const key = makeIdentity(seed, seed).stack;
    const call = new Call<Uint8Array>(options.signal);
    this.#knock(addresses, call, (other, back) => {
      if (!other) {
        back(() => call.fail(new RegistryError('unreachable', 'Cannot ask: nobody answers there')));
        return;
      }
      this.meter.sent('request', request.byteLength);
      other.#answer(protocol, request, key, (outcome) => back(() => settle(call, outcome, options)));
    });
    return call.promise;
  }

  serve(protocol: string, options: ProtocolOptions, handler: Handler): void {
    this.#protocols.set(protocol, { options, handler });
  }

  // biome-ignore lint/correctness/useYield: nothing that is simulated moves blobs.
  async *requestStream(stack: StackId): AsyncIterable<Uint8Array> {
    throw new RegistryError('refused', `Cannot ask "${stack}": no answers in pieces are simulated`);
  }

  serveStream(): void {}

  async openChannel(
    stack: StackId,
    protocol: string,
    listener: Parameters<ChannelEnd['listen']>[0],
    { signal, maxMessageBytes = 64 * 1024 }: { signal: AbortSignal; maxMessageBytes?: number },
  ): Promise<ChannelEnd> {
    const connection = this.#connectionTo(stack);
    const call = new Call<ChannelEnd>(signal);
    this.#bind(call, connection);
    const other = connection.other(this) as SimulatedNetwork;
    this.#carry(connection, this, overheadBytes.request, 'channel', () => {
      const served = other.#channels.get(protocol);
      if (!served || other.#gate(this.stack) !== 'member') {
        const refusal = new RegistryError('refused', `Cannot open "${protocol}": it isn't served for this stack`);
        this.#carry(connection, other, overheadBytes.answer, 'channel', () => call.fail(refusal));
        return;
      }
      const [near, far] = ChannelEnd.pair(this.#wires, connection, this, other);
      far.listen(served.accept(far), served.options.maxMessageBytes);
      near.listen(listener, maxMessageBytes);
      this.#carry(connection, other, overheadBytes.answer, 'channel', () => {
        if (call.isOpen) call.resolve(near);
        else near[Symbol.dispose]();
      });
    });
    return call.promise;
  }

  serveChannel(
    protocol: string,
    options: { readonly maxMessageBytes: number },
    accept: (channel: ChannelEnd) => Parameters<ChannelEnd['listen']>[0],
  ): void {
    this.#channels.set(protocol, { options, accept });
  }

  publish(topic: string, message: Uint8Array): void {
    if (message.byteLength <= maxPublishBytes && !this.#closed) this.gossip.publish(topic, message);
  }

  subscribe(topic: string, listener: (message: Uint8Array, from: StackId) => unknown): () => void {
    const listeners = this.#topics.get(topic) ?? [];
    this.#topics.set(topic, [...listeners, listener]);
    if (listeners.length === 0) this.gossip.subscribe(topic);
    return () => {
      const others = (this.#topics.get(topic) ?? []).filter((each) => each !== listener);
      if (others.length > 0) this.#topics.set(topic, others);
      else if (this.#topics.delete(topic)) this.gossip.unsubscribe(topic);
    };
  }

  events(options: { signal: AbortSignal }): AsyncIterable<PeerEvent> {
    return this.#events.follow(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    for (const connection of [...this.#peers.values()]) this.#wires.close(connection, this);
    this.#end();
  }

  /** As a killed process leaves it: nothing more is said from here; with the host gone, nothing is answered either. */
  vanish({ isHostGone }: { isHostGone: boolean }): void {
    this.#end();
    this.#wires.vanish(this, isHostGone);
  }

  lost(connection: Connection): void {
    const other = connection.other(this) as SimulatedNetwork;
    this.gossip.disconnected(other.gossip, connection);
    if (this.#peers.get(other.stack) !== connection) return;
    this.#peers.delete(other.stack);
    this.#events.send({ type: 'disconnected', stack: other.stack });
  }

  #end(): void {
    this.#closed = true;
    this.#addresses.remove(this.#address, this);
    this.#events.close();
  }

  /** A handshake: `reached` is called at the other side, and `back` brings its answer here. */
  #knock(
    addresses: readonly string[],
    call: Call<never> | Call<void> | Call<Uint8Array>,
    reached: (other: SimulatedNetwork | undefined, back: (act: () => void) => void) => void,
  ): void {
    const found = this.#addresses.find(addresses);
    if (!found) {
      call.fail(new RegistryError('unreachable', `Cannot connect to ${addresses.join(', ')}: no such address`));
      return;
    }
    const { machine } = found;
    const { model } = this.#wires;
    const isWanted = (): boolean => call.isOpen && !this.#closed;
    const cost = model.cost.handshake;
    this.meter.sent('handshake', overheadBytes.handshake);
    const trip = model.latencyMs(this.machine.place, machine.place);
    this.#wires.packet(this.machine, machine, (handshakeTrips - 2) * trip, isWanted, () => {
      // Looked up again: who listens there may have come or gone meanwhile.
      const other = this.#addresses.find(addresses)?.network;
      const back = (act: () => void): void => {
        other?.meter.sent('handshake', overheadBytes.handshake);
        this.meter.received(overheadBytes.handshake);
        this.#wires.packet(machine, this.machine, 0, isWanted, () => {
          this.machine.run(cost, () => {
            if (isWanted()) act();
          });
        });
      };
      if (!other) {
        // A host that is there refuses at once; one that is gone says nothing.
        if (!machine.isHostGone) reached(undefined, back);
        return;
      }
      other.meter.received(overheadBytes.handshake);
      machine.run(cost, () => reached(other.#closed ? undefined : other, back));
    });
  }

  /** Lets a dialler in: this side counts it as connected from now on. */
  #admit(dialler: SimulatedNetwork): Connection | undefined {
    if (this.#gate(dialler.stack) !== 'member') return undefined;
    const known = this.#peers.get(dialler.stack);
    if (known) {
      const isStale = !known.open[known.sideOf(dialler)] && known.ends[0] !== dialler;
      const isOfEarlierLife = known.other(this) !== dialler;
      // Two that met half-way keep the one that the lower id dialled.
      if (!isStale && !isOfEarlierLife) return known;
      this.#wires.close(known, this);
      this.lost(known);
    }
    const connection = new Connection(dialler, this);
    this.#wires.keep(connection);
    this.#adopt(connection, dialler);
    return connection;
  }

  #established(stack: StackId, connection: Connection, call: Call<void>): void {
    const known = this.#peers.get(stack);
    if (!connection.open[1]) {
      call.fail(new RegistryError('unreachable', `Cannot connect to "${stack}": the connection broke`));
      return;
    }
    if (known === connection) call.resolve();
    else if (known && this.stack > stack) {
      this.#wires.close(connection, this);
      call.resolve();
    } else {
      connection.open[connection.sideOf(this)] = true;
      this.#adopt(connection, connection.other(this) as SimulatedNetwork, known === undefined);
      if (known) this.#wires.close(known, this);
      call.resolve();
    }
  }

  #adopt(connection: Connection, other: SimulatedNetwork, isNews = true): void {
    this.#peers.set(other.stack, connection);
    this.gossip.connected(other.gossip, connection);
    if (isNews) this.#events.send({ type: 'connected', stack: other.stack });
  }

  #connectionTo(stack: StackId): Connection {
    const connection = this.#peers.get(stack);
    if (!connection) throw new RegistryError('unreachable', `Cannot ask "${stack}": it isn't connected`);
    return connection;
  }

  /** The call fails with the connection that it goes over. */
  #bind<Value>(call: Call<Value>, connection: Connection): void {
    const pending = connection.pending[connection.sideOf(this)];
    const { stack } = connection.other(this);
    const broken = (): void => call.fail(new RegistryError('unreachable', `The connection to "${stack}" broke`));
    pending.add(broken);
    call.atEnd(() => pending.delete(broken));
  }

  #carry(
    connection: Connection,
    from: SimulatedNetwork,
    sizeBytes: number,
    traffic: 'request' | 'answer' | 'channel',
    act: () => void,
  ): void {
    const costMs = this.#wires.model.cost.exchange;
    this.#wires.send(connection, from, { sizeBytes, traffic, costMs, act });
  }

  #answer(protocol: string, request: Uint8Array, from: StackId, reply: (outcome: Outcome) => void): void {
    if (this.#closed) return;
    const { life } = this.machine;
    const after = (ms: number, act: () => void): (() => void) =>
      this.#wires.scheduler.at(this.#wires.scheduler.now + ms, () => {
        if (this.machine.life === life) this.machine.run(0, act);
      });
    const caller = { from, access: this.#gate(from), protocol };
    answer(this.#protocols.get(protocol), request, caller, after, reply);
  }

  #hear(topic: string, data: Uint8Array, from: StackId): 'accept' | 'ignore' | 'reject' | undefined {
    if (this.#closed || this.#gate(from) !== 'member') return 'ignore';
    const verdicts = (this.#topics.get(topic) ?? []).map((listener) => listener(data, from));
    return verdicts.find((verdict) => verdict === 'ignore' || verdict === 'reject') as 'ignore' | 'reject' | undefined;
  }
}
