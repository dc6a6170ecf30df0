// The in-memory twin of the engine: the same promises without processes, and controls that say what "happens" in it.

import { randomUUID } from 'node:crypto';
import { EventEmitter, on } from 'node:events';
import type {
  ContainerProcess,
  ContainerSettings,
  ContainerSpec,
  ContainerState,
  ContainerUsage,
  Engine,
  EngineEvent,
  ListeningSocket,
  LogLine,
} from './engine.ts';
import { EngineError } from './error.ts';
import { settingsOfSpec } from './settings.ts';

/** What an image does once it runs. */
export interface MemoryImage {
  readonly command?: readonly string[];
  readonly processes?: readonly ContainerProcess[];
  readonly ports?: readonly number[];
  readonly environmentNames?: readonly string[];
  readonly output?: readonly string[];
  /** What `docker save` would write of it. */
  readonly archive?: Uint8Array;
  /** Ends at once with this code. */
  readonly exitCode?: number;
}

/** What a test does to the containers, from the outside of the seam. */
export interface MemoryControls {
  addImage(reference: string, image?: MemoryImage): void;
  /** Ends the main process; the restart policy has its say at once. */
  die(container: string, end: { readonly exitCode: number; readonly oomKilled?: boolean }): void;
  listen(container: string, ports: readonly number[]): void;
  processes(container: string, processes: readonly ContainerProcess[]): void;
  log(container: string, text: string, stream?: LogLine['stream']): void;
  /** The address that probes reach; 127.0.0.1 unless changed. */
  address(container: string, address: string): void;
  /** From now on no call is answered and all streams break, until `mend`. */
  lose(): void;
  mend(): void;
  /** What somebody changed about a container with another client. */
  change(container: string, settings: Partial<ContainerSettings>): void;
}

interface Held {
  state: ContainerState;
  spec: ContainerSpec;
  processes: readonly ContainerProcess[];
  sockets: readonly ListeningSocket[];
  logs: LogLine[];
  stopped: boolean;
  changed: Partial<ContainerSettings>;
}

