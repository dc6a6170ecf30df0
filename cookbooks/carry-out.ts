// A plan is carried out step by step; where one fails, what this run did is undone, and the error says why.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  carryOutStep,
  type Diagnosis,
  diagnose,
  type Finding,
  messageOf,
  type RunStep,
  type StepParts,
} from '#container-ci';
import { actInOrder } from '#manifests';
import { CookbookError } from './error.ts';
import type { RunPlan } from './plan.ts';

export interface DoneStep {
  readonly step: RunStep;
  readonly ms: number;
}

export interface CarriedOut {
  readonly done: readonly DoneStep[];
  readonly ms: number;
}

export interface RunProgress {
  readonly step: RunStep;
  /** From 0, of `steps`. */
  readonly index: number;
  readonly steps: number;
  readonly state: 'begins' | 'done' | 'failed' | 'undone';
  /** One sentence for a person, without a full stop. */
  readonly message: string;
  readonly ms: number;
}

/** A run that failed and was undone; `findings` and `lines` are those of the container at fault. */
export class RunFailure extends CookbookError {
  readonly step: RunStep;
  readonly findings: readonly Finding[];
  readonly lines: readonly string[];

  constructor(step: RunStep, message: string, diagnosis: Diagnosis | undefined, cause: unknown) {
    super('run-failed', message, { cause, mayRetry: (cause as { mayRetry?: boolean }).mayRetry ?? false });
    this.step = step;
    this.findings = diagnosis?.findings ?? [];
    this.lines = diagnosis?.lines ?? [];
  }
}

/** Starting more at once only makes each of them slower. */
const stepsAtOnce = 4;
/** Undoing has a deadline of its own, since the caller's signal may be what ended the run. */
const undoTimeoutMs = 120_000;
const diagnoseTimeoutMs = 10_000;
/** An engine that restarts needs about 5 s; one that is gone isn't waited for much longer. */
const reachableTimeoutMs = 20_000;
const reachablePauseMs = 250;

/** Throws `RunFailure` (code `run-failed`), after undoing what this run did; the cause is the step's own error. */
export async function carryOut(
  plan: RunPlan,
  parts: StepParts & {
    readonly report?: (progress: RunProgress) => void;
    /** Told when all that may fail the run is done, before what can't be brought back is removed. */
    readonly ending?: () => void;
  },
  { signal }: { readonly signal: AbortSignal },
): Promise<CarriedOut> {
  const { engine, now } = parts;
  const began = now();
  const done: DoneStep[] = [];
  const begun = new Set<number>();
  let failure: { readonly step: RunStep; readonly cause: unknown } | undefined;
  const carry = async (index: number, either: AbortSignal): Promise<void> => {
    const step = plan.steps[index] as RunStep;
    const startedAt = now();
    const report = (state: RunProgress['state'], message: string): void =>
      parts.report?.({ step, index, steps: plan.steps.length, state, message, ms: now() - startedAt });
    report('begins', describe(step));
    try {
      either.throwIfAborted();
      begun.add(index);
      await carryOutStep(step, parts, { signal: either });
      done.push({ step, ms: now() - startedAt });
      report('done', describe(step));
    } catch (cause) {
      report('failed', `${describe(step)}: ${messageOf(cause)}`);
      // The first is at fault; the others ended because of it.
      failure ??= { step, cause };
      throw cause;
    }
  };
  const acting = plan.steps.flatMap((step, index) => (isFinal(step) ? [] : [index]));
  const ending = plan.steps.flatMap((step, index) => (isFinal(step) ? [index] : []));
  const act = async (indexes: readonly number[]): Promise<void> => {
    const needs = new Map(indexes.map((index) => [`${index}`, needsOf(plan, index, indexes)]));
    await actInOrder([...needs.keys()], needs, { atOnce: stepsAtOnce, signal }, (name, either) =>
      carry(Number(name), either),
    );
  };
  try {
    await act(acting);
    if (ending.length > 0) parts.ending?.();
    await act(ending);
  } catch (cause) {
    const { step, cause: own } = failure ?? { step: plan.steps[0] as RunStep, cause };
    const name = containerOf(step);
    const look = { now, signal: AbortSignal.timeout(diagnoseTimeoutMs) };
    const diagnosis = name === undefined ? undefined : await diagnose(engine, name, look).catch(() => undefined);
    let end = 'what was done before it stays; the same can be asked for again';
    if (!isFinal(step)) {
      const failed = await undo(
        plan.steps.filter((_, index) => begun.has(index)),
        engine,
      );
      end = failed.length === 0 ? 'what this run did is undone' : `not all of it could be undone: ${failed.join('; ')}`;
      parts.report?.({ step, index: 0, steps: plan.steps.length, state: 'undone', message: end, ms: now() - began });
    }
    throw new RunFailure(step, explain(plan, step, own, diagnosis, end), diagnosis, own);
  }
  return { done, ms: now() - began };
}

