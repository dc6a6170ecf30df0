// This stack as an observer: what it knows of each member itself, and which of its subjects it may accuse.
import type { StackId } from '../network.ts';
import type { Suspicion, SuspicionBody } from './claims.ts';
import { Contact, type LivenessTiming } from './contact.ts';
import { Health } from './health.ts';
import type { Ledger } from './ledger.ts';

/** An observer withdraws at once, but from one that it suspected so often within a minute only after it was steady. */
const maxQuickWithdrawals = 3;
const withdrawalWindowMs = 60_000;
const steadyMs = 10_000;
/** Missing fewer than this at once is no sign that this stack itself is cut off. */
const minCrowd = 3;

export interface Asked {
  readonly type: 'ping' | 'probe' | 'break';
  readonly stack: StackId;
}

/** What is to be said of a subject, but for who says it. */
export type Statement = Pick<SuspicionBody, 'subject' | 'incarnation' | 'seen' | 'withdrawn'>;

export class Observer {
  readonly #self: StackId;
  readonly #timing: LivenessTiming;
  readonly #health = new Health();
  readonly #contacts = new Map<StackId, Contact>();
  /** When this stack accused a subject, the newest times. */
  readonly #accusedAt = new Map<StackId, readonly number[]>();
  #subjects: readonly StackId[] = [];
  #crowdSince: number | undefined;
  #wasFit = true;

  constructor(self: StackId, timing: LivenessTiming) {
    this.#self = self;
    this.#timing = timing;
  }

  get contacts(): ReadonlyMap<StackId, Contact> {
    return this.#contacts;
  }

  setMembers(others: ReadonlySet<StackId>, subjects: readonly StackId[], now: number): void {
    this.#subjects = subjects;
    for (const map of [this.#contacts, this.#accusedAt]) {
      for (const stack of map.keys()) if (!others.has(stack)) map.delete(stack);
    }
    for (const stack of others) {
      if (!this.#contacts.has(stack)) this.#contacts.set(stack, new Contact(this.#timing, this.#self > stack, now));
    }
  }

  /** When `tick` has something to do; in between nothing gets old. */
  wakeAt(): number {
    const { multiplier } = this.#health;
    const each = this.#subjects.map((stack) => this.#contacts.get(stack)?.wakeAt(multiplier) ?? never);
    return Math.min(never, ...each);
  }

  /** Time went on and the timer was late by so much: what is to be asked, and of whom something was found out. */
  tick(now: number, lateMs: number): { readonly asked: Asked[]; readonly changed: StackId[] } {
    const asked: Asked[] = [];
    const changed: StackId[] = [];
    const wasPaused = this.#health.late(lateMs, now);
    const isFit = this.#health.isFit(now);
    // What was found out by a process that slept or lagged is asked anew.
    const isAnew = wasPaused || (isFit && !this.#wasFit);
    this.#wasFit = isFit;
    for (const stack of this.#subjects) {
      const contact = this.#contacts.get(stack);
      if (!contact) continue;
      if (isAnew && contact.doubt(now) === 'probe') asked.push({ type: 'probe', stack });
      const hadFailure = contact.failure !== undefined;
      const type = contact.step(now, this.#health.multiplier);
      if (type) asked.push({ type, stack });
      if (!hadFailure && contact.failure) changed.push(stack);
    }
    return { asked, changed };
  }

  /** What is to be said now of subjects, given what stands. */
  statements(ledger: Ledger, isExcused: (stack: StackId) => boolean, now: number): Statement[] {
    const missing = this.#subjects.filter((stack) => !isExcused(stack) && this.#contacts.get(stack)?.isMissing(now));
    const mayAccuse = this.#mayAccuse(missing.length, now);
    const said: Statement[] = [];
    // Of the others, which are most, nothing is to be said.
    for (const subject of new Set([...missing, ...ledger.subjectsOf(this.#self)])) {
      const contact = this.#contacts.get(subject);
      if (!contact) continue;
      const incarnation = ledger.incarnation(subject);
      const standing = ledger.suspicion(subject, this.#self);
      const stands = standing !== undefined && !standing.withdrawn && standing.incarnation >= incarnation;
      const seen = contact.failure?.seen;
      if (seen && mayAccuse && !stands && missing.includes(subject)) {
        this.#accusedAt.set(subject, [...this.#recent(subject, now), now].slice(-maxQuickWithdrawals));
        said.push({ subject, incarnation, seen, withdrawn: false });
      } else if (stands && this.#mayWithdraw(subject, contact, standing, now)) {
        said.push({ subject, incarnation: standing.incarnation, seen: standing.seen, withdrawn: true });
      }
    }
    return said;
  }

  /** One that misses a third of its subjects may be cut off itself: it waits, and says nothing where it misses most. */
  #mayAccuse(missing: number, now: number): boolean {
    const isCrowd = missing >= minCrowd && missing > this.#subjects.length / 3;
    if (!isCrowd) this.#crowdSince = undefined;
    else this.#crowdSince ??= now;
    if (!this.#health.isFit(now)) return false;
    if (this.#crowdSince === undefined) return true;
    return missing <= this.#subjects.length / 2 && now - this.#crowdSince >= this.#timing.crowdMs;
  }

  #mayWithdraw(subject: StackId, contact: Contact, standing: Suspicion, now: number): boolean {
    if (!contact.isConnected || contact.failure !== undefined || standing.observer !== this.#self) return false;
    return this.#recent(subject, now).length < maxQuickWithdrawals || now - contact.steadySince >= steadyMs;
  }

  #recent(subject: StackId, now: number): readonly number[] {
    return (this.#accusedAt.get(subject) ?? []).filter((at) => now - at < withdrawalWindowMs);
  }
}

const never = Number.POSITIVE_INFINITY;
