// How a container is set up, read back from the engine in the words of a spec, so that both can be compared.
import type Docker from 'dockerode';
import type { ContainerMount, ContainerSecurity, ContainerSettings } from '../engine.ts';

/** What the engine gives /dev/shm where nobody says. */
const defaultShmBytes = 67_108_864;

interface RawMount {
  readonly Type: string;
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly TmpfsOptions?: { readonly SizeBytes?: number };
}

export function settingsOf(
  found: Docker.ContainerInspectInfo,
  image: Docker.ImageInspectInfo | undefined,
): ContainerSettings {
  const { Config, HostConfig: host, NetworkSettings } = found;
  const ofImage = new Set(image?.Config?.Env ?? []);
  const isSame = (own: unknown, its: unknown): boolean => JSON.stringify(wordsOf(own)) === JSON.stringify(wordsOf(its));
  const changedCommand =
    image !== undefined &&
    !(isSame(Config.Cmd, image.Config?.Cmd) && isSame(Config.Entrypoint, image.Config?.Entrypoint));
  const shmBytes = host.ShmSize ?? 0;
  const openFiles = host.Ulimits?.find((one: { Name?: string }) => one.Name === 'nofile') as
    | { Soft?: number }
    | undefined;
  return {
    image: Config.Image,
    imageId: found.Image,
    // Values stay here: they may be secrets.
    changedEnvironment: (Config.Env ?? [])
      .filter((pair) => !ofImage.has(pair))
      .map((pair) => pair.split('=', 1)[0] ?? '')
      .sort(),
    changedCommand,
    mounts: mountsOf(found),
    publish: Object.entries((host.PortBindings ?? {}) as Record<string, { HostPort?: string }[]>)
      .flatMap(([port, bindings]) =>
        (bindings ?? []).map(({ HostPort }) => ({ port: Number.parseInt(port, 10), hostPort: Number(HostPort || 0) })),
      )
      .sort((a, b) => a.port - b.port || a.hostPort - b.hostPort),
    networks: Object.keys(NetworkSettings.Networks ?? {}).sort(),
    restart: host.RestartPolicy?.Name || 'no',
    memoryBytes: host.Memory ?? 0,
    nanoCpus: host.NanoCpus ?? 0,
    processes: Math.max(0, host.PidsLimit ?? 0),
    shmBytes: shmBytes === defaultShmBytes ? 0 : shmBytes,
    openFiles: openFiles?.Soft ?? 0,
    security: securityOf(host),
  };
}

function securityOf(host: Docker.ContainerInspectInfo['HostConfig']): Required<ContainerSecurity> {
  const options = (host.SecurityOpt ?? []) as readonly string[];
  const capabilities = (list: unknown): string[] =>
    ((list ?? []) as readonly string[]).map((one) => one.replace(/^CAP_/, '')).sort();
  const namespaces = [
    ['network', host.NetworkMode],
    ['pid', host.PidMode],
    ['ipc', host.IpcMode],
    ['uts', host.UTSMode],
  ] as const;
  return {
    readOnly: host.ReadonlyRootfs ?? false,
    capDrop: capabilities(host.CapDrop),
    capAdd: capabilities(host.CapAdd),
    mayGainPrivileges: !options.some((one) => /^no-new-privileges(?:[:=]true)?$/.test(one)),
    seccomp: options.includes('seccomp=unconfined') ? 'unconfined' : 'default',
    privileged: host.Privileged ?? false,
    devices: ((host.Devices ?? []) as { PathOnHost: string }[]).map((one) => one.PathOnHost).sort(),
    hostNamespaces: namespaces.flatMap(([name, mode]) => (mode === 'host' ? [name] : [])),
  };
}

/** Those of a spec, and those that somebody gave it by another client (`-v`, `--tmpfs`). */
function mountsOf(found: Docker.ContainerInspectInfo): ContainerMount[] {
  const host = found.HostConfig as unknown as {
    readonly Mounts?: readonly RawMount[] | null;
    readonly Binds?: readonly string[] | null;
    readonly Tmpfs?: Readonly<Record<string, string>> | null;
  };
  const mounts = (host.Mounts ?? []).map(
    ({ Type, Source = '', Target: path, ReadOnly: readOnly = false, TmpfsOptions }): ContainerMount =>
      Type === 'tmpfs'
        ? { kind: 'memory', sizeBytes: TmpfsOptions?.SizeBytes ?? 0, path, readOnly }
        : { kind: Type === 'volume' ? 'volume' : 'host', source: Source, path, readOnly },
  );
  const binds = (host.Binds ?? []).map((bind): ContainerMount => {
    const [source = '', path = '', options = ''] = bind.split(':');
    const kind = source.startsWith('/') ? 'host' : 'volume';
    return { kind, source, path, readOnly: options.split(',').includes('ro') };
  });
  const memory = Object.keys(host.Tmpfs ?? {}).map(
    (path): ContainerMount => ({ kind: 'memory', sizeBytes: 0, path, readOnly: false }),
  );
  return [...mounts, ...binds, ...memory].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** One word alone is said in both ways. */
function wordsOf(words: unknown): readonly unknown[] {
  return Array.isArray(words) ? words : words === undefined || words === null ? [] : [words];
}
