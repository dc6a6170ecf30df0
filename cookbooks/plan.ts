// What has to be done so that a project runs as its manifest says, or runs no more: pure, so that it can be shown and tested.
import {
  asideName,
  type ContainerSpec,
  type ContainerSummary,
  engineName,
  expectedPorts,
  identityOf,
  isAside,
  makeLabels,
  makeNetworkLabels,
  type RunStep,
  readLabels,
  specDigest,
} from '#container-ci';
import type { Manifest, ManifestContainer } from '#manifests';
import { CookbookError } from './error.ts';
import { tiersOf } from './tiers.ts';

/** An image of the project, as a build made it; digests are `sha256:…`. */
export interface PlannedImage {
  /** The container of the manifest that it is for. */
  readonly container: string;
  /** Of the image's manifest: what the engine pulls by. */
  readonly digest: string;
  readonly configDigest: string;
  readonly buildKey: string;
}

export interface RunRequest {
  readonly manifest: Manifest;
  readonly manifestDigest: string;
  readonly images: readonly PlannedImage[];
  /** All containers of the engine, as it lists them. */
  readonly running: readonly ContainerSummary[];
  /** The stack whose containers they become. */
  readonly stack: string;
  /** `HOST:PORT` from which the engine pulls. */
  readonly registryAddress: string;
}

export interface RunPlan {
  readonly project: string;
  readonly network: string;
  /** Names of containers as the engine has them, which stay as they are. */
  readonly kept: readonly string[];
  /** Names of the manifest's containers, the lowest tier first. */
  readonly tiers: readonly (readonly string[])[];
  readonly steps: readonly RunStep[];
}

/** A container has this long to become healthy, beside its own start period. */
const healthDeadlineMs = 60_000;
/** Raised when a plan makes other containers of the same manifest, so that old ones are replaced. */
const specVersion = 1;

export function networkName(project: string): string {
  return `hermesh-${project}`;
}

/** By digest, in the repository `<project>/<container>`. */
export function imageReference(registryAddress: string, project: string, image: PlannedImage): string {
  return `${registryAddress}/${project}/${image.container}@${image.digest}`;
}

/** The name of the CI of a container: `ci_name` of its manifest, else `<container>-ci`. */
export function ciName(manifest: Manifest, container: string): string {
  return manifest.containers[container]?.ci_name ?? `${container}-ci`;
}

/**
 * Network and pulls first, so that nothing is touched where an image is missing; then tier by tier. A container with the
 * same spec is kept, one with another is replaced, one that the manifest no longer names is removed. What is replaced is
 * only put aside until everything is healthy. Throws `foreign-container` where a name is taken by somebody else.
 */
export function planRun(request: RunRequest): RunPlan {
  const { manifest, running, stack } = request;
  const project = manifest.project.name;
  const tiers = tiersOf(manifest);
  const network = networkName(project);
  const ours = running.filter((one) => isOurs(one, project, stack));
  const present = new Map(ours.filter((one) => !isAside(one.name)).map((one) => [one.name, one]));
  const wanted = tiers.flat().map((container) => {
    const image = imageOf(request, container);
    const spec = specOf(request, container, image, network);
    const found = present.get(spec.name);
    if (!found) refuseForeign(running, spec.name);
    const isSame = found !== undefined && readLabels(found.labels)?.specDigest === readLabels(spec.labels)?.specDigest;
    const act = !isSame || !mayStay.has(found.state) ? 'create' : found.state === 'running' ? 'keep' : 'start';
    return { container, image, spec, found, act } as const;
  });
  const names = new Set(wanted.map(({ spec }) => spec.name));
  const dropped = [...present.values()].filter((one) => !names.has(one.name));
  const replaced = wanted.filter(({ act, found }) => act === 'create' && found !== undefined);

  const steps: RunStep[] = [{ do: 'ensure-network', network, labels: makeNetworkLabels(stack, project) }];
  for (const { act, container, spec } of wanted)
    if (act === 'create') steps.push({ do: 'pull', container, reference: spec.image });
  for (const one of dropped) steps.push(setAside(one));
  for (const tier of tiers) {
    const here = wanted.filter(({ container }) => tier.includes(container));
    for (const { act, found, spec, container } of here) {
      if (act === 'create' && found) steps.push(setAside(found));
      if (act === 'create') steps.push({ do: 'create', container, spec });
      if (act !== 'keep') steps.push({ do: 'start', name: spec.name });
    }
    for (const { container } of here) steps.push(waitStep(manifest, container, untilOf(manifest, container)));
  }
  for (const { container } of wanted)
    if (manifest.containers[container]?.health && untilOf(manifest, container) === 'started')
      steps.push(waitStep(manifest, container, 'healthy'));
  const aside = [...dropped, ...replaced.flatMap(({ found }) => found ?? [])].map((one) => asideName(one.id));
  const left = ours.filter((one) => isAside(one.name)).map((one) => one.name);
  for (const name of new Set([...aside, ...left])) steps.push({ do: 'remove', name });
  return {
    project,
    network,
    kept: wanted.filter(({ act }) => act === 'keep').map(({ spec }) => spec.name),
    tiers,
    steps,
  };
}

