// What may happen to a mesh, as named scenarios: each drives the world, and says what must hold while it does.
import { growthOf, heldBytes } from '../support/held-bytes.ts';
import { changing, healedMs, minute, type Outcome, type Scenario, second, warmMs } from './scenario.ts';
import type { SimulatedStack } from './simulated-stack.ts';
import { stall } from './stalls.ts';
import type { World } from './world.ts';
import { zones } from './zone-scenario.ts';

const nothing: Outcome = {};

const calm: Scenario = {
  about: 'nothing happens: what a mesh costs at rest',
  defaults: { minutes: 2, changes: 0, loss: 0 },
  settled: true,
  async run(world, { minutes }) {
    await world.boot(warmMs);
    await world.settle(healedMs);
    const before = world.measure();
    await world.run(minutes * minute);
    return world.rates(before);
  },
};

const change: Scenario = {
  about: 'random stacks write at random moments',
  defaults: { minutes: 1, changes: 60, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    await world.settle(healedMs);
    const resting = world.measure();
    await world.run(30 * second);
    const rates = world.rates(resting);
    const before = world.measure();
    await changing(world, changes, minutes);
    await world.settle(healedMs);
    return { ...rates, ...world.perChange(before, changes) };
  },
};

const loss: Scenario = {
  about: 'gossip is lost: by --loss, wholly with 1',
  defaults: { minutes: 1, changes: 40, loss: 0.3 },
  settled: true,
  async run(world, { minutes, changes, loss: share }) {
    await world.boot(warmMs);
    world.weather.gossipLoss = share;
    world.phase('lossy');
    await changing(world, changes, minutes);
    return { settledMs: await world.settle(healedMs) };
  },
};

const oneWay: Scenario = {
  about: 'one way is cut between a tenth of all pairs; all converge before it is mended',
  defaults: { minutes: 2, changes: 40, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    const random = world.random.fork('one-way');
    world.mayShowDown = true;
    world.phase('cut');
    for (const from of world.stacks) {
      for (const to of world.stacks) {
        if (from !== to && random.chance() < 0.1) world.weather.cutOneWay(from.index, to.index);
      }
    }
    await changing(world, changes, minutes);
    const settledMs = await world.settle(healedMs);
    world.weather.heal();
    await well(world, 'healed');
    return { settledMs, upMs: await world.settle(healedMs, () => world.allUp()) };
  },
};

const partition: Scenario = {
  about: 'two halves see nothing of one another for --minutes, then heal',
  defaults: { minutes: 10, changes: 40, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    world.mayShowDown = true;
    world.phase('parted');
    const half = world.random.fork('sides').some(world.stacks, Math.floor(world.stacks.length / 2));
    world.weather.part(
      1,
      half.map(({ index }) => index),
    );
    await changing(world, changes, minutes);
    world.weather.heal();
    world.phase('healed');
    const settledMs = await world.settle(healedMs);
    const upMs = settledMs + (await world.settle(healedMs, () => world.allUp()));
    await well(world, 'after');
    await changing(world, Math.min(changes, 10), 0.2);
    await world.settle(healedMs);
    return { settledMs, upMs };
  },
};

const churn: Scenario = {
  about: 'stacks die, some with their hosts, and come again; one flaps ten times',
  defaults: { minutes: 3, changes: 40, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    const random = world.random.fork('churn');
    const { scheduler } = world;
    world.mayShowDown = true;
    world.phase('churning');
    const [flapping, ...others] = random.some(world.stacks, world.stacks.length);
    for (let time = 0; flapping && time < 10; time += 1) blink(world, flapping, time * 4 * second, 2 * second, false);
    for (let at = random.exponential(5 * second); at < minutes * minute; at += random.exponential(5 * second)) {
      const [stack] = random.some(others, 1);
      if (stack) blink(world, stack, at, random.between(3 * second, 40 * second), random.chance() < 0.5);
    }
    const endsAt = scheduler.now + minutes * minute + 41 * second;
    await changing(world, changes, minutes);
    await world.run(endsAt - scheduler.now);
    await well(world, 'after');
    return { settledMs: await world.settle(healedMs), upMs: await world.settle(healedMs, () => world.allUp()) };
  },
};

