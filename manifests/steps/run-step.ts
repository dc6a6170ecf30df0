// How the result of a step is had: remembered by its key, or run apart from the world with what its lock files name, and kept.
import type { Manifest } from '#manifests/schema';
import type { BlobInfo, BlobStore } from '../blobs.ts';
import { canonicalJson, type Digest, digestOf } from '../digest.ts';
import { ManifestError, pointerOf } from '../error.ts';
import { readLayerNote, writeLayerNote } from '../notes.ts';
import type { BuildStepRun, BuildSteps, StepOptions } from '../step-results.ts';
import type { ArtifactSource } from './artifact.ts';
import { cacheLayer } from './cache-layer.ts';
import { compareResults, type ResultDifference } from './compare.ts';
import { stepEnvironment } from './environment.ts';
import { canonicalResult, isCanonicalResult } from './result.ts';
import { type SharedResults, vouchedResult } from './shared.ts';
import type { StepLimits, StepMount, StepRunner } from './step-runner.ts';
import { systemLayer } from './system.ts';
import { toolLayer } from './tools.ts';

/** Enough for the compilers of most projects; a manifest may ask for more of what its host has. */
const defaultLimits = { memoryMib: 4096, processes: 2048, seconds: 1800 };
/** A result beyond this is a machine, not an application: they are checked, hashed and moved as one layer. */
const resultLimits = { maxBytes: 2 * 1024 ** 3, maxEntries: 200_000 };
/** What is told of a step that failed: what compilers say last, cut where one line is endless. */
const toldLines = 20;
const toldLineCharacters = 400;
const toldFiles = 20;
const toldBuilders = 3;

export interface StepWork {
  readonly manifest: Manifest;
  readonly blobs: BlobStore;
  readonly runner: StepRunner;
  readonly artifacts: ArtifactSource;
  /** True runs each step twice, with nothing remembered, and throws `not-reproducible` where the results differ. */
  readonly check: boolean;
  /** What other stacks got of steps, and where this one tells what it got; undefined where nothing is shared. */
  readonly shared?: SharedResults | undefined;
  /** Each line that a step prints. */
  readonly output?: (line: { readonly application: string; readonly step: string; readonly text: string }) => void;
}

/**
 * The way to run the steps of one build. Throws `step-failed` with the last lines of output, `not-reproducible` with the files
 * that differ, `lock-mismatch` where a lock file can't be trusted, and what the seams throw.
 */
export function openSteps(work: StepWork): BuildSteps {
  const { blobs, manifest, check, shared } = work;
  const keyOf = (step: Pick<BuildStepRun, 'key'>): Digest => stepResultKey(step, manifest.packaging.epoch);
  return {
    async remembered(planned, options) {
      if (check) return undefined;
      const key = keyOf(planned);
      const known = await readLayerNote(blobs, 'step', key);
      if (known) return known.layer.digest;
      const layer = shared && (await takeShared(key, { ...work, shared }, options));
      if (!layer) return undefined;
      await writeLayerNote(blobs, 'step', key, { layer, nodes: {} });
      return layer.digest;
    },
    async run(run, options) {
      const layer = await runOnce(run, work, options);
      if (check) {
        options.report({ message: 'running it again' });
        const again = await runOnce(run, work, options);
        const differences = await compareResults(blobs, layer.digest, again.digest);
        if (differences.length > 0) throw notReproducible(run, work, differences);
      }
      const key = keyOf(run);
      await writeLayerNote(blobs, 'step', key, { layer, nodes: {} });
      shared?.made(key, layer);
      return layer.digest;
    },
  };
}

/** What others vouch for, where it comes and is as a step's result must be; else the step is run, whatever went wrong. */
async function takeShared(
  key: Digest,
  { blobs, manifest, shared }: StepWork & { readonly shared: SharedResults },
  { signal, report }: StepOptions,
): Promise<BlobInfo | undefined> {
  const vouched = vouchedResult(shared.claims(key));
  if (!vouched) return undefined;
  const { layer: digest, sizeBytes } = vouched;
  const by = vouched.by.map(({ stackName }) => stackName).slice(0, toldBuilders);
  report({ message: `taking what ${by.join(' and ')} got` });
  try {
    await shared.bring(vouched, { signal });
    const epochSeconds = manifest.packaging.epoch;
    if (await isCanonicalResult(digest, { blobs, epochSeconds, limits: resultLimits, signal }))
      return { digest, sizeBytes };
    report({ message: `what ${by.join(' and ')} got is no result of a step; running it` });
  } catch (error) {
    signal.throwIfAborted();
    report({ message: `it did not come (${(error as Error).message}); running it` });
  }
  return undefined;
}

/** What a result is remembered and shared by: the key of the step, and the time that its files and tools were told. */
export function stepResultKey(run: Pick<BuildStepRun, 'key'>, epochSeconds: number): Digest {
  return digestOf(`hermesh-step-result/1\0${canonicalJson({ key: run.key, epochSeconds })}`);
}

