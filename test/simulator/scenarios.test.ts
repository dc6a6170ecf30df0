// The scenarios with few stacks, in seconds: what must always, eventually and at the end be so in a mesh of the registry's own code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Report, type SimulateOptions, simulate } from './simulate.ts';

async function holds(options: Omit<SimulateOptions, 'seed'> & { seed?: string }): Promise<Report> {
  const report = await simulate({ seed: 'test', ...options });
  const told = report.violations.map(({ kind, what }) => `${kind}: ${what}`);
  assert.deepEqual(told, [], `The same again: ${report.replay}`);
  return report;
}

test('a mesh at rest costs each of its 32 stacks at most 3 KB/s each way, and calls nobody down', async () => {
  const { outcome, shown } = await holds({ scenario: 'calm', stacks: 32, minutes: 1 });
  assert.ok((outcome['sentBytesASecond'] ?? Number.NaN) <= 3_000, `${outcome['sentBytesASecond']} bytes/s`);
  assert.ok((outcome['receivedBytesASecond'] ?? Number.NaN) <= 3_000, `${outcome['receivedBytesASecond']} bytes/s`);
  assert.ok((shown['up'] ?? 0) > 1_000);
  assert.equal(shown['down'], undefined);
});

test('a change reaches the last of 32 stacks around the world within a second', async () => {
  const { convergence } = await holds({ scenario: 'change', stacks: 32, minutes: 0.5, changes: 30 });
  assert.ok((convergence['calm']?.changes ?? 0) >= 25);
  assert.ok((convergence['calm']?.last.worst ?? Number.NaN) < 1_000, JSON.stringify(convergence));
});

test('a mesh converges with 30 % of gossip lost (failure mode 6)', async () => {
  const { convergence } = await holds({ scenario: 'loss', stacks: 32, minutes: 0.5, changes: 20, loss: 0.3 });
  assert.ok((convergence['lossy']?.last.p50 ?? Number.NaN) < 5_000, JSON.stringify(convergence));
});

test('a mesh converges by anti-entropy alone with gossip lost wholly (failure mode 6)', async () => {
  const { convergence } = await holds({ scenario: 'loss', stacks: 32, minutes: 0.5, changes: 20, loss: 1 });
  const worst = convergence['lossy']?.last.worst ?? Number.NaN;
  assert.ok(worst > 1_000 && worst < 120_000, `${worst} ms`);
});

for (const [words, minutes] of [
  ['10 s', 1 / 6],
  ['10 min', 10],
] as const) {
  test(`halves that were parted for ${words} have every record again, with nothing done by hand (failure mode 7)`, async () => {
    const { outcome } = await holds({ scenario: 'partition', stacks: 16, minutes, changes: 20 });
    assert.ok((outcome['settledMs'] ?? Number.NaN) < 120_000);
  });
}

test('a mesh converges around links that carry one way only (failure mode 8)', async () => {
  await holds({ scenario: 'one-way', stacks: 16, minutes: 1, changes: 20 });
});

test('who stands still for less than two pings is never called away; for longer it is down to all, and up again by itself (failure mode 9)', async () => {
  const { outcome, shown } = await holds({ scenario: 'stall', stacks: 16, minutes: 1, changes: 15 });
  assert.ok((outcome['knownMs'] ?? Number.NaN) < 8_000, JSON.stringify(outcome));
  assert.ok((outcome['backMs'] ?? Number.NaN) < 30_000, JSON.stringify(outcome));
  assert.equal(shown['down'], undefined);
});

test('four zones know one another, and a record of another zone is found within a second', async () => {
  const { outcome } = await holds({ scenario: 'zones', stacks: 24, zones: 4, minutes: 0.5, changes: 5 });
  assert.ok((outcome['summaryWorstMs'] ?? Number.NaN) < 180_000, JSON.stringify(outcome));
  assert.ok((outcome['findP50Ms'] ?? Number.NaN) < 1_000, JSON.stringify(outcome));
});

test('of two zones of 400 that lost all but their gateways these stay up to one another', async () => {
  const { shown, convergence } = await holds({
    ...{ scenario: 'change', stacks: 800, zones: 2, wholeZones: 0, minutes: 7, changes: 4 },
  });
  assert.deepEqual(Object.keys(shown), ['up']);
  assert.ok((convergence['calm']?.last.worst ?? Number.NaN) < 1_000, JSON.stringify(convergence));
});

test('wall clocks off by an hour and jumping by a year lose nothing (failure mode 11)', async () => {
  await holds({ scenario: 'skew', stacks: 16, minutes: 2, changes: 30 });
});

test('a stack that flaps ten times among others that die and come again loses nothing (failure mode 26)', async () => {
  await holds({ scenario: 'churn', stacks: 16, minutes: 1, changes: 20 });
});

test('a third that dies and comes again at once is taken in again, and the storm stays small (failure mode 27)', async () => {
  const { outcome } = await holds({ scenario: 'restart', stacks: 32, minutes: 0.5, changes: 20 });
  assert.ok((outcome['sentBytesASecondWorst'] ?? Number.NaN) < 100_000, JSON.stringify(outcome));
});

test('a stack that died is known to be down by all within half a minute, and by all up again when it comes', async () => {
  const { outcome } = await holds({ scenario: 'dead', stacks: 16, changes: 5 });
  assert.ok((outcome['hostGoneDownMs'] ?? Number.NaN) < 30_000, JSON.stringify(outcome));
  assert.ok((outcome['processKilledDownMs'] ?? Number.NaN) < 3_000, JSON.stringify(outcome));
});

test('30 stacks join one mesh at once, and all know one another (failure mode 4)', async () => {
  await holds({ scenario: 'join', stacks: 31, minutes: 0.2, changes: 5 });
});

test('five hours of four stacks that write and die and come again leave nothing behind (failure mode 32)', async () => {
  const { outcome } = await holds({ scenario: 'soak', stacks: 4, minutes: 5 * 60, changes: 30 });
  // About 110 KB, of which caches with a bound are half; 100 bytes left for each exchange of heads would make it 500 KB.
  assert.ok((outcome['heapBytesAnHour'] ?? Number.NaN) < 300_000, JSON.stringify(outcome));
});
