// That a step gives the same result in Podman as in Docker.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openDockerSandbox } from '#container-ci/docker';
import { openBlobStore } from '#manifests';
import { openEngineRunner, stepLabel } from '../../../daemon/steps/index.ts';
import { openFolder } from '../../manifests/folder.ts';
import { runStep, stepOf } from '../../manifests/steps/step-runner.contract.ts';
import { ceiling, openTrial, rootOf, stack, startPodman, whyNoPodman } from './engines.ts';

const skip = await whyNoPodman();
const signal = AbortSignal.timeout(300_000);

test('a step leaves the same in Podman as in Docker', { skip, timeout: 300_000 }, async () => {
  await using closing = new AsyncDisposableStack();
  const docker = closing.use(await openTrial());
  const folder = closing.use(await openFolder());
  const { socket } = closing.use(await startPodman(folder.path));
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
