// A model of gossipsub 1.1 over the wires: a mesh of degree 6, eager push, flood of own messages, IHAVE and IWANT each second.
import { createHash } from 'node:crypto';
import type { StackId } from '#registry';
import type { Machine } from './machine.ts';
import { overheadBytes } from './model.ts';
import type { Connection, Endpoint, Wires } from './wires.ts';

/** The constants of @libp2p/gossipsub. */
const degree = 6;
const lowDegree = 4;
const highDegree = 12;
const heartbeatMs = 1_000;
/** Heartbeats whose messages are offered by IHAVE, and those that they can be had for. */
const offeredHeartbeats = 3;
const keptHeartbeats = 5;
const lazyDegree = 6;
const gossipFactor = 0.25;
const seenMs = 120_000;
const idBytes = 34;

interface Message {
  readonly id: string;
  readonly topic: string;
  readonly data: Uint8Array;
}

/** `undefined` counts as accepted. */
type Hear = (topic: string, data: Uint8Array, from: StackId) => 'accept' | 'ignore' | 'reject' | undefined;

/** One stack's part in it. */
export class Gossip {
  readonly topics = new Set<string>();
  readonly #end: Endpoint;
  readonly #wires: Wires;
  readonly #hear: Hear;
  readonly #peers = new Map<Gossip, Connection>();
  readonly #mesh = new Map<string, Set<Gossip>>();
  readonly #seen = new Map<string, number>();
  /** Messages by heartbeat, the newest first. */
  readonly #kept: Message[][] = [[]];
  readonly #phaseMs: number;
  #beats = false;

  constructor(end: Endpoint, wires: Wires, hear: Hear) {
    this.#end = end;
    this.#wires = wires;
    this.#hear = hear;
    this.#phaseMs = wires.random.chance() * heartbeatMs;
  }

  connected(other: Gossip, connection: Connection): void {
    this.#peers.set(other, connection);
    this.#beat();
  }

