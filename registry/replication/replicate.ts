// What replication decides: a state machine that is told what happened and answers what to do. No sockets, clocks or chance.
import { z } from 'zod';
import {
  type Applied,
  digestOf,
  type Feeds,
  maxDeltaBytes,
  type Position,
  positionOf,
  provesEquivocation,
  relate,
  type SignedHead,
  signedHeadSchema,
  type VerifiedDelta,
  type VerifiedHead,
  verifyDelta,
  verifyHead,
} from '#registry/feeds';
import type { StackId, Verdict } from '../network.ts';
import { bytesSchema, fromBytes, sha256, toBytes, toHex } from '../wire.ts';

/** What the driver is to do next. */
export type Deed =
  | { readonly type: 'publish'; readonly message: Uint8Array }
  /** Compare heads and roster with that member, both ways. */
  | { readonly type: 'exchange'; readonly with: StackId }
  | { readonly type: 'pull'; readonly feed: string; readonly from: StackId }
  /** The own feed was heard further on than it is here: begin an epoch with a counter above this one. */
  | { readonly type: 'renew'; readonly counter: number }
  | { readonly type: 'statements'; readonly wires: readonly Uint8Array[] }
  | { readonly type: 'changed'; readonly feed: string }
  | {
      readonly type: 'report';
      readonly what: 'equivocation' | 'other-epoch' | 'clone' | 'refused';
      readonly feed: string;
    };

export interface ReplicateOptions {
  /** How long changes after the first are gathered. */
  readonly batchMs: number;
  /** The mean time between two rounds of anti-entropy; each is drawn from ± 50 %. */
  readonly antiEntropyMs: number;
}

export const defaultReplicateOptions: ReplicateOptions = { batchMs: 150, antiEntropyMs: 15_000 };

/** Members that a round of anti-entropy asks; random ones, so that news reach all in a logarithm of rounds. */
const peersARound = 3;
/** What is published at once; gossip takes 256 KiB. */
const maxMessageBytes = 200 * 1024;

const messageSchema = z.strictObject({
  deltas: z
    .array(bytesSchema({ maxBytes: maxMessageBytes }))
    .max(1_000)
    .optional(),
  heads: z.array(signedHeadSchema).max(16).optional(),
  statements: z
    .array(bytesSchema({ maxBytes: maxMessageBytes }))
    .max(100)
    .optional(),
  evidence: z.tuple([signedHeadSchema, signedHeadSchema]).optional(),
});

/** What was wrong with bytes that a member sent. */
export type WireFault = 'refused-shape' | 'refused-signature' | 'other-mesh' | 'oversized' | 'junk' | 'republish';

/** What a published message holds, judged but not taken in yet, so that it can be handed on first. */
export interface Heard {
  readonly verdict: Verdict;
  readonly faults: readonly WireFault[];
  /** Bytes of each owner in it, signed by that owner. */
  readonly owners: ReadonlyMap<StackId, number>;
  /** Takes it in. */
  readonly take: () => Deed[];
}

const faultOf = {
  shape: 'refused-shape',
  signature: 'refused-signature',
  mesh: 'other-mesh',
  changes: 'junk',
  proof: 'junk',
} as const satisfies Record<Exclude<ReturnType<typeof verifyDelta>, VerifiedDelta>, WireFault>;

/** Deltas and heads that are known again without verifying them: what a busy mesh of 1,000 publishes in some seconds. */
const maxKnown = 8_192;

export interface Surroundings {
  readonly self: StackId;
  mesh(): string;
  /** Whether a stack is a member of the own zone: others' feeds are neither taken nor given. */
  isMember(stack: StackId): boolean;
  /** 0 to 1. */
  chance(): number;
}

export class Replica {
  readonly #feeds: Feeds;
  readonly #around: Surroundings;
  readonly #options: ReplicateOptions;
  readonly #connected = new Set<StackId>();
  /** Feeds that are being pulled, from whom, and whom to ask once more when that is done: rather another one. */
  readonly #pulling = new Map<string, { readonly from: StackId; again: StackId | undefined }>();
  /** Hashes of what was published lately. */
  readonly #known = new Set<string>();
  #batch: VerifiedDelta[] = [];
  #flushAt: number | undefined;
  #quietUntil = 0;
  #roundAt: number;

  constructor(feeds: Feeds, around: Surroundings, options: ReplicateOptions, now: number) {
    this.#feeds = feeds;
    this.#around = around;
    this.#options = options;
    this.#roundAt = now + this.#spread(options.antiEntropyMs);
  }

