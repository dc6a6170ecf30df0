// What the engine is told to create a container from a spec.
import type { ContainerMount, ContainerSpec } from '../engine.ts';

/** Logs of a container that we start: three files of 10 MiB, so that they can't fill the disk. */
const logConfig = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } };

/** What a spec doesn't ask for is narrow: no privilege to gain, no device, no namespace of the host. */
export function bodyOf(spec: ContainerSpec): object {
  const ports = [...new Set(spec.publish.map(({ port }) => port))];
  const bindings = (port: number) =>
    spec.publish
      .filter((one) => one.port === port)
      .map(({ hostPort }) => ({ HostIp: '127.0.0.1', HostPort: hostPort === 0 ? '' : String(hostPort) }));
  const security = spec.security ?? {};
  const namespaces = security.hostNamespaces ?? [];
  const isOfHost = namespaces.includes('network');
  return {
    Image: spec.image,
    Labels: spec.labels,
    ExposedPorts: Object.fromEntries(ports.map((port) => [`${port}/tcp`, {}])),
    ...(spec.graceSeconds === undefined ? {} : { StopTimeout: spec.graceSeconds }),
    HostConfig: {
      NetworkMode: isOfHost ? 'host' : spec.network.name,
      RestartPolicy: { Name: spec.restart },
      PortBindings: isOfHost ? {} : Object.fromEntries(ports.map((port) => [`${port}/tcp`, bindings(port)])),
      Privileged: security.privileged ?? false,
      SecurityOpt: [
        ...(security.mayGainPrivileges ? [] : ['no-new-privileges']),
        ...(security.seccomp === 'unconfined' ? ['seccomp=unconfined'] : []),
      ],
      ReadonlyRootfs: security.readOnly ?? false,
      ...(security.capDrop?.length ? { CapDrop: security.capDrop } : {}),
      ...(security.capAdd?.length ? { CapAdd: security.capAdd } : {}),
      ...(security.devices?.length
        ? {
            Devices: security.devices.map((one) => ({
              PathOnHost: one,
              PathInContainer: one,
              CgroupPermissions: 'rwm',
            })),
          }
        : {}),
      ...(namespaces.includes('pid') ? { PidMode: 'host' } : {}),
      ...(namespaces.includes('ipc') ? { IpcMode: 'host' } : {}),
      ...(namespaces.includes('uts') ? { UTSMode: 'host' } : {}),
      LogConfig: logConfig,
      // Swap equal to memory means no swap, so that the limit is the limit.
      ...(spec.memoryBytes === undefined ? {} : { Memory: spec.memoryBytes, MemorySwap: spec.memoryBytes }),
      ...(spec.nanoCpus === undefined ? {} : { NanoCpus: spec.nanoCpus }),
      ...(spec.processes === undefined ? {} : { PidsLimit: spec.processes }),
      ...(spec.shmBytes === undefined ? {} : { ShmSize: spec.shmBytes }),
      ...(spec.openFiles === undefined
        ? {}
        : { Ulimits: [{ Name: 'nofile', Soft: spec.openFiles, Hard: spec.openFiles }] }),
      ...(spec.mounts?.length ? { Mounts: spec.mounts.map(mountOf) } : {}),
    },
    ...(isOfHost
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [spec.network.name]: { Aliases: spec.network.aliases } } } }),
  };
}

function mountOf(mount: ContainerMount): object {
  const { path: Target, readOnly: ReadOnly } = mount;
  if (mount.kind === 'memory')
    return { Type: 'tmpfs', Target, ReadOnly, TmpfsOptions: { SizeBytes: mount.sizeBytes, Mode: 0o1777 } };
  return { Type: mount.kind === 'volume' ? 'volume' : 'bind', Source: mount.source, Target, ReadOnly };
}
