// A thousand stacks with the registry's own code, and a day's partition: too long for every run.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type Report, simulate } from './simulate.ts';

/** A thousand stacks hold a million feeds; the size of a heap is settled when a process starts. */
const heap = ['--max-old-space-size=9000', '--max-semi-space-size=64', '--heap-growing-percent=35'];

test('halves of 16 stacks that were parted for a day have every record again, with nothing done by hand (failure mode 7)', async () => {
  const report = await simulate({ scenario: 'partition', stacks: 16, seed: 'day', minutes: 24 * 60, changes: 100 });
  assert.deepEqual(report.violations, [], report.replay);
});

test('a change reaches the last of 1,000 stacks as the logarithm grows, and each sends at most 40 KB/s at rest', async () => {
  // Up to 64 all are connected with all, and a change is one hop away: that says nothing of how it grows beyond.
  const [few, many] = [await changeAmong(100), await changeAmong(1_000)];
  assert.deepEqual([...few.violations, ...many.violations], [], many.replay);
  const { sentBytesASecond, receivedBytesASecond } = many.outcome;
  assert.ok((sentBytesASecond ?? Number.NaN) <= 40_000, `sent ${sentBytesASecond} bytes/s`);
  assert.ok((receivedBytesASecond ?? Number.NaN) <= 40_000, `received ${receivedBytesASecond} bytes/s`);
  const [fewMs, manyMs] = [few, many].map(({ convergence }) => convergence['calm']?.last.p50 ?? Number.NaN);
  const growth = (manyMs ?? Number.NaN) / (fewMs ?? Number.NaN);
  assert.ok(growth <= Math.log(1_000) / Math.log(100), `${fewMs} ms became ${manyMs} ms`);
});

/** The report also of a run in which a check broke: the command exits with 1 then. */
async function changeAmong(stacks: number): Promise<Report> {
  const main = path.join(import.meta.dirname, 'main.ts');
  const flags = ['--scenario', 'change', '--seed', 'scale', '--minutes', '0.5', '--changes', '60', '--json'];
  const done = promisify(execFile)(process.execPath, [...heap, main, '--stacks', `${stacks}`, ...flags], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const { stdout } = await done.catch((error: { readonly stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  assert.notEqual(stdout, '', `the simulation of ${stacks} stacks did not end`);
  return JSON.parse(stdout) as Report;
}
