// Fleets of real daemons that a test or a measurement drives through what users have: the socket, HTTP, and signals.

import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Client, openClient } from '../../daemon/client/index.ts';
import { type DaemonProcess, type StartOptions, startDaemon } from './daemon-process.ts';
import { eventually } from './deadline.ts';
import type { TestHost } from './namespaces.ts';

/** Starting is work: more at a time would only make each slower. */
const startAtOnce = 2;
/** What a fleet of one machine needs to see something everywhere; a loaded machine gets as long. */
const seenWithinMs = 60_000;
/** Connections grow with the square of the stacks, and two cores make all of them. */
const joinedWithinMs = 240_000;

/** How a stack appears to another one. */
export interface Seen {
  readonly name: string;
  readonly stack: string;
  readonly self: boolean;
  readonly quarantine?: string;
  readonly liveness: {
    readonly state: string;
    readonly since: string;
    readonly why?: string;
    readonly by?: readonly string[];
  };
}

/** A stack whose daemon may end and start again; its home stays until the fleet is closed. */
export interface FleetStack extends AsyncDisposable {
  readonly name: string;
  readonly home: string;
  readonly host: TestHost | undefined;
  /** Throws while it is ended. */
  readonly daemon: DaemonProcess;
  /** Asks over the socket of its home, wherever its namespace is. */
  readonly client: Client;
  /** Ends the daemon: SIGKILL where nothing else is said. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stops the process in its steps, or lets it go on. */
  freeze(): void;
  thaw(): void;
  /** `listen` is a multiaddr to listen at from now on; else it is the one of before. */
  start(options?: StartOptions & { readonly listen?: string }): Promise<void>;
  /** Registers a component over HTTP; resolves once it is acknowledged. */
  register(name: string): Promise<void>;
  /** Lets each component that was registered here say that it is alive: one that is silent for 180 s is let go of. */
  beat(): Promise<void>;
  /** The names of all CIs that were registered, as this stack shows them, sorted. */
  components(): Promise<string[]>;
  stacks(): Promise<Seen[]>;
}

export interface FleetOptions {
  /** Where each runs; on this machine's loopback where it is left out. */
  readonly hosts?: readonly TestHost[];
  readonly start?: StartOptions;
  /** By name, what only one of them gets. */
  readonly environmentOf?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly say?: (text: string) => void;
}

export interface Fleet extends AsyncDisposable {
  readonly stacks: readonly FleetStack[];
}

