// How the result of a build step is had: what it needs first, each key run once, two side by side at most.
import type { NodeSource } from '#manifests/runtimes';
import type { Manifest } from '#manifests/schema';
import type { Digest } from './digest.ts';
import { ManifestError } from './error.ts';
import type { PlannedStep } from './inputs.ts';
import { maxLayerBytes, sourceEntries } from './layers.ts';
import { nodeLayer } from './node-layer.ts';
import { type LayerWork, packagesLayer } from './package-layer.ts';
import { writeTar } from './tar.ts';

/** A step that is to be run, and everything it may see, as canonical tars in the blob store. */
export interface BuildStepRun extends PlannedStep {
  /** The layers of its root, from the bottom: its toolchain. */
  readonly root: readonly Digest[];
  /** What stands at /src. */
  readonly sourceLayer: Digest;
  /** What stands at /steps/NAME. */
  readonly results: readonly { readonly name: string; readonly layer: Digest }[];
}

/** What the results of steps are had by: each is the digest of a canonical tar of its /out, which is in the blob store then. */
export interface BuildSteps {
  /** A result that is known without anything being run or fetched for it; undefined where there is none that counts. */
  remembered(planned: PlannedStep, options: StepOptions): Promise<Digest | undefined>;
  /** Runs it. `useCache` false takes nothing that is kept of what it is made of. */
  run(run: BuildStepRun, options: StepOptions & { readonly useCache: boolean }): Promise<Digest>;
}

export interface StepOptions {
  readonly signal: AbortSignal;
  readonly report: (progress: { readonly message: string }) => void;
}

/** Compilers use all cores and much memory. */
const stepsAtOnce = 2;

/** The results of steps, each key once however many containers ask for it. Throws `no-runner` where nothing here can run steps. */
export function openStepResults(
  work: Omit<LayerWork, 'progress'> & {
    readonly manifest: Manifest;
    readonly steps?: BuildSteps;
    readonly nodes?: NodeSource;
  },
): (
  steps: Readonly<Record<string, PlannedStep>>,
  name: string,
  signal: AbortSignal,
  progress: (message: string) => void,
) => Promise<Digest> {
  const results = new Map<Digest, Promise<Digest>>();
  const turns = openTurns(stepsAtOnce);
  const epochSeconds = work.manifest.packaging.epoch;
  const resultOf: ReturnType<typeof openStepResults> = (steps, name, signal, progress) => {
    const planned = steps[name] as PlannedStep;
    const make = async (): Promise<Digest> => {
      const needed = await Promise.all(
        planned.step.needs.map(async (other) => ({
          name: other,
          layer: await resultOf(steps, other, signal, progress),
        })),
      );
      using _turn = await turns();
      signal.throwIfAborted();
      return await runOne(planned, needed, signal, progress);
    };
    const result = results.get(planned.key) ?? make();
    results.set(planned.key, result);
    return result;
  };
  const runOne = async (
    planned: PlannedStep,
    results: BuildStepRun['results'],
    signal: AbortSignal,
    progress: (message: string) => void,
  ): Promise<Digest> => {
    const label = `step "${planned.step.name}" of "${planned.application}"`;
    const report = ({ message }: { message: string }): void => progress(`${label}: ${message}`);
    if (work.steps === undefined)
      throw new ManifestError(
        'no-runner',
        `Cannot run ${label}: nothing here runs steps; start a stack with an engine`,
      );
    const known = work.useCache ? await work.steps.remembered(planned, { signal, report }) : undefined;
    if (known !== undefined) return known;
    progress(`preparing ${label}`);
    const root: Digest[] = [];
    if (planned.toolchain.length > 0) {
      const layerWork = { ...work, signal, progress: (message: string) => progress(`${label}: ${message}`) };
      root.push((await packagesLayer(planned.toolchain, { base: undefined, epochSeconds }, layerWork)).layer.digest);
    }
    if (planned.node !== undefined)
      root.push(await nodeLayer(planned.node, planned.platform, { ...work, signal, epochSeconds }));
    const tar = writeTar(sourceEntries(planned.source), { epochSeconds });
    const source = await work.blobs.write(tar, { maxBytes: maxLayerBytes, signal });
    progress(`running ${label}`);
    const run = { ...planned, root, sourceLayer: source.digest, results };
    return await work.steps.run(run, { useCache: work.useCache, signal, report });
  };
  return resultOf;
}

/** At most so many at a time, in the order in which they came. */
function openTurns(atOnce: number): () => Promise<Disposable> {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async () => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    return {
      [Symbol.dispose]() {
        const next = waiting.shift();
        if (next) next();
        else free += 1;
      },
    };
  };
}
