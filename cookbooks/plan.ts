// What has to be done so that a project runs as its manifest says, or runs no more: pure, so that it can be shown and tested.
import {
  asideName,
  type ContainerSummary,
  type EngineThing,
  engineName,
  expectedPorts,
  identityOf,
  isAside,
  makeThingLabels,
  type RunStep,
  readLabels,
  thingOwner,
} from '#container-ci';
import type { Manifest, ManifestContainer } from '#manifests';
import { CookbookError } from './error.ts';
import { imageOf, networksOf, type SpecRequest, secretFilesOf, specOf, volumesOf } from './spec.ts';
import { tiersOf } from './tiers.ts';

export interface RunRequest extends SpecRequest {
  /** All containers of the engine, as it lists them, and its networks and volumes. */
  readonly running: readonly ContainerSummary[];
  readonly networks: readonly EngineThing[];
  readonly volumes: readonly EngineThing[];
  /** Ids of containers that another stack started, and this one took over. */
  readonly adopted: ReadonlySet<string>;
  /** Names on the engine of containers that aren't set up as their spec says, though they bear its digest. */
  readonly drifted: ReadonlySet<string>;
}

/** A step, and the indexes of the steps that are done before it begins; all of them are lower. */
export type PlannedStep = RunStep & { readonly after: readonly number[] };

export interface RunPlan {
  readonly project: string;
  /** Names of containers as the engine has them, which stay as they are. */
  readonly kept: readonly string[];
  /** Those of the kept that another stack started: this one takes them over. */
  readonly adopted: readonly string[];
  /** Names of the manifest's containers, the lowest tier first. */
  readonly tiers: readonly (readonly string[])[];
  readonly steps: readonly PlannedStep[];
}

type Until = Extract<RunStep, { do: 'wait' }>['until'];

/** A container has this long to become healthy, beside its own start period. */
const healthDeadlineMs = 60_000;
/** Work that ends, such as a migration, has this long. */
const completeDeadlineMs = 30 * 60_000;

/**
 * Networks, volumes and pulls first, so that nothing is touched where an image is missing; then each container once what it
 * depends on is as its condition says, side by side where nothing keeps them apart. A container with the same spec is kept, one
 * with another is replaced, one that the manifest no longer names is removed. What is replaced is only put aside until
 * everything is healthy. Throws `foreign-container` where a name is taken by somebody else.
 */
export function planRun(request: RunRequest): RunPlan {
  const { manifest, running, stack } = request;
  const project = manifest.project.name;
  const tiers = tiersOf(manifest);
  const ours = running.filter((one) => isOurs(one, request, project));
  const present = new Map(ours.filter((one) => !isAside(one.name)).map((one) => [one.name, one]));
  const wanted = tiers.flat().map((container) => wantedOf(request, container, present));
  const names = new Set(wanted.map(({ spec }) => spec.name));
  const dropped = [...present.values()].filter((one) => !names.has(one.name));

  const steps: PlannedStep[] = [];
  const add = (step: RunStep, after: readonly number[]): number => {
    steps.push({ ...step, after: [...new Set(after)].sort((a, b) => a - b) });
    return steps.length - 1;
  };
  const things = thingsOf(request);
  const ready = things.steps.map((step) => add(step, []));
  for (const { act, container, spec } of wanted)
    if (act === 'create') ready.push(add({ do: 'pull', container, reference: spec.image }, []));
  for (const { act, container } of wanted) {
    const files = secretFilesOf(request, container);
    // A value may have changed under a container that stays: its files are written anew in place.
    if (files.length > 0) ready.push(add({ do: 'put-secrets', container, files }, act === 'keep' ? [] : [...ready]));
  }
  const before = [...ready];
  for (const one of dropped) before.push(add(setAside(one), ready));

  const waits = new Map<string, number>();
  const last: { container: string; begun: readonly number[] }[] = [];
  for (const { act, found, spec, container } of wanted) {
    const needs = Object.entries(manifest.containers[container]?.depends_on ?? {}).flatMap(
      ([other, { condition }]) => waits.get(`${other} ${condition}`) ?? [],
    );
    let begun: readonly number[] = [...before, ...needs];
    if (act === 'create') {
      if (found) begun = [add(setAside(found), begun)];
      begun = [add({ do: 'create', container, spec, ...(found && { replaces: found.id }) }, begun)];
    }
    if (act !== 'keep') begun = [add({ do: 'start', name: spec.name }, begun)];
    const { now, atLast } = waitsOf(manifest, container);
    for (const until of now) waits.set(`${container} ${until}`, add(waitStep(manifest, container, until), begun));
    if (atLast) last.push({ container, begun });
  }
  for (const { container, begun } of last) add(waitStep(manifest, container, 'healthy'), begun);

  const all = steps.map((_, index) => index);
  const replaced = wanted.flatMap(({ act, found }) => (act === 'create' && found ? [found] : []));
  const aside = [...dropped, ...replaced].map((one) => asideName(one.id));
  const left = ours.filter((one) => isAside(one.name)).map((one) => one.name);
  const removals = [...new Set([...aside, ...left])].map((name) => add({ do: 'remove', name }, all));
  for (const network of things.dropped) add({ do: 'remove-network', network }, [...all, ...removals]);
  const kept = wanted.filter(({ act }) => act === 'keep');
  return {
    project,
    kept: kept.map(({ spec }) => spec.name),
    adopted: kept
      .filter(({ found }) => found && readLabels(found.labels)?.stack !== stack)
      .map(({ spec }) => spec.name),
    tiers,
    steps,
  };
}

