// What stands on the engine of this stack, read for a plan: containers, networks, volumes, how each is set up, and drift.
import type { ContainerSummary, Engine, EngineInfo } from '#container-ci';
import { engineName, identityOf } from '#container-ci';
import {
  completes,
  type Drift,
  driftOf,
  type Found,
  imageOf,
  isOfMaking,
  planRun,
  type RunPlan,
  type RunRequest,
  refuseOverCeiling,
  type SpecRequest,
  specOf,
} from '#cookbooks';
import type { BuiltImage, Manifest } from '#manifests';
import type { RunRecord } from '../kinds.ts';
import { readCeiling, readHostFacts } from './host.ts';

interface Cancel {
  readonly signal: AbortSignal;
}

export interface Situation {
  readonly plan: RunPlan;
  readonly drift: readonly Drift[];
  readonly before: readonly ContainerSummary[];
}

/** Plans a run over what is there; throws `over-ceiling` and `foreign-container` before anything is touched. */
export async function surveyRun(
  engine: Engine,
  info: EngineInfo,
  wanted: Omit<SpecRequest, 'images' | 'platform'> & { readonly images: readonly BuiltImage[]; readonly home: string },
  record: RunRecord | undefined,
  options: Cancel,
): Promise<Situation> {
  const request: SpecRequest = { ...wanted, platform: info.platform };
  const [running, networks, volumes] = await Promise.all([
    engine.containers(options),
    engine.networks(options),
    engine.volumes(options),
  ]);
  const drift = await readDrift(engine, request, record, running, options);
  const full: RunRequest = {
    ...request,
    running,
    networks,
    volumes,
    adopted: adoptedBy(record),
    drifted: new Set(drift.filter(isOfMaking).map(({ name }) => name)),
  };
  const plan = planRun(full);
  let neededBytes = 0;
  for (const step of plan.steps) {
    if (step.do !== 'pull' || (await engine.hasImage(step.reference, options))) continue;
    neededBytes += wanted.images.find((one) => step.reference.endsWith(one.digest))?.sizeBytes ?? 0;
  }
  refuseOverCeiling({
    manifest: request.manifest,
    host: await readHostFacts(info),
    ceiling: await readCeiling(wanted.home),
    publishedBy: await publishedBy(engine, running, request.manifest.project.name, options),
    neededBytes,
  });
  return { plan, drift, before: running };
}

/** Ids of containers that a run of this stack names: also those that another stack started, which it took over. */
export function adoptedBy(record: RunRecord | undefined): ReadonlySet<string> {
  return new Set(record?.containers.map(({ id }) => id));
}

/** How what runs of a project differs from its manifest. */
export async function readDrift(
  engine: Engine,
  request: SpecRequest,
  record: RunRecord | undefined,
  running: readonly ContainerSummary[],
  options: Cancel,
): Promise<readonly Drift[]> {
  const { manifest } = request;
  const project = manifest.project.name;
  const wanted = await Promise.all(
    Object.keys(manifest.containers)
      .sort()
      .map(async (container) => {
        const name = engineName(project, container);
        const known = running.find((one) => one.name === name && identityOf(one)?.project === project);
        return {
          spec: specOf(request, container, imageOf(request, container)),
          found: known && (await readFound(engine, known.id, options)),
          completes: completes(manifest, container),
          startedAt: record?.containers.find((one) => one.id === known?.id)?.startedAt,
        };
      }),
  );
  return driftOf({ project, wanted, running });
}

/** The images of a run, as its record names them, for the platform of the host. */
export function imagesOfRecord(record: RunRecord, platform: string, manifest: Manifest): SpecRequest['images'] {
  return record.containers
    .filter(({ container }) => Object.hasOwn(manifest.containers, container))
    .map(({ container, digest }) => ({ container, digest, platform, configDigest: digest, buildKey: digest }));
}

async function readFound(engine: Engine, id: string, options: Cancel): Promise<Found | undefined> {
  const [settings, state] = await Promise.all([engine.settings(id, options), engine.inspect(id, options)]);
  return settings && state && { settings, state };
}

async function publishedBy(
  engine: Engine,
  running: readonly ContainerSummary[],
  project: string,
  options: Cancel,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const ports = new Map<string, readonly number[]>();
  for (const one of running) {
    if (identityOf(one)?.project !== project) continue;
    const state = await engine.inspect(one.id, options);
    ports.set(one.name, state?.published.map(({ hostPort }) => hostPort) ?? []);
  }
  return ports;
}
