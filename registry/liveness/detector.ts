// What liveness decides: a state machine that is told what happened and answers what to do. No sockets, clocks or chance.
import { z } from 'zod';
import type { Identity } from '../identity.ts';
import type { StackId } from '../network.ts';
import { bytesSchema, fromBytes, toBytes } from '../wire.ts';
import { Board } from './board.ts';
import { type Beat, maxClaimBytes, type Suspicion, signSuspicion, verifyBeat, verifySuspicion } from './claims.ts';
import { defaultLivenessTiming, type LivenessTiming } from './contact.ts';
import { implyingAccusers, judge, type Presence } from './judge.ts';
import { type AgedClaim, Ledger, type MeshRoster } from './ledger.ts';
import { type Asked, Observer } from './observer.ts';
import { OwnBeat } from './own-beat.ts';

/** What the driver is to do next. */
export type LivenessDeed =
  | Asked
  /** To be durable before anything after it leaves. */
  | { readonly type: 'keep'; readonly incarnation: number }
  | { readonly type: 'publish'; readonly message: Uint8Array }
  /** Compare claims with that member. */
  | { readonly type: 'exchange'; readonly with: StackId }
  /** Another state is shown of these. */
  | { readonly type: 'presence'; readonly stacks: readonly StackId[] };

/** What became of a published message: only what is accepted is handed on, and `reject` is a fault of the sender. */
export type Heard = 'accept' | 'ignore' | 'reject';

export interface DetectorOptions {
  readonly identity: Pick<Identity, 'stack' | 'sign'>;
  /** The last incarnation that was kept, 0 where none was. */
  readonly incarnation: number;
  readonly timing?: Partial<LivenessTiming> | undefined;
  /** Milliseconds since 1970, for what is shown. */
  readonly wall: () => number;
}

/** Claims of one kind in one message. */
const maxClaims = 64;
const maxMessageBytes = maxClaims * 2 * (maxClaimBytes + 8);
/** All leases are looked at so many times within their time to live. */
const looksALease = 60;
/** Members that are told directly of an answer to a suspicion, in case that what is published gets lost. */
const maxTold = 3;

const claims = z.array(bytesSchema({ maxBytes: maxClaimBytes })).max(maxClaims);
const messageSchema = z.strictObject({ beats: claims.optional(), suspicions: claims.optional() });

export class Detector {
  readonly self: StackId;
  readonly ledger = new Ledger();
  readonly #identity: Pick<Identity, 'stack' | 'sign'>;
  readonly #timing: LivenessTiming;
  readonly #startedAt: number;
  readonly #board: Board;
  readonly #own: OwnBeat;
  readonly #observer: Observer;
  /** When a member was last accused or said that it stops. */
  readonly #doubtedAt = new Map<StackId, number>();
  readonly #dirty = new Set<StackId>();
  /** Members that somebody accuses, and those of whom enough is known for their silence to count. */
  readonly #accused = new Set<StackId>();
  readonly #suspected = new Set<StackId>();
  /** The highest incarnation of this stack that others heard of. */
  #heardOfSelf = 0;
  #order = 0;
  #lookAt: number;
  #againAt = Number.POSITIVE_INFINITY;

  constructor({ identity, incarnation, timing, wall }: DetectorOptions, now: number) {
    this.self = identity.stack;
    this.#identity = identity;
    this.#timing = { ...defaultLivenessTiming, ...timing };
    this.#startedAt = wall();
    this.#board = new Board(wall);
    this.#own = new OwnBeat(identity, incarnation + 1, this.#timing.leaseMs, now);
    this.#observer = new Observer(this.self, this.#timing);
    this.#lookAt = now;
  }

