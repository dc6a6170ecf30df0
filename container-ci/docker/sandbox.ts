// What a build step needs of an engine: images from archives, volumes, and containers that reach nothing but what is mounted into them.
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { EngineError } from '../error.ts';
import { type Caller, makeCaller } from './call.ts';
import { makeLogDecoder } from './log-frames.ts';

/** A toolchain of several GB on a slow disk. */
const loadTimeoutMs = 30 * 60_000;
const removeTimeoutMs = 120_000;
/** An engine that is asked to remove what somebody else removes says that it is in progress. */
const removingPauseMs = 100;
/** How long the last lines of a container that ended may take to come. */
const lastLinesMs = 5_000;
/** Of Linux on both platforms as Debian builds it. */
const pageBytes = 4096;
const logConfig = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '1' } };
/** The same on every host, so that no step sees the host's own. */
const ulimits = [
  { Name: 'nofile', Soft: 16_384, Hard: 16_384 },
  { Name: 'nproc', Soft: 32_768, Hard: 32_768 },
  { Name: 'core', Soft: 0, Hard: 0 },
];

interface Cancel {
  readonly signal: AbortSignal;
}

export interface SandboxSpec {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly volumes: readonly { readonly name: string; readonly path: string; readonly readOnly: boolean }[];
  /** Of /tmp, in memory. */
  readonly temporaryBytes: number;
  readonly memoryBytes: number;
  readonly processes: number;
  /** True where its first process waits for input that never comes. */
  readonly openInput: boolean;
}

/** How a container ended. */
export interface SandboxEnd {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string | undefined;
}

/** Containers of it have no network, no capabilities, a read-only root and nothing of the host. */
export interface Sandbox {
  /** The engine's own, such as `linux/amd64`. */
  platform(options: Cancel): Promise<string>;
  hasImage(reference: string, options: Cancel): Promise<boolean>;
  /** Takes an archive as `docker load` does. */
  loadImage(archive: AsyncIterable<Uint8Array>, options: Cancel): Promise<void>;
  /** In memory and of this size, or on the engine's disk where `memoryBytes` is undefined. */
  createVolume(
    name: string,
    labels: Readonly<Record<string, string>>,
    options: Cancel & { readonly memoryBytes?: number },
  ): Promise<void>;
  create(spec: SandboxSpec, options: Cancel): Promise<void>;
  /** Unpacks a tar into a folder of a container. */
  put(container: string, path: string, tar: AsyncIterable<Uint8Array>, options: Cancel): Promise<void>;
  /** A tar of a folder, its names beginning with the folder's. */
  take(container: string, path: string, options: Cancel): Promise<AsyncIterable<Uint8Array>>;
  start(container: string, options: Cancel): Promise<void>;
  /** Resolves once it has ended and all its lines are told. */
  ended(container: string, output: (line: string) => void, options: Cancel): Promise<SandboxEnd>;
  kill(container: string, options: Cancel): Promise<void>;
  /** Containers and volumes that bear a label. */
  labelled(
    label: string,
    options: Cancel,
  ): Promise<{ readonly containers: readonly string[]; readonly volumes: readonly string[] }>;
  /** References of the images that bear a label. */
  images(label: string, options: Cancel): Promise<readonly string[]>;
  /** No error where there is none. */
  removeContainer(container: string, options: Cancel): Promise<void>;
  removeVolume(name: string, options: Cancel): Promise<void>;
  removeImage(reference: string, options: Cancel): Promise<void>;
}

/** Opens the engine that listens on a unix socket; nothing is sent before the first call. */
export async function openDockerSandbox({ endpoint }: { readonly endpoint: string }): Promise<Sandbox> {
  const { default: DockerModem } = await import('docker-modem');
  return makeSandbox(makeCaller(new DockerModem({ socketPath: endpoint, host: undefined }), endpoint));
}

