// Starts stacks with blobs as processes, and talks with them line by line.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

const script = path.join(import.meta.dirname, 'exchange-stack.ts');

export interface ExchangeProcess extends AsyncDisposable {
  readonly stack: string;
  readonly child: ChildProcess;
  /** Resolves with the answer; throws what it says went wrong. One of a verb at a time. */
  ask<Answer = Record<string, unknown>>(verb: string, input?: Record<string, string>): Promise<Answer>;
  kill(): Promise<void>;
}

/** Starts one; `command` stands before the program, to run it within a namespace. */
export async function startExchange(
  words: readonly string[],
  { command = [] }: { readonly command?: readonly string[] } = {},
): Promise<ExchangeProcess> {
  const [program = process.execPath, ...rest] = [...command, process.execPath, script, ...words];
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = new Map<string, PromiseWithResolvers<Record<string, unknown>>>();
  const expect = (verb: string): Promise<Record<string, unknown>> => {
    const answer = Promise.withResolvers<Record<string, unknown>>();
    waiting.set(verb, answer);
    return answer.promise;
  };
  const exit = once(child, 'exit').then(() => {
    for (const each of waiting.values()) each.reject(new Error('the process ended'));
  });
  createInterface(child.stdout).on('line', (line) => {
    const answer = JSON.parse(line) as Record<string, unknown>;
    const of = waiting.get(String(answer['to'] ?? 'ready'));
    if (answer['error'] === undefined) of?.resolve(answer);
    else of?.reject(new Error(String(answer['error'])));
  });
  const { ready } = await expect('ready');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exit;
  };
  return {
    stack: String(ready),
    child,
    kill,
    async ask<Answer>(verb: string, input: Record<string, string> = {}) {
      const answer = expect(verb);
      child.stdin.write(`${JSON.stringify({ verb, ...input })}\n`);
      return (await answer) as Answer;
    },
    [Symbol.asyncDispose]: kill,
  };
}