/** `now` gives milliseconds since 1970. */
export function makeMemoryEngine({ now = Date.now }: { readonly now?: () => number } = {}): {
  readonly engine: Engine;
  readonly controls: MemoryControls;
} {
  const held = new Map<string, Held>();
  const images = new Map<string, MemoryImage>();
  const networks = new Map<string, Readonly<Record<string, string>>>();
  const volumes = new Map<string, Readonly<Record<string, string>>>();
  const bus = new EventEmitter();
  bus.setMaxListeners(0);
  const engineId = randomUUID();
  let lost = new AbortController();
  let owner: string | undefined;
  let nextPort = 40_000;
  let nextPid = 1000;

  const gone = (): EngineError =>
    new EngineError('engine-unreachable', 'Cannot ask the engine: no engine answers in memory; mend it');
  const answer = (signal: AbortSignal): void => {
    signal.throwIfAborted();
    if (lost.signal.aborted) throw gone();
  };
  const find = (container: string): Held | undefined =>
    held.get(container) ?? [...held.values()].find(({ state }) => state.name === container);
  const need = (container: string, doing: string): Held => {
    const found = find(container);
    if (found) return found;
    throw new EngineError('no-such-container', `Cannot ${doing} "${container}": there is no such container`);
  };
  const tell = (type: EngineEvent['type'], one: Held, more: Pick<EngineEvent, 'exitCode' | 'signal'> = {}): void => {
    bus.emit('event', { type, containerId: one.state.id, at: new Date(now()), ...more });
  };
  const say = (one: Held, text: string, stream: LogLine['stream']): void => {
    const line: LogLine = { at: new Date(now()), stream, text };
    one.logs.push(line);
    bus.emit(`log ${one.state.id}`, line);
  };

  const start = (one: Held): void => {
    const image = images.get(one.spec.image) ?? {};
    one.state = { ...one.state, status: 'running', pid: nextPid++, exitCode: undefined, startedAt: new Date(now()) };
    one.stopped = false;
    const command = one.state.command.join(' ');
    one.processes = image.processes ?? [
      {
        pid: one.state.pid ?? 0,
        parentPid: 1,
        executable: (one.state.command[0] ?? '').replace(/^.*\//, ''),
        commandLine: command,
      },
    ];
    one.sockets = (image.ports ?? []).map((port) => ({ protocol: 'tcp', address: '0.0.0.0', port }));
    tell('start', one);
    for (const text of image.output ?? []) say(one, text, 'stdout');
    if (image.exitCode !== undefined) end(one, image.exitCode, false);
  };
  const end = (one: Held, exitCode: number, oomKilled: boolean): void => {
    if (one.state.status !== 'running') return;
    if (oomKilled) tell('oom', one);
    one.state = { ...one.state, status: 'exited', pid: undefined, exitCode, oomKilled, finishedAt: new Date(now()) };
    one.processes = [];
    one.sockets = [];
    tell('die', one, { exitCode });
    const { restart } = one.spec;
    if (one.stopped || restart === 'no' || (restart === 'on-failure' && exitCode === 0)) return;
    one.state = { ...one.state, restartCount: one.state.restartCount + 1 };
    // An image that ends at once stays down after this, as it does between two tries of a real engine.
    if (images.get(one.spec.image)?.exitCode === undefined) start(one);
    else one.state = { ...one.state, status: 'restarting' };
  };

  const engine: Engine = {
    async info({ signal }) {
      answer(signal);
      return {
        id: engineId,
        kind: 'memory',
        version: '1',
        operatingSystem: 'memory',
        memoryBytes: 2 ** 34,
        cpus: 4,
        platform: 'linux/amd64',
        folder: '/',
      };
    },
    async containers({ signal }) {
      answer(signal);
      return [...held.values()].map(({ state }) => ({
        id: state.id,
        name: state.name,
        image: state.image,
        state: state.status,
        exitCode: state.exitCode,
        labels: state.labels,
      }));
    },
    async inspect(container, { signal }) {
      answer(signal);
      return find(container)?.state;
    },
    async settings(container, { signal }) {
      answer(signal);
      const one = find(container);
      return one && { ...settingsOfSpec(one.spec), ...one.changed };
    },
    events({ signal }) {
      return stream<EngineEvent>(bus, 'event', signal, lost.signal, gone);
    },
    async processes(container, { signal }) {
      answer(signal);
      return need(container, 'list the processes of').processes;
    },
    async sockets(container, { signal }) {
      answer(signal);
      return need(container, 'read the sockets of').sockets;
    },
    async usage(container, { signal }): Promise<ContainerUsage> {
      answer(signal);
      const one = need(container, 'read the usage of');
      return {
        memoryBytes: one.processes.length << 20,
        memoryLimitBytes: one.spec.memoryBytes ?? 0,
        cpuNanoseconds: 0,
        processes: one.processes.length,
      };
    },
    async logs(container, { tail, since, signal }) {
      answer(signal);
      const { logs } = need(container, 'read the log of');
      return logs.filter(({ at }) => since === undefined || (at !== undefined && at >= since)).slice(-tail);
    },
    async *followLogs(container, { tail, signal }) {
      answer(signal);
      const one = need(container, 'read the log of');
      const news = stream<LogLine>(bus, `log ${one.state.id}`, signal, lost.signal, gone);
      yield* one.logs.slice(-tail);
      yield* news;
    },
    async pull(reference, _login, { signal }) {
      answer(signal);
      if (!images.has(reference))
        throw new EngineError('no-such-image', `Cannot pull "${reference}": no such image in memory`);
    },
    async hasImage(reference, { signal }) {
      answer(signal);
      return images.has(reference);
    },
    async *saveImage(image, { signal }) {
      answer(signal);
      const { archive } = images.get(image) ?? {};
      if (!archive) throw new EngineError('no-such-image', `Cannot save image "${image}": no such image in memory`);
      yield archive;
    },
    async removeImage(reference, { signal }) {
      answer(signal);
      images.delete(reference);
    },
    async createNetwork(name, labels, { signal }) {
      answer(signal);
      if (!networks.has(name)) networks.set(name, labels);
    },
    async networks({ signal }) {
      answer(signal);
      return [...networks].map(([name, labels]) => ({ name, labels }));
    },
    async createVolume(name, labels, { signal }) {
      answer(signal);
      if (!volumes.has(name)) volumes.set(name, labels);
    },
    async removeVolume(name, { signal }) {
      answer(signal);
      const by = [...held.values()].find(({ spec }) =>
        spec.mounts?.some((mount) => mount.kind === 'volume' && mount.source === name),
      );
      if (by) throw new EngineError('engine-failed', `Cannot remove volume "${name}": "${by.state.name}" uses it`);
      volumes.delete(name);
    },
    async volumes({ signal }) {
      answer(signal);
      return [...volumes].map(([name, labels]) => ({ name, labels }));
    },
    async removeNetwork(name, { signal }) {
      answer(signal);
      networks.delete(name);
    },
    async createContainer(spec, { signal }) {
      answer(signal);
      const doing = `create container "${spec.name}"`;
      const image = images.get(spec.image);
      if (!image) throw new EngineError('no-such-image', `Cannot ${doing}: no such image: ${spec.image}`);
      for (const network of [spec.network.name, ...(spec.otherNetworks ?? [])])
        if (!networks.has(network))
          throw new EngineError('engine-failed', `Cannot ${doing}: network ${network} not found`);
      if (find(spec.name)) throw new EngineError('name-taken', `Cannot ${doing}: the name is already in use`);
      const id = randomUUID().replaceAll('-', '').padEnd(64, '0');
      const one: Held = {
        spec,
        processes: [],
        sockets: [],
        logs: [],
        stopped: false,
        changed: {},
        state: {
          id,
          name: spec.name,
          image: spec.image,
          imageId: spec.image,
          labels: spec.labels,
          status: 'created',
          pid: undefined,
          exitCode: undefined,
          oomKilled: false,
          error: undefined,
          restartCount: 0,
          startedAt: undefined,
          finishedAt: undefined,
          environmentNames: image.environmentNames ?? [],
          command: image.command ?? ['/bin/service'],
          addresses: [spec.network.name, ...(spec.otherNetworks ?? [])].map((network) => ({
            network,
            address: '127.0.0.1',
          })),
          published: spec.publish.map(({ port, hostPort }) => ({
            port,
            hostAddress: '127.0.0.1',
            hostPort: hostPort === 0 ? nextPort++ : hostPort,
          })),
          mounts: (spec.mounts ?? []).map((mount) => ({
            source: mount.kind === 'memory' ? '' : mount.source,
            destination: mount.path,
            readOnly: mount.readOnly,
          })),
        },
      };
      held.set(id, one);
      tell('create', one);
      return id;
    },
    async startContainer(container, { signal }) {
      answer(signal);
      const one = need(container, 'start');
      if (one.state.status !== 'running') start(one);
    },
    async stopContainer(container, { signal }) {
      answer(signal);
      const one = find(container);
      if (!one) return;
      one.stopped = true;
      if (one.state.status === 'running') tell('kill', one, { signal: 15 });
      end(one, 143, false);
    },
    async removeContainer(container, { signal }) {
      answer(signal);
      const one = find(container);
      if (!one) return;
      one.stopped = true;
      if (one.state.status === 'running') tell('kill', one, { signal: 9 });
      end(one, 137, false);
      held.delete(one.state.id);
      tell('destroy', one);
    },
    async claim(stack, { signal }) {
      answer(signal);
      owner ??= stack;
      return owner;
    },
    async renameContainer(container, name, { signal }) {
      answer(signal);
      const one = need(container, 'rename');
      if (find(name)) throw new EngineError('name-taken', `Cannot rename to "${name}": the name is already in use`);
      one.state = { ...one.state, name };
      tell('rename', one);
    },
    async [Symbol.asyncDispose]() {
      lost.abort();
    },
  };

  const controls: MemoryControls = {
    addImage: (reference, image = {}) => void images.set(reference, image),
    die: (container, { exitCode, oomKilled = false }) => end(need(container, 'end'), exitCode, oomKilled),
    listen(container, ports) {
      need(container, 'change').sockets = ports.map((port) => ({ protocol: 'tcp', address: '0.0.0.0', port }));
    },
    processes(container, processes) {
      need(container, 'change').processes = processes;
    },
    log: (container, text, where = 'stdout') => say(need(container, 'log in'), text, where),
    address(container, address) {
      const one = need(container, 'change');
      one.state = { ...one.state, addresses: one.state.addresses.map((known) => ({ ...known, address })) };
    },
    change(container, settings) {
      const one = need(container, 'change');
      one.changed = { ...one.changed, ...settings };
    },
    lose: () => lost.abort(),
    mend() {
      lost = new AbortController();
    },
  };
  return { engine, controls };
}

/** Listens from this moment on, not from the first `next`. */
function stream<T>(
  bus: EventEmitter,
  name: string,
  signal: AbortSignal,
  lost: AbortSignal,
  gone: () => EngineError,
): AsyncIterable<T> {
  const either = AbortSignal.any([signal, lost]);
  const news = either.aborted ? undefined : on(bus, name, { signal: either });
  return (async function* () {
    try {
      for await (const [item] of news ?? []) yield item as T;
    } catch (error) {
      if (!either.aborted) throw error;
    }
    if (!signal.aborted && lost.aborted) throw gone();
  })();
}
