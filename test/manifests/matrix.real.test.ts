// The matrix of determinism, the part with real programs: Debian's packages and gcc, steps run in Docker and in Podman.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDockerSandbox } from '#container-ci/docker';
import {
  type BlobStore,
  type Build,
  buildImages,
  type Digest,
  lockManifest,
  openBlobStore,
  parseManifest,
} from '#manifests';
import { readTar } from '#manifests/debian';
import { openSteps, type StepRunner } from '#manifests/steps';
import { openAptPackageSource } from '../../daemon/apt.ts';
import { openEngineRunner, openRegistries } from '../../daemon/steps/index.ts';
import { ceiling, openTrial, stack, startPodman, whyNoPodman } from '../daemon/steps/engines.ts';
import { openFolder } from './folder.ts';
import { checkOut, type Files, perturbations } from './matrix-perturbations.ts';
import { digestsOf } from './matrix-project.ts';

const skip = await whyNoPodman();
const signal = AbortSignal.timeout(600_000);

const files: Files = [
  [
    'app/main.c',
    '#include <stdio.h>\nint main(void) { puts(__DATE__ " " __TIME__ " " __FILE__ " " BUILT); return 0; }\n',
  ],
  ['app/lib/one', 'the same'],
  ['app/lib/two', 'the same'],
  ['app/run.sh', '#!/bin/sh\n'],
];
// The time, the host's name and the order of folders are what builds are known to let in.
const run = [
  'gcc -g -O2 -DBUILT="\\"$(cat /proc/sys/kernel/hostname)\\"" -o /out/main main.c',
  '/out/main > /out/said',
  'ls -1 lib > /out/listed',
];
const text = {
  manifest_version: '1.0',
  project: { name: 'matrix' },
  applications: {
    app: {
      source: { path: 'app' },
      build: { steps: [{ name: 'build', debian: ['coreutils', 'dash', 'gcc', 'libc6-dev', 'usr-is-merged'], run }] },
    },
  },
  containers: {
    web: {
      debian: ['mount'],
      applications: { app: { destination: '/srv/app', content: ['source', 'build'] } },
      files: [{ source: 'app/run.sh', destination: '/usr/local/bin/run', mode: '4755' }],
    },
  },
};

test('gcc, packages of Debian and setuid files: the same digests in Docker and in Podman, from another checkout', {
  skip,
  timeout: 600_000,
}, async () => {
  await using closing = new AsyncDisposableStack();
  const docker = closing.use(await openTrial([]));
  const folder = closing.use(await openFolder());
  const { socket } = closing.use(await startPodman(await made(folder.path, 'podman')));
  const packages = openAptPackageSource({ directory: path.join(folder.path, 'apt') });
  const manifest = parseManifest(JSON.stringify(text), { file: 'manifest.json' });
  const lock = await lockManifest(manifest, packages, { signal, report: () => {} });
  const build = async (directory: string, blobs: BlobStore, runner: StepRunner): Promise<Build> => {
    const steps = openSteps({ manifest, blobs, runner, artifacts: openRegistries().artifacts, check: false });
    const request = { manifest, lock, directory, blobs, packages, steps, signal, report: () => {} };
    return await buildImages({ ...request, useCache: true });
  };
  const usual = await made(folder.path, 'usual');
  await checkOut(usual, files);
  const first = await build(usual, docker.blobs, docker.runner);

  const other = await made(folder.path, 'another place');
  const umask = process.umask(0o002);
  await checkOut(other, [...files].reverse());
  process.umask(umask);
  // All at once; the twins stay two files, since what has two names has one time.
  for (const { name, change } of perturbations) if (name !== 'hard links for copies') await change?.(other, files);
  const blobs = await openBlobStore(path.join(folder.path, 'blobs'));
  const sandbox = await openDockerSandbox({ endpoint: socket });
  const runner = await openEngineRunner({ sandbox, blobs, stack, ceiling }, { signal });
  assert.deepEqual(digestsOf(await build(other, blobs, runner)), digestsOf(first));

  const modes = await modesOf(first.images[0]?.digest as Digest, docker.blobs);
  assert.equal(modes.get('bin/mount'), 0o4755);
  assert.equal(modes.get('usr/local/bin/run'), 0o4755);
  assert.equal(modes.get('srv/app/main'), 0o755);
  await writeFile(path.join(other, 'app/lib/three'), '');
  assert.notDeepEqual(digestsOf(await build(other, blobs, runner)), digestsOf(first), 'the step sees its sources');
});

async function made(folder: string, name: string): Promise<string> {
  await mkdir(path.join(folder, name));
  return path.join(folder, name);
}

async function modesOf(image: Digest, blobs: BlobStore): Promise<Map<string, number>> {
  const { layers } = JSON.parse(Buffer.from(await blobs.bytes(image, { maxBytes: 1 << 20 })).toString()) as {
    layers: { digest: Digest }[];
  };
  const modes = new Map<string, number>();
  for (const { digest } of layers)
    for await (const { path: at, mode } of readTar(blobs.read(digest))) modes.set(at, mode);
  return modes;
}
