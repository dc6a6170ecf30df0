// Carrying out a manifest on this stack: built, planned, started bottom-up, stopped top-down, and told to the mesh.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerSummary, HealthStatus } from '#container-ci';
import { engineName, identityOf } from '#container-ci';
import { carryOut, ciName, planRun, planStop, type RunPlan } from '#cookbooks';
import { type Digest, isDigest } from '#manifests';
import type { Registry } from '#registry';
import type { Do, OperationCall } from '../deed.ts';
import { DaemonError } from '../errors.ts';
import type { RunRecord } from '../kinds.ts';
import type { EngineLink } from './engine-link.ts';
import type { BuildOptions, BuiltManifest, Images } from './images.ts';
import { recordsOf } from './images.ts';
import type { PullAccess } from './pull-access.ts';
import type { Pulls } from './pulls.ts';
import type { Supply } from './supply.ts';

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
  readonly outcome: 'started' | 'kept' | 'replaced';
  readonly published: { readonly port: number; readonly address: string }[];
}

export interface RunOutcome {
  readonly project: string;
  readonly manifestDigest: string;
  readonly containers: StartedContainer[];
  readonly removed: string[];
}

export interface Runs {
  build(file: string, options: BuildOptions, call: OperationCall): Promise<BuiltManifest>;
  /** Builds and runs; what runs already as the manifest says is kept. On failure, what this run started is removed. */
  run(file: string, call: OperationCall): Promise<RunOutcome>;
  /** Gives the names of the containers that it removed; throws `not-found` where nothing of the project is here. */
  stop(project: string, call: OperationCall): Promise<readonly string[]>;
}

interface Parts {
  readonly images: Images;
  readonly supply: Supply;
  readonly pulls: Pulls;
  readonly engine: EngineLink;
  readonly registry: Pick<Registry, 'stack' | 'write'>;
  readonly pullAccess: PullAccess;
  readonly registryAddress: () => string;
  readonly deed: Do;
  /** The health of the CI of a container, by the engine's name of it; undefined where it has none yet. */
  readonly healthOf: (containerName: string) => HealthStatus | undefined;
  readonly now: () => number;
}

export function makeRuns(parts: Parts): Runs {
  const { images, engine, registry, deed } = parts;
  const isBusy = new Set<string>();

  /** One change of a project at a time: two plans made from one state would undo one another. */
  const alone = async <T>(project: string, work: () => Promise<T>): Promise<T> => {
    if (isBusy.has(project)) {
      throw new DaemonError('busy', `Cannot change "${project}" now: another run or stop of it is going on`, {
        mayRetry: true,
        mend: 'wait for it',
      });
    }
    isBusy.add(project);
    try {
      return await work();
    } finally {
      isBusy.delete(project);
    }
  };

  const build: Runs['build'] = async (file, options, call) => {
    const built = await images.build(file, options, call);
    const holdings = await parts.pulls.holdings(built.build.images.map((image) => image.digest));
    deed(
      call,
      {
        type: 'build.made',
        subject: built.digest,
        data: { project: built.manifest.project.name, images: built.build.images.length },
      },
      () => registry.write([...recordsOf(built), ...holdings]),
    );
    return built;
  };

  return {
    build,
    async run(file, call) {
      // Without an engine nothing is built first.
      engine.require();
      const built = await build(file, { useCache: true }, call);
      await parts.supply.require(built, call);
      return alone(built.manifest.project.name, () => start(parts, built, call));
    },
    stop: (project, call) =>
      alone(project, async () => {
        const running = await engine.require().containers(call);
        const plan = planStop({ project, running, stack: registry.stack });
        const removed = running.filter((one) => belongsTo(one, registry.stack, project)).map(({ name }) => name);
        if (removed.length === 0) {
          throw new DaemonError('not-found', `Cannot stop "${project}": no container of it is on this stack`, {
            mend: 'hermesh ls run',
          });
        }
        await execute(parts, plan, call);
        deed(call, { type: 'run.stopped', subject: project, data: { removed } }, () =>
          registry.write([{ kind: 'run', name: project, body: undefined }]),
        );
        return removed;
      }),
  };
}

