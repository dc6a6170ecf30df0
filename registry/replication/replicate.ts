// What replication decides: a state machine that is told what happened and answers what to do. No sockets, clocks or chance.
import {
  type Applied,
  type Evidence,
  type Feeds,
  maxDeltaBytes,
  type Position,
  positionOf,
  relate,
  type VerifiedDelta,
  type VerifiedHead,
  verifyDelta,
} from '#registry/feeds';
import type { StackId } from '../network.ts';
import { type Brief, briefOf, Fingerprints, type Part, relateBrief } from './fingerprints.ts';
import { OwnHistory } from './own-history.ts';
import { evidenceMessage, type Heard, messagesOf, Published, statementsMessage, wireOf } from './published.ts';
import { Pulls } from './pulls.ts';

/** What the driver is to do next. */
export type Deed =
  | { readonly type: 'publish'; readonly message: Uint8Array }
  /** Compare heads and roster with that member, both ways. */
  | { readonly type: 'exchange'; readonly with: StackId }
  | { readonly type: 'pull'; readonly feed: string; readonly from: StackId }
  /** The own feed was heard further on than it is here: begin an epoch with a counter above that head's. */
  | { readonly type: 'renew'; readonly head: VerifiedHead }
  /** Another stack signs under this identity, in this epoch or a later one: sign nothing more. */
  | { readonly type: 'cloned'; readonly counter: number }
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
  /** How long a stack that starts waits for members that know its own feed. */
  readonly barrierMs: number;
}

export const defaultReplicateOptions: ReplicateOptions = { batchMs: 150, antiEntropyMs: 15_000, barrierMs: 5_000 };

/** Members that a round of anti-entropy asks; random ones, so that news reach all in a logarithm of rounds. */
const peersARound = 3;
/** A stack that heard of another history of its own feed makes so many rounds in so little time: whether another one writes it. */
const hurriedRounds = 20;
const hurriedMs = 3_000;
/** Deltas that wait for the batch: of more only the last one is told of, and the others are pulled. */
const maxBatchBytes = 800 * 1024;
/** What one stack publishes: half of what others take from it. */
const maxPublishedPerSecond = 1024 * 1024;

export interface Surroundings {
  readonly self: StackId;
  mesh(): string;
  /** Whether a stack is a member of the own zone: others' feeds are neither taken nor given. */
  isMember(stack: StackId): boolean;
  /** All members of the own zone, this stack among them. */
  members(): readonly StackId[];
  /** What anti-entropy may ask: the other members that aren't known to be down, connected or not; all where every one is. */
  candidates(): readonly StackId[];
  /** Changes with the roster. */
  rosterDigest(): string;
  /** 0 to 1. */
  chance(): number;
}

/** How what comes of the own feed is applied while a stack that starts doesn't know yet whether others are further on. */
export type Restore = (apply: () => Applied) => Applied;

export class Replica {
  readonly #feeds: Feeds;
  readonly #around: Surroundings;
  readonly #own: OwnHistory;
  readonly #options: ReplicateOptions;
  readonly #pulls = new Pulls();
  readonly #published = new Published();
  readonly #fingerprints = new Fingerprints();
  #filledFor = '';
  #comparedIn = '';
  #restore: Restore | undefined;
  #hasOwnConflict = false;
  #batch: VerifiedDelta[] = [];
  #batchBytes = 0;
  #flushAt: number | undefined;
  #quietUntil = 0;
  #roundAt: number;
  #hurried = 0;
  /** Whether it is proven that the own feed has two histories: then it counts as quarantined, as at those that know. */
  #isAccused = false;

  constructor(feeds: Feeds, around: Surroundings, options: Omit<ReplicateOptions, 'barrierMs'>, now: number) {
    this.#feeds = feeds;
    this.#around = around;
    this.#own = new OwnHistory(feeds, around.self);
    this.#options = { ...defaultReplicateOptions, ...options };
    this.#roundAt = now + this.#spread(options.antiEntropyMs);
  }

