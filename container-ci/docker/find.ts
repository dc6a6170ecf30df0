// Which engine a stack gets: the first of the given sockets that answers and is of the wanted kind.
import type { Engine, EngineInfo } from '../engine.ts';
import { EngineError, messageOf } from '../error.ts';
import { openDockerEngine } from './engine.ts';

export type EngineChoice = 'auto' | 'docker' | 'podman' | 'none';

export interface EngineSocket {
  readonly kind: 'docker' | 'podman';
  /** The path of a unix socket. */
  readonly path: string;
}

/**
 * Tries `sockets` in order. `none` gives undefined; `auto` gives undefined where no socket is there or nobody listens on
 * one; a kind that was asked for and doesn't answer, or a socket that this user may not open, is `engine-unreachable`.
 */
export async function findEngine(
  choice: EngineChoice,
  { sockets, signal }: { readonly sockets: readonly EngineSocket[]; readonly signal: AbortSignal },
): Promise<Engine | undefined> {
  if (choice === 'none') return undefined;
  const wanted = sockets.filter((socket) => choice === 'auto' || socket.kind === choice);
  const tried: string[] = [];
  let forbidden = false;
  for (const socket of wanted) {
    const engine = await openDockerEngine({ endpoint: socket.path });
    try {
      const info: EngineInfo = await engine.info({ signal });
      if (choice === 'auto' || info.kind === choice) return engine;
      tried.push(`"${socket.path}" (it is ${info.kind})`);
    } catch (error) {
      signal.throwIfAborted();
      const code = causeCode(error);
      forbidden ||= code !== 'ENOENT' && code !== 'ECONNREFUSED';
      tried.push(`"${socket.path}" (${code ?? messageOf(error)})`);
    }
    await engine[Symbol.asyncDispose]();
  }
  if (choice === 'auto' && !forbidden) return undefined;
  const list = tried.length === 0 ? 'no socket was named' : `tried ${tried.join(', ')}`;
  const kind = choice === 'auto' ? 'container' : choice;
  throw new EngineError(
    'engine-unreachable',
    `Cannot reach a ${kind} engine: ${list}; start it, let this user open its socket, or go without one: "--engine none"`,
  );
}

function causeCode(error: unknown): string | undefined {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined;
  return cause?.code;
}