async function start(
  parts: Parts,
  { manifest, digest, build }: BuiltManifest,
  call: OperationCall,
): Promise<RunOutcome> {
  const { engine: link, registry, deed } = parts;
  const engine = link.require();
  const project = manifest.project.name;
  const before = await engine.containers(call);
  const plan = planRun({
    manifest,
    manifestDigest: digest,
    images: build.images,
    running: before,
    stack: registry.stack,
    registryAddress: parts.registryAddress(),
  });
  await execute(parts, plan, call);
  await settled(
    parts,
    plan.tiers.flat().map((container) => engineName(project, container)),
    call.signal,
  );

  const earlier = new Map(before.map((one) => [one.name, one]));
  const containers: StartedContainer[] = [];
  for (const container of plan.tiers.flat()) {
    const name = engineName(project, container);
    const state = await engine.inspect(name, call);
    if (!state) continue;
    containers.push({
      name,
      container,
      id: state.id,
      ci: ciName(manifest, container),
      outcome: plan.kept.includes(name) ? 'kept' : earlier.has(name) ? 'replaced' : 'started',
      published: state.published.map(({ port, hostAddress, hostPort }) => ({
        port,
        address: `${hostAddress}:${hostPort}`,
      })),
    });
  }
  const record: RunRecord = {
    project,
    manifestDigest: digest,
    containers: containers.map(({ name, container, id }) => ({
      name,
      container,
      id,
      digest: build.images.find((image) => image.container === container)?.digest ?? digest,
    })),
  };
  deed(call, { type: 'run.started', subject: project, data: { manifestDigest: digest } }, () =>
    registry.write([{ kind: 'run', name: project, body: record }]),
  );
  return { project, manifestDigest: digest, containers, removed: removedBy(plan, before, registry.stack, manifest) };
}

/** What was just found healthy is so for its CI too a moment later; whoever looks after the run sees what the run said. */
async function settled({ healthOf, now }: Parts, names: readonly string[], signal: AbortSignal): Promise<void> {
  const end = now() + settleMs;
  const isOpen = (name: string): boolean => [undefined, 'starting'].includes(healthOf(name));
  while (names.some(isOpen) && now() < end) await sleep(settleEveryMs, undefined, { signal });
}

async function execute({ engine, pullAccess, now }: Parts, plan: RunPlan, call: OperationCall): Promise<void> {
  await carryOut(
    plan,
    {
      engine: engine.require(),
      login: (reference) => pullAccess.grant(repositoryOf(reference), imageOf(reference)),
      now,
      report: ({ state, message, index, steps }) => {
        if (state !== 'done') call.report({ message, fraction: index / Math.max(1, steps) });
      },
    },
    call,
  );
}

/** `127.0.0.1:8001/shop/api@sha256:…` is of the repository `shop/api`. */
function repositoryOf(reference: string): string {
  const withoutDigest = reference.split('@')[0] ?? reference;
  return withoutDigest.slice(withoutDigest.indexOf('/') + 1);
}

function imageOf(reference: string): { readonly image?: Digest } {
  const digest = reference.split('@')[1] ?? '';
  return isDigest(digest) ? { image: digest } : {};
}

function removedBy(
  plan: RunPlan,
  before: readonly ContainerSummary[],
  stack: string,
  manifest: BuiltManifest['manifest'],
): string[] {
  const wanted = new Set(
    Object.keys(manifest.containers).map((container) => engineName(manifest.project.name, container)),
  );
  return before.filter((one) => belongsTo(one, stack, plan.project) && !wanted.has(one.name)).map(({ name }) => name);
}

function belongsTo(one: ContainerSummary, stack: string, project: string): boolean {
  const identity = identityOf(one);
  return identity?.stack === stack && identity.project === project;
}
