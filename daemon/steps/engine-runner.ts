// The stack's engine as StepRunner: a holder that has what the step sees and leaves, the step itself, and nothing of either afterwards.
import { randomUUID } from 'node:crypto';
import type { Sandbox, SandboxEnd, SandboxSpec } from '#container-ci/docker';
import { type BlobStore, ManifestError } from '#manifests';
import { rootArchive, rootImageName, type StepRun, type StepRunner } from '#manifests/steps';

/** Borne by all that a step needs in the engine, with the stack that made it. */
export const stepLabel = 'io.hermesh.step';
/** What is said of a step may come after it has ended; removing must not hang on a step that was cancelled. */
const cleanUpMs = 120_000;
/** Roots that are kept for the next build; each may have some hundred MB. */
const maxImages = 12;
const holderMemoryBytes = 64 * 1024 ** 2;
const mib = 1024 ** 2;

export interface EngineRunnerParts {
  readonly sandbox: Sandbox;
  readonly blobs: BlobStore;
  /** Whose steps these are: what it left behind when it was killed is removed at the next start. */
  readonly stack: string;
  /** What a step may have at most here, whatever its manifest asks. */
  readonly ceiling: { readonly memoryMib: number; readonly processes: number; readonly seconds: number };
}

/** Opens the runner, and removes what an earlier one left. Throws EngineError where the engine can't be reached. */
export async function openEngineRunner(
  parts: EngineRunnerParts,
  { signal, sweep = true }: { readonly signal: AbortSignal; readonly sweep?: boolean },
): Promise<StepRunner> {
  if (sweep) await removeLeftSteps(parts, { signal });
  const images = shareImages(parts);
  return { run: (step, options) => runStep(step, { ...parts, images }, options) };
}

/** Ends and removes what steps of a stack left in the engine; nothing of it may run now. */
export async function removeLeftSteps(
  { sandbox, stack }: Pick<EngineRunnerParts, 'sandbox' | 'stack'>,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const left = await sandbox.labelled(`${stepLabel}=${stack}`, { signal });
  for (const container of left.containers) await sandbox.removeContainer(container, { signal });
  for (const volume of left.volumes) await sandbox.removeVolume(volume, { signal });
}

async function runStep(
  step: StepRun,
  parts: EngineRunnerParts & { readonly images: (step: StepRun, signal: AbortSignal) => Promise<string> },
  { signal, output }: { readonly signal: AbortSignal; readonly output: (line: string) => void },
): Promise<AsyncIterable<Uint8Array>> {
  const { sandbox, blobs, stack } = parts;
  await refuseWhatCannotRun(step, parts, signal);
  const image = await parts.images(step, signal);
  await using undo = new AsyncDisposableStack();
  const prefix = `hermesh-step-${randomUUID().slice(0, 13)}`;
  const labels = { [stepLabel]: stack };
  const volumes = [...step.mounts.map(({ path }) => path), '/out'].map((path, index) => ({
    name: `${prefix}-${index}`,
    path,
  }));
  const memoryBytes = step.limits.memoryMib * mib;
  for (const { name, path } of volumes) {
    await sandbox.createVolume(name, labels, {
      signal,
      ...(path === '/out' && { memoryBytes: Math.min(step.limits.maxBytes, memoryBytes) }),
    });
    undo.defer(() => sandbox.removeVolume(name, cleanUp()));
  }
  const common: Omit<SandboxSpec, 'name' | 'command' | 'volumes' | 'memoryBytes' | 'processes' | 'openInput'> = {
    image,
    environment: step.environment,
    workingDirectory: '/src',
    labels,
    temporaryBytes: memoryBytes,
  };
  const open = async (spec: SandboxSpec): Promise<void> => {
    undo.defer(() => sandbox.removeContainer(spec.name, cleanUp()));
    await sandbox.create(spec, { signal });
  };
  // As long as it runs, the folder /out stays, which lies in memory so that it can't fill a disk.
  const holder = `${prefix}-holder`;
  await open({
    ...common,
    name: holder,
    command: ['/bin/sh', '-c', 'read _'],
    volumes: volumes.map((volume) => ({ ...volume, readOnly: false })),
    memoryBytes: holderMemoryBytes,
    processes: 8,
    openInput: true,
  });
  for (const { path, layer } of step.mounts) await sandbox.put(holder, path, blobs.read(layer), { signal });
  await start(sandbox, holder, signal);
  const name = `${prefix}-run`;
  await open({
    ...common,
    name,
    command: ['/bin/sh', '-eu', '-c', scriptOf(step.run)],
    volumes: volumes.map((volume) => ({ ...volume, readOnly: volume.path !== '/out' })),
    memoryBytes,
    processes: step.limits.processes,
    openInput: false,
  });
  await start(sandbox, name, signal);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    sandbox.kill(name, cleanUp()).catch(() => {});
  }, step.limits.seconds * 1000);
  using _timer = { [Symbol.dispose]: () => clearTimeout(timer) };
  const end = await sandbox.ended(name, output, { signal });
  const reason = reasonOf(end, step, isLate);
  if (reason !== undefined) throw new ManifestError('step-failed', reason);
  await sandbox.removeContainer(name, { signal });
  const tar = await sandbox.take(holder, '/out', { signal });
  return finish(tar, undo.move());
}

