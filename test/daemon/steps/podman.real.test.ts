// That a step gives the same result in Podman as in Docker.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { openDockerSandbox } from '#container-ci/docker';
import { openBlobStore } from '#manifests';
import { openEngineRunner, stepLabel } from '../../../daemon/steps/index.ts';
import { openFolder } from '../../manifests/folder.ts';
import { runStep, stepOf } from '../../manifests/steps/step-runner.contract.ts';
import { eventually } from '../../support/deadline.ts';
import { ensurePrograms } from '../../support/debian-packages.ts';
import { callEngine, engineWanted } from '../../support/private-engine.ts';
import { ceiling, openTrial, rootOf, stack } from './engines.ts';

const skip = engineWanted() ? ((await ensurePrograms({ podman: 'podman' })) ?? false) : 'HERMESH_TEST_ENGINE=none';
const signal = AbortSignal.timeout(300_000);

test('a step leaves the same in Podman as in Docker', { skip, timeout: 300_000 }, async () => {
  await using closing = new AsyncDisposableStack();
  const docker = closing.use(await openTrial());
  const folder = closing.use(await openFolder());
  const socket = path.join(folder.path, 'sock');
  const places = ['--root', path.join(folder.path, 'root'), '--runroot', path.join(folder.path, 'run')];
  const settings = ['--tmpdir', path.join(folder.path, 'tmp'), '--runtime', 'runc', '--cgroup-manager', 'cgroupfs'];
  const serve = ['system', 'service', '--time', '0', `unix://${socket}`];
  const podman = spawn('podman', [...places, ...settings, ...serve], { stdio: 'ignore' });
  closing.defer(async () => {
    podman.kill('SIGTERM');
    await promisify(execFile)('podman', [...places, ...settings, 'system', 'reset', '--force']).catch(() => {});
  });
  await eventually(
    'Podman answers',
    async () =>
      await callEngine(socket, 'GET', '/_ping').then(
        () => true,
        () => false,
      ),
  );
  const blobs = await openBlobStore(path.join(folder.path, 'blobs'));
  const root = await rootOf(['dash', 'coreutils', 'usr-is-merged'], docker.folder, blobs);
  assert.deepEqual(root, docker.root);
  const sandbox = await openDockerSandbox({ endpoint: socket });
  const runner = await openEngineRunner({ sandbox, blobs, stack, ceiling }, { signal });
  const run = [
    'env | sort > /out/env',
    'id > /out/id',
    'umask > /out/umask',
    'ls -ln /src/given > /out/src',
    'cat /proc/sys/kernel/hostname > /out/host',
  ];
  const expected = await runStep(docker, await stepOf(docker, run));
  const other = { ...docker, runner, blobs };
  assert.deepEqual(await runStep(other, await stepOf(other, run)), expected);
  const fails = runner.run(await stepOf(docker, ['exit 3']), { signal, output: () => {} });
  await assert.rejects(fails, { code: 'step-failed', message: /exit code 3/ });
  assert.deepEqual(await sandbox.labelled(`${stepLabel}=${stack}`, { signal }), { containers: [], volumes: [] });
});
