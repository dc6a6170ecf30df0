// One plan carried out and its end written down: the record of what runs, the journal, the files of secrets; also after a kill.
import type { Logger } from 'pino';
import { type Engine, engineName, type HealthStatus, identityOf, messageOf, type StepParts } from '#container-ci';
import { carryOut, type RunPlan, type SpecRequest, undo } from '#cookbooks';
import { type Digest, isDigest, type Manifest } from '#manifests';
import type { Registry } from '#registry';
import type { Do, OperationCall } from '../deed.ts';
import { DaemonError } from '../errors.ts';
import type { RunRecord } from '../kinds.ts';
import type { EngineLink } from './engine-link.ts';
import type { Holdings } from './holdings.ts';
import type { Images } from './images.ts';
import type { PullAccess } from './pull-access.ts';
import type { Pulls } from './pulls.ts';
import type { Secrets } from './secrets.ts';
import type { Supply } from './supply.ts';
import { beginningOf, endOf, type Journal, type Unfinished } from './unfinished.ts';

/** What runs are carried out with. */
export interface RunParts {
  readonly images: Images;
  readonly supply: Supply;
  readonly pulls: Pulls;
  readonly holdings: Pick<Holdings, 'of'>;
  readonly engine: EngineLink;
  readonly registry: Pick<Registry, 'stack' | 'write' | 'directory'>;
  readonly pullAccess: PullAccess;
  readonly registryAddress: () => string;
  readonly secrets: Secrets;
  readonly journal: Journal;
  readonly home: string;
  readonly deed: Do;
  /** The health of the CI of a container, by the engine's name of it; undefined where it has none yet. */
  readonly healthOf: (containerName: string) => HealthStatus | undefined;
  readonly now: () => number;
  readonly log: Logger;
}

/** The record of what runs now, in one transaction with the end of the run in the journal. */
export async function started(parts: RunParts, run: Unfinished, engine: Engine, call: OperationCall) {
  const { plan, manifestDigest = '', digests } = run;
  const found = await Promise.all(
    plan.tiers.flat().map(async (container) => {
      const state = await engine.inspect(engineName(plan.project, container), call);
      return state ? [{ container, state }] : [];
    }),
  );
  const states = found.flat();
  const record: RunRecord = {
    project: plan.project,
    manifestDigest,
    containers: states.map(({ container, state }) => ({
      name: state.name,
      container,
      id: state.id,
      digest: digests[container] ?? manifestDigest,
      ...(state.startedAt && { startedAt: state.startedAt.getTime() }),
    })),
  };
  parts.deed(call, { type: 'run.started', subject: plan.project, data: { manifestDigest } }, () => {
    parts.registry.write([{ kind: 'run', name: plan.project, body: record }]);
    parts.journal.end(plan.project);
  });
  return states;
}

export async function stopped(
  parts: RunParts,
  project: string,
  removed: readonly string[],
  call: OperationCall,
): Promise<void> {
  await parts.secrets.keepOnly(project, []);
  parts.deed(call, { type: 'run.stopped', subject: project, data: { removed } }, () => {
    parts.registry.write([{ kind: 'run', name: project, body: undefined }]);
    parts.journal.end(project);
  });
}

/** Ends what a daemon that was killed left: a run that was at its end goes on, another is undone, a stop is done again. */
export async function finish(parts: RunParts, project: string, signal: AbortSignal): Promise<void> {
  const { journal, log, deed } = parts;
  const left = journal.left(project);
  if (!left) return;
  const engine = parts.engine.require();
  const call = { entry: left.entry, report: () => undefined, signal } as unknown as OperationCall;
  if (left.isEnding) {
    await execute(parts, endOf(left.plan), call);
    if (left.act === 'run') await started(parts, left, engine, call);
    else {
      const removed = left.plan.steps.flatMap((step) => (step.do === 'remove' ? [step.name] : []));
      await stopped(parts, project, removed, call);
    }
    log.info({ project, act: left.act }, 'went on with what was broken off');
  } else {
    const failed = await undo(beginningOf(left.plan), engine);
    if (failed.length > 0)
      throw new DaemonError('busy', `Cannot undo the run of "${project}" that was broken off: ${failed.join('; ')}`, {
        mayRetry: true,
        mend: 'see that the engine runs',
      });
    deed(call, { type: 'run.undone', subject: project }, () => journal.end(project));
    log.info({ project }, 'undid a run that was broken off');
  }
  await sweep(parts, project, engine);
}

/** Files of secrets stay only for containers that are there. */
export async function sweep({ secrets, log }: RunParts, project: string, engine: Engine): Promise<void> {
  const running = await engine.containers({ signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
  if (!running) return;
  const names = running.flatMap((one) => {
    const identity = identityOf(one);
    return identity?.project === project ? [identity.container] : [];
  });
  await secrets
    .keepOnly(project, names)
    .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'secrets stay'));
}

export async function execute(parts: RunParts, plan: RunPlan, call: OperationCall): Promise<void> {
  const { engine, pullAccess, secrets, journal, now } = parts;
  const stepParts: StepParts = {
    engine: engine.require(),
    login: (reference) => pullAccess.grant(repositoryOf(reference), imageOf(reference)),
    putSecrets: (files, options) => secrets.put(files, options),
    now,
  };
  await carryOut(
    plan,
    {
      ...stepParts,
      report: ({ state, message, index, steps }) => {
        if (state !== 'done') call.report({ message, fraction: index / Math.max(1, steps) });
      },
      ending: () => journal.ending(plan.project),
    },
    call,
  );
}

/** `127.0.0.1:8001/shop/api@sha256:…` is of the repository `shop/api`. */
function repositoryOf(reference: string): string {
  const withoutDigest = reference.split('@')[0] ?? reference;
  return withoutDigest.slice(withoutDigest.indexOf('/') + 1);
}

/** The image itself is opened too: it was built and not pushed, so the repository doesn't have it yet. */
function imageOf(reference: string): { readonly image?: Digest } {
  const digest = reference.split('@')[1] ?? '';
  return isDigest(digest) ? { image: digest } : {};
}

export function specRequest(
  { registry, registryAddress, secrets }: RunParts,
  manifest: Manifest,
  manifestDigest: string,
): Omit<SpecRequest, 'images' | 'platform'> {
  return {
    manifest,
    manifestDigest,
    stack: registry.stack,
    registryAddress: registryAddress(),
    secretsFolder: secrets.folder,
  };
}

export function ownRuns({ registry }: RunParts) {
  return registry.directory.list<RunRecord>({ kind: 'run', stack: registry.stack, includeUnreachable: true });
}

export function recordOf(parts: RunParts, project: string): RunRecord | undefined {
  return ownRuns(parts).find(({ name }) => name === project)?.body;
}