async function runOnce(
  run: BuildStepRun,
  work: StepWork,
  options: {
    readonly signal: AbortSignal;
    readonly useCache: boolean;
    readonly report: (progress: { readonly message: string }) => void;
  },
) {
  const { blobs, runner, artifacts, manifest } = work;
  const { signal, report, useCache } = options;
  const epochSeconds = manifest.packaging.epoch;
  const layers = { blobs, artifacts, signal, useCache, report, epochSeconds, place: pointerOfStep(run, work) };
  const root = [...run.root];
  const tools = await toolLayer(run, layers);
  if (tools !== undefined) root.push(tools);
  if (root.length === 0)
    throw failed(run, work, 'it has no toolchain, not even a shell', 'name "dash" in its "debian"');
  root.push((await systemLayer(root, layers)).digest);
  const mounts: StepMount[] = [{ path: '/src', layer: run.sourceLayer }];
  for (const { name, layer } of run.results) mounts.push({ path: `/steps/${name}`, layer });
  const caches = await cacheLayer(run, layers);
  mounts.push(...caches.mounts);
  const lines: string[] = [];
  const output = (text: string): void => {
    lines.push(text.slice(0, toldLineCharacters));
    if (lines.length > toldLines) lines.shift();
    work.output?.({ application: run.application, step: run.step.name, text });
  };
  const limits = limitsOf(run);
  const environment = stepEnvironment({ own: run.step.environment, caches: run.step.caches, epochSeconds });
  try {
    report({ message: 'running' });
    const step = {
      root,
      mounts,
      run: [...caches.prepare, ...run.step.run],
      environment,
      platform: run.platform,
      limits,
    };
    const raw = await runner.run(step, { signal, output });
    return await canonicalResult(raw, { blobs, epochSeconds, limits, signal });
  } catch (error) {
    if (!(error instanceof ManifestError) || !['step-failed', 'too-large'].includes(error.code)) throw error;
    throw failed(run, work, error.message, hintOf(lines), lines, error);
  }
}

function limitsOf({ step }: BuildStepRun): StepLimits {
  const { memory_mib, processes, seconds } = step.limits;
  return {
    ...resultLimits,
    memoryMib: memory_mib ?? defaultLimits.memoryMib,
    processes: processes ?? defaultLimits.processes,
    seconds: seconds ?? defaultLimits.seconds,
  };
}

/** What the last lines are signs of, and how to mend it; the first that fits. */
const signs: readonly (readonly [RegExp, string])[] = [
  [
    /EAI_AGAIN|ENOTFOUND|ENOTCACHED|ENETUNREACH|Could not resolve|Temporary failure in name resolution|Network is unreachable|Name or service not known/,
    'a step has no network: name the lock file in "lockfiles" and its kind in the step\'s "caches"',
  ],
  [/EROFS|[Rr]ead-only file system/, 'only /tmp and /out can be written to: copy the source to /tmp first'],
  [/ENOSPC|No space left on device/, 'give it more "limits.memory_mib": /tmp and /out lie in its memory'],
  [
    /EAGAIN|Cannot fork|can't fork|Resource temporarily unavailable/,
    'start fewer processes, or give it more "limits.processes"',
  ],
  [/: not found|command not found|ENOENT.*spawn/, 'name the package that has this program in the step\'s "debian"'],
];

function hintOf(lines: readonly string[]): string | undefined {
  const text = lines.join('\n');
  return signs.find(([sign]) => sign.test(text))?.[1];
}

function pointerOfStep({ application, step }: BuildStepRun, { manifest }: StepWork): string {
  const steps = manifest.applications[application]?.build.steps ?? [];
  const index = steps.findIndex(({ name }) => name === step.name);
  return pointerOf(['applications', application, 'build', 'steps', index]);
}

function failed(
  run: BuildStepRun,
  work: StepWork,
  state: string,
  mend: string | undefined,
  lines: readonly string[] = [],
  cause?: unknown,
): ManifestError {
  const pointer = pointerOfStep(run, work);
  const said = lines.length === 0 ? '' : `\n${lines.map((line) => `  | ${line}`).join('\n')}`;
  return new ManifestError(
    'step-failed',
    `Cannot build "${run.application}": step "${run.step.name}" (${pointer}): ${state}${mend ? `; ${mend}` : ''}${said}`,
    { cause, problems: [{ pointer, line: undefined, message: state, mend }] },
  );
}

function notReproducible(run: BuildStepRun, work: StepWork, differences: readonly ResultDifference[]): ManifestError {
  const pointer = pointerOfStep(run, work);
  const shown = differences.slice(0, toldFiles).map(({ path, what }) => `  /out/${path}: ${what}`);
  if (differences.length > shown.length) shown.push(`  and ${differences.length - shown.length} more`);
  const count = differences.length === 1 ? '1 path' : `${differences.length} paths`;
  const problems = differences.slice(0, 100).map(({ path, what }) => ({
    pointer,
    line: undefined,
    message: `/out/${path}: ${what}`,
    mend: undefined,
  }));
  return new ManifestError(
    'not-reproducible',
    `Cannot vouch for step "${run.step.name}" of "${run.application}" (${pointer}): run twice, it left ${count} that differ\n${shown.join('\n')}`,
    { problems },
  );
}
