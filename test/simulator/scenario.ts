// What a scenario is, and what several of them do.
import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface Settings {
  /** How long the scenario's middle part takes, in minutes of virtual time. */
  readonly minutes: number;
  readonly changes: number;
  /** The share of gossip that is lost. */
  readonly loss: number;
}

export interface Scenario {
  readonly about: string;
  readonly defaults: Settings;
  /** Whether the mesh is there from the beginning; else stacks join one by one. */
  readonly settled: boolean;
  /** Zones that the stacks are parted into where nothing else is said. */
  readonly zones?: number;
  run(world: World, settings: Settings): Promise<Outcome>;
}

/** Figures of the scenario's own, by name; times in milliseconds. */
export type Outcome = Readonly<Record<string, number>>;

export const second = 1_000;
export const minute = 60 * second;
/** After the stacks started: connections stand, and all have compared their heads. */
export const warmMs = 40 * second;
/** All agree this long after everything is well again: the longest pause of a dial, and some rounds of anti-entropy. */
export const healedMs = 4 * minute;

/** Spreads that many changes over so many minutes, and lets those pass. */
export async function changing(world: World, changes: number, minutes: number): Promise<void> {
  const random: Random = world.random.fork(`changes at ${world.scheduler.now}`);
  const tookMs = changes > 0 ? world.planChanges(changes, (minutes * minute) / changes, random) : 0;
  await world.run(Math.max(minutes * minute, tookMs) + second);
}
