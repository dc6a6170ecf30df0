// That a step in a real engine reaches nothing, fills nothing and leaves nothing.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openDockerSandbox } from '#container-ci/docker';
import { openEngineRunner, stepLabel } from '../../../daemon/steps/index.ts';
import { runStep, stepOf, stepRunnerContract } from '../../manifests/steps/step-runner.contract.ts';
import { engineWanted } from '../../support/private-engine.ts';
import { ceiling, type EngineTrial, openTrial, stack } from './engines.ts';

const skip: string | false = engineWanted() ? false : 'HERMESH_TEST_ENGINE=none';
const options = { skip, timeout: 300_000 };
const signal = AbortSignal.timeout(600_000);

let shared: Promise<EngineTrial> | undefined;
async function open(): Promise<EngineTrial> {
  shared ??= openTrial();
  return { ...(await shared), async [Symbol.asyncDispose]() {} };
}
after(async () => void (await (await shared)?.[Symbol.asyncDispose]()));

stepRunnerContract('in Docker', open, options);

test('a step has no network but its own loopback, and no capabilities', options, async () => {
  await using trial = await open();
  const step = await stepOf(trial, [
    'ls /sys/class/net > /out/net',
    'cat /proc/self/status > /out/status',
    'hostname 2>/dev/null || cat /proc/sys/kernel/hostname',
  ]);
  const { files, lines } = await runStep(trial, step);
  assert.equal(files['out/net'], 'lo\n');
  assert.match(files['out/status'] ?? '', /CapEff:\s0{16}\nCapBnd:\s0{16}/);
  assert.match(files['out/status'] ?? '', /NoNewPrivs:\s1/);
  assert.deepEqual(lines, ['build']);
});

test('a step that forks without end, fills its disks or its memory is ended with the reason', options, async () => {
  await using trial = await open();
  const forks = await stepOf(trial, ['while :; do sleep 60 & done'], { processes: 32, seconds: 30 });
  await assert.rejects(runStep(trial, forks), ({ lines }: { lines: string[] }) => /fork/i.test(lines.join()));
  for (const place of ['/out/fill', '/tmp/fill', '/dev/shm/fill']) {
    const fill = await stepOf(trial, [`cat /dev/zero > ${place}`], { maxBytes: 4 << 20, memoryMib: 128 });
    const error = await runStep(trial, fill).catch((fault: unknown) => fault);
    assert.ok(error instanceof Error && 'lines' in error, place);
    assert.match(`${error.message} ${String(error.lines)}`, /No space left|more than 128 MiB/, place);
  }
  const hungry = await stepOf(trial, ['head -c 500M /dev/zero | tail'], { memoryMib: 64 });
  await assert.rejects(runStep(trial, hungry), { message: /more than 64 MiB of memory/ });
});

test('nothing stays in the engine, and what a killed daemon left is removed at the next start', options, async () => {
  await using trial = await open();
  const sandbox = await openDockerSandbox({ endpoint: trial.socket });
  const label = `${stepLabel}=${stack}`;
  assert.deepEqual(await sandbox.labelled(label, { signal }), { containers: [], volumes: [] });
  const cut = new AbortController();
  const step = await stepOf(trial, ['echo begun', 'sleep infinity']);
  // A daemon that is killed removes nothing: everything that it would remove with fails.
  const dead = { ...sandbox, removeContainer: async () => {}, removeVolume: async () => {} };
  const runner = await openEngineRunner({ sandbox: dead, blobs: trial.blobs, stack, ceiling }, { signal });
  const gone = runner.run(step, { signal: cut.signal, output: () => cut.abort(new Error('killed')) });
  await assert.rejects(gone, { message: 'killed' });
  const left = await sandbox.labelled(label, { signal });
  assert.deepEqual([left.containers.length, left.volumes.length], [2, 2]);
  await openEngineRunner({ sandbox, blobs: trial.blobs, stack, ceiling }, { signal });
  assert.deepEqual(await sandbox.labelled(label, { signal }), { containers: [], volumes: [] });
});

test('what a host does not give and a platform that it has not are refused', options, async () => {
  await using trial = await open();
  const large = await stepOf(trial, ['exit 0'], { memoryMib: 1 << 20 });
  await assert.rejects(runStep(trial, large), { code: 'step-failed', message: /at most 8192/ });
  const foreign = { ...(await stepOf(trial, ['exit 0'])), platform: 'linux/arm64' as const };
  await assert.rejects(runStep(trial, foreign), { code: 'no-runner' });
  const bare = { ...(await stepOf(trial, ['exit 0'])), root: trial.root.slice(1) };
  await assert.rejects(runStep(trial, bare), { code: 'step-failed', message: /"dash"/ });
});
