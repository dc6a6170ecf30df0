// What a build is given for its steps, opened when the first step needs it: most builds have none.
import { availableParallelism, totalmem } from 'node:os';
import { openDockerSandbox } from '#container-ci/docker';
import { type BlobStore, type BuildSteps, type Manifest, ManifestError } from '#manifests';
import { openSteps, type SharedResults, type StepRunner } from '#manifests/steps';
import { openEngineRunner, removeLeftSteps } from './engine-runner.ts';
import { openRegistries } from './registries.ts';

/** A step may have most of the host's memory, and all day. */
const memoryShare = 0.9;
const processesPerCore = 4096;
const maxSeconds = 86_400;

export interface StepRunning extends ReturnType<typeof openRegistries> {
  /** Ends what a daemon that was killed left running. */
  sweep(options: { readonly signal: AbortSignal }): Promise<void>;
  /** The way to run the steps of one manifest. */
  steps(manifest: Manifest, options: { readonly check: boolean; readonly blobs: BlobStore }): BuildSteps;
}

/** `endpoint` is the socket of the stack's engine; undefined where it has none, and a step is then refused with `no-runner`. */
export function makeStepRunning({
  stack,
  endpoint,
  shared,
}: {
  readonly stack: string;
  readonly endpoint: string | undefined;
  readonly shared?: SharedResults;
}): StepRunning {
  const registries = openRegistries();
  const open = async (into: BlobStore, signal: AbortSignal): Promise<StepRunner> => {
    if (endpoint === undefined)
      throw new ManifestError('no-runner', 'Cannot run a step: this stack has no engine; start it on a host with one');
    const ceiling = {
      memoryMib: Math.floor((totalmem() * memoryShare) / 1024 ** 2),
      processes: availableParallelism() * processesPerCore,
      seconds: maxSeconds,
    };
    const sandbox = await openDockerSandbox({ endpoint });
    return await openEngineRunner({ sandbox, blobs: into, stack, ceiling }, { signal, sweep: false });
  };
  // One for each store: what a rebuild makes takes nothing of what is known here.
  const opened = new WeakMap<BlobStore, Promise<StepRunner>>();
  const runnerOver = (into: BlobStore): StepRunner => ({
    async run(step, options) {
      const opening = opened.get(into) ?? open(into, options.signal);
      opened.set(into, opening);
      // An engine that wasn't there may come back.
      opening.catch(() => opened.delete(into));
      return await (await opening).run(step, options);
    },
  });
  return {
    ...registries,
    async sweep(options) {
      if (endpoint !== undefined)
        await removeLeftSteps({ sandbox: await openDockerSandbox({ endpoint }), stack }, options);
    },
    steps: (manifest, { check, blobs }) =>
      openSteps({ manifest, blobs, runner: runnerOver(blobs), artifacts: registries.artifacts, check, shared }),
  };
}
