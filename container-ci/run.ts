// One step of a plan, carried out against the engine: it does what the step says and chooses nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerSpec, ContainerState, Engine } from './engine.ts';
import { EngineError } from './error.ts';
import { explainExit } from './findings.ts';
import { afterProbe, afterState, makeHealth } from './health.ts';
import { type HealthCheck, intervalOf, patienceOf, probe } from './probe.ts';

/** A file that a container finds a secret in; the value is never part of it. */
export interface SecretFile {
  readonly secret: string;
  /** On the host, where it is mounted from. */
  readonly file: string;
  /** Four octal digits. */
  readonly mode: string;
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** What can be done, as data. `name` is the engine's name of a container; `isNew` says that it wasn't there before. */
export type RunStep =
  | {
      readonly do: 'ensure-network';
      readonly network: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly isNew: boolean;
    }
  | { readonly do: 'ensure-volume'; readonly volume: string; readonly labels: Readonly<Record<string, string>> }
  | { readonly do: 'pull'; readonly container: string; readonly reference: string }
  | { readonly do: 'put-secrets'; readonly container: string; readonly files: readonly SecretFile[] }
  /** Stops a container and puts it aside under another name, so that it can come back; `ran` says whether it ran before. */
  | { readonly do: 'set-aside'; readonly name: string; readonly aside: string; readonly ran: boolean }
  /** `replaces` is the id of the container that had the name before. */
  | {
      readonly do: 'create';
      readonly container: string;
      readonly spec: ContainerSpec;
      readonly replaces?: string | undefined;
    }
  | { readonly do: 'start'; readonly name: string }
  | {
      readonly do: 'wait';
      readonly name: string;
      readonly until: 'started' | 'healthy' | 'completed';
      readonly check: HealthCheck | undefined;
      readonly ports: readonly number[];
      readonly deadlineMs: number;
    }
  | { readonly do: 'stop'; readonly name: string }
  | { readonly do: 'remove'; readonly name: string }
  | { readonly do: 'remove-network'; readonly network: string }
  | { readonly do: 'remove-volume'; readonly volume: string };

export interface StepParts {
  readonly engine: Engine;
  /** What the engine is handed for a pull of this reference. */
  readonly login: (reference: string) => { readonly username: string; readonly password: string };
  /** Writes the values of secrets to where containers are given them; throws where one isn't known. */
  readonly putSecrets: (files: readonly SecretFile[], options: { readonly signal: AbortSignal }) => Promise<void>;
  readonly now: () => number;
}

/** A container that only has to start has to be up for this long, since a wrong command ends it at once, each time. */
const settleMs = 500;
const lookEveryMs = 100;
/** Deaths during one wait after which it isn't waited for any longer. */
const maxRestarts = 3;

/** Throws what the engine throws, and `not-ready` where a container that was waited for ended or didn't become healthy. */
export async function carryOutStep(
  step: RunStep,
  { engine, login, putSecrets, now }: StepParts,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  switch (step.do) {
    case 'ensure-network':
      return engine.createNetwork(step.network, step.labels, options);
    case 'ensure-volume':
      return engine.createVolume(step.volume, step.labels, options);
    case 'put-secrets':
      return putSecrets(step.files, options);
    case 'pull':
      return engine.pull(step.reference, login(step.reference), options);
    case 'set-aside':
      await engine.stopContainer(step.name, options);
      // What somebody removed meanwhile is out of the way already.
      return unlessGone(engine.renameContainer(step.name, step.aside, options));
    case 'create':
      await engine.createContainer(step.spec, options);
      return;
    case 'start':
      return engine.startContainer(step.name, options);
    case 'wait':
      return waitFor(step, engine, now, options.signal);
    case 'stop':
      return engine.stopContainer(step.name, options);
    case 'remove':
      return engine.removeContainer(step.name, options);
    case 'remove-network':
      return engine.removeNetwork(step.network, options);
    case 'remove-volume':
      return engine.removeVolume(step.volume, options);
  }
}

async function unlessGone(done: Promise<void>): Promise<void> {
  await done.catch((error: unknown) => {
    if (!(error instanceof EngineError && error.code === 'no-such-container')) throw error;
  });
}

async function waitFor(
  step: Extract<RunStep, { do: 'wait' }>,
  engine: Engine,
  now: () => number,
  signal: AbortSignal,
): Promise<void> {
  const began = now();
  const notReady = (why: string): EngineError =>
    new EngineError('not-ready', `Cannot wait for container "${step.name}" to be ${step.until}: ${why}`);
  const read = async (): Promise<ContainerState> => {
    const state = await engine.inspect(step.name, { signal });
    if (state === undefined) throw notReady('it was removed meanwhile');
    if (state.error !== undefined) throw notReady(`the engine could not start it: ${state.error}`);
    return state;
  };
  const first = await read();
  let health = makeHealth('starting', began);
  for (;;) {
    const state = await read();
    const isDone = state.status === 'exited' && state.exitCode === 0 && step.until !== 'healthy';
    if (isDone) return;
    if (state.status === 'exited' || state.status === 'dead')
      throw notReady(`its main process ended, ${explainExit(state.exitCode)}`);
    if (state.restartCount - first.restartCount >= maxRestarts)
      throw notReady(`it died ${state.restartCount - first.restartCount} times, ${explainExit(state.exitCode)}`);
    const upMs = now() - (state.startedAt?.getTime() ?? began);
    if (step.until === 'started' && state.status === 'running' && upMs >= settleMs) return;
    if (step.until === 'healthy' && state.status === 'running') {
      const answer = await probe(engine, state, step, { now, signal });
      health = afterState(health, state, now(), false);
      health = afterProbe(health, answer, patienceOf(step.check), state.startedAt?.getTime() ?? began);
      if (health.status === 'healthy') return;
    }
    if (now() - began > step.deadlineMs)
      throw new EngineError(
        'not-ready',
        `Cannot wait for container "${step.name}" to be ${step.until}: it isn't after ${Math.round(step.deadlineMs / 1000)} s, it is ${state.status}, and the last probe said "${health.lastAnswer?.said ?? 'nothing'}"`,
      );
    const pause = step.until === 'healthy' ? intervalOf(step.check, true) : lookEveryMs;
    await sleep(pause, undefined, { signal });
  }
}
