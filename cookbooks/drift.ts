// How what runs differs from what its manifest says: pure, from what the engine was told to what it has.
import {
  type ContainerSettings,
  type ContainerSpec,
  type ContainerState,
  type ContainerSummary,
  identityOf,
  isAside,
  settingsOfSpec,
} from '#container-ci';

export type DriftKind =
  | 'missing'
  | 'extra'
  | 'stopped'
  | 'restarted'
  | 'image'
  | 'environment'
  | 'command'
  | 'mounts'
  | 'ports'
  | 'networks'
  | 'limits'
  | 'restart-policy'
  | 'security';

/** One difference, in words; values of variables are never in it. */
export interface Drift {
  readonly project: string;
  /** As the engine has it. */
  readonly name: string;
  readonly what: DriftKind;
  readonly expected: string;
  readonly actual: string;
}

/** What the engine has of one container that was meant to be. */
export interface Found {
  readonly settings: ContainerSettings;
  readonly state: Pick<ContainerState, 'status' | 'exitCode' | 'startedAt' | 'restartCount'>;
}

export interface DriftRequest {
  readonly project: string;
  /** Each container of the manifest, with when its run saw it start (milliseconds since 1970) where that is known. */
  readonly wanted: readonly {
    readonly spec: ContainerSpec;
    readonly found: Found | undefined;
    /** A container that ends when its work is done. */
    readonly completes: boolean;
    readonly startedAt?: number | undefined;
  }[];
  readonly running: readonly ContainerSummary[];
}

/** An engine tells when something started to the nanosecond, a record to the millisecond. */
const sameMomentMs = 2;

/** Kinds that a run mends by making the container anew. */
const made: ReadonlySet<DriftKind> = new Set([
  'image',
  'environment',
  'command',
  'mounts',
  'ports',
  'networks',
  'limits',
  'restart-policy',
  'security',
]);

export function isOfMaking({ what }: Drift): boolean {
  return made.has(what);
}

/** Empty where all is as the manifest says; containers in the order of the request, what is too many last. */
export function driftOf({ project, wanted, running }: DriftRequest): Drift[] {
  const names = new Set(wanted.map(({ spec }) => spec.name));
  const extra = running.filter(
    (one) => identityOf(one)?.project === project && !names.has(one.name) && !isAside(one.name),
  );
  return [
    ...wanted.flatMap((one) => ofContainer(project, one)),
    ...extra.map(
      (one): Drift => ({ project, name: one.name, what: 'extra', expected: 'no such container', actual: one.state }),
    ),
  ];
}

function ofContainer(project: string, one: DriftRequest['wanted'][number]): Drift[] {
  const { spec, found, completes, startedAt } = one;
  const say = (what: DriftKind, expected: string, actual: string): Drift[] => [
    { project, name: spec.name, what, expected, actual },
  ];
  if (!found) return say('missing', 'running', 'no such container');
  const { state, settings } = found;
  const drift: Drift[] = [];
  const isDone = completes && state.status === 'exited' && state.exitCode === 0;
  if (state.status !== 'running' && state.status !== 'restarting' && !isDone) {
    const how = state.exitCode === undefined ? '' : `, exit code ${state.exitCode}`;
    drift.push(...say('stopped', completes ? 'completed' : 'running', `${state.status}${how}`));
  }
  const at = state.startedAt?.getTime();
  if (startedAt !== undefined && at !== undefined && state.restartCount === 0 && at - startedAt > sameMomentMs)
    drift.push(...say('restarted', `up since ${sayTime(startedAt)}`, `up since ${sayTime(at)}, by no policy`));
  const wanted = settingsOfSpec(spec);
  if (digestOf(settings.image) !== digestOf(wanted.image))
    drift.push(...say('image', digestOf(wanted.image), digestOf(settings.image)));
  if (settings.changedEnvironment.length > 0)
    drift.push(...say('environment', 'as in the image', `changed: ${settings.changedEnvironment.join(', ')}`));
  if (settings.changedCommand) drift.push(...say('command', 'as in the image', 'another one'));
  const compare = (what: DriftKind, say1: (of: ContainerSettings) => readonly string[]): void => {
    const expected = say1(wanted);
    const actual = say1(settings);
    if (expected.join() !== actual.join())
      drift.push(...say(what, expected.join(', ') || 'none', actual.join(', ') || 'none'));
  };
  compare('mounts', ({ mounts }) =>
    mounts.map((mount) => {
      const source = mount.kind === 'memory' ? `${mount.sizeBytes} bytes of memory` : `${mount.kind} ${mount.source}`;
      return `${mount.path} from ${source}${mount.readOnly ? ', read only' : ''}`;
    }),
  );
  compare('ports', ({ publish }) => publish.map(({ port, hostPort }) => `${port} at ${hostPort || 'a free port'}`));
  compare('networks', ({ networks }) => networks);
  compare('limits', (of) =>
    (['memoryBytes', 'nanoCpus', 'processes', 'shmBytes', 'openFiles'] as const).flatMap((key) =>
      of[key] === 0 ? [] : [`${key} ${of[key]}`],
    ),
  );
  compare('restart-policy', ({ restart }) => [restart]);
  compare('security', ({ security }) =>
    Object.entries(security).flatMap(([key, value]) =>
      value === false || value === 'default' || (Array.isArray(value) && value.length === 0) ? [] : [`${key} ${value}`],
    ),
  );
  return drift;
}

/** A reference names the registry's port too, which may be another after each start. */
function digestOf(reference: string): string {
  return reference.slice(reference.indexOf('@') + 1);
}

function sayTime(at: number): string {
  return new Date(at).toISOString();
}
