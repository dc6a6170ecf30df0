// The rows of failure detection among 32 stacks: one killed, one cut off silently beside Serf, and nobody accused under load.
import { type ChildProcess, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type Fleet, type FleetStack, seeOneAnother, startFleet } from '../../test/support/fleet.ts';
import { openTestNetwork, whyNoNetworks } from '../../test/support/namespaces.ts';
import { startSerf } from '../peers/serf.ts';
import type { Row } from '../row.ts';

const size = 32;
/** As many as the claim names. */
const kills = 20;
/** One round takes as long as the slower of both takes to notice and to come back. */
const silences = 3;
const noticedWithinMs = 120_000;
const backWithinMs = 180_000;
/** How often each stack that hasn't noticed yet is asked: often enough for limits of seconds, and little work. */
const askEveryMs = 200;
/** With `--rounds 5`, as it is by default, the ten minutes of the claim. */
const busyMsARound = 120_000;

type Say = (text: string) => void;

export const detectionRows: readonly Row[] = [
  {
    name: 'detection',
    claim: `${size} stacks, one killed: until each other holds it for down`,
    unit: 'ms',
    figure: 'worst',
    limit: 3_000,
    async measure(_rounds, say) {
      await using fleet = await startFleet(namesOf('stack'), { start: { flags: ['--log', 'warn'] }, say });
      const samples: number[] = [];
      for (let round = 0; round < kills; round += 1) {
        const victim = pick(fleet.stacks, round);
        const began = performance.now();
        await victim.kill('SIGKILL');
        samples.push((await heldForDown(fleet, victim)) - began);
        await victim.start();
        await seeOneAnother(fleet.stacks, backWithinMs);
        say(`kill ${round + 1} of ${kills}: ${samples.at(-1)?.toFixed(0)} ms`);
      }
      return { samples };
    },
  },
  {
    name: 'detection-silent',
    claim: `${size} stacks, all packets of one dropped: until each other holds it for down`,
    unit: 'ms',
    figure: 'worst',
    limitRatio: 1,
    async measure(_rounds, say) {
      const why = whyNoNetworks();
      if (why !== undefined) throw new Error(`Cannot cut a stack off: ${why}`);
      return { samples: await silenceStacks(say), peer: { name: 'Serf', samples: await silenceSerf(say) } };
    },
  },
  {
    name: 'false-downs',
    claim: `${size} stacks with all cores saturated for 10 minutes: stacks that anybody holds for down`,
    unit: 'count',
    figure: 'worst',
    limit: 0,
    async measure(rounds, say) {
      await using fleet = await startFleet(namesOf('stack'), { start: { flags: ['--log', 'warn'] }, say });
      await using _load = saturate();
      return { samples: [await countDowns(fleet, rounds * busyMsARound, say)] };
    },
  },
];

async function silenceStacks(say: Say): Promise<number[]> {
  await using network = await openTestNetwork(size);
  await using fleet = await startFleet(namesOf('stack'), {
    hosts: network.hosts,
    start: { flags: ['--log', 'warn'] },
    say,
  });
  const samples: number[] = [];
  for (let round = 0; round < silences; round += 1) {
    const victim = pick(fleet.stacks, round);
    const began = performance.now();
    await victim.host?.silence();
    samples.push((await heldForDown(fleet, victim)) - began);
    await victim.host?.mend();
    await seeOneAnother(fleet.stacks, backWithinMs);
    say(`stacks, silence ${round + 1} of ${silences}: ${samples.at(-1)?.toFixed(0)} ms`);
  }
  return samples;
}

