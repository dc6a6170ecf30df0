// The entry points: one run of a scenario with its report, and the convergence of changes for a bench.
import type { ReplicateOptions } from '#registry/replication';
import { type Model, models } from './model.ts';
import type { Outcome, Scenario, Settings } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import type { Change, Violation } from './witness.ts';
import { World } from './world.ts';

export interface SimulateOptions extends Partial<Settings> {
  readonly stacks: number;
  readonly scenario: string;
  readonly seed: string;
  readonly model?: keyof typeof models | Model;
  /** Notes that each stack has from before; 1 by default. */
  readonly records?: number;
  /** Zones that the stacks are parted into; 1 by default. */
  readonly zones?: number;
  /** How many zones run wholly; of the others only the gateways do. All by default. */
  readonly wholeZones?: number;
  readonly replicate?: Partial<ReplicateOptions>;
  readonly trace?: (line: string) => void;
  readonly progress?: (text: string) => void;
}

/** Milliseconds from the write until the first and the last other stack have a change durably. */
export interface Convergence {
  readonly changes: number;
  readonly first: Quantiles;
  readonly last: Quantiles;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

export interface Report {
  readonly scenario: string;
  readonly stacks: number;
  readonly seed: string;
  readonly model: string;
  readonly settings: Settings;
  readonly ok: boolean;
  readonly violations: readonly Violation[];
  /** By the phase in which the changes were written. */
  readonly convergence: Readonly<Record<string, Convergence>>;
  readonly outcome: Outcome;
  readonly connectionsAStack: number;
  /** Glances at members that ran, by the state that they were shown in. */
  readonly shown: Readonly<Record<string, number>>;
  readonly warnings: Readonly<Record<string, number>>;
  readonly virtualMs: number;
  readonly events: number;
  readonly wallMs: number;
  readonly residentBytes: number;
  /** SHA-256 over all that happened: the same seed gives the same one. */
  readonly traceHash: string;
  /** The command that runs the same again. */
  readonly replay: string;
}

/** Runs a scenario to its end. Throws RangeError for one that isn't known. */
export async function simulate(options: SimulateOptions): Promise<Report> {
  const scenario = scenarios[options.scenario];
  if (!scenario) throw new RangeError(`Cannot simulate "${options.scenario}": known are ${Object.keys(scenarios)}`);
  const begin = performance.now();
  const { minutes, changes, loss } = { ...scenario.defaults, ...withoutUndefined(options) };
  const settings: Settings = { minutes, changes, loss };
  using world = openWorld(options, scenario);
  const outcome = await scenario.run(world, settings);
  world.witness.conclude();
  const { stacks, witness } = world;
  const phases = [...new Set(witness.done.map(({ phase }) => phase))];
  return {
    scenario: options.scenario,
    stacks: stacks.length,
    seed: options.seed,
    model: world.options.model.name,
    settings,
    ok: witness.violations.length === 0,
    violations: witness.violations,
    convergence: Object.fromEntries(
      phases.map((phase) => [phase, convergenceOf(witness.done.filter((each) => each.phase === phase))]),
    ),
    outcome,
    connectionsAStack: stacks.reduce((sum, { connections }) => sum + connections, 0) / stacks.length,
    shown: Object.fromEntries(world.shown),
    warnings: Object.fromEntries(world.warnings),
    virtualMs: world.scheduler.now,
    events: world.scheduler.count,
    wallMs: performance.now() - begin,
    residentBytes: process.memoryUsage.rss(),
    traceHash: world.digest,
    replay: replayOf(options, settings),
  };
}

/**
 * For the bench: milliseconds from each write until the last of the other stacks has it, in a mesh at rest; one change at
 * a time, after quiet moments of different lengths, as `bench/rows/convergence.ts` does with real processes.
 */
export async function simulateConvergence(options: {
  readonly stacks: number;
  readonly changes: number;
  readonly seed: string;
  /** By name, or one that was calibrated on the machine at hand. */
  readonly model: keyof typeof models | Model;
}): Promise<number[]> {
  const { stacks, changes } = options;
  using world = openWorld({ ...options, scenario: 'change' }, scenarios['change'] as Scenario);
  await world.boot(bootedMs);
  for (let index = 0; index < changes; index += 1) {
    await world.run((index * 37) % longestQuietMs);
    const owner = world.stacks[(index * 7) % stacks];
    if (owner) world.write(owner, `bench-${index}`, `change ${index}`);
    while (world.witness.done.length <= index && world.scheduler.now < patienceMs * (index + 2)) await world.run(5);
  }
  const [violation] = world.witness.violations;
  if (violation || world.witness.done.length < changes) {
    throw new Error(`The simulation of ${stacks} stacks broke: ${violation?.what ?? 'a change did not arrive'}`);
  }
  return world.witness.done.map(({ writtenAt, lastAt }) => lastAt - writtenAt);
}

/** All connections stand, and what the start brought is over. */
const bootedMs = 40_000;
const longestQuietMs = 400;
const patienceMs = 60_000;

function openWorld(options: SimulateOptions, scenario: Scenario): World {
  const { stacks, seed, model = 'wan', records = 1, replicate = {}, trace, progress } = options;
  const { zones = scenario.zones ?? 1 } = options;
  return new World({
    stacks,
    seed,
    model: typeof model === 'string' ? models[model] : model,
    records,
    settled: scenario.settled,
    replicate,
    zones,
    wholeZones: options.wholeZones ?? zones,
    ...(trace && { trace }),
    ...(progress && { progress }),
  });
}

function convergenceOf(changes: readonly Change[]): Convergence {
  return {
    changes: changes.length,
    first: quantilesOf(changes.map(({ firstAt = 0, writtenAt }) => firstAt - writtenAt)),
    last: quantilesOf(changes.map(({ lastAt, writtenAt }) => lastAt - writtenAt)),
  };
}

/** By the nearest rank; of none, zeros. */
export function quantilesOf(samples: readonly number[]): Quantiles {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), worst: at(1) };
}

function withoutUndefined(settings: Partial<Settings>): Partial<Settings> {
  const { minutes, changes, loss } = settings;
  return {
    ...(minutes !== undefined && { minutes }),
    ...(changes !== undefined && { changes }),
    ...(loss !== undefined && { loss }),
  };
}

function replayOf(options: SimulateOptions, { minutes, changes, loss }: Settings): string {
  const { stacks, scenario, seed, model = 'wan', records = 1, zones, wholeZones } = options;
  const parted = [
    ...(zones === undefined ? [] : [`--zones ${zones}`]),
    ...(wholeZones === undefined ? [] : [`--whole ${wholeZones}`]),
  ];
  const numbers = `--minutes ${minutes} --changes ${changes} --loss ${loss} --records ${records}`;
  const name = typeof model === 'string' ? model : model.name;
  return `npm run simulate -- --stacks ${stacks} --scenario ${scenario} --seed ${seed} --model ${name} ${[numbers, ...parted].join(' ')}`;
}