const skew: Scenario = {
  about: 'wall clocks are off by up to an hour, jump by an hour and by a year, and come right again',
  defaults: { minutes: 4, changes: 60, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    const random = world.random.fork('skew');
    const hour = 60 * minute;
    for (const stack of world.stacks) stack.machine.skewMs = random.between(-hour, hour);
    await world.boot(warmMs);
    world.phase('off by an hour');
    await changing(world, Math.ceil(changes / 3), minutes / 4);
    const settledMs = await world.settle(healedMs);
    world.phase('jumping');
    world.mayShowDown = true;
    const some = random.some(world.stacks, Math.ceil(world.stacks.length / 8));
    for (const [at, stack] of some.entries()) {
      const jumpMs = [hour, -hour, 365 * 24 * hour, -365 * 24 * hour][at % 4] ?? 0;
      world.scheduler.at(world.scheduler.now + random.between(0, 10 * second), () => {
        stack.machine.skewMs += jumpMs;
      });
    }
    await changing(world, Math.ceil(changes / 3), minutes / 4);
    await world.run(30 * second);
    for (const stack of world.stacks) stack.machine.skewMs = 0;
    world.phase('right again');
    await changing(world, Math.ceil(changes / 3), minutes / 4);
    return {
      settledMs,
      rightMs: await world.settle(healedMs),
      upMs: await world.settle(healedMs, () => world.allUp()),
    };
  },
};

const restart: Scenario = {
  about: 'a third of all dies at once, and comes again at once',
  defaults: { minutes: 1, changes: 40, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    world.mayShowDown = true;
    world.phase('restarting');
    const third = world.random.fork('third').some(world.stacks, Math.ceil(world.stacks.length / 3));
    for (const stack of third) blink(world, stack, second, 20 * second, false);
    const before = world.measure();
    await changing(world, changes, minutes);
    const settledMs = await world.settle(healedMs);
    const upMs = settledMs + (await world.settle(healedMs, () => world.allUp()));
    const { sentBytesASecondWorst = 0 } = world.rates(before);
    await well(world, 'after');
    return { settledMs, upMs, sentBytesASecondWorst };
  },
};

const dead: Scenario = {
  about: 'one stack dies with its host, another by kill -9: how long until all know',
  defaults: { minutes: 3, changes: 10, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    world.mayShowDown = true;
    await changing(world, changes, 0.5);
    const [host, process] = world.random.fork('dead').some(world.stacks, 2);
    if (!host || !process) return nothing;
    const silent = await detect(world, host, true, minutes * minute);
    const killed = await detect(world, process, false, minutes * minute);
    world.start(host);
    world.start(process);
    await world.settle(healedMs);
    return {
      ...named('hostGone', silent),
      ...named('processKilled', killed),
      upMs: await world.settle(healedMs, () => world.allUp()),
    };
  },
};

const join: Scenario = {
  about: 'stacks join one mesh by invite, all within five seconds, and all know one another',
  defaults: { minutes: 1, changes: 10, loss: 0 },
  settled: false,
  async run(world, { minutes, changes }) {
    const random = world.random.fork('join');
    const [founder, ...joiners] = world.stacks;
    if (!founder) return nothing;
    for (const stack of world.stacks) world.start(stack);
    await world.run(second);
    const expiresInMs = 60 * minute;
    const { token } = founder.registry.createInvite({ role: 'member', expiresInMs, uses: joiners.length });
    const failures = new Set<SimulatedStack>();
    for (const stack of world.stacks) about(world, stack);
    const tryToJoin = (stack: SimulatedStack): void => {
      failures.delete(stack);
      world.scheduler.touch();
      stack.registry.join(token, { signal: new AbortController().signal }).catch(() => failures.add(stack));
    };
    for (const stack of joiners) {
      world.scheduler.at(world.scheduler.now + random.between(0, 5 * second), () => tryToJoin(stack));
    }
    const begin = world.scheduler.now;
    await world.run(6 * second);
    // As a person does whose join failed: a mesh is joined under load by trying again.
    for (let round = 0; round < 10 && failures.size > 0; round += 1) {
      for (const stack of [...failures]) tryToJoin(stack);
      await world.run(20 * second);
    }
    if (failures.size > 0) world.witness.breach('eventually', `${failures.size} stacks could not join`);
    const isWhole = (): boolean =>
      world.stacks.every(({ registry }) => registry.members().length === world.stacks.length) && world.allUp();
    await world.settle(healedMs, isWhole);
    const joinedMs = world.scheduler.now - begin;
    await changing(world, changes, minutes);
    return { joinedMs, settledMs: await world.settle(healedMs) };
  },
};

