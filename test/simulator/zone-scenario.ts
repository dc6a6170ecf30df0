// The scenario of a mesh of several zones: what they cost, how fresh a zone's picture is elsewhere, and finding across.

import { changing, healedMs, minute, type Outcome, type Scenario, second, warmMs } from './scenario.ts';
import { noteKind } from './settled-mesh.ts';
import type { SimulatedStack } from './simulated-stack.ts';
import type { World } from './world.ts';

/** Every zone is heard of by every stack this long after all started: some rounds of gateways, and of their zones. */
const heardWithinMs = 10 * minute;
/** A change shows in the summary of its zone everywhere within this. */
const freshWithinMs = 6 * minute;
const finds = 20;
const findMs = 30 * second;

export const zones: Scenario = {
  about: 'several zones: bytes of gateways and of others, how fresh summaries are, and finding records elsewhere',
  defaults: { minutes: 2, changes: 20, loss: 0 },
  settled: true,
  zones: 4,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    await world.settle(healedMs);
    const heardMs = await within(world, heardWithinMs, 'each stack heard of each zone', () =>
      world.stacks.every(({ registry }) => registry.zones().every(({ heard, stale }) => heard && !stale)),
    );
    const before = world.measure();
    await world.run(minutes * minute);
    const whole = (stack: SimulatedStack): boolean => world.isWhole(stack.zone);
    const rates = {
      ...world.rates(before, (stack) => whole(stack) && !world.gateways.has(stack.id)),
      ...named(
        'gateway',
        world.rates(before, (stack) => whole(stack) && world.gateways.has(stack.id)),
      ),
    };
    await changing(world, changes, 0.5);
    await world.settle(healedMs);
    const fresh = await freshness(world);
    const found = await findAcross(world);
    await world.settle(healedMs);
    return { heardMs, ...rates, ...fresh, ...found };
  },
};

/** From a write in one zone until the stacks of all others show one record more there. */
async function freshness(world: World): Promise<Outcome> {
  const { zone = '' } = world.stacks[0] ?? {};
  const others = world.stacks.filter((stack) => stack.zone !== zone);
  const recordsAt = ({ registry }: SimulatedStack): number =>
    registry.zones().find((each) => each.zone === zone)?.heard?.records ?? 0;
  // Until what was changed before is everywhere.
  await within(
    world,
    freshWithinMs,
    'the summaries of a quiet zone agree',
    () => new Set(others.map(recordsAt)).size === 1,
  );
  await world.run(minute);
  const base = Math.max(...others.map(recordsAt));
  const [writer] = world.random.fork('writer').some(
    world.stacks.filter((stack) => stack.zone === zone && !world.gateways.has(stack.id)),
    1,
  );
  if (!writer) return {};
  const begin = world.scheduler.now;
  world.write(writer, 'freshness', 'how fresh');
  const took = new Map<SimulatedStack, number>();
  await within(world, freshWithinMs, 'a change shows in the summary of its zone', () => {
    for (const stack of others) {
      if (!took.has(stack) && recordsAt(stack) > base) took.set(stack, world.scheduler.now - begin);
    }
    return took.size === others.length;
  });
  const sorted = [...took.values()].sort((a, b) => a - b);
  return { summaryP50Ms: sorted[Math.floor(sorted.length / 2)] ?? 0, summaryWorstMs: sorted.at(-1) ?? 0 };
}

/** Stacks ask for notes of other zones, one after another. */
async function findAcross(world: World): Promise<Outcome> {
  const random = world.random.fork('find');
  const took: number[] = [];
  for (let each = 0; each < finds; each += 1) {
    const [asker] = random.some(world.stacks, 1);
    const [owner] = random.some(
      world.stacks.filter(({ zone }) => zone !== asker?.zone),
      1,
    );
    if (!asker || !owner) return {};
    const begin = world.scheduler.now;
    let endedAt: number | undefined;
    let isFound = false;
    world.scheduler.touch();
    const name = `settled-${owner.index}-0`;
    asker.registry.find(noteKind.name, name, { signal: new AbortController().signal }).then(
      ({ records }) => {
        endedAt = asker.machine.free;
        isFound = records.some(({ stack }) => stack === owner.id);
      },
      () => {
        endedAt = asker.machine.free;
      },
    );
    while (endedAt === undefined && world.scheduler.now - begin < findMs) await world.run(5);
    if (!isFound) world.witness.breach('eventually', `"${asker.name}" did not find "${name}" of another zone`);
    took.push((endedAt ?? world.scheduler.now) - begin);
    await world.run(second);
  }
  const sorted = took.sort((a, b) => a - b);
  return { findP50Ms: sorted[Math.floor(sorted.length / 2)] ?? 0, findWorstMs: sorted.at(-1) ?? 0 };
}

async function within(world: World, boundMs: number, what: string, isSo: () => boolean): Promise<number> {
  const begin = world.scheduler.now;
  while (!isSo() && world.scheduler.now - begin < boundMs) await world.run(second);
  if (!isSo()) world.witness.breach('eventually', `not in ${boundMs / second} s: ${what}`);
  return world.scheduler.now - begin;
}

function named(word: string, rates: Outcome): Outcome {
  return Object.fromEntries(
    Object.entries(rates).map(([name, value]) => [`${word}${name[0]?.toUpperCase()}${name.slice(1)}`, value]),
  );
}