  disconnected(other: Gossip, connection: Connection): void {
    if (this.#peers.get(other) !== connection) return;
    this.#peers.delete(other);
    for (const mesh of this.#mesh.values()) mesh.delete(other);
    this.#beat();
  }

  subscribe(topic: string): void {
    this.topics.add(topic);
    this.#mesh.set(topic, new Set());
    for (const peer of this.#peers.keys()) peer.#beat();
    this.#beat();
  }

  unsubscribe(topic: string): void {
    this.topics.delete(topic);
    this.#mesh.delete(topic);
  }

  /** To all peers, as `floodPublish` does with own messages. */
  publish(topic: string, data: Uint8Array): void {
    const id = createHash('sha256').update(data).digest('base64');
    if (!this.#isNews(id)) return;
    const message = { id, topic, data };
    this.#keep(message);
    for (const peer of this.#peers.keys()) this.#push(peer, message);
  }

  #push(peer: Gossip, message: Message): void {
    if (!peer.topics.has(message.topic)) return;
    // What it costs is known only when it is there: news go through the registry, the rest doesn't.
    this.#send(peer, overheadBytes.gossip + message.data.byteLength, 'gossip', () => peer.#arrived(message, this));
  }

  #arrived(message: Message, from: Gossip): void {
    const { cost } = this.#wires.model;
    const { machine, stack } = this.#end;
    if (!this.topics.has(message.topic) || !this.#isNews(message.id)) {
      machine.spend(cost.duplicate, 0);
      return;
    }
    machine.run(cost.gossip, () => {
      const verdict = this.#hear(message.topic, message.data, from.#end.stack);
      if (verdict === 'ignore' || verdict === 'reject' || stack === from.#end.stack) return;
      this.#keep(message);
      for (const peer of this.#mesh.get(message.topic) ?? []) if (peer !== from) this.#push(peer, message);
    });
  }

  #keep(message: Message): void {
    this.#kept[0]?.push(message);
    this.#beat();
  }

  #isNews(id: string): boolean {
    const { now } = this.#wires.scheduler;
    if ((this.#seen.get(id) ?? Number.NEGATIVE_INFINITY) > now - seenMs) return false;
    this.#seen.delete(id);
    this.#seen.set(id, now);
    return true;
  }

  #send(peer: Gossip, sizeBytes: number, traffic: 'gossip' | 'control', act: () => void): void {
    const connection = this.#peers.get(peer);
    if (!connection) return;
    const { weather, random } = this.#wires;
    const isLost = weather.gossipLoss > 0 && random.chance() < weather.gossipLoss;
    const parcel = { sizeBytes, traffic, costMs: 0, isModel: true, act: isLost ? () => undefined : act };
    this.#wires.send(connection, this.#end, parcel);
  }

  /** Heartbeats go on while there is something to do at them. */
  #beat(): void {
    if (this.#beats) return;
    this.#beats = true;
    const { scheduler } = this.#wires;
    const { machine } = this.#end;
    const { life } = machine;
    // A little later than now: rounding must not make this beat the next one.
    const beats = Math.floor((scheduler.now - this.#phaseMs + 0.001) / heartbeatMs);
    const next = (beats + 1) * heartbeatMs + this.#phaseMs;
    scheduler.at(next, () => {
      this.#beats = false;
      if (isAlive(machine, life)) machine.run(0, () => this.#heartbeat());
    });
  }

  #heartbeat(): void {
    for (const [topic, mesh] of this.#mesh) this.#tend(topic, mesh);
    for (const topic of this.topics) this.#offer(topic);
    this.#kept.unshift([]);
    this.#kept.length = Math.min(this.#kept.length, keptHeartbeats);
    const { now } = this.#wires.scheduler;
    for (const [id, at] of this.#seen) {
      if (at > now - seenMs) break;
      this.#seen.delete(id);
    }
    const isIdle = this.#kept.every((messages) => messages.length === 0);
    const isThin = [...this.#mesh].some(([topic, mesh]) => mesh.size < lowDegree && this.#others(topic).length > 0);
    if (!isIdle || isThin) this.#beat();
  }

  #tend(topic: string, mesh: Set<Gossip>): void {
    const { random } = this.#wires;
    if (mesh.size < lowDegree) {
      for (const peer of random.some(this.#others(topic), degree - mesh.size)) {
        mesh.add(peer);
        this.#send(peer, overheadBytes.control, 'control', () => peer.#mesh.get(topic)?.add(this));
      }
    }
    if (mesh.size > highDegree) {
      for (const peer of random.some([...mesh], mesh.size - degree)) {
        mesh.delete(peer);
        this.#send(peer, overheadBytes.control, 'control', () => peer.#mesh.get(topic)?.delete(this));
      }
    }
  }

  /** IHAVE to some that aren't in the mesh; who lacks one asks for it by IWANT. */
  #offer(topic: string): void {
    const offered = this.#kept.slice(0, offeredHeartbeats).flat();
    const messages = offered.filter((message) => message.topic === topic);
    if (messages.length === 0) return;
    const others = this.#others(topic);
    const count = Math.max(lazyDegree, Math.floor(gossipFactor * others.length));
    const size = overheadBytes.control + messages.length * idBytes;
    for (const peer of this.#wires.random.some(others, count)) {
      this.#send(peer, size, 'control', () => peer.#want(messages, this));
    }
  }

  #want(messages: readonly Message[], from: Gossip): void {
    const wanted = messages.filter(({ id }) => !this.#seen.has(id));
    if (wanted.length === 0) return;
    this.#send(from, overheadBytes.control + wanted.length * idBytes, 'control', () => {
      const kept = new Set(from.#kept.flat());
      for (const message of wanted) if (kept.has(message)) from.#push(this, message);
    });
  }

  /** Peers with that topic that aren't in the mesh of it. */
  #others(topic: string): Gossip[] {
    const mesh = this.#mesh.get(topic);
    return [...this.#peers.keys()].filter((peer) => peer.topics.has(topic) && !mesh?.has(peer));
  }
}

function isAlive(machine: Machine, life: number): boolean {
  return machine.running && machine.life === life;
}
