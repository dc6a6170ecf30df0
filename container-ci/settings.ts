// What a spec says of how a container is set up, in the form in which an engine is read back.
import type { ContainerSettings, ContainerSpec } from './engine.ts';

/** Of a container that was created from the spec and not touched since. */
export function settingsOfSpec(spec: ContainerSpec): ContainerSettings {
  const { security = {}, network, otherNetworks = [] } = spec;
  const isOfHost = security.hostNamespaces?.includes('network') ?? false;
  return {
    image: spec.image,
    imageId: spec.image,
    changedEnvironment: [],
    changedCommand: false,
    mounts: [...(spec.mounts ?? [])].sort((a, b) => (a.path < b.path ? -1 : 1)),
    publish: isOfHost ? [] : [...spec.publish].sort((a, b) => a.port - b.port || a.hostPort - b.hostPort),
    networks: isOfHost ? ['host'] : [network.name, ...otherNetworks].sort(),
    restart: spec.restart,
    memoryBytes: spec.memoryBytes ?? 0,
    nanoCpus: spec.nanoCpus ?? 0,
    processes: spec.processes ?? 0,
    shmBytes: spec.shmBytes ?? 0,
    openFiles: spec.openFiles ?? 0,
    security: {
      readOnly: security.readOnly ?? false,
      capDrop: [...(security.capDrop ?? [])].sort(),
      capAdd: [...(security.capAdd ?? [])].sort(),
      mayGainPrivileges: security.mayGainPrivileges ?? false,
      seccomp: security.seccomp ?? 'default',
      privileged: security.privileged ?? false,
      devices: [...(security.devices ?? [])].sort(),
      hostNamespaces: ['network', 'pid', 'ipc', 'uts'].filter((one) =>
        security.hostNamespaces?.some((other) => other === one),
      ) as ContainerSettings['security']['hostNamespaces'],
    },
  };
}