/** Starts daemons without engines, and joins all to the first one's mesh; resolves once each sees all as up. */
export async function startFleet(names: readonly string[], options: FleetOptions = {}): Promise<Fleet> {
  const { hosts, start, environmentOf, say = () => undefined } = options;
  await using parts = new AsyncDisposableStack();
  const stacks: FleetStack[] = [];
  for (let first = 0; first < names.length; first += startAtOnce) {
    const batch = names.slice(first, first + startAtOnce).map(async (name, offset) => {
      const environment = { ...start?.environment, ...environmentOf?.[name] };
      const host = hosts?.[first + offset];
      const stack = parts.use(await makeFleetStack(name, { host, start: { ...start, environment } }));
      await stack.start();
      return stack;
    });
    const settled = await Promise.allSettled(batch);
    for (const one of settled) {
      if (one.status === 'rejected') throw one.reason;
      stacks.push(one.value);
    }
    say(`${stacks.length} of ${names.length} daemons are ready`);
  }
  const [founder, ...joiners] = stacks;
  if (founder && joiners.length > 0) {
    const invite = { uses: joiners.length };
    const { token } = (await founder.client.call('POST', '/api/mesh/invites', invite)) as { token: string };
    for (const joiner of joiners) {
      // An inviter that has too much to do for a handshake closes the door; asking again is what a person would do.
      const join = async (): Promise<true> => {
        try {
          await joiner.client.call('POST', '/api/mesh/join', { token });
        } catch (error) {
          say(`"${joiner.name}": ${(error as Error).message}`);
          throw error;
        }
        return true;
      };
      await eventually(`"${joiner.name}" joins`, join, { timeoutMs: joinedWithinMs, everyMs: 1_000 });
    }
    say(`all ${stacks.length} have joined`);
  }
  await seeOneAnother(stacks, joinedWithinMs);
  say(`all ${stacks.length} see one another`);
  const all = parts.move();
  return { stacks, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** A home for a stack, and the means to run its daemon there; it isn't started yet. */
export async function makeFleetStack(
  name: string,
  {
    host,
    start,
    home,
  }: { readonly host?: TestHost | undefined; readonly start?: StartOptions; readonly home?: string } = {},
): Promise<FleetStack> {
  const directory = home ?? (await mkdtemp(path.join(tmpdir(), `hermesh-${name}-`)));
  const client = openClient({ home: directory });
  const registered = new Set<string>();
  let daemon: DaemonProcess | undefined;
  /** Kept over restarts, so that others find it where it was. */
  let listen = host && listenAt(host);
  const stack: FleetStack = {
    name,
    home: directory,
    host,
    client,
    get daemon() {
      if (!daemon) throw new Error(`The daemon "${name}" isn't running`);
      return daemon;
    },
    async kill(signal = 'SIGKILL') {
      const ending = daemon;
      daemon = undefined;
      await ending?.end(signal);
    },
    freeze: () => void process.kill(stack.daemon.pid, 'SIGSTOP'),
    thaw: () => void process.kill(stack.daemon.pid, 'SIGCONT'),
    async start(options = {}) {
      // From where it listens now others find it after the next start too.
      if (options.listen !== undefined) listen = options.listen;
      daemon = await startDaemon(name, {
        ...start,
        ...options,
        home: directory,
        ...(host && { command: [...host.command, ...(options.command ?? start?.command ?? [])] }),
        flags: [
          ...['--engine', 'none', '--log', 'info'],
          ...(listen === undefined ? [] : ['--listen', listen]),
          ...(start?.flags ?? []),
          ...(options.flags ?? []),
        ],
      });
      listen ??= daemon.announced.addresses[0]?.replace(/\/p2p\/.*$/, '');
    },
    async register(component) {
      await client.call('POST', '/api/register', registration(component));
      registered.add(component);
    },
    async beat() {
      for (const component of registered) await client.call('POST', '/api/heartbeat', { component_id: component });
    },
    async components() {
      const { records } = (await client.call('GET', '/api/records?kind=ci')) as {
        records: { name: string; body: { type: string } }[];
      };
      return records
        .filter(({ body }) => body.type === componentType)
        .map((one) => one.name)
        .sort();
    },
    async stacks() {
      return ((await client.call('GET', '/api/stacks')) as { stacks: Seen[] }).stacks;
    },
    async [Symbol.asyncDispose]() {
      // A stopped process takes no signal but these two.
      if (daemon) process.kill(daemon.pid, 'SIGCONT');
      await stack.kill('SIGKILL');
      if (home === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
  return stack;
}

/** Where a stack listens that runs on a host of its own. */
export function listenAt({ address }: Pick<TestHost, 'address'>, port = 4801): string {
  return `/ip${address.includes(':') ? 6 : 4}/${address}/tcp/${port}`;
}

/** Resolves once each of them sees all of them as up. */
export async function seeOneAnother(stacks: readonly FleetStack[], timeoutMs = seenWithinMs): Promise<void> {
  for (const stack of stacks) {
    await eventually(
      `"${stack.name}" sees ${stacks.length} stacks up`,
      async () => {
        const up = (await stack.stacks()).filter(({ liveness }) => liveness.state === 'up').map(({ name }) => name);
        return stacks.every(({ name }) => up.includes(name));
      },
      { timeoutMs, everyMs: 200 },
    );
  }
}

/** Resolves once each of them shows these components, none twice, and with `exactly` none but these. */
export async function showComponents(
  stacks: readonly FleetStack[],
  names: readonly string[],
  { timeoutMs = seenWithinMs, exactly = true } = {},
): Promise<void> {
  for (const stack of stacks) {
    await eventually(
      `"${stack.name}" shows ${names.length} components`,
      async () => {
        const shown = await stack.components();
        const missing = names.filter((name) => shown.filter((one) => one === name).length !== 1);
        const others = exactly ? shown.filter((one) => !names.includes(one)) : [];
        if (missing.length + others.length === 0) return true;
        throw new Error(
          `missing or twice: ${missing.slice(0, 20).join(', ')}; besides: ${others.slice(0, 20).join(', ')}`,
        );
      },
      { timeoutMs, everyMs: 200 },
    );
  }
}

/** Resolves once each of them has these components, whether or not it holds their stacks to be there: by following changes. */
export async function haveComponents(
  stacks: readonly FleetStack[],
  names: readonly string[],
  { timeoutMs = seenWithinMs } = {},
): Promise<void> {
  for (const { name, client } of stacks) {
    const missing = new Set(names);
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      for await (const change of client.stream('/api/watch?kind=ci&from=0', { signal })) {
        const { name: changed, entry } = change as { name: string; entry?: unknown };
        if (entry) missing.delete(changed);
        if (missing.size === 0) break;
      }
    } catch (cause) {
      if (!signal.aborted) throw cause;
    }
    if (missing.size > 0)
      throw new Error(`Not in ${timeoutMs} ms: "${name}" has ${[...missing].slice(0, 20).join(', ')}`);
  }
}

/** Registers over a connection that is kept: what a component pays, without a connect a time. */
export function openRegistrar(home: string): Disposable & { register(name: string): Promise<void> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    register: (name) =>
      new Promise((resolve, reject) => {
        const body = JSON.stringify(registration(name));
        const headers = {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          host: 'localhost',
        };
        const place = { socketPath: path.join(home, 'daemon.sock'), path: '/api/register' };
        const request = httpRequest({ ...place, method: 'POST', headers, agent }, (answer) => {
          answer.resume();
          answer.once('error', reject);
          answer.once('end', () =>
            answer.statusCode === 200 ? resolve() : reject(new Error(`The registration got ${answer.statusCode}`)),
          );
        });
        request.once('error', reject);
        request.end(body);
      }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

const componentType = 'test-component';

/** The longest interval between heartbeats: a test is over before it is missed. */
function registration(name: string): object {
  return { name, version: '1', type: componentType, endpoint: 'http://127.0.0.1:9', heartbeat_interval: 300 };
}