  presence(stack: StackId): Presence {
    if (stack === this.self) return { state: 'up', since: this.#startedAt, why: 'it is this stack', by: [this.self] };
    const why = 'it has not been reached since this stack started';
    return this.#board.of(stack) ?? { state: 'unreachable', since: this.#startedAt, why, by: [this.self] };
  }

  /** When `tick` has something to do next, in the monotonic time that it is given. */
  wakeAt(): number {
    return Math.min(this.#lookAt, this.#own.raiseAt, this.#againAt, this.#observer.wakeAt());
  }

  /** Who belongs to the mesh, at first and each time that it changed. */
  setRoster(roster: MeshRoster, now: number): LivenessDeed[] {
    const isOther = roster.mesh !== this.ledger.roster.mesh;
    this.ledger.setRoster(roster);
    const others = new Set(roster.members.filter((each) => each !== this.self));
    this.#observer.setMembers(others, this.ledger.ring.subjectsOf(this.self), now);
    this.#board.retain(others);
    for (const kept of [this.#doubtedAt, this.#accused, this.#suspected]) {
      for (const stack of kept.keys()) if (!others.has(stack)) kept.delete(stack);
    }
    for (const stack of others) this.#dirty.add(stack);
    // Where the own certificate had run out, the own beat is nowhere, and what was heard of an earlier life would stand.
    const isBack = this.ledger.isMember(this.self) && !this.ledger.beat(this.self);
    return [...(isOther || isBack ? this.#begin(now) : []), ...this.#settle(now)];
  }

  isConnected(stack: StackId): boolean {
    return this.#observer.contacts.get(stack)?.isConnected === true;
  }

  connected(stack: StackId, now: number): LivenessDeed[] {
    this.#observer.contacts.get(stack)?.connected(now);
    return this.#changed(stack, now, now);
  }

  /** The last connection of a member is gone; whoever keeps connections dials it at once. */
  disconnected(stack: StackId, now: number): LivenessDeed[] {
    this.#observer.contacts.get(stack)?.disconnected(now);
    return this.#changed(stack, now);
  }

  /** Anything came from a connected member. */
  heard(stack: StackId, now: number): LivenessDeed[] {
    const contact = this.#observer.contacts.get(stack);
    const hadFailure = contact?.failure !== undefined;
    contact?.heard(now);
    return hadFailure ? this.#changed(stack, now, now) : [];
  }

  /** Dialling a member failed. */
  unreached(stack: StackId, why: string, now: number): LivenessDeed[] {
    this.#observer.contacts.get(stack)?.unreached(why);
    return this.#changed(stack, now);
  }

  /** A published message came. All of it is verified before any of it counts. */
  message(bytes: Uint8Array, now: number): { readonly verdict: Heard; readonly deeds: LivenessDeed[] } {
    const read = fromBytes(messageSchema, bytes, maxMessageBytes);
    const { mesh } = this.ledger.roster;
    const beats = (read?.beats ?? []).map((wire) => verifyBeat(wire, mesh));
    const suspicions = (read?.suspicions ?? []).map((wire) => verifySuspicion(wire, mesh));
    if (!read || beats.includes(undefined) || suspicions.includes(undefined)) return { verdict: 'reject', deeds: [] };
    let isNews = false;
    for (const beat of beats) if (beat && this.#takeBeat(beat, now, now)) isNews = true;
    for (const suspicion of suspicions) if (suspicion && this.#takeSuspicion(suspicion, now)) isNews = true;
    return { verdict: isNews ? 'accept' : 'ignore', deeds: this.#settle(now) };
  }

  /** Claims came in an exchange; bad ones are left out, and how many they are is told. Beats come first, so that voided suspicions aren't kept. */
  claims(all: readonly AgedClaim[], now: number): { readonly deeds: LivenessDeed[]; readonly bad: number } {
    const { mesh } = this.ledger.roster;
    const suspicions: Suspicion[] = [];
    let bad = 0;
    for (const [wire, ageS] of all) {
      const beat = verifyBeat(wire, mesh);
      const suspicion = beat ? undefined : verifySuspicion(wire, mesh);
      if (beat) this.#takeBeat(beat, now - ageS * 1000, now);
      if (suspicion) suspicions.push(suspicion);
      if (!beat && !suspicion) bad += 1;
    }
    for (const suspicion of suspicions) this.#takeSuspicion(suspicion, now);
    return { deeds: this.#settle(now), bad };
  }

  /** Time went on; the timer was late by so many milliseconds. */
  tick(now: number, lateMs: number): LivenessDeed[] {
    const { asked, changed } = this.#observer.tick(now, lateMs);
    for (const stack of changed) this.#dirty.add(stack);
    if (now >= this.#own.raiseAt) {
      this.#own.raise(now);
      this.ledger.addBeat(this.#own.sign(this.ledger.roster.mesh), now);
    }
    if (now >= this.#lookAt || now >= this.#againAt) {
      this.#lookAt = now + this.#timing.leaseMs / looksALease;
      this.#againAt = Number.POSITIVE_INFINITY;
      // Who is connected needs no beats; this stack's own lease is always new.
      this.ledger.heard(this.self, now);
      for (const [stack, contact] of this.#observer.contacts) {
        if (contact.isConnected && !contact.failure) this.ledger.heard(stack, now);
        this.#dirty.add(stack);
      }
    }
    return [...asked, ...this.#settle(now)];
  }

  /** This stack stops: all are told. */
  stop(now: number): LivenessDeed[] {
    this.#own.stop();
    return this.#publishBeat(now);
  }

  #changed(stack: StackId, now: number, heardAt?: number): LivenessDeed[] {
    if (heardAt !== undefined) this.ledger.heard(stack, heardAt);
    this.#dirty.add(stack);
    return this.#settle(now);
  }

  #takeBeat(beat: Beat, heardAt: number, now: number): boolean {
    if (beat.stack === this.self) {
      this.#heardOfSelf = Math.max(this.#heardOfSelf, beat.incarnation);
      return false;
    }
    if (!this.ledger.addBeat(beat, heardAt)) return false;
    if (beat.state === 'stopping') this.#doubtedAt.set(beat.stack, now);
    this.#dirty.add(beat.stack);
    return true;
  }

  #takeSuspicion(suspicion: Suspicion, now: number): boolean {
    const { subject, observer, withdrawn } = suspicion;
    // Of what this stack said before it started anew it learns from others; what it says now it knows best.
    if (observer === this.self && this.ledger.suspicion(subject, this.self)) return false;
    if (!this.ledger.addSuspicion(suspicion)) return false;
    if (!withdrawn) this.#doubtedAt.set(subject, now);
    this.#dirty.add(subject);
    return true;
  }

  #begin(now: number): LivenessDeed[] {
    return [{ type: 'keep', incarnation: this.#own.incarnation }, ...this.#publishBeat(now)];
  }

  #publishBeat(now: number): LivenessDeed[] {
    const beat = this.#own.sign(this.ledger.roster.mesh);
    this.ledger.addBeat(beat, now);
    return [{ type: 'publish', message: toBytes({ beats: [beat.wire] }) }];
  }

  /** Draws the conclusions from all that changed. */
  #settle(now: number): LivenessDeed[] {
    if (this.#own.hasStopped) return [];
    const deeds = [...this.#answer(now), ...this.#speak(now)];
    const news = this.#judgeDirty(now);
    if (news.length > 0) deeds.push({ type: 'presence', stacks: news });
    return deeds;
  }

  /** This stack is suspected, or was further on before a restore: a higher incarnation says that it is there. */
  #answer(now: number): LivenessDeed[] {
    const isAccused = this.ledger.accusations(this.self).length > 0;
    if (!isAccused && this.#heardOfSelf <= this.#own.incarnation) return [];
    if (now < this.#own.answerAt) {
      this.#againAt = Math.min(this.#againAt, this.#own.answerAt);
      return [];
    }
    this.#own.answer(this.#heardOfSelf, now);
    const connected = [...this.#observer.contacts].filter(([, contact]) => contact.isConnected);
    const told = connected.slice(0, maxTold).map(([stack]): LivenessDeed => ({ type: 'exchange', with: stack }));
    return [...this.#begin(now), ...told];
  }

  /** Accuses subjects that are missing, and takes back what isn't so any more. */
  #speak(now: number): LivenessDeed[] {
    const { mesh, digest } = this.ledger.roster;
    const isExcused = (stack: StackId): boolean => this.#hasStopped(stack);
    const said = this.#observer.statements(this.ledger, isExcused, now).map((statement) => {
      this.#order += 1;
      const order: [number, number] = [this.#own.incarnation, this.#order];
      const body = { ...statement, mesh, observer: this.self, order, roster: digest };
      const suspicion = signSuspicion(body, this.#identity);
      this.ledger.addSuspicion(suspicion);
      if (!suspicion.withdrawn) this.#doubtedAt.set(suspicion.subject, now);
      this.#dirty.add(suspicion.subject);
      return suspicion.wire;
    });
    const deeds: LivenessDeed[] = [];
    while (said.length > 0) {
      deeds.push({ type: 'publish', message: toBytes({ suspicions: said.splice(0, maxClaims) }) });
    }
    return deeds;
  }

  #judgeDirty(now: number): StackId[] {
    const couldImply = this.#canImply();
    const toJudge = new Set(this.#dirty);
    this.#dirty.clear();
    for (const stack of [...toJudge]) {
      const accusers = this.ledger.accusations(stack).length;
      mark(this.#accused, stack, accusers > 0);
      const isSuspected = accusers >= implyingAccusers || this.#hasStopped(stack) || this.#isOverdue(stack, now);
      if (!mark(this.#suspected, stack, isSuspected)) continue;
      for (const subject of this.ledger.ring.subjectsOf(stack)) if (this.#accused.has(subject)) toJudge.add(subject);
    }
    if (couldImply !== this.#canImply()) for (const stack of this.#accused) toJudge.add(stack);
    return [...toJudge].filter((stack) => this.#judge(stack, now));
  }

  #judge(stack: StackId, now: number): boolean {
    const contact = this.#observer.contacts.get(stack);
    if (!contact) return false;
    const { ring, roster } = this.ledger;
    const heardAt = this.#heardAt(stack);
    const verdict = judge({
      self: this.self,
      subject: stack,
      members: roster.members.length,
      stopped: this.#hasStopped(stack),
      accusations: this.#wasMetSince(stack) ? [] : this.ledger.accusations(stack),
      observers: ring.observersOf(stack),
      isSuspected: (observer) => this.#canImply() && this.#suspected.has(observer),
      leaseAgeMs: heardAt === undefined ? undefined : now - heardAt,
      leaseMs: this.#timing.leaseMs,
      connected: contact.isConnected,
      failure: contact.failure?.why,
    });
    const { isNews, againAt } = this.#board.set(stack, verdict, now);
    if (againAt !== undefined) this.#againAt = Math.min(this.#againAt, againAt);
    return isNews;
  }

  /** Where most of the mesh is accused, it may be this stack that lost the others: then only what is said counts. */
  #canImply(): boolean {
    return this.#accused.size <= this.ledger.roster.members.length / 2;
  }

  #hasStopped(stack: StackId): boolean {
    return this.ledger.beat(stack)?.state === 'stopping' && !this.#wasMetSince(stack);
  }

  /** When this stack last heard it, itself or through others. */
  #heardAt(stack: StackId): number | undefined {
    const own = this.#observer.contacts.get(stack)?.heardAt;
    const told = this.ledger.heardAt(stack);
    return own === undefined || told === undefined ? (own ?? told) : Math.max(own, told);
  }

  #isOverdue(stack: StackId, now: number): boolean {
    const heardAt = this.#heardAt(stack);
    return heardAt !== undefined && now - heardAt > this.#timing.leaseMs;
  }

  /** Whether it connected after it was last doubted. */
  #wasMetSince(stack: StackId): boolean {
    const metAt = this.#observer.contacts.get(stack)?.metAt;
    return metAt !== undefined && metAt > (this.#doubtedAt.get(stack) ?? Number.NEGATIVE_INFINITY);
  }
}

/** Puts it in or takes it out; returns whether that changed anything. */
function mark(set: Set<StackId>, stack: StackId, isIn: boolean): boolean {
  if (isIn === set.has(stack)) return false;
  if (isIn) set.add(stack);
  else set.delete(stack);
  return true;
}
