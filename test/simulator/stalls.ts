// The scenario of event loops that stand still: how long nobody notices, and what becomes of one that stands still longer.
import { defaultLivenessTiming } from '../../registry/liveness/contact.ts';
import { changing, healedMs, minute, type Scenario, second, warmMs } from './scenario.ts';
import type { SimulatedStack } from './simulated-stack.ts';
import type { World } from './world.ts';

const { pingMs, answerMs, retryMs } = defaultLivenessTiming;
/** Nobody accuses before two pings went unanswered, and the first may leave as the stall begins: up to here, less a way around the world, nobody may. */
const unnoticedMs = answerMs + retryMs - 500;
/** The later of two that watch one another pings after 1.2 times as long; news take their way, and clocks their half second. */
const noticedMs = pingMs * 1.2 + answerMs + retryMs + 1_500;
const lookMs = 250;
const brief = 8;
const long = 3;

/**
 * A stack that stands still for less than two pings' patience is never shown as anything but up; one that does so for
 * longer than the time of detection is shown as down by all, and as up again by itself.
 */
export const stall: Scenario = {
  about: 'event loops stand still: briefly, and nobody says so; then for long, and all do until they go on',
  defaults: { minutes: 1, changes: 20, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    await world.settle(healedMs, () => world.allUp());
    const random = world.random.fork('stall');
    world.phase('brief stalls');
    const beganAt = world.scheduler.now;
    const slotMs = (minutes * minute) / brief;
    for (const [index, stack] of random.some(world.stacks, brief).entries()) {
      const at = beganAt + index * slotMs + random.between(0, Math.max(0, slotMs - unnoticedMs));
      world.scheduler.at(at, () => stack.machine.stall(unnoticedMs));
    }
    const changed = changing(world, changes, minutes);
    const stop = watch(world, (reader, shown, state) => {
      if (state !== 'up')
        world.witness.breach('always', `"${reader}" shows "${shown}" as ${state} after a brief stall`);
    });
    await changed;
    stop();
    world.phase('long stalls');
    const known: number[] = [];
    const back: number[] = [];
    for (const stack of random.some(world.stacks, long)) {
      stack.machine.stall(noticedMs);
      known.push(await until(world, () => allShow(world, stack, 'down'), noticedMs, `"${stack.name}" is down to all`));
      await world.run(Math.max(0, stack.machine.stalledForMs));
      back.push(
        await until(world, () => allShow(world, stack, 'up'), minute / 2, `"${stack.name}" is up to all again`),
      );
    }
    return {
      knownMs: Math.max(...known),
      backMs: Math.max(...back),
      settledMs: await world.settle(healedMs),
      upMs: await world.settle(healedMs, () => world.allUp()),
    };
  },
};

/** Looks at what all show of all, until it is ended. */
function watch(world: World, shown: (reader: string, of: string, state: string) => void): () => void {
  let isOver = false;
  const look = (): void => {
    if (isOver) return;
    for (const reader of world.running) {
      for (const { name, liveness } of reader.registry.members()) shown(reader.name, name, liveness.state);
    }
    world.scheduler.at(world.scheduler.now + lookMs, look);
  };
  look();
  return () => {
    isOver = true;
  };
}

function allShow(world: World, stack: SimulatedStack, state: string): boolean {
  const others = world.running.filter((each) => each !== stack);
  return others.every(({ registry }) => registry.member(stack.id)?.liveness.state === state);
}

/** How long it took; a breach where it takes longer than the bound. */
async function until(world: World, isSo: () => boolean, boundMs: number, what: string): Promise<number> {
  const begin = world.scheduler.now;
  while (!isSo()) {
    if (world.scheduler.now - begin >= boundMs) {
      world.witness.breach('eventually', `not in ${boundMs / second} s: ${what}`);
      return boundMs;
    }
    await world.run(lookMs);
  }
  return world.scheduler.now - begin;
}
