// What each peer did wrong and what follows: it is counted, told once, slowed, and in the end cut for a growing time; pure.
import type { StackId } from '../network.ts';
import { Budget, type Rate } from './budget.ts';
import { manners, type Protocol } from './manners.ts';

/** What a peer can do wrong with what it sends. */
export type Fault =
  | 'refused-shape'
  | 'refused-signature'
  | 'other-mesh'
  | 'oversized'
  | 'junk'
  | 'flood'
  | 'republish'
  | 'wrong-bytes';

/** What follows from a fault. */
export interface Consequence {
  /** It is to be told in the log. */
  readonly tell: boolean;
  /** The peer is to be cut off, for that many milliseconds. */
  readonly cutMs: number | undefined;
}

/**
 * A peer is cut at 100 points. Bytes that no stack of this mesh makes weigh most; what a busy or confused peer may do
 * weighs little: 500 messages above its budget, or 1,000 that were known. A wrong byte of a blob cuts at once: holders check
 * what they give, so that it is no disk that rots.
 */
const maxPoints = 100;
const pointsOf = {
  'refused-shape': 10,
  'refused-signature': 10,
  'other-mesh': 10,
  oversized: 10,
  junk: 10,
  flood: 0.2,
  republish: 0.1,
  'wrong-bytes': 100,
} as const satisfies Record<Fault, number>;
/** Points that are forgiven a second: one known message a second costs nothing. */
const forgivenPerSecond = 1 / 6;
/** Statements are few: who comes, goes or renews. Whether one stands shows only when it is taken in, so that less is handed on. */
const senderStatements: Rate = { perSecond: 10, burst: 500 };
/** An owner publishes once in `batchMs` (100 ms at least), at most 200 KiB: five times as often is more than it has to. */
const ownerMessagesAtLeast = 50;
const ownerBytes: Rate = { perSecond: 2 * 1024 * 1024, burst: 16 * 1024 * 1024 };
/** The first cut, and the longest. */
const minCutMs = 60_000;
const maxCutMs = 3_600_000;
/** A peer that did well for so long after its cut begins at the first one again. */
const forgottenMs = 2 * maxCutMs;
/** A fault of one peer and kind is told again after this. */
const tellAgainMs = 600_000;
/** Peers that are remembered, the ones heard of last: more than the members of a mesh. */
const maxPeers = 2_048;

interface Peer {
  points: number;
  /** When points were counted last. */
  at: number;
  cuts: number;
  cutUntil: number;
  readonly told: Map<Fault, number>;
  /** By the protocols that it used. */
  readonly sent: Map<Protocol, { readonly requests: Budget; readonly bytes: Budget }>;
  readonly stated: Budget;
  readonly wrote: Budget;
  readonly wroteBytes: Budget;
}

/** Times are milliseconds of a monotonic clock. */
export class Conduct {
  readonly #ownerMessages: Rate;
  readonly #peers = new Map<StackId, Peer>();

  constructor({ batchMs }: { readonly batchMs: number }) {
    const perSecond = Math.max(ownerMessagesAtLeast, 5_000 / batchMs);
    this.#ownerMessages = { perSecond, burst: perSecond * 4 };
  }

  /** A peer sent a request, or a message on a channel or topic; whether that is within what it may by that protocol. */
  sent(peer: StackId, protocol: Protocol, sizeBytes: number, now: number): boolean {
    const { sent } = this.#of(peer, now);
    let budgets = sent.get(protocol);
    if (!budgets) {
      const { requests, bytes } = manners[protocol];
      budgets = { requests: new Budget(requests, now), bytes: new Budget(bytes, now) };
      sent.set(protocol, budgets);
    }
    return budgets.requests.spend(1, now) && budgets.bytes.spend(sizeBytes, now);
  }

  /** A neighbour published so many statements; whether that is within its budget. */
  stated(peer: StackId, count: number, now: number): boolean {
    return this.#of(peer, now).stated.spend(count, now);
  }

  /** A published message held what that owner signed; whether that is within its budget, whoever handed it on. */
  wrote(owner: StackId, sizeBytes: number, now: number): boolean {
    const { wrote, wroteBytes } = this.#of(owner, now);
    return wrote.spend(1, now) && wroteBytes.spend(sizeBytes, now);
  }

  /** A peer did that wrong. */
  fault(peer: StackId, fault: Fault, now: number): Consequence {
    const of = this.#of(peer, now);
    of.points = Math.max(0, of.points - ((now - of.at) / 1_000) * forgivenPerSecond) + pointsOf[fault];
    of.at = now;
    const tell = now - (of.told.get(fault) ?? Number.NEGATIVE_INFINITY) >= tellAgainMs;
    if (tell) of.told.set(fault, now);
    if (of.points < maxPoints || this.isCut(peer, now)) return { tell, cutMs: undefined };
    if (now - of.cutUntil > forgottenMs) of.cuts = 0;
    const cutMs = Math.min(maxCutMs, minCutMs * 2 ** of.cuts);
    of.cuts += 1;
    of.cutUntil = now + cutMs;
    of.points = 0;
    return { tell, cutMs };
  }

  /** Whether that peer is cut off now. */
  isCut(peer: StackId, now: number): boolean {
    return (this.#peers.get(peer)?.cutUntil ?? Number.NEGATIVE_INFINITY) > now;
  }

  #of(peer: StackId, now: number): Peer {
    const known = this.#peers.get(peer);
    if (known) return known;
    if (this.#peers.size >= maxPeers) this.#forget(now);
    const budget = (rate: Rate): Budget => new Budget(rate, now);
    const fresh: Peer = {
      points: 0,
      at: now,
      cuts: 0,
      cutUntil: Number.NEGATIVE_INFINITY,
      told: new Map(),
      sent: new Map(),
      stated: budget(senderStatements),
      wrote: budget(this.#ownerMessages),
      wroteBytes: budget(ownerBytes),
    };
    this.#peers.set(peer, fresh);
    return fresh;
  }

  /** Makes room: the one that was met first and isn't cut, else the first. */
  #forget(now: number): void {
    for (const peer of this.#peers.keys()) {
      if (!this.isCut(peer, now)) {
        this.#peers.delete(peer);
        return;
      }
    }
    const [first] = this.#peers.keys();
    if (first !== undefined) this.#peers.delete(first);
  }
}
