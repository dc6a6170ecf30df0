// What the engine's answers and errors mean in the words of the seam.
import type Docker from 'dockerode';
import type { ContainerProcess, ContainerState, ContainerSummary, ContainerUsage, EngineEvent } from '../engine.ts';
import { EngineError, messageOf } from '../error.ts';

type Status = ContainerState['status'];
const statuses: readonly Status[] = ['created', 'running', 'paused', 'restarting', 'exited', 'dead'];

export function summaryOf(found: Docker.ContainerInfo): ContainerSummary {
  return {
    id: found.Id,
    name: nameOf(found.Names[0] ?? found.Id.slice(0, 12)),
    image: found.Image,
    state: statusOf(found.State),
    // The list has it only in words: "Exited (0) 5 minutes ago".
    exitCode: exitCodeOf(found.Status),
    labels: found.Labels ?? {},
  };
}

export function stateOf(found: Docker.ContainerInspectInfo): ContainerState {
  const { State, Config, NetworkSettings } = found;
  const status = statusOf(State.Status);
  return {
    id: found.Id,
    name: nameOf(found.Name),
    image: Config.Image,
    imageId: found.Image,
    labels: Config.Labels ?? {},
    status,
    pid: State.Pid > 0 ? State.Pid : undefined,
    exitCode: status === 'running' || status === 'paused' || status === 'created' ? undefined : State.ExitCode,
    oomKilled: State.OOMKilled,
    error: State.Error === '' ? undefined : State.Error,
    restartCount: found.RestartCount,
    startedAt: dateOf(State.StartedAt),
    finishedAt: dateOf(State.FinishedAt),
    environmentNames: (Config.Env ?? []).map((pair) => pair.split('=', 1)[0] ?? ''),
    command: [found.Path, ...found.Args],
    addresses: Object.entries(NetworkSettings.Networks ?? {})
      .filter(([, network]) => network.IPAddress !== '')
      .map(([network, { IPAddress }]) => ({ network, address: IPAddress })),
    published: Object.entries((NetworkSettings.Ports ?? {}) as Record<string, { HostIp: string; HostPort: string }[]>)
      .filter(([port]) => port.endsWith('/tcp'))
      .flatMap(([port, bindings]) =>
        (bindings ?? []).map((binding) => ({
          port: Number.parseInt(port, 10),
          hostAddress: binding.HostIp,
          hostPort: Number(binding.HostPort),
        })),
      ),
    mounts: (found.Mounts ?? []).map((mount) => ({
      source: mount.Source,
      destination: mount.Destination,
      readOnly: !mount.RW,
    })),
  };
}

/** A command line can have 2 MB; what tells a service stands at its beginning. */
const maxCommandLineCharacters = 4096;

/** Rows of `ps -eo pid,ppid,comm,args`; the last column may hold blanks. */
export function processesOf(found: { readonly Processes?: readonly (readonly string[])[] | null }): ContainerProcess[] {
  return (found.Processes ?? []).map((row) => ({
    pid: Number(row[0]),
    parentPid: Number(row[1]),
    executable: row[2] ?? '',
    commandLine: row.slice(3).join(' ').slice(0, maxCommandLineCharacters),
  }));
}

/** Memory without the part of the page cache that the kernel can drop at once, as the engine's own client shows it. */
export function usageOf(found: Docker.ContainerStats, memoryLimitBytes: number): ContainerUsage {
  const memory = found.memory_stats as {
    usage?: number;
    stats?: { inactive_file?: number; total_inactive_file?: number };
  };
  const cache = memory.stats?.total_inactive_file ?? memory.stats?.inactive_file ?? 0;
  return {
    memoryBytes: Math.max(0, (memory.usage ?? 0) - cache),
    memoryLimitBytes,
    cpuNanoseconds: found.cpu_stats.cpu_usage?.total_usage ?? 0,
    processes: found.pids_stats?.current ?? 0,
  };
}

const eventTypes: Readonly<Record<string, EngineEvent['type']>> = {
  create: 'create',
  start: 'start',
  die: 'die',
  oom: 'oom',
  destroy: 'destroy',
  remove: 'destroy',
  rename: 'rename',
  pause: 'pause',
  unpause: 'unpause',
  kill: 'kill',
};

/** Undefined for events that nobody above needs. `health_status: …` has the state in its action. */
export function eventOf(line: string): EngineEvent | undefined {
  const raw = JSON.parse(line) as {
    Type?: string;
    Action?: string;
    timeNano?: number;
    time?: number;
    Actor?: { ID?: string; Attributes?: Record<string, string> };
  };
  const action = raw.Action ?? '';
  const type = action.startsWith('health_status') ? 'health' : eventTypes[action];
  if (raw.Type !== 'container' || type === undefined || raw.Actor?.ID === undefined) return undefined;
  const { exitCode, signal } = raw.Actor.Attributes ?? {};
  return {
    type,
    containerId: raw.Actor.ID,
    at: new Date(raw.timeNano === undefined ? (raw.time ?? 0) * 1000 : raw.timeNano / 1e6),
    ...(type === 'die' && exitCode !== undefined ? { exitCode: Number(exitCode) } : {}),
    ...(type === 'kill' && signal !== undefined ? { signal: Number(signal) } : {}),
  };
}

const unreachable = new Set(
  'ECONNREFUSED ENOENT ECONNRESET EPIPE ENOTSOCK EACCES ETIMEDOUT ERR_STREAM_PREMATURE_CLOSE'.split(' '),
);

/** `doing` completes "Cannot …"; an error that is ours already is handed on. */
export function errorOf(error: unknown, doing: string, endpoint: string): EngineError {
  if (error instanceof EngineError) return error;
  const { statusCode, code } = error as { statusCode?: number; code?: string };
  const said = messageOf(error)
    .replace(/^\(HTTP code \d+\) [^-]* - /, '')
    .trim();
  if (statusCode === undefined && (unreachable.has(code ?? '') || /socket hang up|aborted/.test(said))) {
    const mend = code === 'EACCES' ? 'let this user open the socket' : 'see that the engine runs';
    return new EngineError('engine-unreachable', `Cannot ${doing}: no engine answers at "${endpoint}"; ${mend}`, {
      cause: error,
    });
  }
  const cannot = `Cannot ${doing}: ${said}`;
  if (/port is already allocated|address already in use/.test(said))
    return new EngineError('port-taken', cannot, { cause: error });
  if (/no such image|not found: manifest|manifest unknown/i.test(said))
    return new EngineError('no-such-image', cannot, { cause: error });
  if (statusCode === 404 && /no such container/i.test(said))
    return new EngineError('no-such-container', cannot, { cause: error });
  if (statusCode === 409 && /already in use/.test(said)) return new EngineError('name-taken', cannot, { cause: error });
  return new EngineError('engine-failed', cannot, { cause: error });
}

function exitCodeOf(said: string | undefined): number | undefined {
  const code = /^Exited \((\d+)\)/.exec(said ?? '')?.[1];
  return code === undefined ? undefined : Number(code);
}

function nameOf(name: string): string {
  return name.replace(/^\//, '');
}

function statusOf(word: string): Status {
  return statuses.find((status) => status === word) ?? (word === 'removing' ? 'dead' : 'exited');
}

/** The engine writes the year 1 where a thing hasn't happened. */
function dateOf(text: string): Date | undefined {
  const at = Date.parse(text);
  return Number.isNaN(at) || at <= 0 ? undefined : new Date(at);
}
