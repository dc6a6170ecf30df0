// The seam to a container engine: what a stack can see of its containers without entering them, and what it can do to them.

export interface EngineInfo {
  /** The engine's own id, which tells two engines apart across restarts. */
  readonly id: string;
  readonly kind: 'docker' | 'podman' | 'memory';
  readonly version: string;
  readonly operatingSystem: string;
  /** Of the host that it runs containers on. */
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly platform: string;
  /** Where it keeps images and volumes, as the host sees it. */
  readonly folder: string;
}

export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly state: ContainerState['status'];
  /** Of its main process, where that has ended. */
  readonly exitCode?: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerState {
  readonly id: string;
  readonly name: string;
  /** The reference it was created from, and the id of the image (its config digest, or manifest digest on newer engines). */
  readonly image: string;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead';
  /** Process id of its first process on the host, while it runs. */
  readonly pid: number | undefined;
  readonly exitCode: number | undefined;
  readonly oomKilled: boolean;
  readonly error: string | undefined;
  readonly restartCount: number;
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  /** Names only: values may be secrets. */
  readonly environmentNames: readonly string[];
  readonly command: readonly string[];
  /** Its address in each network it is attached to. */
  readonly addresses: readonly { readonly network: string; readonly address: string }[];
  readonly published: readonly { readonly port: number; readonly hostAddress: string; readonly hostPort: number }[];
  readonly mounts: readonly { readonly source: string; readonly destination: string; readonly readOnly: boolean }[];
}

export type EngineEvent = {
  readonly type: 'create' | 'start' | 'die' | 'oom' | 'destroy' | 'rename' | 'pause' | 'unpause' | 'health' | 'kill';
  readonly containerId: string;
  readonly at: Date;
  readonly exitCode?: number;
  /** Of `kill`: the number of the signal that somebody asked the engine to send. */
  readonly signal?: number;
};

export interface ContainerProcess {
  readonly pid: number;
  readonly parentPid: number;
  /** The executable's short name (`comm`), and its whole command line. */
  readonly executable: string;
  readonly commandLine: string;
}

export interface ListeningSocket {
  readonly protocol: 'tcp' | 'tcp6';
  readonly address: string;
  readonly port: number;
}

export interface ContainerUsage {
  readonly memoryBytes: number;
  /** 0 where there is no limit. */
  readonly memoryLimitBytes: number;
  readonly cpuNanoseconds: number;
  readonly processes: number;
}

export interface LogLine {
  readonly at: Date | undefined;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: { readonly name: string; readonly aliases: readonly string[] };
  /** Further networks, with the same aliases. */
  readonly otherNetworks?: readonly string[];
  /** Bound to 127.0.0.1; hostPort 0 takes a free one. */
  readonly publish: readonly { readonly port: number; readonly hostPort: number }[];
  readonly restart: 'no' | 'on-failure' | 'unless-stopped' | 'always';
  readonly memoryBytes?: number;
  readonly nanoCpus?: number;
  readonly processes?: number;
  /** Of /dev/shm. */
  readonly shmBytes?: number;
  readonly openFiles?: number;
  readonly mounts?: readonly ContainerMount[];
  readonly security?: ContainerSecurity;
  /** Between SIGTERM and SIGKILL when it is stopped; 10 unless told. */
  readonly graceSeconds?: number;
}

/** `host` is a file or folder of the host; what may be one is decided before a spec is made. */
export type ContainerMount =
  | { readonly kind: 'volume'; readonly source: string; readonly path: string; readonly readOnly: boolean }
  | { readonly kind: 'host'; readonly source: string; readonly path: string; readonly readOnly: boolean }
  | { readonly kind: 'memory'; readonly sizeBytes: number; readonly path: string; readonly readOnly: boolean };

/** Capabilities without "CAP_"; what is left out is narrow. */
export interface ContainerSecurity {
  readonly readOnly?: boolean;
  readonly capDrop?: readonly string[];
  readonly capAdd?: readonly string[];
  readonly mayGainPrivileges?: boolean;
  readonly seccomp?: 'default' | 'unconfined';
  readonly privileged?: boolean;
  readonly devices?: readonly string[];
  readonly hostNamespaces?: readonly ('network' | 'pid' | 'ipc' | 'uts')[];
}

