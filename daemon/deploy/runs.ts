// Carrying out a manifest on this stack: built, planned, started bottom-up, stopped top-down, and told to the mesh.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerSummary } from '#container-ci';
import { engineName, identityOf } from '#container-ci';
import { ciName, type Drift, describe, imageReference, planStop } from '#cookbooks';
import { readRevision, writtenBy } from '#daemon/records';
import { type BuiltImage, isDigest } from '#manifests';
import type { OperationCall } from '../deed.ts';
import { DaemonError } from '../errors.ts';
import { execute, finish, ownRuns, type RunParts, recordOf, specRequest, started, stopped, sweep } from './ending.ts';
import type { BuildOptions, BuiltManifest } from './images.ts';
import { bringRecorded, type Runnable } from './recorded.ts';
import { revive } from './revive.ts';
import { adoptedBy, imagesOfRecord, readDrift, surveyRun } from './situation.ts';
import type { Unfinished } from './unfinished.ts';

/** The CIs' own probes come at least this often while a container starts. */
const settleMs = 5_000;
const settleEveryMs = 50;

export interface StartedContainer {
  /** As the engine has it. */
  readonly name: string;
  /** As the manifest has it. */
  readonly container: string;
  readonly id: string;
  readonly ci: string;
  /** `adopted`: another stack had started it, and it is as the manifest says. */
  readonly outcome: 'started' | 'kept' | 'replaced' | 'adopted';
  readonly published: { readonly port: number; readonly address: string }[];
}

export interface RunOutcome {
  readonly project: string;
  readonly manifestDigest: string;
  readonly containers: StartedContainer[];
  readonly removed: string[];
  /** How what ran differed from the manifest before. */
  readonly drift: readonly Drift[];
  /** What would be done, in words; only where that was asked for, and nothing is done then. */
  readonly steps?: string[];
}

export interface Runs {
  build(file: string, options: BuildOptions, call: OperationCall): Promise<BuiltManifest>;
  /**
   * Builds and runs a manifest, or brings what another stack built by the digest of its manifest or image; what runs already as the
   * manifest says is kept. On failure, what this run started is removed.
   */
  run(target: string, options: { readonly dryRun: boolean }, call: OperationCall): Promise<RunOutcome>;
  /** Gives the names of the containers that it removed; throws `not-found` where nothing of the project is here. */
  stop(project: string, options: { readonly volumes: boolean }, call: OperationCall): Promise<readonly string[]>;
  /** How what this stack runs differs from what it was meant to; undefined where the engine can't be asked. */
  drift(options: { readonly signal: AbortSignal }): Promise<readonly Drift[] | undefined>;
  /** Ends what a daemon that was killed left in the middle, and gives secrets back to containers after a restart of the host. */
  resume(options: { readonly signal: AbortSignal }): Promise<void>;
}

export function makeRuns(parts: RunParts): Runs {
  const { images, supply, holdings, engine: link, registry, deed, journal, secrets, log } = parts;
  const isBusy = new Set<string>();

  /** One change of a project at a time: two plans made from one state would undo one another. */
  const alone = async <T>(project: string, { signal }: { signal: AbortSignal }, work: () => Promise<T>): Promise<T> => {
    if (isBusy.has(project)) {
      throw new DaemonError('busy', `Cannot change "${project}" now: another run or stop of it is going on`, {
        mayRetry: true,
        mend: 'wait for it',
      });
    }
    isBusy.add(project);
    try {
      await finish(parts, project, signal);
      return await work();
    } finally {
      isBusy.delete(project);
    }
  };

  const build: Runs['build'] = async (file, options, call) => {
    const built = await images.build(file, options, call);
    const revision = await readRevision(built.directory, call);
    const made = { ...built, images: built.build.images, revision };
    const { changes, differs } = writtenBy(made, registry.directory, registry.stack);
    if (differs.length > 0)
      log.warn({ builds: differs }, 'the same inputs gave another image than before: the first stays recorded');
    const digests = built.build.images.map((image) => image.digest);
    const told = [...(await holdings.of(digests, built.digest)), ...(await supply.told(digests))];
    deed(
      call,
      {
        type: 'build.made',
        subject: built.digest,
        data: { project: built.manifest.project.name, images: built.build.images.length, differs },
      },
      () => registry.write([...changes, ...told]),
    );
    return built;
  };

  return {
    build,
    async run(target, { dryRun }, call) {
      // Without an engine nothing is built first.
      const engine = link.require();
      const make = (): Promise<Runnable> | Promise<BuiltManifest> =>
        dryRun ? images.build(target, { useCache: true }, call) : build(target, { useCache: true }, call);
      const built = isDigest(target)
        ? await bringRecorded(parts, target, (await engine.info(call)).platform, call)
        : await make();
      if (!dryRun) {
        await supply.require(built, { ...call, isPulled: (image) => isPulled(parts, built, image, call) });
        return alone(built.manifest.project.name, call, () => start(parts, built, call));
      }
      const { plan, drift } = await survey(parts, built, call);
      const steps = plan.steps.filter((step) => step.do !== 'wait' && step.do !== 'ensure-volume').map(describe);
      const { digest: manifestDigest } = built;
      return { project: plan.project, manifestDigest, containers: [], removed: [], drift, steps };
    },
    stop: (project, { volumes }, call) =>
      alone(project, call, async () => {
        const engine = link.require();
        const [running, networks, kept] = await Promise.all([
          engine.containers(call),
          engine.networks(call),
          engine.volumes(call),
        ]);
        const adopted = adoptedBy(recordOf(parts, project));
        const plan = planStop({
          project,
          running,
          networks,
          volumes: kept,
          stack: registry.stack,
          adopted,
          withVolumes: volumes,
        });
        const removed = plan.steps.flatMap((step) => (step.do === 'remove' ? [step.name] : []));
        if (plan.steps.every((step) => step.do === 'remove-network')) {
          throw new DaemonError('not-found', `Cannot stop "${project}": no container of it is on this stack`, {
            mend: 'hermesh ls run',
          });
        }
        journal.begin(project, {
          act: 'stop',
          plan,
          isEnding: true,
          manifestDigest: undefined,
          digests: {},
          entry: call.entry,
        });
        await execute(parts, plan, call);
        await stopped(parts, project, removed, call);
        return removed;
      }),
    async drift(options) {
      const { engine } = link;
      if (!engine) return undefined;
      const [running, info] = await Promise.all([engine.containers(options), engine.info(options)]);
      const all: Drift[] = [];
      for (const { body: record } of ownRuns(parts)) {
        const manifest = await images.manifest(record.manifestDigest);
        if (!manifest) continue;
        const wanted = imagesOfRecord(record, info.platform, manifest);
        // A container without an image never ran here: its run was before the manifest had it.
        const known = Object.entries(manifest.containers).filter(([name]) =>
          wanted.some((one) => one.container === name),
        );
        const request = {
          ...specRequest(parts, { ...manifest, containers: Object.fromEntries(known) }, record.manifestDigest),
          platform: info.platform,
          images: wanted,
        };
        all.push(...(await readDrift(engine, request, record, running, options)));
      }
      return all;
    },
    async resume({ signal }) {
      if (!link.engine) return;
      for (const project of journal.projects())
        await alone(project, { signal }, async () => undefined).catch((error: unknown) =>
          log.warn({ project, error }, 'a run that was broken off could not be ended'),
        );
      await revive(
        link.engine,
        secrets,
        ownRuns(parts),
        images,
        (manifest, digest) => specRequest(parts, manifest, digest),
        {
          log,
          signal,
        },
      );
    },
  };
}