async function silenceSerf(say: Say): Promise<number[]> {
  await using network = await openTestNetwork(size);
  await using cluster = await startSerf(namesOf('agent'), network.hosts);
  const samples: number[] = [];
  for (let round = 0; round < silences; round += 1) {
    const victim = pick(cluster.agents, round);
    const host = pick(network.hosts, round);
    const others = cluster.agents.filter((agent) => agent !== victim);
    const began = performance.now();
    await host.silence();
    const failedAt = (): number[] => others.map(({ failed }) => failed.get(victim.name) ?? 0);
    await until('each Serf agent tells of the failure', noticedWithinMs, () => failedAt().every((at) => at > began));
    samples.push(Math.max(...failedAt()) - began);
    const mended = performance.now();
    await host.mend();
    // Both sides held one another for failed: each is to tell of the other's return.
    await until('each Serf agent tells of the return', backWithinMs, () =>
      others.every(({ joined, failed }) => (joined.get(victim.name) ?? 0) > mended && failed.size > 0),
    );
    say(`Serf, silence ${round + 1} of ${silences}: ${samples.at(-1)?.toFixed(0)} ms`);
  }
  return samples;
}

/** When the last of the others held it for down, on the bench's clock. */
async function heldForDown(fleet: Fleet, victim: FleetStack): Promise<number> {
  const pending = new Set(fleet.stacks.filter((stack) => stack !== victim));
  const end = performance.now() + noticedWithinMs;
  let last = 0;
  while (pending.size > 0) {
    if (performance.now() > end) {
      const names = [...pending].map(({ name }) => name).join(', ');
      throw new Error(`${victim.name} is not down after ${noticedWithinMs} ms for ${names}`);
    }
    const sweep = performance.now();
    for (const stack of pending) {
      const state = (await stack.stacks()).find(({ name }) => name === victim.name)?.liveness.state;
      if (state === 'down') {
        pending.delete(stack);
        last = performance.now();
      }
    }
    await pause(Math.max(0, askEveryMs - (performance.now() - sweep)));
  }
  return last;
}

/** Asks one stack after the other, each some times a minute; what was down between two looks shows in its `since`. */
async function countDowns(fleet: Fleet, forMs: number, say: Say): Promise<number> {
  const begin = performance.now();
  const down = new Set<string>();
  const since = new Map<string, string>();
  let suspected = 0;
  let told = 0;
  while (performance.now() - begin < forMs) {
    for (const stack of fleet.stacks) {
      for (const { name, liveness } of await stack.stacks()) {
        const pair = `${name} for ${stack.name}`;
        if (liveness.state === 'down') down.add(pair);
        if (liveness.since !== (since.get(pair) ?? liveness.since)) suspected += 1;
        since.set(pair, liveness.since);
      }
      await pause(askEveryMs / 2);
    }
    const minutes = Math.floor((performance.now() - begin) / 60_000);
    if (minutes > told) say(`${minutes} min: ${down.size} held for down, presence changed ${suspected} times`);
    told = minutes;
  }
  if (down.size > 0) say(`held for down: ${[...down].slice(0, 10).join(', ')}`);
  return down.size;
}

/** A busy loop a core, each of which ends with the bench at the latest. */
function saturate(): AsyncDisposable {
  const loop = `const end = Date.now() + 3600000; while (Date.now() < end && process.ppid === ${process.pid});`;
  const loops: ChildProcess[] = cpus().map(() => spawn(process.execPath, ['-e', loop], { stdio: 'ignore' }));
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(
        loops.map(async (child) => {
          const ended = new Promise((resolve) => child.once('exit', resolve));
          child.kill('SIGKILL');
          await ended;
        }),
      );
    },
  };
}

async function until(what: string, withinMs: number, isSo: () => boolean): Promise<void> {
  const end = performance.now() + withinMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`Not in ${withinMs} ms: ${what}`);
    await pause(20);
  }
}

function namesOf(word: string): string[] {
  return Array.from({ length: size }, (_, index) => `${word}-${index}`);
}

/** Another one each round, and never the first, which the others joined by. */
function pick<T>(all: readonly T[], round: number): T {
  const one = all[1 + ((round * 7) % (all.length - 1))];
  if (one === undefined) throw new Error('There is none to pick');
  return one;
}