/**
 * Stops and removes what this stack runs of a project, each before what it depends on, then its networks; its volumes only
 * where that is asked for.
 */
export function planStop(
  request: Pick<RunRequest, 'running' | 'networks' | 'volumes' | 'stack' | 'adopted'> & {
    readonly project: string;
    readonly withVolumes: boolean;
  },
): RunPlan {
  const { project, running, stack } = request;
  const ours = running.filter((one) => isOurs(one, request, project)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const steps: PlannedStep[] = [];
  const add = (step: RunStep, after: readonly number[]): number => steps.push({ ...step, after }) - 1;
  const stopped = new Map<string, number>();
  const stop = (one: ContainerSummary, trail: readonly string[]): number[] => {
    const known = stopped.get(one.id);
    if (known !== undefined) return [known];
    // Labels are what somebody may have written: a circle in them ends here.
    if (trail.includes(one.id)) return [];
    const own = readLabels(one.labels)?.container ?? '';
    const above = ours.filter((other) => readLabels(other.labels)?.dependsOn.split(',').includes(own));
    const after = above.flatMap((other) => stop(other, [...trail, one.id]));
    const index = add({ do: 'stop', name: one.name }, after);
    stopped.set(one.id, index);
    return [index];
  };
  for (const one of ours) stop(one, []);
  const removed = ours.map((one) => add({ do: 'remove', name: one.name }, stop(one, [])));
  // A container of ours that somebody renamed to keep it may still be in the network.
  const isKept = running.some((one) => readLabels(one.labels)?.project === project && !ours.includes(one));
  const isOfProject = ({ labels }: EngineThing): boolean => {
    const owner = thingOwner(labels);
    return owner?.project === project && (owner.stack === stack || ours.length > 0);
  };
  if (!isKept)
    for (const { name: network } of request.networks.filter(isOfProject))
      add({ do: 'remove-network', network }, removed);
  if (request.withVolumes && !isKept)
    for (const { name: volume } of request.volumes.filter(isOfProject)) add({ do: 'remove-volume', volume }, removed);
  return { project, kept: [], adopted: [], tiers: [], steps };
}

/** States in which a container of the right spec is left or only started. */
const mayStay: ReadonlySet<ContainerSummary['state']> = new Set(['running', 'created', 'exited']);

function wantedOf(request: RunRequest, container: string, present: ReadonlyMap<string, ContainerSummary>) {
  const { manifest, running, drifted } = request;
  const spec = specOf(request, container, imageOf(request, container));
  const isSame = (one: ContainerSummary): boolean =>
    readLabels(one.labels)?.specDigest === readLabels(spec.labels)?.specDigest;
  // Started by a stack that this engine had before: the same container, but for secrets, whose files were that stack's.
  const orphan = running.find((one) => one.name === spec.name && identityOf(one)?.project === manifest.project.name);
  const mayAdopt = manifest.containers[container]?.secrets.length === 0;
  const found = present.get(spec.name) ?? (orphan && mayAdopt && isSame(orphan) ? orphan : undefined);
  if (!found) refuseForeign(running, spec.name);
  const stays = found !== undefined && isSame(found) && mayStay.has(found.state) && !drifted.has(spec.name);
  const isDone = found?.state === 'exited' && found.exitCode === 0 && completes(manifest, container);
  const act = !stays ? 'create' : found.state === 'running' || isDone ? 'keep' : 'start';
  return { container, spec, found, act } as const;
}

/** Whether something waits for it to end: then it isn't started again once it has. */
export function completes(manifest: Manifest, container: string): boolean {
  return conditionsOf(manifest, container).includes('completed');
}

function conditionsOf(manifest: Manifest, container: string): Until[] {
  return Object.values(manifest.containers).flatMap((one) => one.depends_on[container]?.condition ?? []);
}

/** What the containers above wait for; where none waits for health, health if it is declared, when all else is begun. */
function waitsOf(manifest: Manifest, container: string): { readonly now: readonly Until[]; readonly atLast: boolean } {
  const conditions = [...new Set(conditionsOf(manifest, container))].sort();
  const isChecked = manifest.containers[container]?.health !== undefined;
  if (conditions.length === 0) return { now: [isChecked ? 'healthy' : 'started'], atLast: false };
  return { now: conditions, atLast: isChecked && !conditions.includes('healthy') && !conditions.includes('completed') };
}

/** By labels and name: a container that only bears our labels is somebody else's, and is left alone. */
function isOurs(
  one: ContainerSummary,
  { stack, adopted }: Pick<RunRequest, 'stack' | 'adopted'>,
  project: string,
): boolean {
  const identity = identityOf(one);
  return identity?.project === project && (identity.stack === stack || adopted.has(one.id));
}

/** Networks and volumes that the manifest needs, and networks of the project that it no longer does. */
function thingsOf(request: RunRequest): { readonly steps: readonly RunStep[]; readonly dropped: readonly string[] } {
  const { manifest, networks, stack } = request;
  const project = manifest.project.name;
  const labels = makeThingLabels(stack, project);
  const wanted = [
    ...new Set(
      Object.keys(manifest.containers)
        .sort()
        .flatMap((one) => networksOf(manifest, one)),
    ),
  ];
  const volumes = volumesOf(manifest);
  for (const [what, name, found] of [
    ...wanted.map((name) => ['network', name, networks.find((one) => one.name === name)] as const),
    ...volumes.map((name) => ['volume', name, request.volumes.find((one) => one.name === name)] as const),
  ])
    if (found && thingOwner(found.labels)?.project !== project)
      throw new CookbookError(
        'foreign-container',
        `Cannot run project "${project}": the engine has a ${what} "${name}" that no stack made for it; remove that one`,
      );
  return {
    steps: [
      ...wanted.map((network): RunStep => {
        const isNew = !networks.some((one) => one.name === network);
        return { do: 'ensure-network', network, labels, isNew };
      }),
      ...volumes.map((volume): RunStep => ({ do: 'ensure-volume', volume, labels })),
    ],
    dropped: networks
      .filter((one) => {
        const owner = thingOwner(one.labels);
        return owner?.stack === stack && owner.project === project && !wanted.includes(one.name);
      })
      .map(({ name }) => name),
  };
}

function refuseForeign(running: readonly ContainerSummary[], name: string): void {
  const foreign = running.find((one) => one.name === name);
  if (!foreign) return;
  const owner = readLabels(foreign.labels)?.stack;
  const whose = owner === undefined ? 'no stack started it' : `stack "${owner}" started it from another manifest`;
  throw new CookbookError(
    'foreign-container',
    `Cannot run container "${name}": the engine has one of that name, and ${whose}; rename or remove that one`,
  );
}

function setAside({ id, name, state }: ContainerSummary): RunStep {
  return { do: 'set-aside', name, aside: asideName(id), ran: state === 'running' || state === 'restarting' };
}

function waitStep(manifest: Manifest, container: string, until: Until): RunStep {
  const wanted = manifest.containers[container] as ManifestContainer;
  const startPeriodMs = (wanted.health?.start_period_seconds ?? 0) * 1000;
  return {
    do: 'wait',
    name: engineName(manifest.project.name, container),
    until,
    check: wanted.health,
    ports: expectedPorts(wanted),
    deadlineMs: until === 'completed' ? completeDeadlineMs : healthDeadlineMs + startPeriodMs,
  };
}