/** Stops and removes what this stack runs of a project, the highest tier first where its manifest is given; then the network. */
export function planStop({
  project,
  running,
  stack,
  manifest,
}: {
  readonly project: string;
  readonly running: readonly ContainerSummary[];
  readonly stack: string;
  readonly manifest?: Manifest;
}): RunPlan {
  const tiers = manifest ? tiersOf(manifest) : [];
  const height = (one: ContainerSummary): number =>
    tiers.findIndex((tier) => tier.includes(readLabels(one.labels)?.container ?? ''));
  const ours = running
    .filter((one) => isOurs(one, project, stack))
    .sort((a, b) => height(b) - height(a) || (a.name < b.name ? -1 : 1));
  const steps: RunStep[] = ours.flatMap(({ name }): RunStep[] => [
    { do: 'stop', name },
    { do: 'remove', name },
  ]);
  // A container of ours that somebody renamed to keep it may still be in the network.
  const isKept = running.some((one) => readLabels(one.labels)?.project === project && !ours.includes(one));
  if (ours.length > 0 && !isKept) steps.push({ do: 'remove-network', network: networkName(project) });
  return { project, network: networkName(project), kept: [], tiers, steps };
}

/** States in which a container of the right spec is left or only started. */
const mayStay: ReadonlySet<ContainerSummary['state']> = new Set(['running', 'created', 'exited']);

/** By labels and name: a container that only bears our labels is somebody else's, and is left alone. */
function isOurs(one: ContainerSummary, project: string, stack: string): boolean {
  const identity = identityOf(one);
  return identity?.stack === stack && identity.project === project;
}

function refuseForeign(running: readonly ContainerSummary[], name: string): void {
  const foreign = running.find((one) => one.name === name);
  if (!foreign) return;
  const owner = readLabels(foreign.labels)?.stack;
  const whose = owner === undefined ? 'no stack started it' : `stack "${owner}" started it`;
  throw new CookbookError(
    'foreign-container',
    `Cannot run container "${name}": the engine has one of that name, and ${whose}; rename or remove that one`,
  );
}

function imageOf({ manifest, images }: RunRequest, container: string): PlannedImage {
  const image = images.find((one) => one.container === container);
  if (image) return image;
  throw new CookbookError(
    'missing-image',
    `Cannot run container "${container}" of project "${manifest.project.name}": it has no image; build the manifest first`,
  );
}

function specOf(request: RunRequest, container: string, image: PlannedImage, network: string): ContainerSpec {
  const { manifest, manifestDigest, stack, registryAddress } = request;
  const project = manifest.project.name;
  const wanted = manifest.containers[container] as ManifestContainer;
  const { memory_mib, millicpus, processes } = wanted.resources;
  // Neither the registry's address nor the rest of the manifest is part of it: they may change under a container that stays.
  const digest = specDigest({ version: specVersion, project, container, wanted, image: image.digest });
  return {
    name: engineName(project, container),
    image: imageReference(registryAddress, project, image),
    labels: makeLabels({
      stack,
      project,
      container,
      manifestDigest,
      ci: ciName(manifest, container),
      buildKey: image.buildKey,
      specDigest: digest,
    }),
    network: { name: network, aliases: [container] },
    publish: wanted.publish.map(({ port, host_port }) => ({ port, hostPort: host_port })),
    restart: wanted.restart,
    ...(memory_mib === undefined ? {} : { memoryBytes: memory_mib * 1_048_576 }),
    ...(millicpus === undefined ? {} : { nanoCpus: millicpus * 1_000_000 }),
    ...(processes === undefined ? {} : { processes }),
  };
}

function setAside({ id, name, state }: ContainerSummary): RunStep {
  return { do: 'set-aside', name, aside: asideName(id), ran: state === 'running' || state === 'restarting' };
}

/** What the containers above wait for; where none is above, health if it is declared. */
function untilOf(manifest: Manifest, container: string): 'started' | 'healthy' {
  const conditions = Object.values(manifest.containers).flatMap((one) => one.depends_on[container]?.condition ?? []);
  if (conditions.length > 0) return conditions.includes('healthy') ? 'healthy' : 'started';
  return manifest.containers[container]?.health ? 'healthy' : 'started';
}

function waitStep(manifest: Manifest, container: string, until: 'started' | 'healthy'): RunStep {
  const wanted = manifest.containers[container] as ManifestContainer;
  const startPeriodMs = (wanted.health?.start_period_seconds ?? 0) * 1000;
  return {
    do: 'wait',
    name: engineName(manifest.project.name, container),
    until,
    check: wanted.health,
    ports: expectedPorts(wanted),
    deadlineMs: healthDeadlineMs + startPeriodMs,
  };
}
