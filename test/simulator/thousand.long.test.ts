// A thousand stacks with the registry's own code, and a day's partition: too long for every run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { simulate } from './simulate.ts';

// A thousand stacks hold a million feeds.
setFlagsFromString('--max-old-space-size=9000');

test('halves of 16 stacks that were parted for a day have every record again, with nothing done by hand (failure mode 7)', async () => {
  const report = await simulate({ scenario: 'partition', stacks: 16, seed: 'day', minutes: 24 * 60, changes: 100 });
  assert.deepEqual(report.violations, [], report.replay);
});

test('a change reaches the last of 1,000 stacks as the logarithm grows, and each sends at most 40 KB/s at rest', async () => {
  const run = (stacks: number) => simulate({ scenario: 'change', stacks, seed: 'scale', minutes: 0.5, changes: 20 });
  const [few, many] = [await run(32), await run(1_000)];
  assert.deepEqual([...few.violations, ...many.violations], [], many.replay);
  const { sentBytesASecond, receivedBytesASecond } = many.outcome;
  assert.ok((sentBytesASecond ?? Number.NaN) <= 40_000, `sent ${sentBytesASecond} bytes/s`);
  assert.ok((receivedBytesASecond ?? Number.NaN) <= 40_000, `received ${receivedBytesASecond} bytes/s`);
  const [fewMs, manyMs] = [few, many].map(({ convergence }) => convergence['calm']?.last.p50 ?? Number.NaN);
  const growth = (manyMs ?? Number.NaN) / (fewMs ?? Number.NaN);
  assert.ok(growth <= Math.log(1_000) / Math.log(32), `${fewMs} ms became ${manyMs} ms`);
});