  /** When `tick` has something to do next, in the monotonic time that it is given. */
  wakeAt(): number {
    return Math.min(this.#roundAt, this.#flushAt ?? Number.POSITIVE_INFINITY, this.#pulls.wakeAt());
  }

  /** Until it is called with undefined, the own feed is taken from others like any other feed, through that function. */
  restoreBy(restore: Restore | undefined): void {
    this.#restore = restore;
  }

  /** Whether the own feed may still come from others. */
  get isRestoring(): boolean {
    return this.#restore !== undefined;
  }

  /** Whether, before the barrier ended, another history of the own feed was seen than the one here. */
  get hasOwnConflict(): boolean {
    return this.#hasOwnConflict;
  }

  /** The own feed went on. The first change after a quiet moment leaves at once, followers are gathered. */
  committed(delta: VerifiedDelta, now: number): Deed[] {
    this.#own.remember(delta);
    this.#moved(delta.head.feed);
    this.#batchBytes += delta.wire.byteLength;
    if (this.#batchBytes > maxBatchBytes) this.#batch = [];
    this.#batch.push(delta);
    if (now >= this.#quietUntil) return this.#flush(now);
    this.#flushAt ??= this.#quietUntil;
    return [];
  }

  /** Statements that are news everywhere. */
  stated(wires: readonly Uint8Array[]): Deed[] {
    const message = statementsMessage(wires);
    return message ? [{ type: 'publish', message }] : [];
  }

  /**
   * One exchange brings both sides up to date: the one with the lower id asks. A stack that hasn't compared with anybody in
   * this mesh asks all, since how many it met says whether it knows how far its own feed went.
   */
  connected(stack: StackId): Deed[] {
    const isNew = this.#comparedIn !== this.#around.mesh() || this.isRestoring;
    return isNew || this.#around.self < stack ? [{ type: 'exchange', with: stack }] : [];
  }

  /** Roster and heads were compared with a member. */
  compared(): void {
    this.#comparedIn = this.#around.mesh();
  }

  /** A published message came: what is to be said of it, before anything is taken in. */
  hear(message: Uint8Array): Heard {
    return this.#published.judge(message, this.#around.mesh(), (stack) => this.#around.isMember(stack));
  }

  /** Takes in what was heard; statements come before the deltas that may need them. */
  take({ statements, evidence, fresh }: Heard, from: StackId, now: number): Deed[] {
    const deeds: Deed[] = statements.length > 0 ? [{ type: 'statements', wires: statements }] : [];
    if (evidence) deeds.push(...this.accused(evidence));
    for (const each of fresh) {
      if (isDelta(each)) deeds.push(...this.#take(each, from, now));
      else deeds.push(...this.#told(each, from, now));
    }
    return deeds;
  }

  /** One delta came by a pull. */
  delta(wire: Uint8Array, from: StackId, now = 0): Deed[] {
    const delta = verifyDelta(wire, this.#around.mesh());
    return typeof delta === 'string' ? [{ type: 'report', what: 'refused', feed: from }] : this.#take(delta, from, now);
  }

  /** As `Feeds.judge`, before what leads to a head is fetched. */
  judge(head: VerifiedHead): Applied | 'next' {
    return this.#ownFault(head) ?? this.#feeds.judge(head);
  }

  /** Applies what was pulled of a feed; of the own one only while others may be further on. */
  apply(head: VerifiedHead, act: () => Applied): Applied {
    if (head.head.feed !== this.#around.self) return act();
    return this.#ownFault(head) ?? this.#restore?.(act) ?? 'known';
  }

  /** What follows from having applied something of a feed that came from there. */
  applied(outcome: Applied, feed: string, from: StackId, now = 0): Deed[] {
    if (outcome === 'applied') {
      this.#moved(feed);
      return [{ type: 'changed', feed }];
    }
    if (outcome === 'gap') return this.#pull(feed, from, now);
    if (outcome === 'known') return [];
    this.#moved(feed);
    const evidence = outcome === 'equivocation' ? this.#feeds.evidence(feed) : undefined;
    const told: Deed[] = evidence ? [{ type: 'publish', message: evidenceMessage(evidence) }] : [];
    return [{ type: 'report', what: outcome, feed }, ...told];
  }

  /** A signed head of the own feed came from elsewhere: where it isn't of the past, this stack forgot what it wrote. */
  own(head: VerifiedHead): Deed[] {
    const said = this.#own.judge(head);
    const { counter } = head.head.epoch;
    if (said.says === 'past') return [];
    this.#hurried = hurriedRounds;
    if (said.says === 'further') return [{ type: 'renew', head }];
    // Two run with this identity, and both wrote: the others are told, who may have heard of one of both only.
    if (!said.evidence) return [{ type: 'cloned', counter }];
    return this.#tell(said.evidence);
  }

  /** Another stack goes on beginning epochs of the own feed: this one signs what proves it, so that the other one and all are told. */
  testify(head: VerifiedHead): Deed[] {
    return this.#tell([this.#feeds.rivalOf(head), head]);
  }

  /** Where what others hold of the own feed is to be looked at from; undefined where this stack signed nothing yet. */
  ownStart(): Position | undefined {
    return this.#own.start();
  }

  /** 32 bytes over all heads of members. */
  digest(): Uint8Array {
    return this.#heads().root();
  }

  /** What stands in a part of the feeds. */
  part(prefix: string): Part {
    return this.#heads().part(prefix);
  }

  /** What follows from a part as it stands at another member: parts to ask for, feeds to pull, and feeds that are news there. */
  compare(part: Part, from: StackId, now: number): { ask: string[]; deeds: Deed[]; offer: Brief[] } {
    const heads = this.#heads();
    if (!part.briefs) return { ask: heads.differing(part), deeds: [], offer: [] };
    return { ask: [], deeds: this.claims(part.briefs, from, now), offer: heads.beyond(part) };
  }

  /** Where feeds stand at another member, as it claims: what is further on there is pulled from it. */
  claims(briefs: readonly Brief[], from: StackId, now: number): Deed[] {
    const heads = this.#heads();
    return briefs.flatMap((brief): Deed[] => {
      const feed = heads.feedOf(brief[0]);
      if (feed === undefined || this.#feeds.isQuarantined(feed, brief[1])) return [];
      const stored = this.#feeds.position(feed);
      const relation = relateBrief(stored && briefOf(stored), brief);
      const isNews = relation === 'ahead' || relation === 'equivocation';
      // Anybody can claim a position: of the own feed, too, only a signed head is believed.
      const isOwn = feed === this.#around.self && !this.#restore;
      const isWanted =
        isNews || (isOwn && (relation === 'other-epoch' || (relation === 'behind' && this.#own.signedOther(brief))));
      return isWanted ? this.#pull(feed, from, now) : [];
    });
  }

  /** A pull brought something true: another member isn't asked for the same yet. */
  pulling(feed: string, from: StackId, now: number): void {
    this.#pulls.progress(feed, from, now);
  }

  /** A pull ended, well or not; what was heard of meanwhile is pulled next. */
  pulled = (feed: string, from: StackId, now: number): Deed[] =>
    this.#pulls.ended(feed, from, now).map((next) => ({ type: 'pull', feed, from: next }));

  /** Whether that feed, or any, is being pulled. */
  isPulling(feed?: string): boolean {
    return this.#pulls.has(feed);
  }

  /** Time went on. */
  tick(now: number): Deed[] {
    const deeds = this.#flushAt !== undefined && now >= this.#flushAt ? this.#flush(now) : [];
    for (const { feed, from } of this.#pulls.late(now)) deeds.push({ type: 'pull', feed, from });
    if (now < this.#roundAt) return deeds;
    const { antiEntropyMs } = this.#options;
    this.#roundAt = now + this.#spread(this.#hurried > 0 ? Math.min(antiEntropyMs, hurriedMs) : antiEntropyMs);
    this.#hurried = Math.max(0, this.#hurried - 1);
    const members = [...this.#around.candidates()];
    for (let asked = 0; asked < peersARound && members.length > 0; asked += 1) {
      const [peer] = members.splice(Math.floor(this.#around.chance() * members.length), 1);
      if (peer !== undefined) deeds.push({ type: 'exchange', with: peer });
    }
    return deeds;
  }

  /** A member of the round couldn't be reached: one that is connected is asked in its place, or a mesh that lost most would lose touch. */
  instead(connected: readonly StackId[]): Deed[] {
    const near = connected.filter((stack) => this.#around.isMember(stack));
    return near.splice(this.#around.chance() * near.length, 1).map((peer) => ({ type: 'exchange', with: peer }));
  }

  #take(delta: VerifiedDelta, from: StackId, now: number): Deed[] {
    const { feed } = delta.head;
    if (feed === this.#around.self && !this.#restore) return this.#ownHeard(delta, from, now);
    if (!this.#around.isMember(feed)) return [];
    return this.applied(
      this.apply(delta, () => this.#feeds.apply(delta)),
      feed,
      from,
      now,
    );
  }

  /** A signed head whose changes were too large to be published. */
  #told(head: VerifiedHead, from: StackId, now: number): Deed[] {
    const position = positionOf(head);
    if (position.feed === this.#around.self && !this.#restore) return this.#ownHeard(head, from, now);
    return this.claims([briefOf(position)], from, now);
  }

  #tell(evidence: Evidence): Deed[] {
    const isNews = this.#feeds.accuse(...evidence);
    const message = evidenceMessage(wireOf(evidence));
    return [...this.accused(evidence), ...(isNews ? [{ type: 'publish', message } as const] : [])];
  }

  /** What leads to a head that is further on may be another history: that is looked for before a new epoch hides it. */
  #ownHeard(head: VerifiedHead, from: StackId, now: number): Deed[] {
    return this.#own.mayFork(head) ? this.#pull(head.head.feed, from, now) : this.own(head);
  }

  /** Two heads that prove an equivocation: whoever says so, the owner's signatures decide. */
  accused([one, other]: Evidence): Deed[] {
    const { feed } = one.head;
    const isOwn = feed === this.#around.self;
    const isNews = (isOwn || this.#around.isMember(feed)) && this.#feeds.accuse(one, other);
    // Others take nothing more of it, whichever of both it is. While it starts, it is kept until it may sign.
    if (isOwn) {
      this.#lookAccused();
      return this.#restore ? [] : [{ type: 'cloned', counter: one.head.epoch.counter }];
    }
    if (isNews) this.#moved(feed);
    return isNews ? [{ type: 'report', what: 'equivocation', feed }] : [];
  }

  /** Two histories of the own feed: the barrier ends with an epoch above both. */
  #ownFault(head: VerifiedHead): Applied | undefined {
    if (head.head.feed !== this.#around.self) return undefined;
    const relation = relate(this.#feeds.position(this.#around.self), positionOf(head), head.head.previous);
    if (relation !== 'equivocation' && relation !== 'other-epoch') return undefined;
    this.#hasOwnConflict = true;
    return 'other-epoch';
  }

  #heads(): Fingerprints {
    const members = this.#around.members();
    const filledFor = `${this.#around.mesh()} ${this.#around.rosterDigest()} ${members.length}`;
    if (filledFor !== this.#filledFor) {
      this.#filledFor = filledFor;
      this.#fingerprints.fill(members, this.#feeds.positions());
      // A pardon, which changes the roster, makes evidence void.
      this.#lookAccused();
      for (const feed of this.#feeds.quarantined()) this.#moved(feed);
    }
    return this.#fingerprints;
  }

  #lookAccused(): void {
    const { self, mesh } = { self: this.#around.self, mesh: this.#around.mesh() };
    this.#isAccused = this.#feeds.accusations(mesh).some(([{ head }]) => head.feed === self);
    this.#moved(self);
  }

  #moved(feed: string): void {
    const position = this.#feeds.position(feed);
    const isAccused = this.#isAccused && feed === this.#around.self;
    if (position) this.#fingerprints.set(position, isAccused || this.#feeds.isQuarantined(feed));
  }

  #pull(feed: string, from: StackId, now: number): Deed[] {
    return this.#pulls.wanted(feed, from, now) ? [{ type: 'pull', feed, from }] : [];
  }

  #flush(now: number): Deed[] {
    const isWhole = this.#batchBytes <= maxBatchBytes;
    const messages = messagesOf(isWhole ? this.#batch : this.#batch.slice(-1));
    const size = messages.reduce((sum, message) => sum + message.byteLength, 0);
    this.#batch = [];
    this.#batchBytes = 0;
    this.#flushAt = undefined;
    this.#quietUntil = now + Math.max(this.#options.batchMs, (size / maxPublishedPerSecond) * 1_000);
    return messages.map((message) => ({ type: 'publish', message }));
  }

  #spread(meanMs: number): number {
    return meanMs * (0.5 + this.#around.chance());
  }
}

/** The largest answer to a pull of deltas: one delta or several. */
export const maxPulledBytes = maxDeltaBytes;

function isDelta(verified: VerifiedHead | VerifiedDelta): verified is VerifiedDelta {
  return 'wire' in verified;
}
