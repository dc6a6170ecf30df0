// Whether a host can and may carry what a manifest asks for: pure, before anything is touched, each fault with place and mend.
import { engineName } from '#container-ci';
import type { Manifest, ManifestContainer, Problem } from '#manifests';
import { CookbookError } from './error.ts';

/** What the owner of a host lets containers have; all that is wide is off unless the owner says so. */
export interface HostCeiling {
  /** Of all containers of a manifest together; undefined: as much as the host has, each. */
  readonly memoryMib?: number | undefined;
  readonly millicpus?: number | undefined;
  readonly processes?: number | undefined;
  /** Beyond those that a container has by default; without "CAP_". */
  readonly capabilities: readonly string[];
  /** Folders of the host that may be mounted, with all below them. */
  readonly hostPaths: readonly string[];
  readonly devices: readonly string[];
  readonly hostNamespaces: readonly string[];
  readonly privileged: boolean;
  readonly seccompUnconfined: boolean;
  readonly mayGainPrivileges: boolean;
}

export const narrowCeiling: HostCeiling = {
  capabilities: [],
  hostPaths: [],
  devices: [],
  hostNamespaces: [],
  privileged: false,
  seccompUnconfined: false,
  mayGainPrivileges: false,
};

/** What a host has; what couldn't be read is undefined, and refuses nothing. */
export interface HostFacts {
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  /** How many processes its kernel can tell apart. */
  readonly processes?: number | undefined;
  /** Where the engine keeps images and volumes. */
  readonly freeBytes?: number | undefined;
  /** Ports of 127.0.0.1 that somebody listens on. */
  readonly takenPorts: ReadonlySet<number>;
}

export interface CeilingRequest {
  readonly manifest: Manifest;
  readonly host: HostFacts;
  readonly ceiling: HostCeiling;
  /** By the engine's name of a container: ports of the host that it has now, and gives up when it is replaced. */
  readonly publishedBy: ReadonlyMap<string, readonly number[]>;
  /** Of images that the engine doesn't have. */
  readonly neededBytes: number;
}

type Fault = Omit<Problem, 'line'>;

/** What an engine gives a container that asks for nothing: to ask for these by name widens nothing. */
const defaultCapabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
);
/** Folders whose mount is the host itself: no list of allowed paths opens them. */
const sockets = /(?:^|\/)(?:docker|podman|containerd|crio)\.sock$/;
const mebibyte = 1_048_576;
/** Room that stays free for what containers write. */
const spareBytes = 256 * mebibyte;
const widen = (key: string): string => `let the owner of this host allow it: "${key}" in HOME/ceiling.json`;

/** Throws `over-ceiling` with all faults, the first one's place and mend in front. */
export function refuseOverCeiling(request: CeilingRequest): void {
  const problems = ceilingProblems(request);
  const [first] = problems;
  if (!first) return;
  const said = problems.map(({ pointer, message, mend }) => `${pointer}: ${message}${mend ? `; ${mend}` : ''}`);
  throw new CookbookError(
    'over-ceiling',
    `Cannot run project "${request.manifest.project.name}" on this host: ${said.join('\n')}`,
    { problems, mend: first.mend },
  );
}

export function ceilingProblems(request: CeilingRequest): Fault[] {
  const { manifest, host, ceiling, neededBytes } = request;
  const faults = Object.entries(manifest.containers).flatMap(([name, container]) => [
    ...limitFaults(name, container, request),
    ...widthFaults(name, container, ceiling),
    ...portFaults(name, container, request),
  ]);
  const sums = [
    ['memory_mib', ceiling.memoryMib, 'memoryMib'],
    ['millicpus', ceiling.millicpus, 'millicpus'],
    ['processes', ceiling.processes, 'processes'],
  ] as const;
  for (const [key, most, setting] of sums) {
    if (most === undefined) continue;
    let sum = 0;
    for (const [name, { resources }] of Object.entries(manifest.containers)) {
      const asked = resources[key];
      const pointer = pointerTo(name, 'resources', key);
      if (asked === undefined) {
        const message = `no limit is set, and this host gives a manifest at most ${most}`;
        faults.push({ pointer, message, mend: `set "${key}"` });
      }
      sum += asked ?? 0;
      if (sum > most) {
        const message = `with the containers before it ${sum} are asked for, and this host gives at most ${most}`;
        faults.push({ pointer, message, mend: `ask for less, or ${widen(setting)}` });
        break;
      }
    }
  }
  if (host.freeBytes !== undefined && neededBytes > 0 && neededBytes + spareBytes > host.freeBytes)
    faults.push({
      pointer: '/containers',
      message: `the images need ${neededBytes} bytes of disk, and ${host.freeBytes} are free where the engine keeps them`,
      mend: 'free some space, or remove images that nothing uses',
    });
  return faults;
}

