// A private engine with a runner over it, and a root of Debian's packages: made once for all tests of a file.
import { execFile, spawn } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { openDockerSandbox } from '#container-ci/docker';
import { type BlobStore, type Digest, openBlobStore, type Platform } from '#manifests';
import type { StepRunner } from '#manifests/steps';
import { openAptPackageSource } from '../../../daemon/apt.ts';
import { openEngineRunner } from '../../../daemon/steps/index.ts';
import { packagesLayer } from '../../../manifests/package-layer.ts';
import { systemLayer } from '../../../manifests/steps/system.ts';
import { openFolder } from '../../manifests/folder.ts';
import { eventually } from '../../support/deadline.ts';
import { ensurePrograms } from '../../support/debian-packages.ts';
import { callEngine, engineWanted, startPrivateEngine } from '../../support/private-engine.ts';

export const stack = 'test-stack';
export const ceiling = { memoryMib: 8192, processes: 4096, seconds: 3600 };
const signal = AbortSignal.timeout(600_000);

export interface EngineTrial extends AsyncDisposable {
  readonly socket: string;
  readonly folder: string;
  readonly runner: StepRunner;
  /** The same engine over another store. */
  runnerOver(blobs: BlobStore): StepRunner;
  readonly blobs: BlobStore;
  readonly root: readonly Digest[];
  readonly platform: Platform;
}

/** The root of these packages in a store. */
export async function rootOf(names: readonly string[], folder: string, blobs: BlobStore): Promise<Digest[]> {
  const packages = openAptPackageSource({ directory: path.join(folder, 'apt') });
  const locked = await packages.resolve(names, 'linux/amd64', { signal });
  const work = { blobs, packages, signal, useCache: true, progress: () => {}, epochSeconds: 0 };
  const { layer } = await packagesLayer(locked, { base: undefined, epochSeconds: 0 }, work);
  return [layer.digest, (await systemLayer([layer.digest], work)).digest];
}

export async function openTrial(
  names: readonly string[] = ['dash', 'coreutils', 'usr-is-merged'],
): Promise<EngineTrial> {
  const closing = new AsyncDisposableStack();
  const folder = closing.use(await openFolder());
  const { socket } = closing.use(await startPrivateEngine({ name: 'steps' }));
  const blobs = await openBlobStore(path.join(folder.path, 'blobs'));
  const root = names.length === 0 ? [] : await rootOf(names, folder.path, blobs);
  const sandbox = await openDockerSandbox({ endpoint: socket });
  const runners = new Map<BlobStore, StepRunner>();
  const runner = await openEngineRunner({ sandbox, blobs, stack, ceiling }, { signal });
  runners.set(blobs, runner);
  const runnerOver = (other: BlobStore): StepRunner => ({
    async run(step, options) {
      const known = runners.get(other) ?? (await openEngineRunner({ sandbox, blobs: other, stack, ceiling }, options));
      runners.set(other, known);
      return await known.run(step, options);
    },
  });
  const dispose = () => closing.disposeAsync();
  return {
    socket,
    folder: folder.path,
    runner,
    runnerOver,
    blobs,
    root,
    platform: 'linux/amd64',
    [Symbol.asyncDispose]: dispose,
  };
}

/** Why there is no Podman to try; false where there is. */
export async function whyNoPodman(): Promise<string | false> {
  if (!engineWanted()) return 'HERMESH_TEST_ENGINE=none';
  return (await ensurePrograms({ podman: 'podman' })) ?? false;
}

/** Podman's service over a store of its own below `folder`. */
export async function startPodman(folder: string): Promise<AsyncDisposable & { readonly socket: string }> {
  const socket = path.join(folder, 'sock');
  const places = ['--root', path.join(folder, 'root'), '--runroot', path.join(folder, 'run')];
  const settings = ['--tmpdir', path.join(folder, 'tmp'), '--runtime', 'runc', '--cgroup-manager', 'cgroupfs'];
  const serve = ['system', 'service', '--time', '0', `unix://${socket}`];
  const podman = spawn('podman', [...places, ...settings, ...serve], { stdio: 'ignore' });
  await eventually(
    'Podman answers',
    async () =>
      await callEngine(socket, 'GET', '/_ping').then(
        () => true,
        () => false,
      ),
  );
  return {
    socket,
    async [Symbol.asyncDispose]() {
      podman.kill('SIGTERM');
      await promisify(execFile)('podman', [...places, ...settings, 'system', 'reset', '--force']).catch(() => {});
    },
  };
}