/** Whether the engine would have to pull an image of this manifest, which it does for its own platform alone. */
async function isPulled(
  parts: RunParts,
  { manifest }: Runnable,
  image: BuiltImage,
  call: { readonly signal: AbortSignal },
): Promise<boolean> {
  const engine = parts.engine.require();
  if ((await engine.info(call)).platform !== image.platform) return false;
  return !(await engine.hasImage(imageReference(parts.registryAddress(), manifest.project.name, image), call));
}

async function survey(parts: RunParts, { manifest, digest, build }: Runnable, call: { signal: AbortSignal }) {
  const engine = parts.engine.require();
  const wanted = { ...specRequest(parts, manifest, digest), images: build.images, home: parts.home };
  return surveyRun(engine, await engine.info(call), wanted, recordOf(parts, manifest.project.name), call);
}

async function start(parts: RunParts, built: Runnable, call: OperationCall): Promise<RunOutcome> {
  const { registry, journal } = parts;
  const { manifest, digest, build } = built;
  const engine = parts.engine.require();
  const project = manifest.project.name;
  const { plan, drift, before } = await survey(parts, built, call);
  const platform = (await engine.info(call)).platform;
  const digests = Object.fromEntries(
    build.images.filter((one) => one.platform === platform).map((one) => [one.container, one.digest as string]),
  );
  const run: Unfinished = { act: 'run', plan, isEnding: false, manifestDigest: digest, digests, entry: call.entry };
  journal.begin(project, run);
  try {
    await execute(parts, plan, call);
  } catch (error) {
    // It was undone, or is at its end with only old containers to remove, which the next run does.
    journal.end(project);
    await sweep(parts, project, engine);
    throw error;
  }
  const names = plan.tiers.flat().map((container) => engineName(project, container));
  await settled(parts, names, call.signal);
  const states = await started(parts, run, engine, call);
  await sweep(parts, project, engine);

  const earlier = new Map(before.map((one) => [one.name, one]));
  const outcomeOf = (name: string): StartedContainer['outcome'] => {
    if (plan.adopted.includes(name)) return 'adopted';
    return plan.kept.includes(name) ? 'kept' : earlier.has(name) ? 'replaced' : 'started';
  };
  const containers = states.map(
    ({ container, state }): StartedContainer => ({
      name: state.name,
      container,
      id: state.id,
      ci: ciName(manifest, container),
      outcome: outcomeOf(state.name),
      published: state.published.map(({ port, hostAddress, hostPort }) => ({
        port,
        address: `${hostAddress}:${hostPort}`,
      })),
    }),
  );
  const wanted = new Set(names);
  const removed = before
    .filter((one) => belongsTo(one, registry.stack, project) && !wanted.has(one.name))
    .map(({ name }) => name);
  return { project, manifestDigest: digest, containers, removed, drift };
}

/** What was just found healthy is so for its CI too a moment later; whoever looks after the run sees what the run said. */
async function settled({ healthOf, now }: RunParts, names: readonly string[], signal: AbortSignal): Promise<void> {
  const end = now() + settleMs;
  const isOpen = (name: string): boolean => [undefined, 'starting'].includes(healthOf(name));
  while (names.some(isOpen) && now() < end) await sleep(settleEveryMs, undefined, { signal });
}

function belongsTo(one: ContainerSummary, stack: string, project: string): boolean {
  const identity = identityOf(one);
  return identity?.stack === stack && identity.project === project;
}
