// The Docker engine behind the seam (Podman's Docker-compatible socket too): each verb is one call of its HTTP API.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Engine, EngineEvent, ListeningSocket, LogLine } from '../engine.ts';
import { EngineError } from '../error.ts';
import { bodyOf } from './body.ts';
import { type Caller, makeCaller, readLines } from './call.ts';
import { makeLogDecoder } from './log-frames.ts';
import { parseListening, readSocketInodes } from './proc-net.ts';
import { settingsOf } from './settings.ts';
import { makeThings } from './things.ts';
import { eventOf, processesOf, stateOf, summaryOf, usageOf } from './translate.ts';

/** Where the engine listens unless told otherwise. */
const defaultEndpoint = '/var/run/docker.sock';
/** The newest log lines are kept up to this, so that a talkative container can't fill the memory. */
const maxLogBytes = 4 << 20;
const maxLogLines = 10_000;
/** Pulls and stops take longer than a look. */
const pullTimeoutMs = 15 * 60_000;
const removeTimeoutMs = 120_000;
/** As long as a manifest may give a container to end. */
const maxGraceSeconds = 3600;
/** Between two looks at whether somebody else's removal is done. */
const removingPauseMs = 100;

/**
 * Opens the engine that listens on the unix socket `endpoint`. Nothing is sent before the first call, whose error is
 * `engine-unreachable` where nobody answers. `now` gives milliseconds since 1970.
 */
export async function openDockerEngine({
  endpoint = defaultEndpoint,
  now = Date.now,
}: {
  readonly endpoint?: string;
  readonly now?: () => number;
} = {}): Promise<Engine> {
  const { default: DockerModem } = await import('docker-modem');
  // An explicit host of nothing keeps DOCKER_HOST from having a say.
  const modem = new DockerModem({ socketPath: endpoint, host: undefined });
  return { endpoint, ...makeEngine(makeCaller(modem, endpoint), now) };
}

/** The mark of the stack that owns an engine: a volume that holds nothing but a label. */
const ownerVolume = 'hermesh-owner';
const stackLabel = 'io.hermesh.stack';

