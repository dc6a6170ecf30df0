// What a machine and its links cost: latency, bandwidth, processor and disk, as named models with their reasons.
import type { Random } from './random.ts';

export interface Model {
  readonly name: string;
  /** One way between two places, in milliseconds. */
  latencyMs(one: Place, other: Place): number;
  /** Each message takes up to this much longer, as a share of its latency. */
  readonly jitter: number;
  /** What a stack can send, in bytes a second. */
  readonly bytesPerSecond: number;
  /** Processors that all stacks share; 0 for one of its own each. */
  readonly sharedCores: number;
  /** Milliseconds of processor time. */
  readonly cost: {
    /** A message of gossip that is news, from the socket to the registry. */
    readonly gossip: number;
    /** One that was seen before. */
    readonly duplicate: number;
    /** A message handed to a socket. */
    readonly send: number;
    /** A request or its answer, with its stream. */
    readonly exchange: number;
    readonly channel: number;
    /** Noise and the rest of one connection, at each side. */
    readonly handshake: number;
    /** Validation and signature of a write. */
    readonly write: number;
    /** Signature, trie and SQL of a transaction. */
    readonly commit: number;
    /** Telling a change to who watches there, and that one's reading it. */
    readonly watch: number;
  };
  /** What a transaction waits for the disk, in milliseconds; the processor is free meanwhile, the stack isn't. */
  readonly syncMs: number;
}

/** Where a stack stands, in milliseconds of light. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Both within 0 and 100: the mean way between two is 52. */
export function placeOf(random: Random): Place {
  return { x: random.between(0, 100), y: random.between(0, 100) };
}

/** libp2p, measured on one of two shared cores: 0.6 ms a message of gossip and receiver, duplicates included. */
const measured = {
  gossip: 0.4,
  duplicate: 0.05,
  send: 0.03,
  exchange: 0.4,
  channel: 0.1,
  handshake: 7,
  write: 0.3,
  commit: 0.6,
  watch: 0,
} as const;

/**
 * Whole daemons, with HTTP, logs and cold caches: measured as processor time of 2 and of 6 of them (`/proc/PID/schedstat`),
 * 4.7 and 5.2 ms a change and stack, what they spend at rest taken off.
 */
const ofDaemons = {
  gossip: 3.2,
  duplicate: 0.2,
  send: 0.08,
  exchange: 1.5,
  channel: 1,
  handshake: 7,
  write: 3,
  commit: 0.8,
  watch: 0.8,
} as const;

export const models: Readonly<Record<'wan' | 'lan' | 'loopback', Model>> = {
  /** Around the world: mean round trip about 100 ms, 100 Mbit/s. */
  wan: {
    name: 'wan',
    latencyMs: (one, other) => 1 + Math.hypot(one.x - other.x, one.y - other.y),
    jitter: 0.2,
    bytesPerSecond: 12_500_000,
    sharedCores: 0,
    cost: measured,
    syncMs: 2,
  },
  /** One data centre: round trips of 1 ms, 1 Gbit/s. */
  lan: {
    name: 'lan',
    latencyMs: () => 0.5,
    jitter: 0.5,
    bytesPerSecond: 125_000_000,
    sharedCores: 0,
    cost: measured,
    syncMs: 2,
  },
  /** Real processes on one machine with two cores and one disk. */
  loopback: {
    name: 'loopback',
    latencyMs: () => 0.1,
    jitter: 0.5,
    bytesPerSecond: 400_000_000,
    sharedCores: 2,
    cost: ofDaemons,
    syncMs: 5,
  },
};

/** The processors of the simulation: who needs one waits for the first that is free. */
export class Processors {
  readonly #freeAt: number[];

  constructor(model: Model) {
    this.#freeAt = new Array<number>(model.sharedCores).fill(0);
  }

  /** When work that could begin then is done. */
  reserve(from: number, costMs: number): number {
    if (costMs === 0) return from;
    if (this.#freeAt.length === 0) return from + costMs;
    let first = 0;
    for (let core = 1; core < this.#freeAt.length; core += 1) {
      if ((this.#freeAt[core] as number) < (this.#freeAt[first] as number)) first = core;
    }
    const end = Math.max(from, this.#freeAt[first] as number) + costMs;
    this.#freeAt[first] = end;
    return end;
  }
}

/** Bytes around what a message carries: frames of Noise, yamux, TCP and IP, the choice of the protocol, names of topics. */
export const overheadBytes = {
  gossip: 190,
  request: 260,
  answer: 150,
  channel: 90,
  control: 130,
  handshake: 2_800,
} as const;
/** libp2p pings each connection every 10 s: a stream of its own, 32 bytes each way. */
export const pingBytes = 330;
export const pingEveryMs = 10_000;
