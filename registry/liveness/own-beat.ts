// The beat of this stack: which incarnation it is in, how it answers suspicions, and when its lease is raised.
import type { Identity } from '../identity.ts';
import { type Beat, signBeat } from './claims.ts';

/** The lease is raised so many times within its time to live: two may get lost. */
const raisesALease = 3;
/** A stack that is suspected again and again answers after pauses that double from the first to the last of these. */
const minAnswerPauseMs = 1_000;
const maxAnswerPauseMs = 60_000;
/** Not suspected for so long, and the next answer comes at once. */
const calmMs = 120_000;

export class OwnBeat {
  readonly #identity: Pick<Identity, 'stack' | 'sign'>;
  readonly #leaseMs: number;
  #incarnation: number;
  #counter = 0;
  #state: Beat['state'] = 'running';
  #raiseAt: number;
  #pauseMs = 0;
  #answeredAt = Number.NEGATIVE_INFINITY;

  /** `incarnation` is a new one, above all before it. */
  constructor(identity: Pick<Identity, 'stack' | 'sign'>, incarnation: number, leaseMs: number, now: number) {
    this.#identity = identity;
    this.#incarnation = incarnation;
    this.#leaseMs = leaseMs;
    this.#raiseAt = now + leaseMs / raisesALease;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  get hasStopped(): boolean {
    return this.#state === 'stopping';
  }

  /** When the lease is to be raised. */
  get raiseAt(): number {
    return this.#raiseAt;
  }

  /** When a suspicion may be answered. */
  get answerAt(): number {
    return this.#answeredAt + this.#pauseMs;
  }

  sign(mesh: string): Beat {
    const body = { mesh, stack: this.#identity.stack, incarnation: this.#incarnation, counter: this.#counter };
    return signBeat({ ...body, state: this.#state }, this.#identity);
  }

  raise(now: number): void {
    this.#counter += 1;
    this.#raiseAt = now + this.#leaseMs / raisesALease;
  }

  /** Begins an incarnation above the own one and `above`. */
  answer(above: number, now: number): void {
    const isCalm = now - this.#answeredAt > calmMs;
    this.#pauseMs = isCalm ? minAnswerPauseMs : Math.min(maxAnswerPauseMs, 2 * this.#pauseMs);
    this.#answeredAt = now;
    this.#incarnation = Math.max(this.#incarnation, above) + 1;
    this.#counter = 0;
  }

  stop(): void {
    this.#state = 'stopping';
    this.#counter += 1;
  }
}
