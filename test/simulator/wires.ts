// Carries messages between machines: order, latency, bandwidth, retransmission, and connections that break or only seem to stand.
import type { StackId } from '#registry';
import type { Machine } from './machine.ts';
import type { Meter, Traffic } from './meter.ts';
import type { Model } from './model.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import { Weather } from './weather.ts';

/** What the wires know of a network that is open at a machine. */
export interface Endpoint {
  readonly stack: StackId;
  readonly machine: Machine;
  readonly meter: Meter;
  /** The connection is gone at this side. */
  lost(connection: Connection): void;
}

export type Side = 0 | 1;

interface Parcel {
  readonly sizeBytes: number;
  readonly traffic: Traffic;
  readonly costMs: number;
  /** Told at the arrival, whatever the receiver is busy with: the act is of the model, not of the stack's own code. */
  readonly isModel?: boolean;
  readonly act: () => void;
}

/** TCP sends again after this, and doubles it up to the other. */
const retransmitMs = 200;
const maxRetransmitMs = 10_000;
/** What one side of a connection holds for a peer that isn't heard. */
const maxStuck = 2_000;
/** A connection that carries nothing is found out by a ping: one each 10 s, given up after 5 s. */
const pingEveryMs = 10_000;
const pingTimeoutMs = 5_000;

export class Connection {
  readonly ends: readonly [Endpoint, Endpoint];
  readonly open: [boolean, boolean] = [false, true];
  /** What fails when the connection ends at that side. */
  readonly pending: readonly [Set<() => void>, Set<() => void>] = [new Set(), new Set()];
  readonly stuck: readonly [Parcel[], Parcel[]] = [[], []];
  readonly arrived: [number, number] = [0, 0];
  readonly probing: [boolean, boolean] = [false, false];

  /** Side 0 dialled; its end opens when it hears that the other side let it in. */
  constructor(dialler: Endpoint, other: Endpoint) {
    this.ends = [dialler, other];
  }

  sideOf(end: Endpoint): Side {
    return this.ends[0] === end ? 0 : 1;
  }

  other(end: Endpoint): Endpoint {
    return this.ends[0] === end ? this.ends[1] : this.ends[0];
  }
}

export interface WiresParts {
  readonly scheduler: Scheduler;
  readonly model: Model;
  readonly random: Random;
  /** Told of each message that arrives. */
  readonly trace: (traffic: Traffic, from: number, to: number, sizeBytes: number) => void;
}

export class Wires {
  readonly weather: Weather;
  readonly model: Model;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly #parts: WiresParts;
  readonly #connections = new Set<Connection>();
  readonly #uplinks = new Map<number, number>();