/** What a container was created with and changed to since, as far as a spec can say it; lists are sorted. */
export interface ContainerSettings {
  readonly image: string;
  readonly imageId: string;
  /** Names of variables that its image doesn't have, or has with another value. */
  readonly changedEnvironment: readonly string[];
  /** Whether it runs another command than its image says. */
  readonly changedCommand: boolean;
  readonly mounts: readonly ContainerMount[];
  readonly publish: readonly { readonly port: number; readonly hostPort: number }[];
  readonly networks: readonly string[];
  readonly restart: string;
  /** 0 where there is no limit, or the engine's own. */
  readonly memoryBytes: number;
  readonly nanoCpus: number;
  readonly processes: number;
  readonly shmBytes: number;
  readonly openFiles: number;
  readonly security: Required<ContainerSecurity>;
}

/** A network or a volume. */
export interface EngineThing {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface Cancel {
  readonly signal: AbortSignal;
}

export interface Engine extends AsyncDisposable {
  /** The path of its unix socket; undefined for one in memory. */
  readonly endpoint?: string;
  info(options: Cancel): Promise<EngineInfo>;
  /**
   * Marks the engine as owned by a stack, unless it bears a mark already; gives the stack that owns it now. The mark is on the
   * engine itself, so that it holds between daemons that know nothing of one another.
   */
  claim(stack: string, options: Cancel): Promise<string>;
  /** All containers, stopped ones too. */
  containers(options: Cancel): Promise<readonly ContainerSummary[]>;
  /** Undefined where there is none of that id or name. */
  inspect(container: string, options: Cancel): Promise<ContainerState | undefined>;
  /** Undefined where there is none of that id or name. */
  settings(container: string, options: Cancel): Promise<ContainerSettings | undefined>;
  /** Events from now on. Ends when the signal is aborted; throws `engine-unreachable` when the engine goes. */
  events(options: Cancel): AsyncIterable<EngineEvent>;
  processes(container: string, options: Cancel): Promise<readonly ContainerProcess[]>;
  /** Listening TCP sockets of its network namespace, read from the host. */
  sockets(container: string, options: Cancel): Promise<readonly ListeningSocket[]>;
  usage(container: string, options: Cancel): Promise<ContainerUsage>;
  /** The newest lines, oldest first; at most `tail` (1 to 10,000). */
  logs(
    container: string,
    options: Cancel & { readonly tail: number; readonly since?: Date },
  ): Promise<readonly LogLine[]>;
  followLogs(container: string, options: Cancel & { readonly tail: number }): AsyncIterable<LogLine>;
  /** Pulls by digest from a registry; resolves once the image can be run. */
  pull(
    reference: string,
    login: { readonly username: string; readonly password: string },
    options: Cancel,
  ): Promise<void>;
  hasImage(reference: string, options: Cancel): Promise<boolean>;
  /** The image by its id as `docker save` writes it; throws `no-such-image` at the first read. */
  saveImage(image: string, options: Cancel): AsyncIterable<Uint8Array>;
  removeImage(reference: string, options: Cancel): Promise<void>;
  /** Idempotent. */
  createNetwork(name: string, labels: Readonly<Record<string, string>>, options: Cancel): Promise<void>;
  removeNetwork(name: string, options: Cancel): Promise<void>;
  networks(options: Cancel): Promise<readonly EngineThing[]>;
  /** Idempotent; one that is there keeps its labels and what is in it. */
  createVolume(name: string, labels: Readonly<Record<string, string>>, options: Cancel): Promise<void>;
  /** Removes what is in it too. No error where there is none. */
  removeVolume(name: string, options: Cancel): Promise<void>;
  volumes(options: Cancel): Promise<readonly EngineThing[]>;
  createContainer(spec: ContainerSpec, options: Cancel): Promise<string>;
  startContainer(container: string, options: Cancel): Promise<void>;
  /** SIGTERM, then SIGKILL after `graceSeconds`, or after its own grace. No error where it isn't running. */
  stopContainer(container: string, options: Cancel & { readonly graceSeconds?: number }): Promise<void>;
  /** No error where there is none. */
  removeContainer(container: string, options: Cancel): Promise<void>;
  renameContainer(container: string, name: string, options: Cancel): Promise<void>;
}