/** Indexes of those steps that the step waits for, as names. */
function needsOf({ steps }: RunPlan, index: number, among: readonly number[]): string[] {
  const known = new Set(among);
  return (steps[index]?.after ?? []).filter((one) => known.has(one)).map(String);
}

/** Clearing away comes after the last thing that may fail the run, and ends what can't be brought back. */
export function isFinal(step: RunStep): boolean {
  return ['stop', 'remove', 'remove-network', 'remove-volume'].includes(step.do);
}

/**
 * The last first; each step may have been done in part or not at all, so that a run whose end nobody saw can be undone too. Gives
 * what couldn't be undone; the rest went on. Volumes stay: what is in them is not of the run alone.
 */
export async function undo(steps: readonly RunStep[], engine: StepParts['engine']): Promise<string[]> {
  const options = { signal: AbortSignal.timeout(undoTimeoutMs) };
  await untilReachable(engine, options);
  const failed: string[] = [];
  const attempt = async (what: string, act: () => Promise<void>): Promise<void> => {
    await act().catch((error: unknown) => void failed.push(`${what} failed: ${messageOf(error)}`));
  };
  const created = new Set(steps.flatMap((step) => (step.do === 'create' ? [step.spec.name] : [])));
  for (const step of [...steps].reverse()) {
    if (step.do === 'create')
      await attempt(`removing "${step.spec.name}"`, async () => {
        // A name that was taken by somebody else belongs to them, and one that was never given up to the one before.
        const found = await engine.inspect(step.spec.name, options);
        if (found && found.id !== step.replaces && sameLabels(found.labels, step.spec.labels))
          await engine.removeContainer(found.id, options);
      });
    if (step.do === 'start' && !created.has(step.name))
      await attempt(`stopping "${step.name}"`, () => engine.stopContainer(step.name, { graceSeconds: 0, ...options }));
    if (step.do === 'set-aside')
      await attempt(`bringing back "${step.name}"`, async () => {
        if (await engine.inspect(step.aside, options)) await engine.renameContainer(step.aside, step.name, options);
        if (step.ran && (await engine.inspect(step.name, options))) await engine.startContainer(step.name, options);
      });
    if (step.do === 'ensure-network' && step.isNew)
      await attempt(`removing network "${step.network}"`, () => engine.removeNetwork(step.network, options));
  }
  return failed;
}

/** An engine that was restarted is back in seconds: then what was put aside comes back too. */
async function untilReachable(engine: StepParts['engine'], { signal }: { signal: AbortSignal }): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(reachableTimeoutMs)]);
  while (!limit.aborted) {
    const error: unknown = await engine.info({ signal: limit }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if ((error as { code?: string } | undefined)?.code !== 'engine-unreachable') return;
    await sleep(reachablePauseMs, undefined, { signal: limit }).catch(() => undefined);
  }
}

function sameLabels(found: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => found[key] === value);
}

function explain(plan: RunPlan, step: RunStep, cause: unknown, diagnosis: Diagnosis | undefined, end: string): string {
  const parts = [`Cannot run project "${plan.project}": ${describe(step)} failed: ${messageOf(cause)}; ${end}`];
  const [first] = diagnosis?.findings ?? [];
  if (first) parts.push(`Most likely ${first.summary}; to mend it, ${first.mend}`);
  if (diagnosis && diagnosis.lines.length > 0) parts.push(`The last lines of its log:\n${diagnosis.lines.join('\n')}`);
  return parts.join('\n');
}

/** What a step does, for a person: `pull 127.0.0.1:5000/shop/redis@sha256:…`. */
export function describe(step: RunStep): string {
  switch (step.do) {
    case 'ensure-network':
      return `make sure of network ${step.network}`;
    case 'ensure-volume':
      return `make sure of volume ${step.volume}`;
    case 'put-secrets':
      return `write the secrets of ${step.container}`;
    case 'pull':
      return `pull ${step.reference}`;
    case 'set-aside':
      return `put ${step.name} aside`;
    case 'create':
      return `create ${step.spec.name}`;
    case 'start':
      return `start ${step.name}`;
    case 'wait':
      return `wait until ${step.name} is ${step.until}`;
    case 'stop':
      return `stop ${step.name}`;
    case 'remove':
      return `remove ${step.name}`;
    case 'remove-network':
      return `remove network ${step.network}`;
    case 'remove-volume':
      return `remove volume ${step.volume} and what is in it`;
  }
}

function containerOf(step: RunStep): string | undefined {
  if (step.do === 'create') return step.spec.name;
  return 'name' in step ? step.name : undefined;
}