  constructor(parts: WiresParts) {
    this.#parts = parts;
    this.model = parts.model;
    this.scheduler = parts.scheduler;
    this.random = parts.random;
    this.weather = new Weather(() => this.#probeAll());
  }

  /** Open connections, counted once. */
  get connections(): number {
    return this.#connections.size;
  }

  /** One way, with this message's jitter. */
  latencyMs(from: Machine, to: Machine): number {
    return this.model.latencyMs(from.place, to.place) * (1 + this.model.jitter * this.random.chance());
  }

  carriesBothWays(one: Machine, other: Machine): boolean {
    return this.weather.carries(one.index, other.index) && this.weather.carries(other.index, one.index);
  }

  keep(connection: Connection): void {
    this.#connections.add(connection);
    const [one, other] = connection.ends;
    if (!this.carriesBothWays(one.machine, other.machine)) this.#probe(connection);
  }

  /** One message over a connection, in its order; `act` runs at the receiver, after that much of its processor. */
  send(connection: Connection, from: Endpoint, parcel: Parcel): void {
    const side = connection.sideOf(from);
    if (!connection.open[side]) return;
    from.meter.sent(parcel.traffic, parcel.sizeBytes);
    from.machine.spend(this.model.cost.send, 0);
    const stuck = connection.stuck[side];
    const isLost = this.weather.packetLoss > 0 && this.random.chance() < this.weather.packetLoss;
    if (stuck.length === 0 && !isLost && this.#passes(connection, side)) this.#pass(connection, side, parcel);
    else if (stuck.length < maxStuck) {
      stuck.push(parcel);
      if (stuck.length === 1) this.#again(connection, side, retransmitMs);
    }
  }

  /** A packet outside of connections: when it is there, or never. */
  packet(from: Machine, to: Machine, extraMs: number, isWanted: () => boolean, act: () => void): void {
    const attempt = (waitedMs: number): void => {
      if (!isWanted()) return;
      const isLost = this.weather.packetLoss > 0 && this.random.chance() < this.weather.packetLoss;
      const { scheduler } = this;
      if (!isLost && this.weather.carries(from.index, to.index)) {
        scheduler.at(from.free + extraMs + this.latencyMs(from, to), act);
      } else scheduler.at(scheduler.now + waitedMs, () => attempt(waitedMs * 2));
    };
    attempt(5 * retransmitMs);
  }

  /** Ends the connection at that side, and at the other one as soon as that can know. */
  close(connection: Connection, end: Endpoint): void {
    const side = connection.sideOf(end);
    if (connection.open[side]) this.#end(connection, side);
    this.#tellOther(connection, side, true);
  }

  /** The process at that end is gone; the kernel says so, unless the whole host went. */
  vanish(end: Endpoint, isHostGone: boolean): void {
    for (const connection of [...this.#connections]) {
      if (connection.ends[0] !== end && connection.ends[1] !== end) continue;
      const side = connection.sideOf(end);
      connection.open[side] = false;
      this.#tellOther(connection, side, !isHostGone);
    }
  }

  #tellOther(connection: Connection, side: Side, isSaid: boolean): void {
    const otherSide = side === 0 ? 1 : 0;
    const [one, other] = [connection.ends[side].machine, connection.ends[otherSide].machine];
    if (!connection.open[otherSide]) this.#connections.delete(connection);
    else if (isSaid && this.weather.carries(one.index, other.index)) {
      this.scheduler.at(one.free + this.latencyMs(one, other), () => this.#end(connection, otherSide));
    } else this.#probeAt(connection, otherSide);
  }

  #end(connection: Connection, side: Side): void {
    if (!connection.open[side]) return;
    connection.open[side] = false;
    if (!connection.open[0] && !connection.open[1]) this.#connections.delete(connection);
    connection.stuck[side].length = 0;
    const end = connection.ends[side];
    end.machine.run(0, () => {
      end.lost(connection);
      for (const fail of [...connection.pending[side]]) fail();
    });
  }

  #passes(connection: Connection, side: Side): boolean {
    const [one, other] = side === 0 ? connection.ends : [connection.ends[1], connection.ends[0]];
    return this.weather.carries(one.machine.index, other.machine.index);
  }

  #pass(connection: Connection, side: Side, parcel: Parcel): void {
    const otherSide = side === 0 ? 1 : 0;
    const [from, to] = [connection.ends[side], connection.ends[otherSide]];
    const { index } = from.machine;
    const sentAt =
      Math.max(from.machine.free, this.#uplinks.get(index) ?? 0) +
      (parcel.sizeBytes * 1_000) / this.model.bytesPerSecond;
    this.#uplinks.set(index, sentAt);
    const arrival = Math.max(sentAt + this.latencyMs(from.machine, to.machine), connection.arrived[side]);
    connection.arrived[side] = arrival;
    this.scheduler.at(arrival, () => {
      if (!connection.open[otherSide] || !to.machine.running) return;
      to.meter.received(parcel.sizeBytes);
      this.#parts.trace(parcel.traffic, index, to.machine.index, parcel.sizeBytes);
      if (parcel.isModel) parcel.act();
      else to.machine.run(parcel.costMs, parcel.act);
    });
  }

  #again(connection: Connection, side: Side, afterMs: number): void {
    this.scheduler.at(this.scheduler.now + afterMs, () => {
      const stuck = connection.stuck[side];
      if (!connection.open[side] || !connection.ends[side].machine.running) stuck.length = 0;
      if (stuck.length === 0) return;
      const isLost = this.weather.packetLoss > 0 && this.random.chance() < this.weather.packetLoss;
      if (isLost || !this.#passes(connection, side)) {
        this.#again(connection, side, Math.min(afterMs * 2, maxRetransmitMs));
        return;
      }
      for (const parcel of stuck.splice(0)) this.#pass(connection, side, parcel);
    });
  }

  #probeAll(): void {
    for (const connection of this.#connections) {
      const [one, other] = connection.ends;
      if (!this.carriesBothWays(one.machine, other.machine)) this.#probe(connection);
    }
  }

  #probe(connection: Connection): void {
    this.#probeAt(connection, 0);
    this.#probeAt(connection, 1);
  }

  /** A ping goes unanswered where either way is cut, or nobody is there any more. */
  #probeAt(connection: Connection, side: Side): void {
    if (connection.probing[side] || !connection.open[side]) return;
    connection.probing[side] = true;
    this.scheduler.at(this.scheduler.now + this.random.chance() * pingEveryMs + pingTimeoutMs, () => {
      connection.probing[side] = false;
      const [one, other] = connection.ends;
      const stands = connection.open[0] && connection.open[1] && one.machine.running && other.machine.running;
      if (!stands || !this.carriesBothWays(one.machine, other.machine)) {
        this.#end(connection, side);
        this.#tellOther(connection, side, true);
      }
    });
  }
}