function makeEngine(call: Caller, now: () => number): Engine {
  const closed = new AbortController();
  const until = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, closed.signal]);
  const inspectRaw = async (container: string, signal: AbortSignal) =>
    call.json<Docker.ContainerInspectInfo | undefined>(`read container "${container}"`, {
      path: pathOf(container, 'json'),
      absent: undefined,
      signal,
    });
  const inspect: Engine['inspect'] = async (container, { signal }) => {
    const found = await inspectRaw(container, until(signal));
    return found === undefined ? undefined : stateOf(found);
  };
  const hasImage: Engine['hasImage'] = async (reference, { signal }) =>
    (await call.json<object | undefined>(`look for image "${reference}"`, {
      path: `/images/${reference}/json`,
      absent: undefined,
      signal: until(signal),
    })) !== undefined;

  async function* readLogs(
    container: string,
    { tail, since, follow, signal }: { tail: number; since?: Date | undefined; follow: boolean; signal: AbortSignal },
  ): AsyncGenerator<LogLine> {
    const found = await inspectRaw(container, signal);
    if (found === undefined)
      throw new EngineError('no-such-container', `Cannot read the log of "${container}": there is no such container`);
    const stream = await call.stream(`read the log of "${container}"`, {
      path: `/containers/${found.Id}/logs`,
      query: {
        stdout: true,
        stderr: true,
        timestamps: true,
        follow,
        tail: Math.min(Math.max(1, Math.trunc(tail)), maxLogLines),
        ...(since === undefined ? {} : { since: (since.getTime() / 1000).toFixed(3) }),
      },
      signal,
    });
    const decoder = makeLogDecoder(!found.Config.Tty);
    try {
      for await (const chunk of stream) yield* decoder.push(chunk as Buffer);
    } catch (error) {
      if (follow && signal.aborted) return;
      throw call.explain(error, `read the log of "${container}"`, signal);
    }
    yield* decoder.end();
  }

  const processes: Engine['processes'] = async (container, { signal }) => {
    const found = await inspectRaw(container, until(signal));
    if (found?.State.Running !== true) return [];
    return processesOf(
      await call.json<{ Processes?: string[][] | null }>(`list the processes of "${container}"`, {
        path: `/containers/${found.Id}/top`,
        query: { ps_args: '-eo pid,ppid,comm,args' },
        signal: until(signal),
      }),
    );
  };

  return {
    async info({ signal }) {
      const info = await call.json<EngineAnswer>('ask the engine', { path: '/info', signal: until(signal) });
      const version = await call.json<Docker.DockerVersion>('ask the engine', {
        path: '/version',
        signal: until(signal),
      });
      const isPodman = version.Components?.some(({ Name }) => Name.startsWith('Podman')) ?? false;
      return {
        id: info.ID,
        kind: isPodman ? 'podman' : 'docker',
        version: info.ServerVersion,
        operatingSystem: info.OperatingSystem,
        memoryBytes: info.MemTotal ?? 0,
        cpus: info.NCPU ?? 0,
        platform: `${info.OSType ?? 'linux'}/${architectures[info.Architecture ?? ''] ?? info.Architecture ?? ''}`,
        folder: info.DockerRootDir ?? '',
      };
    },

    async containers({ signal }) {
      const found = await call.json<Docker.ContainerInfo[]>('list the containers', {
        path: '/containers/json',
        query: { all: true },
        signal: until(signal),
      });
      return found.map(summaryOf);
    },

    inspect,

    async settings(container, { signal }) {
      const found = await inspectRaw(container, until(signal));
      if (found === undefined) return undefined;
      const image = await call.json<Docker.ImageInspectInfo | undefined>(`read the image of "${container}"`, {
        path: `/images/${found.Image}/json`,
        absent: undefined,
        signal: until(signal),
      });
      return settingsOf(found, image);
    },

    events({ signal }) {
      // Asked for from this moment on, so that nothing is lost before the first event is awaited.
      const since = (now() / 1000).toFixed(3);
      return readEvents(call, since, until(signal));
    },

    processes,

    async sockets(container, { signal }) {
      const found = await inspectRaw(container, until(signal));
      const pid = found?.State.Pid ?? 0;
      if (pid === 0) return [];
      // In the network of the host all that listens there stands in one table.
      const isHost = found?.HostConfig.NetworkMode === 'host';
      const pids = isHost ? (await processes(container, { signal })).map((one) => one.pid) : [];
      const own = isHost ? await readSocketInodes(pids) : undefined;
      const read = async (protocol: ListeningSocket['protocol']): Promise<ListeningSocket[]> => {
        try {
          return parseListening(
            await readFile(`/proc/${pid}/net/${protocol}`, { encoding: 'utf8', signal: until(signal) }),
            protocol,
            own,
          );
        } catch (error) {
          signal.throwIfAborted();
          const { code } = error as { code?: string };
          // No IPv6, or the process ended meanwhile.
          if (code === 'ENOENT' || code === 'ESRCH' || code === 'EINVAL') return [];
          throw new EngineError(
            'engine-failed',
            `Cannot read the sockets of "${container}": /proc/${pid}/net/${protocol} can't be read (${code}); run as root on the engine's host`,
            { cause: error },
          );
        }
      };
      return [...(await read('tcp')), ...(await read('tcp6'))];
    },

    async usage(container, { signal }) {
      const doing = `read the usage of "${container}"`;
      const found = await inspectRaw(container, until(signal));
      if (found === undefined)
        throw new EngineError('no-such-container', `Cannot ${doing}: there is no such container`);
      const stats = await call.json<Docker.ContainerStats>(doing, {
        path: pathOf(container, 'stats'),
        query: { stream: false, 'one-shot': true },
        signal: until(signal),
      });
      // Where there is no limit, the statistics name the memory of the host instead.
      return usageOf(stats, found.HostConfig.Memory ?? 0);
    },

    async logs(container, { tail, since, signal }) {
      const lines: LogLine[] = [];
      let bytes = 0;
      for await (const line of readLogs(container, { tail, since, follow: false, signal: until(signal) })) {
        lines.push(line);
        bytes += line.text.length;
        while (bytes > maxLogBytes) bytes -= lines.shift()?.text.length ?? bytes;
      }
      return lines.slice(-tail);
    },

    followLogs(container, { tail, signal }) {
      return readLogs(container, { tail, follow: true, signal: until(signal) });
    },

    async *saveImage(image, { signal }) {
      const doing = `save image "${image}"`;
      if (!(await hasImage(image, { signal })))
        throw new EngineError('no-such-image', `Cannot ${doing}: the engine has no such image`);
      const path = `/images/${image}/get`;
      const stream = await call.stream(doing, { path, timeoutMs: pullTimeoutMs, signal: until(signal) });
      try {
        for await (const chunk of stream) yield chunk as Buffer;
      } catch (error) {
        throw call.explain(error, doing, signal);
      }
    },

    async pull(reference, login, { signal }) {
      if (await hasImage(reference, { signal })) return;
      const doing = `pull "${reference}"`;
      const [name = reference, digest] = reference.split('@');
      const stream = await call.stream(doing, {
        method: 'POST',
        path: '/images/create',
        query: { fromImage: name, ...(digest === undefined ? {} : { tag: digest }) },
        login: { ...login, serveraddress: name.split('/', 1)[0] ?? '' },
        timeoutMs: pullTimeoutMs,
        signal: until(signal),
        code: 'pull-failed',
      });
      try {
        for await (const line of readLines(stream)) {
          const said = JSON.parse(line) as { error?: string };
          if (said.error !== undefined) throw new EngineError('pull-failed', `Cannot ${doing}: ${said.error}`);
        }
      } catch (error) {
        // The engine may go in the middle of it.
        throw call.explain(error, doing, signal);
      }
      if (!(await hasImage(reference, { signal })))
        throw new EngineError(
          'pull-failed',
          `Cannot ${doing}: the engine ended without the image and without an error`,
        );
    },

    hasImage,

    async removeImage(reference, { signal }) {
      await call.json(`remove image "${reference}"`, {
        method: 'DELETE',
        path: `/images/${reference}`,
        absent: undefined,
        signal: until(signal),
      });
    },

    ...makeThings(call, until),

    async createContainer(spec, { signal }) {
      const made = await call.json<{ Id: string }>(`create container "${spec.name}"`, {
        method: 'POST',
        path: '/containers/create',
        query: { name: spec.name },
        body: bodyOf(spec),
        signal: until(signal),
      });
      for (const network of spec.otherNetworks ?? []) {
        await call.json(`connect "${spec.name}" to network "${network}"`, {
          method: 'POST',
          path: `/networks/${encodeURIComponent(network)}/connect`,
          body: { Container: made.Id, EndpointConfig: { Aliases: spec.network.aliases } },
          signal: until(signal),
        });
      }
      return made.Id;
    },

    async startContainer(container, { signal }) {
      await call.json(`start container "${container}"`, {
        method: 'POST',
        path: pathOf(container, 'start'),
        signal: until(signal),
      });
    },

    async stopContainer(container, { graceSeconds, signal }) {
      await call.json(`stop container "${container}"`, {
        method: 'POST',
        path: pathOf(container, 'stop'),
        query: graceSeconds === undefined ? {} : { t: graceSeconds },
        absent: undefined,
        timeoutMs: (graceSeconds ?? maxGraceSeconds) * 1000 + removeTimeoutMs,
        signal: until(signal),
      });
    },

    async removeContainer(container, { signal }) {
      try {
        await call.json(`remove container "${container}"`, {
          method: 'DELETE',
          path: pathOf(container),
          query: { force: true, v: true },
          absent: undefined,
          timeoutMs: removeTimeoutMs,
          signal: until(signal),
        });
      } catch (error) {
        // Somebody else removes it at this moment: what was asked for comes about, and is waited for.
        if (!(error instanceof EngineError) || !/removal of container .* is already in progress/.test(error.message))
          throw error;
        const limit = AbortSignal.any([until(signal), AbortSignal.timeout(removeTimeoutMs)]);
        while (await inspectRaw(container, limit)) await sleep(removingPauseMs, undefined, { signal: limit });
      }
    },

    async claim(stack, { signal }) {
      // Creating a volume of a name that is there gives the one that is there, so two stacks can't both win.
      const mark = await call.json<{ readonly Labels: Readonly<Record<string, string>> | null }>('claim the engine', {
        method: 'POST',
        path: '/volumes/create',
        body: { Name: ownerVolume, Labels: { [stackLabel]: stack } },
        signal: until(signal),
      });
      return mark.Labels?.[stackLabel] ?? stack;
    },

    async renameContainer(container, name, { signal }) {
      await call.json(`rename container "${container}" to "${name}"`, {
        method: 'POST',
        path: pathOf(container, 'rename'),
        query: { name },
        signal: until(signal),
      });
    },

    async [Symbol.asyncDispose]() {
      closed.abort(new EngineError('engine-unreachable', 'Cannot go on: the engine was closed here'));
    },
  };
}

/** What `/info` has of what we read. */
interface EngineAnswer {
  readonly ID: string;
  readonly ServerVersion: string;
  readonly OperatingSystem: string;
  readonly OSType?: string;
  readonly Architecture?: string;
  readonly MemTotal?: number;
  readonly NCPU?: number;
  readonly DockerRootDir?: string;
}

/** The engine says what the kernel says; platforms are named otherwise. */
const architectures: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

function pathOf(container: string, verb?: string): string {
  return ['/containers', encodeURIComponent(container), ...(verb === undefined ? [] : [verb])].join('/');
}

async function* readEvents(call: Caller, since: string, signal: AbortSignal): AsyncGenerator<EngineEvent> {
  const doing = 'follow the events of the engine';
  try {
    const stream = await call.stream(doing, {
      path: '/events',
      query: { since, filters: JSON.stringify({ type: ['container'] }) },
      signal,
    });
    for await (const line of readLines(stream)) {
      const event = eventOf(line);
      if (event !== undefined) yield event;
    }
  } catch (error) {
    if (signal.aborted) return;
    throw call.explain(error, doing, signal);
  }
  if (!signal.aborted) throw new EngineError('engine-unreachable', `Cannot ${doing}: the engine ended the stream`);
}
