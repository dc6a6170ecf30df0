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

/** Undoing has a deadline of its own, since the caller's signal may be what ended the run. */
const undoTimeoutMs = 120_000;
const diagnoseTimeoutMs = 10_000;
/** An engine that restarts needs about 5 s; one that is gone isn't waited for much longer. */
const reachableTimeoutMs = 20_000;
const reachablePauseMs = 250;

/** Throws `RunFailure` (code `run-failed`), after undoing what this run did; the cause is the step's own error. */
export async function carryOut(
  plan: RunPlan,
  parts: StepParts & { readonly report?: (progress: RunProgress) => void },
  { signal }: { readonly signal: AbortSignal },
): Promise<CarriedOut> {
  const { engine, now } = parts;
  const began = now();
  const done: DoneStep[] = [];
  for (const [index, step] of plan.steps.entries()) {
    const startedAt = now();
    const report = (state: RunProgress['state'], message: string): void =>
      parts.report?.({ step, index, steps: plan.steps.length, state, message, ms: now() - startedAt });
    report('begins', describe(step));
    try {
      signal.throwIfAborted();
      await carryOutStep(step, parts, { signal });
      done.push({ step, ms: now() - startedAt });
      report('done', describe(step));
    } catch (cause) {
      report('failed', `${describe(step)}: ${messageOf(cause)}`);
      const name = containerOf(step);
      const look = { now, signal: AbortSignal.timeout(diagnoseTimeoutMs) };
      const diagnosis = name === undefined ? undefined : await diagnose(engine, name, look).catch(() => undefined);
      let end = 'what was done before it stays; the same can be asked for again';
      if (!isFinal(step)) {
        const failed = await undo(plan, [...done.map((one) => one.step), step], parts);
        end =
          failed.length === 0 ? 'what this run did is undone' : `not all of it could be undone: ${failed.join('; ')}`;
        report('undone', end);
      }
      throw new RunFailure(step, explain(plan, step, cause, diagnosis, end), diagnosis, cause);
    }
  }
  return { done, ms: now() - began };
}

/** Clearing away comes after the last thing that may fail the run, and ends what can't be brought back. */
function isFinal(step: RunStep): boolean {
  return step.do === 'stop' || step.do === 'remove' || step.do === 'remove-network';
}

/** The last first; the failed step may have been done in part. What can't be undone is told, and the rest goes on. */
async function undo(plan: RunPlan, steps: readonly RunStep[], { engine }: StepParts): Promise<string[]> {
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
        // A name that was taken by somebody else belongs to them.
        const found = await engine.inspect(step.spec.name, options);
        if (found?.labels && sameLabels(found.labels, step.spec.labels))
          await engine.removeContainer(found.id, options);
      });
    if (step.do === 'start' && !created.has(step.name))
      await attempt(`stopping "${step.name}"`, () => engine.stopContainer(step.name, { graceSeconds: 0, ...options }));
    if (step.do === 'set-aside')
      await attempt(`bringing back "${step.name}"`, async () => {
        if (await engine.inspect(step.aside, options)) await engine.renameContainer(step.aside, step.name, options);
        if (step.ran && (await engine.inspect(step.name, options))) await engine.startContainer(step.name, options);
      });
  }
  if (steps.some((step) => step.do === 'ensure-network')) {
    const left = await engine.containers(options).catch(() => undefined);
    const prefix = `${plan.project}-`;
    if (left && !left.some(({ name }) => name.startsWith(prefix)))
      await attempt(`removing network "${plan.network}"`, () => engine.removeNetwork(plan.network, options));
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
  }
}

function containerOf(step: RunStep): string | undefined {
  if (step.do === 'create') return step.spec.name;
  return 'name' in step ? step.name : undefined;
}