function makeSandbox(call: Caller): Sandbox {
  const remove = async (doing: string, path: string, query: object, { signal }: Cancel): Promise<void> => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(removeTimeoutMs)]);
    for (;;) {
      try {
        await call.json(doing, {
          method: 'DELETE',
          path,
          query: { ...query },
          absent: undefined,
          timeoutMs: removeTimeoutMs,
          signal: limit,
        });
        return;
      } catch (error) {
        if (!/in progress|in use/.test((error as Error).message)) throw error;
        await sleep(removingPauseMs, undefined, { signal: limit });
      }
    }
  };
  const inspect = async (container: string, signal: AbortSignal) =>
    await call.json<Docker.ContainerInspectInfo>(`read container "${container}"`, {
      path: `/containers/${container}/json`,
      signal,
    });

  return {
    async platform({ signal }) {
      const { Os, Arch } = await call.json<Docker.DockerVersion>('ask the engine', { path: '/version', signal });
      return `${Os}/${Arch}`;
    },
    async hasImage(reference, { signal }) {
      const path = `/images/${reference}/json`;
      return (
        (await call.json<object | undefined>(`look for image "${reference}"`, { path, absent: undefined, signal })) !==
        undefined
      );
    },
    async loadImage(archive, { signal }) {
      const doing = 'load an image';
      const file = bodyOf(archive);
      const stream = await call.stream(doing, {
        method: 'POST',
        path: '/images/load',
        query: { quiet: true },
        file,
        timeoutMs: loadTimeoutMs,
        signal,
      });
      const text = (await stream.setEncoding('utf8').toArray()).join('');
      const fault = /"error":\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
      if (fault !== undefined) throw new EngineError('engine-failed', `Cannot ${doing}: ${fault}`);
    },
    async createVolume(name, labels, { signal, memoryBytes }) {
      // In pages, since Podman takes "size" for a quota of its own disk.
      const pages = Math.ceil((memoryBytes ?? 0) / pageBytes);
      const options = { type: 'tmpfs', device: 'tmpfs', o: `nr_blocks=${pages},mode=0755` };
      const body = {
        Name: name,
        Labels: labels,
        Driver: 'local',
        ...(memoryBytes !== undefined && { DriverOpts: options }),
      };
      await call.json(`create volume "${name}"`, { method: 'POST', path: '/volumes/create', body, signal });
    },
    async create(spec, { signal }) {
      const doing = `create container "${spec.name}"`;
      await call.json(doing, {
        method: 'POST',
        path: '/containers/create',
        query: { name: spec.name },
        body: bodyOfSpec(spec),
        signal,
      });
    },
    async put(container, path, tar, { signal }) {
      const doing = `write to "${path}" of container "${container}"`;
      const file = bodyOf(tar);
      await call.json(doing, {
        method: 'PUT',
        path: `/containers/${container}/archive`,
        query: { path },
        file,
        timeoutMs: loadTimeoutMs,
        signal,
      });
    },
    async take(container, path, { signal }) {
      const doing = `read "${path}" of container "${container}"`;
      return await call.stream(doing, {
        path: `/containers/${container}/archive`,
        query: { path },
        timeoutMs: loadTimeoutMs,
        signal,
      });
    },
    async start(container, { signal }) {
      await call.json(`start container "${container}"`, {
        method: 'POST',
        path: `/containers/${container}/start`,
        signal,
      });
    },
    async ended(container, output, { signal }) {
      const path = `/containers/${container}/logs`;
      const stream = await call.stream(`read the log of "${container}"`, {
        path,
        query: { stdout: true, stderr: true, timestamps: true, follow: true },
        signal,
      });
      const told = tell(stream, output);
      // The engine answers when it ends, and steps have hours.
      await call.json(`wait for container "${container}"`, {
        method: 'POST',
        path: `/containers/${container}/wait`,
        timeoutMs: 2 ** 31 - 1,
        signal,
      });
      await Promise.race([told, sleep(lastLinesMs, undefined, { signal })]);
      stream.destroy();
      const { State } = await inspect(container, signal);
      return { exitCode: State.ExitCode, oomKilled: State.OOMKilled, error: State.Error || undefined };
    },
    async kill(container, { signal }) {
      try {
        await call.json(`end container "${container}"`, {
          method: 'POST',
          path: `/containers/${container}/kill`,
          absent: undefined,
          signal,
        });
      } catch (error) {
        if (!/not running|is not running|improper state|has exited/.test((error as Error).message)) throw error;
      }
    },
    async labelled(label, { signal }) {
      const filters = JSON.stringify({ label: [label] });
      const containers = await call.json<Docker.ContainerInfo[]>('list the containers', {
        path: '/containers/json',
        query: { all: true, filters },
        signal,
      });
      const { Volumes } = await call.json<{ Volumes: { Name: string }[] | null }>('list the volumes', {
        path: '/volumes',
        query: { filters },
        signal,
      });
      return { containers: containers.map(({ Id }) => Id), volumes: (Volumes ?? []).map(({ Name }) => Name) };
    },
    async images(label, { signal }) {
      const filters = JSON.stringify({ label: [label] });
      const found = await call.json<Docker.ImageInfo[]>('list the images', {
        path: '/images/json',
        query: { filters },
        signal,
      });
      return found.flatMap(({ RepoTags }) => RepoTags ?? []);
    },
    removeContainer: (container, options) =>
      remove(`remove container "${container}"`, `/containers/${container}`, { force: true, v: true }, options),
    removeVolume: (name, options) => remove(`remove volume "${name}"`, `/volumes/${name}`, { force: true }, options),
    removeImage: (reference, options) => remove(`remove image "${reference}"`, `/images/${reference}`, {}, options),
  };
}

function bodyOfSpec(spec: SandboxSpec): object {
  return {
    Image: spec.image,
    Entrypoint: [spec.command[0]],
    Cmd: spec.command.slice(1),
    Env: Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`),
    WorkingDir: spec.workingDirectory,
    Hostname: 'build',
    User: '0:0',
    Labels: spec.labels,
    OpenStdin: spec.openInput,
    HostConfig: {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      IpcMode: 'private',
      Tmpfs: { '/tmp': `rw,exec,nosuid,nodev,mode=1777,size=${spec.temporaryBytes}` },
      Memory: spec.memoryBytes,
      // As much as the memory itself: no swap.
      MemorySwap: spec.memoryBytes,
      PidsLimit: spec.processes,
      Ulimits: ulimits,
      LogConfig: logConfig,
      RestartPolicy: { Name: 'no' },
      Mounts: spec.volumes.map(({ name, path, readOnly }) => ({
        Type: 'volume',
        Source: name,
        Target: path,
        ReadOnly: readOnly,
        VolumeOptions: { NoCopy: true },
      })),
    },
  };
}

function bodyOf(content: AsyncIterable<Uint8Array>): Readable {
  return Readable.from(content, { objectMode: false });
}

async function tell(stream: Readable, output: (line: string) => void): Promise<void> {
  const decoder = makeLogDecoder(true);
  try {
    for await (const chunk of stream) for (const { text } of decoder.push(chunk as Buffer)) output(text);
  } catch {
    // What can't be read of a log any more ends nothing.
  }
  for (const { text } of decoder.end()) output(text);
}
