// Programs of others that a row is measured against: started beside the rows' own, read line by line, and ended by their id.
import { type ChildProcess, spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

const readyWithinMs = 30_000;
const endWithinMs = 5_000;
const keptLines = 20;

export interface Peer extends AsyncDisposable {
  readonly pid: number;
  readonly child: ChildProcess;
}

/** Starts it, and resolves once a line of what it prints matches `ready`; `line` is told of each. */
export async function startPeer(
  command: readonly string[],
  ready: RegExp,
  line: (text: string, at: number) => void = () => undefined,
): Promise<Peer> {
  const [program = '', ...words] = command;
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const last: string[] = [];
  const isReady = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => {
      line(text, performance.now());
      last.push(text);
      if (last.length > keptLines) last.shift();
      if (ready.test(text)) isReady.resolve();
    });
  }
  const fail = (why: string): void =>
    isReady.reject(new Error(`Cannot start "${command.join(' ')}": ${why}\n${last.join('\n')}`));
  child.once('error', (error) => fail(error.message));
  child.once('exit', (code, signal) => fail(`it ended with ${code ?? signal}`));
  const late = setTimeout(() => fail(`it was not ready within ${readyWithinMs} ms`), readyWithinMs);
  const peer: Peer = { pid: child.pid ?? 0, child, [Symbol.asyncDispose]: () => end(child) };
  try {
    await isReady.promise;
    return peer;
  } catch (error) {
    await end(child);
    throw error;
  } finally {
    clearTimeout(late);
  }
}

/** So many free ports of loopback, free until somebody else takes them. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const late = setTimeout(() => child.kill('SIGKILL'), endWithinMs);
  child.kill('SIGCONT');
  child.kill('SIGTERM');
  await exited;
  clearTimeout(late);
}