  /** When `tick` has something to do next, in the monotonic time that it is given. */
  wakeAt(): number {
    return Math.min(this.#roundAt, this.#flushAt ?? Number.POSITIVE_INFINITY);
  }

  /** The own feed went on. The first change after a quiet moment leaves at once, followers are gathered. */
  committed(delta: VerifiedDelta, now: number): Deed[] {
    this.#batch.push(delta);
    if (now >= this.#quietUntil) return this.#flush(now);
    this.#flushAt ??= this.#quietUntil;
    return [];
  }

  /** Statements that are news everywhere. */
  stated(wires: readonly Uint8Array[]): Deed[] {
    const message = toBytes({ statements: wires.slice(0, 100) });
    return message.byteLength <= maxMessageBytes ? [{ type: 'publish', message }] : [];
  }

  connected(stack: StackId): Deed[] {
    this.#connected.add(stack);
    return [{ type: 'exchange', with: stack }];
  }

  disconnected(stack: StackId): void {
    this.#connected.delete(stack);
  }

  /**
   * A published message came. What is wrong in part is refused whole; what holds nothing new of a member isn't handed on.
   * Statements come before the deltas that may need them.
   */
  hear(message: Uint8Array, from: StackId): Heard {
    const refuse = (fault: WireFault): Heard => ({
      verdict: 'reject',
      faults: [fault],
      owners: new Map(),
      take: () => [],
    });
    if (!this.#around.isMember(from)) return refuse('other-mesh');
    if (message.byteLength > maxMessageBytes * 2) return refuse('oversized');
    const read = fromBytes(messageSchema, message, maxMessageBytes * 2);
    if (!read) return refuse('refused-shape');
    const statements = read.statements ?? [];
    const { deltas = [], heads = [] } = read;
    const owners = new Map<StackId, number>();
    const fresh: VerifiedHead[] = [];
    let republished = 0;
    const accused = read.evidence ? this.#accused(read.evidence, from) : [];
    if (accused.some((deed) => deed.type === 'report' && deed.what === 'refused')) return refuse('junk');
    for (const each of [...deltas, ...heads]) {
      const [bytes, size] = Array.isArray(each) ? [each[0], each[0].byteLength] : [each, each.byteLength];
      // Before the signature is looked at: the same again costs next to nothing.
      const id = toHex(sha256(bytes));
      if (this.#known.has(id)) {
        republished += 1;
        continue;
      }
      const verified = Array.isArray(each)
        ? verifyHead(...each, this.#around.mesh())
        : verifyDelta(each, this.#around.mesh());
      if (typeof verified === 'string') return refuse(faultOf[verified]);
      this.#know(id);
      const { feed } = verified.head;
      if (!this.#around.isMember(feed)) continue;
      owners.set(feed, (owners.get(feed) ?? 0) + size);
      fresh.push(verified);
    }
    return {
      verdict: fresh.length > 0 || statements.length > 0 || accused.length > 0 ? 'accept' : 'ignore',
      faults: republished > 0 ? ['republish'] : [],
      owners,
      take: () => [
        ...(statements.length > 0 ? [{ type: 'statements', wires: statements } as const] : []),
        ...accused,
        ...fresh.flatMap((each) => ('wire' in each ? this.#take(each as VerifiedDelta, from) : this.#told(each, from))),
      ],
    };
  }

  /** One delta came, published or pulled. */
  delta(wire: Uint8Array, from: StackId): Deed[] {
    const delta = verifyDelta(wire, this.#around.mesh());
    return typeof delta === 'string' ? [{ type: 'report', what: 'refused', feed: from }] : this.#take(delta, from);
  }

  #take(delta: VerifiedDelta, from: StackId): Deed[] {
    const feed = delta.head.feed;
    if (feed === this.#around.self) return this.own(positionOf(delta));
    if (!this.#around.isMember(feed)) return [];
    return this.applied(this.#feeds.apply(delta), feed, from);
  }

  /** What follows from having applied something of a feed that came from there. */
  applied(outcome: Applied, feed: string, from: StackId): Deed[] {
    if (outcome === 'applied') return [{ type: 'changed', feed }];
    if (outcome === 'gap') return this.#pull(feed, from);
    if (outcome === 'known') return [];
    const evidence = outcome === 'equivocation' ? this.#feeds.evidence(feed) : undefined;
    const told: Deed[] = evidence ? [{ type: 'publish', message: toBytes({ evidence }) }] : [];
    return [{ type: 'report', what: outcome, feed }, ...told];
  }

  /** Where feeds stand at another member: what is further on there is pulled from it. */
  heads(positions: readonly Position[], from: StackId): Deed[] {
    return positions.flatMap((position): Deed[] => {
      const stored = this.#feeds.position(position.feed);
      const relation = relate(stored, position);
      const isOwn = position.feed === this.#around.self;
      const isNews = relation === 'ahead' || relation === 'next' || relation === 'equivocation';
      // Anybody can claim a position: of the own feed, too, only a signed head is believed.
      const isWanted =
        (isNews || (isOwn && relation === 'other-epoch')) &&
        !this.#feeds.isQuarantined(position.feed, position.epoch.counter);
      return isWanted && this.#around.isMember(position.feed) ? this.#pull(position.feed, from) : [];
    });
  }

  /** A signed head of the own feed came from elsewhere: where it isn't of the past, this stack forgot what it wrote. */
  own(position: Position): Deed[] {
    const relation = relate(this.#feeds.position(this.#around.self), position);
    const isPast = relation === 'same' || relation === 'behind';
    return isPast ? [] : [{ type: 'renew', counter: position.epoch.counter }];
  }

  /** Positions of ours that are news to a member that stands there. */
  newsFor(positions: readonly Position[]): Position[] {
    const theirs = new Map(positions.map((position) => [position.feed, position]));
    return this.#feeds.positions().filter((own) => {
      const relation = relate(theirs.get(own.feed), own);
      return relation === 'ahead' || relation === 'next' || relation === 'equivocation';
    });
  }

  /** One hash over all heads of members. */
  digest(): Uint8Array {
    return digestOf(this.positions());
  }

  positions(): Position[] {
    return this.#feeds.positions().filter(({ feed }) => this.#around.isMember(feed));
  }

  /** A pull ended, well or not; what was heard of meanwhile is pulled next. */
  pulled(feed: string): Deed[] {
    const again = this.#pulling.get(feed)?.again;
    this.#pulling.delete(feed);
    return again === undefined ? [] : this.#pull(feed, again);
  }

  /** Time went on. */
  tick(now: number): Deed[] {
    const deeds = this.#flushAt !== undefined && now >= this.#flushAt ? this.#flush(now) : [];
    if (now < this.#roundAt) return deeds;
    this.#roundAt = now + this.#spread(this.#options.antiEntropyMs);
    const members = [...this.#connected].filter((stack) => this.#around.isMember(stack));
    for (let asked = 0; asked < peersARound && members.length > 0; asked += 1) {
      const [peer] = members.splice(Math.floor(this.#around.chance() * members.length), 1);
      if (peer !== undefined) deeds.push({ type: 'exchange', with: peer });
    }
    return deeds;
  }

  /** A signed head whose changes were too large to be published. */
  #told(head: VerifiedHead, from: StackId): Deed[] {
    const position = positionOf(head);
    return position.feed === this.#around.self ? this.own(position) : this.heads([position], from);
  }

  #know(id: string): void {
    const [oldest] = this.#known;
    if (this.#known.size >= maxKnown && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(id);
  }

  /** Two heads that are said to prove an equivocation: whoever says so, the owner's signatures decide. */
  #accused(evidence: readonly [SignedHead, SignedHead], from: StackId): Deed[] {
    const [one, other] = evidence.map((signed) => verifyHead(...signed, this.#around.mesh()));
    if (!one || !other || typeof one === 'string' || typeof other === 'string' || !provesEquivocation(one, other)) {
      return [{ type: 'report', what: 'refused', feed: from }];
    }
    const { feed } = one.head;
    if (feed === this.#around.self) return [...this.own(positionOf(one)), ...this.own(positionOf(other))].slice(0, 1);
    const isNews = this.#around.isMember(feed) && this.#feeds.accuse(one, other);
    return isNews ? [{ type: 'report', what: 'equivocation', feed }] : [];
  }

  #pull(feed: string, from: StackId): Deed[] {
    const pulling = this.#pulling.get(feed);
    if (pulling) {
      if (pulling.again === undefined || from !== pulling.from) pulling.again = from;
      return [];
    }
    this.#pulling.set(feed, { from, again: undefined });
    return [{ type: 'pull', feed, from }];
  }

  #flush(now: number): Deed[] {
    const batch = this.#batch;
    this.#batch = [];
    this.#flushAt = undefined;
    this.#quietUntil = now + this.#options.batchMs;
    const last = batch.at(-1);
    if (!last) return [];
    const size = batch.reduce((sum, delta) => sum + delta.wire.byteLength, 0);
    // What is too large for gossip is only told of, and pulled.
    const message =
      size <= maxMessageBytes - 1024
        ? { deltas: batch.map((delta) => delta.wire) }
        : { heads: [[last.bytes, last.signature]] };
    return [{ type: 'publish', message: toBytes(message) }];
  }

  #spread(meanMs: number): number {
    return meanMs * (0.5 + this.#around.chance());
  }
}

/** The largest answer to a pull of deltas: one delta or several. */
export const maxPulledBytes = maxDeltaBytes;