/** The soak is measured so often, in minutes. */
const soakPartMinutes = 15;
/** From then on only what leaks grows: statements are prepared, functions compiled, and most records there are written. */
const soakWarmMinutes = 90;

const soak: Scenario = {
  about:
    'hours of writes (--changes an hour), with a stack that dies and comes again each minute: what they leave behind',
  defaults: { minutes: 24 * 60, changes: 60, loss: 0 },
  settled: true,
  async run(world, { minutes, changes }) {
    await world.boot(warmMs);
    const random = world.random.fork('soak');
    world.mayShowDown = true;
    const heaps: number[] = [];
    const rates: number[] = [];
    const parts = Math.ceil(minutes / soakPartMinutes);
    for (let part = 0; part < parts; part += 1) {
      world.phase('soaking');
      const before = world.measure();
      for (let at = random.exponential(minute); at < soakPartMinutes * minute; at += random.exponential(minute)) {
        const [stack] = random.some(world.stacks, 1);
        if (stack) blink(world, stack, at, random.between(3 * second, 40 * second), random.chance() < 0.5);
      }
      await changing(world, Math.ceil((changes * soakPartMinutes) / 60), soakPartMinutes);
      await world.run(41 * second);
      await world.settle(healedMs);
      rates.push(world.rates(before)['sentBytesASecond'] ?? 0);
      heaps.push(heldBytes());
    }
    return {
      upMs: await world.settle(healedMs, () => world.allUp()),
      heapBytes: heaps.at(-1) ?? Number.NaN,
      heapBytesAnHour: (growthOf(heaps.slice(soakWarmMinutes / soakPartMinutes)) * 60) / soakPartMinutes,
      sentBytesASecondFirst: meanOf(rates.slice(0, Math.ceil(parts / 4))),
      sentBytesASecondLast: meanOf(rates.slice(-Math.ceil(parts / 4))),
    };
  },
};

function meanOf(figures: readonly number[]): number {
  return figures.reduce((sum, each) => sum + each, 0) / figures.length;
}

/** All scenarios, by what they are called. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  calm,
  change,
  loss,
  'one-way': oneWay,
  partition,
  churn,
  skew,
  restart,
  stall,
  dead,
  join,
  zones,
  soak,
};

/** From here on the mesh is well: who runs must not be shown as down once it was met again. */
async function well(world: World, word: string): Promise<void> {
  world.phase(word);
  await world.run(second);
}

function blink(world: World, stack: SimulatedStack, afterMs: number, goneMs: number, isHostGone: boolean): void {
  const { scheduler } = world;
  scheduler.at(scheduler.now + afterMs, () => {
    if (!stack.running) return;
    world.kill(stack, { isHostGone });
    scheduler.at(scheduler.now + goneMs, () => world.start(stack));
  });
}

/** What a stack says about itself, as a daemon does after it started. */
function about(world: World, stack: SimulatedStack): void {
  const body = { name: stack.name, addresses: [`/sim/${stack.index}/p2p/${stack.id}`] };
  stack.machine.run(0, () => stack.registry.write([{ kind: 'stack', name: stack.name, body }]));
  world.scheduler.touch();
}

interface Detected {
  /** Until nobody called it up any more, and until all called it down; undefined where that didn't come. */
  readonly notUpMs: number | undefined;
  readonly downMs: number | undefined;
}

async function detect(world: World, victim: SimulatedStack, isHostGone: boolean, boundMs: number): Promise<Detected> {
  world.kill(victim, { isHostGone });
  const begin = world.scheduler.now;
  const readers = world.random.fork(`readers ${begin}`).some(world.running, 32);
  let notUpMs: number | undefined;
  while (world.scheduler.now - begin < boundMs) {
    await world.run(250);
    const states = readers.map((reader) => stateOf(reader, victim));
    if (states.every((state) => state !== 'up')) notUpMs ??= world.scheduler.now - begin;
    if (states.every((state) => state === 'down')) return { notUpMs, downMs: world.scheduler.now - begin };
  }
  return { notUpMs, downMs: undefined };
}

function stateOf(reader: SimulatedStack, stack: SimulatedStack): string | undefined {
  const { directory } = reader.registry;
  return directory.list({ kind: 'stack', stack: stack.id, includeUnreachable: true })[0]?.presence.state;
}

function named(word: string, { notUpMs, downMs }: Detected): Outcome {
  return {
    ...(notUpMs !== undefined && { [`${word}NotUpMs`]: notUpMs }),
    ...(downMs !== undefined && { [`${word}DownMs`]: downMs }),
  };
}
