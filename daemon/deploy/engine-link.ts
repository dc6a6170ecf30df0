// The one engine of a stack: found, claimed so that no other stack takes it, and watched for being there.
import type { Logger } from 'pino';
import type { Engine, EngineInfo, Observer } from '#container-ci';
import { type EngineSocket, findEngine } from '#container-ci/docker';
import type { Config } from '../config.ts';
import { DaemonError } from '../errors.ts';

export type EngineState =
  | { readonly state: 'none'; readonly reason: string }
  | { readonly state: 'connected'; readonly info: EngineInfo }
  | { readonly state: 'unreachable'; readonly info: EngineInfo; readonly reason: string };

export interface EngineLink extends AsyncDisposable {
  /** As it was when it was opened; `stateNow` says how it is. */
  readonly state: EngineState;
  /** Throws `no-engine` with how to get one. */
  require(): Engine;
  readonly engine: Engine | undefined;
}

/** How the engine is, by what its observer hears of it. */
export function stateNow(opened: EngineState, observer: Pick<Observer, 'engineState'> | undefined): EngineState {
  const heard = observer?.engineState();
  if (opened.state !== 'connected' || !heard || heard.reachable) return opened;
  return { state: 'unreachable', info: opened.info, reason: heard.reason ?? 'it does not answer' };
}

/** `docker 28.0`, and what is wrong with it, for people. */
export function describeEngine(engine: EngineState): string {
  if (engine.state === 'none') return `none (${engine.reason})`;
  const name = `${engine.info.kind} ${engine.info.version}`;
  return engine.state === 'connected' ? name : `${name}, unreachable: ${engine.reason}`;
}

/**
 * Finds the engine that the configuration names and claims it. What `auto` doesn't find is no fault: a stack without an engine
 * still builds, replicates and answers. Throws `engine-unreachable` where one was asked for by name and isn't there, and
 * `engine-owned` where another stack has claimed it.
 */
export async function openEngineLink(
  config: Pick<Config, 'engine' | 'engineSockets'>,
  stack: string,
  log: Logger,
  { signal }: { signal: AbortSignal },
): Promise<EngineLink> {
  if (config.engine === 'none') return withoutEngine('started with --engine none');
  const sockets: EngineSocket[] = [
    ...config.engineSockets.docker.map((path) => ({ kind: 'docker', path }) as const),
    ...config.engineSockets.podman.map((path) => ({ kind: 'podman', path }) as const),
  ];
  const engine = await findEngine(config.engine, { sockets, signal });
  if (!engine) return withoutEngine('no engine was found on this host');
  try {
    const owner = await engine.claim(stack, { signal });
    if (owner !== stack) throw ownedBy(owner);
    const info = await engine.info({ signal });
    log.info({ engine: info.id, kind: info.kind, version: info.version }, 'engine connected');
    return {
      state: { state: 'connected', info },
      engine,
      require: () => engine,
      [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
    };
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

function withoutEngine(reason: string): EngineLink {
  return {
    state: { state: 'none', reason },
    engine: undefined,
    require() {
      throw new DaemonError('no-engine', `Cannot run containers on this stack: ${reason}`, {
        mend: 'start the stack on a host with Docker or Podman (hermesh up --engine auto)',
      });
    },
    async [Symbol.asyncDispose]() {},
  };
}

function ownedBy(owner: string): DaemonError {
  return new DaemonError('engine-owned', `Cannot take this engine: stack "${owner}" owns it`, {
    mend: 'start with --engine none; or, if that stack is gone for good: docker volume rm hermesh-owner',
  });
}