/** The bytes, and then the end of everything that they came from, however they are left. */
async function* finish(tar: AsyncIterable<Uint8Array>, undo: AsyncDisposableStack): AsyncIterable<Uint8Array> {
  await using _undo = undo;
  yield* tar;
}

async function refuseWhatCannotRun(
  step: StepRun,
  { sandbox, ceiling }: EngineRunnerParts,
  signal: AbortSignal,
): Promise<void> {
  const own = await sandbox.platform({ signal });
  if (own !== step.platform)
    throw new ManifestError(
      'no-runner',
      `Cannot run a step for ${step.platform}: this stack's engine runs ${own}; build on a stack of that platform`,
    );
  for (const limit of ['memoryMib', 'processes', 'seconds'] as const)
    if (step.limits[limit] > ceiling[limit])
      throw new ManifestError(
        'step-failed',
        `it asks for ${step.limits[limit]} of "${limit}", and this host gives at most ${ceiling[limit]}`,
      );
}

async function start(sandbox: Sandbox, container: string, signal: AbortSignal): Promise<void> {
  try {
    await sandbox.start(container, { signal });
  } catch (error) {
    if (!/"?\/bin\/sh"?.*(?:no such file|not found|stat)/i.test((error as Error).message)) throw error;
    throw new ManifestError('step-failed', 'its toolchain has no /bin/sh; name "dash" in its "debian"', {
      cause: error,
    });
  }
}

/** Engines name themselves in the environment. */
function scriptOf(lines: readonly string[]): string {
  return [
    'unset container HOSTNAME',
    'umask 022',
    '[ -d "$HOME" ] || mkdir -p "$HOME" 2>/dev/null || :',
    ...lines,
  ].join('\n');
}

function reasonOf(end: SandboxEnd, { limits }: StepRun, isLate: boolean): string | undefined {
  if (isLate) return `it ran longer than ${limits.seconds} s; give it more "limits.seconds", or let it end`;
  if (end.oomKilled) return `it used more than ${limits.memoryMib} MiB of memory; give it more "limits.memory_mib"`;
  if (end.error) return `the engine says: ${end.error}`;
  return end.exitCode === 0 ? undefined : `it ended with exit code ${end.exitCode}`;
}

/** Each root is loaded once, however many steps ask for it at a time; the ones that weren't asked for longest are removed. */
function shareImages({
  sandbox,
  blobs,
  stack,
}: EngineRunnerParts): (step: StepRun, signal: AbortSignal) => Promise<string> {
  const loading = new Map<string, Promise<void>>();
  const recent = new Set<string>();
  const load = async (step: StepRun, reference: string, signal: AbortSignal): Promise<void> => {
    if (await sandbox.hasImage(reference, { signal })) return;
    await sandbox.loadImage(rootArchive(step, { blobs, labels: { [stepLabel]: stack } }), { signal });
    const known = await sandbox.images(stepLabel, { signal });
    const spare = [...known.filter((one) => !recent.has(one)), ...[...recent].filter((one) => known.includes(one))];
    // One that a step still uses stays.
    for (const old of spare.slice(0, Math.max(0, known.length - maxImages)))
      if (old !== reference) await sandbox.removeImage(old, { signal }).catch(() => {});
  };
  return async (step, signal) => {
    const reference = rootImageName(step);
    recent.delete(reference);
    recent.add(reference);
    const known = loading.get(reference) ?? load(step, reference, signal);
    loading.set(reference, known);
    try {
      await known;
    } finally {
      loading.delete(reference);
    }
    return reference;
  };
}

function cleanUp(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(cleanUpMs) };
}
