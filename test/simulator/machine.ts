// The computer under one simulated stack: its clocks, its processor, and whether it runs, stalls or is gone.
import type { Clock } from '#registry';
import type { Model, Place, Processors } from './model.ts';
import type { Scheduler } from './scheduler.ts';

export interface MachineParts {
  readonly index: number;
  readonly place: Place;
  readonly scheduler: Scheduler;
  readonly processors: Processors;
  readonly model: Model;
}

/** Where wall clocks begin: 2026-01-01. */
export const epochMs = Date.UTC(2026, 0, 1);

/** Two pings' patience, and the first may leave as the stall begins: one that is silent for longer may look dead. */
const tellableMs = 2_500;
/** It is heard again soon after; one that did it again and again is believed later. */
const forgivenMs = 60_000;

export class Machine {
  readonly index: number;
  readonly place: Place;
  /** How far the wall clock is off, in milliseconds. */
  skewMs = 0;
  /** Grows with each start: what an earlier life planned is forgotten. */
  life = 0;
  running = false;
  /** Whether not even a kernel answers there. */
  isHostGone = false;
  readonly #parts: MachineParts;
  #busyUntil = 0;
  #stalledUntil = 0;
  #unheardUntil = 0;

  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.index = parts.index;
    this.place = parts.place;
  }

  /** When what is done now is done: what it sends leaves then. */
  get free(): number {
    return Math.max(this.#parts.scheduler.now, this.#busyUntil);
  }

  start(): void {
    this.life += 1;
    this.running = true;
    this.isHostGone = false;
    this.#busyUntil = 0;
    this.#stalledUntil = 0;
  }

  stop({ isHostGone }: { isHostGone: boolean }): void {
    this.running = false;
    this.isHostGone = isHostGone;
  }

  /** The event loop does nothing for so long; timers and messages wait. */
  stall(ms: number): void {
    this.#stalledUntil = this.#parts.scheduler.now + ms;
    if (ms > tellableMs) this.#unheardUntil = this.#stalledUntil + forgivenMs;
  }

  /** How much longer it stands still. */
  get stalledForMs(): number {
    return Math.max(0, this.#stalledUntil - this.#parts.scheduler.now);
  }

  /** Whether it stands still, or did lately, for so long that nobody could tell it from one that is gone. */
  get wasUnheard(): boolean {
    return this.#unheardUntil > this.#parts.scheduler.now;
  }

  /** Runs `act` on this machine once its processor has spent that much on it; never where this life ends before. */
  run(costMs: number, act: () => void): void {
    if (!this.running) return;
    const { scheduler, processors } = this.#parts;
    const from = Math.max(scheduler.now, this.#busyUntil, this.#stalledUntil);
    this.#busyUntil = processors.reserve(from, costMs);
    this.#fireAt(this.#busyUntil, this.life, act);
  }

  /** What is done now takes longer: processor time, and time that it only waits. */
  spend(costMs: number, waitMs: number): void {
    this.#busyUntil = this.#parts.processors.reserve(this.free, costMs) + waitMs;
  }

  /** The clock of this life; what it planned ends with it. */
  clock(): Clock {
    const { scheduler } = this.#parts;
    const { life } = this;
    const bootedAt = scheduler.now;
    return {
      now: () => Math.round(epochMs + scheduler.now + this.skewMs),
      monotonic: () => scheduler.now - bootedAt,
      // Node's own timers take a millisecond at least.
      after: (ms, act) => scheduler.at(scheduler.now + Math.max(1, ms), () => this.#fire(life, act)),
    };
  }

  #fireAt(time: number, life: number, act: () => void): void {
    const { scheduler } = this.#parts;
    if (time <= scheduler.now) this.#fire(life, act);
    else scheduler.at(time, () => this.#fire(life, act));
  }

  #fire(life: number, act: () => void): void {
    const { scheduler } = this.#parts;
    if (!this.running || this.life !== life) return;
    // Who waits for the end of a stall keeps its order, as the scheduler counts.
    if (this.#stalledUntil > scheduler.now) scheduler.at(this.#stalledUntil, () => this.#fire(life, act));
    else {
      scheduler.touch();
      act();
    }
  }
}
