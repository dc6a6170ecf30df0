// The simulator itself: its network keeps the contract of the seam, and the same seed gives the same run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkContract } from '../registry/network.contract.ts';
import { Machine } from './machine.ts';
import { Meter } from './meter.ts';
import { models, Processors } from './model.ts';
import { Random } from './random.ts';
import { drain, Scheduler } from './scheduler.ts';
import { quantilesOf, simulate, simulateConvergence } from './simulate.ts';
import { Addresses, SimulatedNetwork } from './simulated-network.ts';
import { Wires } from './wires.ts';

/** Virtual time runs as fast as there is something to do, beside the real time of the suite. */
networkContract('simulated', async () => {
  const scheduler = new Scheduler();
  const model = models.lan;
  const wires = new Wires({ scheduler, model, random: new Random('contract'), trace: () => undefined });
  const processors = new Processors(model);
  const addresses = new Addresses();
  const stop = new AbortController();
  let index = 0;
  const running = (async () => {
    while (!stop.signal.aborted) {
      // What is far off, such as the end of a time limit, stays there while the suite waits for it.
      await scheduler.runUntil(scheduler.now + 1, () => undefined);
      await drain();
    }
  })();
  return {
    async open(identity) {
      const machine = new Machine({ index, place: { x: index, y: 0 }, scheduler, processors, model });
      index += 1;
      machine.start();
      return new SimulatedNetwork(identity.stack, machine, new Meter(), wires, addresses);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
});

test('the same seed gives the same run, event by event, and another seed another one', async () => {
  const run = (seed: string) => simulate({ scenario: 'churn', stacks: 16, seed, minutes: 0.5, changes: 10 });
  const [one, two, other] = [await run('a'), await run('a'), await run('b')];
  assert.equal(one.traceHash, two.traceHash);
  assert.equal(one.events, two.events);
  assert.notEqual(one.traceHash, other.traceHash);
});

test('a check that breaks says when, and how to run the same again', async () => {
  const lines: string[] = [];
  const report = await simulate({
    scenario: 'loss',
    stacks: 4,
    seed: 'never',
    minutes: 0.2,
    changes: 3,
    loss: 1,
    // Nobody compares heads in time: without gossip nothing spreads.
    replicate: { antiEntropyMs: 1e9 },
    trace: (line) => lines.push(line),
  });
  assert.equal(report.ok, false);
  assert.equal(report.violations[0]?.kind, 'eventually');
  assert.ok((report.violations[0]?.atMs ?? 0) > 0);
  assert.match(report.replay, /^npm run simulate -- --stacks 4 --scenario loss --seed never .*--loss 1/);
  assert.ok(lines.length > 0);
});

test('sixteen stacks that share two processors converge later than sixteen with one each', async () => {
  const options = { stacks: 16, changes: 20, seed: 'shared' };
  const shared = quantilesOf(await simulateConvergence({ ...options, model: 'loopback' }));
  const own = quantilesOf(await simulateConvergence({ ...options, model: 'lan' }));
  assert.ok(shared.p50 > own.p50, `${shared.p50} ms and ${own.p50} ms`);
});
