// Real daemons as processes of their own, and the two commands as a person runs them.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from './deadline.ts';

const root = path.dirname(path.dirname(import.meta.dirname));
/** A daemon is ready within a second; a loaded machine gets thirty times as long before it counts as broken. */
const startWithinMs = 30_000;
const stopWithinMs = 10_000;
/** What of a daemon's log stands in the error when it fails. */
const logTailLines = 20;

const running = new Set<ChildProcess>();
let isExitWatched = false;

/** What `hermesh up --json` prints once it is ready. */
export interface Announcement {
  readonly name: string;
  readonly stack: string;
  readonly home: string;
  readonly http: string;
  readonly socket: string;
  readonly addresses: readonly string[];
  readonly engine: { readonly state: string; readonly info?: { readonly id: string; readonly kind: string } };
}

export interface DaemonProcess extends AsyncDisposable {
  readonly pid: number;
  readonly home: string;
  readonly announced: Announcement;
  /** From spawn to the announcement, in milliseconds. */
  readonly readyMs: number;
  /** The newest lines of its log. */
  log(): string;
  /** One command of a person against this daemon. */
  run(program: 'hermesh' | 'aish', args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The same, failing unless it exits with 0; with `--json`, and its value parsed. */
  json<T = Record<string, unknown>>(program: 'hermesh' | 'aish', ...args: string[]): Promise<T>;
  /** Sends a signal and resolves with how it ended. */
  end(
    signal: NodeJS.Signals,
  ): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly ms: number }>;
}

export interface RunOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly directory?: string;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface StartOptions {
  /** Where it is left out, a temporary one that goes with the process. */
  readonly home?: string;
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the programs are, in place of this checkout's. */
  readonly binaries?: string;
  /** What stands before the program: a command that ends in it with the same process id, such as `ip netns exec NAME`. */
  readonly command?: readonly string[];
}

/** Starts `hermesh up` on loopback with free ports, and resolves once it announced itself. */
export async function startDaemon(
  name: string,
  { home, flags = [], environment = {}, binaries, command = [] }: StartOptions = {},
): Promise<DaemonProcess> {
  await using undo = new AsyncDisposableStack();
  const directory = home ?? (await mkdtemp(path.join(tmpdir(), `hermesh-${name}-`)));
  if (home === undefined) undo.defer(() => rm(directory, { recursive: true, force: true }));
  const bin = binaries ?? path.join(root, 'bin');
  const given = new Set(flags);
  const defaults = [
    ['--name', name],
    ['--http', '127.0.0.1:0'],
    ['--listen', '/ip4/127.0.0.1/tcp/0'],
  ].filter(([flag]) => !given.has(flag ?? ''));
  const started = performance.now();
  const words = [...command, path.join(bin, 'hermesh'), '--home', directory, '--json', 'up'];
  const [program = '', ...first] = words;
  const child = spawn(program, [...first, ...defaults.flat(), ...flags], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithThisProcess(child);
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > 2000) lines.shift();
  });
  const log = (): string => lines.slice(-logTailLines).join('\n');
  undo.defer(() => endProcess(child, 'SIGTERM').then(() => undefined));
  const announced = await firstLine(child, name, log);
  const readyMs = performance.now() - started;
  const all = undo.move();
  return {
    pid: child.pid ?? 0,
    home: directory,
    announced,
    readyMs,
    log,
    run: (program, args, options) => runCommand(program, ['--home', directory, ...args], options, bin),
    async json<T>(program: 'hermesh' | 'aish', ...args: string[]) {
      const ran = await runCommand(program, ['--home', directory, '--json', ...args], {}, bin);
      if (ran.code !== 0)
        throw new Error(`"${program} ${args.join(' ')}" ended with ${ran.code}: ${ran.stderr}\n${log()}`);
      return JSON.parse(ran.stdout) as T;
    },
    end: (signal) => endProcess(child, signal),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Kills the child where this process exits first, also when it was interrupted: nothing that was started outlives it. */
export function endWithThisProcess(child: ChildProcess): void {
  running.add(child);
  child.once('close', () => running.delete(child));
  if (isExitWatched) return;
  isExitWatched = true;
  process.once('exit', () => {
    for (const one of running) one.kill('SIGKILL');
  });
}

/** Runs one of the two commands of this checkout and gives all it said. */
export function runCommand(
  program: 'hermesh' | 'aish',
  args: readonly string[],
  { input, environment = {}, timeoutMs = 120_000, directory = root }: RunOptions = {},
  bin = path.join(root, 'bin'),
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(path.join(bin, program), args, {
      cwd: directory,
      env: { ...process.env, ...environment },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      stdout += part;
    });
    child.stderr?.setEncoding('utf8').on('data', (part: string) => {
      stderr += part;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr, ms: performance.now() - started }));
    child.stdin?.end(input);
  });
}

async function firstLine(child: ChildProcess, name: string, log: () => string): Promise<Announcement> {
  let line: string | undefined;
  let ended: string | undefined;
  if (child.stdout) {
    createInterface({ input: child.stdout }).once('line', (text) => {
      line = text;
    });
  }
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = `it ended with ${code ?? signal}`;
  });
  await eventually(`daemon "${name}" announces itself`, () => line !== undefined || ended !== undefined, {
    timeoutMs: startWithinMs,
    everyMs: 2,
  });
  if (line === undefined) throw new Error(`Cannot start the daemon "${name}": ${ended}\n${log()}`);
  const said = JSON.parse(line) as Announcement | { readonly error: unknown };
  // With --json it also says in one line why it can't start.
  if (!('stack' in said)) throw new Error(`Cannot start the daemon "${name}": ${line}\n${log()}`);
  return said;
}

async function endProcess(
  child: ChildProcess,
  signal: NodeJS.Signals,
): Promise<{ code: number | null; signal: NodeJS.Signals | null; ms: number }> {
  const started = performance.now();
  if (child.exitCode === null && child.signalCode === null) {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const late = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
    child.kill(signal);
    await exited;
    clearTimeout(late);
  }
  return { code: child.exitCode, signal: child.signalCode, ms: performance.now() - started };
}