function limitFaults(name: string, { resources, volumes }: ManifestContainer, { host }: CeilingRequest): Fault[] {
  const { memory_mib = 0, millicpus = 0, processes = 0, shm_mib = 0 } = resources;
  const faults: Fault[] = [];
  const check = (path: readonly (string | number)[], asked: number, has: number | undefined, unit: string): void => {
    if (has === undefined || asked <= has) return;
    faults.push({
      pointer: pointerTo(name, ...path),
      message: `${asked} ${unit} are asked for, and this host has ${Math.floor(has)}`,
      mend: 'ask for less, or run it on another stack',
    });
  };
  const memoryMib = host.memoryBytes === undefined ? undefined : host.memoryBytes / mebibyte;
  check(['resources', 'memory_mib'], memory_mib, memoryMib, 'MiB of memory');
  check(['resources', 'shm_mib'], shm_mib, memoryMib, 'MiB of shared memory');
  check(
    ['resources', 'millicpus'],
    millicpus,
    host.cpus === undefined ? undefined : host.cpus * 1000,
    'thousandths of a processor',
  );
  check(['resources', 'processes'], processes, host.processes, 'processes');
  for (const [index, { tmpfs_mib = 0 }] of volumes.entries())
    check(['volumes', index, 'tmpfs_mib'], tmpfs_mib, memoryMib, 'MiB of memory');
  return faults;
}

function widthFaults(name: string, { security, volumes }: ManifestContainer, ceiling: HostCeiling): Fault[] {
  const faults: Fault[] = [];
  const fault = (path: readonly (string | number)[], what: string, key: string): void =>
    void faults.push({ pointer: pointerTo(name, ...path), message: `this host allows no ${what}`, mend: widen(key) });
  for (const [index, one] of security.cap_add.entries()) {
    const capability = one.replace(/^CAP_/, '');
    if (!defaultCapabilities.has(capability) && !ceiling.capabilities.includes(capability))
      fault(['security', 'cap_add', index], `capability "${capability}"`, 'capabilities');
  }
  if (security.privileged && !ceiling.privileged)
    fault(['security', 'privileged'], 'privileged container', 'privileged');
  if (security.seccomp === 'unconfined' && !ceiling.seccompUnconfined)
    fault(['security', 'seccomp'], 'container without the filter of system calls', 'seccompUnconfined');
  if (!security.no_new_privileges && !ceiling.mayGainPrivileges)
    fault(['security', 'no_new_privileges'], 'container that may gain privileges', 'mayGainPrivileges');
  for (const [index, device] of security.devices.entries())
    if (!ceiling.devices.includes(device)) fault(['security', 'devices', index], `device "${device}"`, 'devices');
  for (const [index, one] of security.host_namespaces.entries())
    if (!ceiling.hostNamespaces.includes(one))
      fault(['security', 'host_namespaces', index], `"${one}" namespace of the host`, 'hostNamespaces');
  for (const [index, { host_path }] of volumes.entries()) {
    if (host_path === undefined) continue;
    const isOpen = ceiling.hostPaths.some(
      (one) => host_path === one || host_path.startsWith(`${one.replace(/\/$/, '')}/`),
    );
    if (!isOpen || sockets.test(host_path))
      fault(['volumes', index, 'host_path'], `mount of "${host_path}"`, 'hostPaths');
  }
  return faults;
}

function portFaults(name: string, container: ManifestContainer, request: CeilingRequest): Fault[] {
  const { manifest, host, publishedBy } = request;
  const own = new Set(
    Object.keys(manifest.containers).flatMap((one) => publishedBy.get(engineName(manifest.project.name, one)) ?? []),
  );
  const others = Object.entries(manifest.containers).filter(([other]) => other < name);
  return container.publish.flatMap(({ host_port }, index) => {
    if (host_port === 0) return [];
    const pointer = pointerTo(name, 'publish', index, 'host_port');
    const [by] = others.find(([, other]) => other.publish.some((one) => one.host_port === host_port)) ?? [];
    if (by !== undefined)
      return [{ pointer, message: `port ${host_port} is published by "${by}" too`, mend: 'take another, or 0' }];
    if (!host.takenPorts.has(host_port) || own.has(host_port)) return [];
    const mend = 'take another, or 0 for a free one';
    return [{ pointer, message: `port ${host_port} of this host is taken`, mend }];
  });
}

function pointerTo(container: string, ...path: readonly (string | number)[]): string {
  return `/containers/${[container, ...path].join('/')}`;
}
