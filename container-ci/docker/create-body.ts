// What the engine is told to create a container with: the spec in the words of its HTTP API.
import type { ContainerSpec } from '../engine.ts';

/** Logs of a container that we start: three files of 10 MiB, so that they can't fill the disk. */
const logConfig = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } };

/** The host ceiling: nothing in a spec can ask for mounts, devices, capabilities, host namespaces or privilege. */
export function bodyOf(spec: ContainerSpec): object {
  const ports = [...new Set(spec.publish.map(({ port }) => port))];
  const bindings = (port: number) =>
    spec.publish
      .filter((one) => one.port === port)
      .map(({ hostPort }) => ({ HostIp: '127.0.0.1', HostPort: hostPort === 0 ? '' : String(hostPort) }));
  return {
    Image: spec.image,
    Labels: spec.labels,
    ExposedPorts: Object.fromEntries(ports.map((port) => [`${port}/tcp`, {}])),
    HostConfig: {
      NetworkMode: spec.network.name,
      RestartPolicy: { Name: spec.restart },
      PortBindings: Object.fromEntries(ports.map((port) => [`${port}/tcp`, bindings(port)])),
      Privileged: false,
      SecurityOpt: ['no-new-privileges'],
      LogConfig: logConfig,
      // Swap equal to memory means no swap, so that the limit is the limit.
      ...(spec.memoryBytes === undefined ? {} : { Memory: spec.memoryBytes, MemorySwap: spec.memoryBytes }),
      ...(spec.nanoCpus === undefined ? {} : { NanoCpus: spec.nanoCpus }),
      ...(spec.processes === undefined ? {} : { PidsLimit: spec.processes }),
    },
    NetworkingConfig: { EndpointsConfig: { [spec.network.name]: { Aliases: spec.network.aliases } } },
  };
}
