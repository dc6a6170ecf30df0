// Meshes of whole daemons: several in one process over the memory network, or processes of their own over libp2p.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Logger, pino } from 'pino';
import { cryptoRandom, type Node, openNode, readConfig, type Settings } from '#daemon';
import { MemoryHub } from '#registry';
import { type DaemonProcess, type StartOptions, startDaemon } from './daemon-process.ts';
import { eventually } from './deadline.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of every shape, and fails where it isn't so
  readonly body: any;
}

export interface Stack extends AsyncDisposable {
  readonly name: string;
  readonly home: string;
  readonly node: Node;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** All that it logged, a line an event. */
  readonly logged: readonly string[];
  /** One HTTP request with the token, unless `headers` says otherwise; `authorization: ''` sends none. */
  ask(method: string, place: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

export interface OpenOptions {
  /** Where it is left out, a temporary one that goes with the constellation. */
  readonly home?: string;
  readonly settings?: Settings;
  readonly now?: () => number;
  readonly join?: string;
}

/** Daemons of one process, each with HTTP on a free port and a home of its own, and no engine. */
export class Daemons implements AsyncDisposable {
  readonly hub = new MemoryHub();
  readonly #parts = new AsyncDisposableStack();
  readonly faults: unknown[] = [];

  async open(name: string, options: OpenOptions = {}): Promise<Stack> {
    const home = options.home ?? (await this.home(name));
    const config = await readConfig(
      home,
      { name, http: '127.0.0.1:0', engine: 'none', log: 'debug', ...options.settings },
      {},
    );
    const logged: string[] = [];
    const node = await openNode({
      config,
      join: options.join,
      log: logInto(logged),
      now: options.now ?? Date.now,
      monotonic: options.now ?? (() => performance.now()),
      random: cryptoRandom,
      openNetwork: async ({ identity }) => this.hub.open(identity),
      onFault: (error) => this.faults.push(error),
      signal: new AbortController().signal,
    });
    let isOpen = true;
    const stack: Stack = {
      name,
      home,
      node,
      url: node.context.links.http,
      logged,
      ask: (method, place, body, headers) => ask(node, method, place, body, headers),
      async [Symbol.asyncDispose]() {
        if (!isOpen) return;
        isOpen = false;
        await node[Symbol.asyncDispose]();
      },
    };
    this.#parts.use(stack);
    return stack;
  }

  /** Opens daemons of these names; the first founds the mesh that the others join over HTTP, and all see all. */
  async mesh(...names: readonly string[]): Promise<Stack[]> {
    const stacks = [];
    for (const name of names) stacks.push(await this.open(name));
    const [founder, ...joiners] = stacks;
    if (!founder) return stacks;
    const invite = await founder.ask('POST', '/api/mesh/invites', { uses: Math.max(1, joiners.length) });
    for (const joiner of joiners) {
      const joined = await joiner.ask('POST', '/api/mesh/join', { token: invite.body.token });
      if (joined.status !== 200) throw new Error(`"${joiner.name}" cannot join: ${JSON.stringify(joined.body)}`);
    }
    for (const stack of stacks) {
      await eventually(
        `"${stack.name}" sees ${names.length} stacks`,
        () => stack.node.context.registry.directory.list({ kind: 'stack' }).length === names.length,
      );
    }
    return stacks;
  }

  /** A temporary home, gone with the constellation. */
  async home(name: string): Promise<string> {
    const home = await mkdtemp(path.join(tmpdir(), `hermesh-${name}-`));
    this.#parts.defer(() => rm(home, { recursive: true, force: true }));
    return home;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

export interface DaemonMesh extends AsyncDisposable {
  readonly daemons: readonly DaemonProcess[];
}

/** Processes over libp2p on loopback, joined and seeing one another; `options` are by name. */
export async function startMesh(
  names: readonly string[],
  options: Readonly<Record<string, StartOptions>> = {},
): Promise<DaemonMesh> {
  await using parts = new AsyncDisposableStack();
  const started = await Promise.allSettled(
    names.map((name) =>
      startDaemon(name, { ...options[name], flags: ['--engine', 'none', ...(options[name]?.flags ?? [])] }),
    ),
  );
  const daemons = started.flatMap((one) => (one.status === 'fulfilled' ? [parts.use(one.value)] : []));
  for (const one of started) if (one.status === 'rejected') throw one.reason;
  const [founder, ...joiners] = daemons;
  if (founder && joiners.length > 0) {
    const { token } = await founder.json<{ token: string }>('hermesh', 'invite', '--uses', `${joiners.length}`);
    for (const joiner of joiners) await joiner.json('hermesh', 'join', token);
  }
  for (const daemon of daemons) await seesStacks(daemon, names.length);
  const all = parts.move();
  return { daemons, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Resolves once the daemon has the records of so many stacks. */
export async function seesStacks(daemon: DaemonProcess, count: number): Promise<void> {
  await eventually(
    `"${daemon.announced.name}" sees ${count} stacks`,
    async () => (await daemon.json<{ records: unknown[] }>('hermesh', 'ls', 'stack')).records.length === count,
    { timeoutMs: 30_000, everyMs: 200 },
  );
}

async function ask(
  node: Node,
  method: string,
  place: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const all = new Headers({
    authorization: `Bearer ${node.token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...headers,
  });
  if (all.get('authorization') === '') all.delete('authorization');
  const answer = await fetch(new URL(place, node.context.links.http), {
    method,
    headers: all,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.startsWith('application/json');
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
}

function logInto(lines: string[]): Logger {
  return pino({ level: 'debug', base: undefined }, { write: (line: string) => void lines.push(line) });
}
