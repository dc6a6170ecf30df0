// What one container of a manifest is created from, and the names that its project's things have on the engine.
import {
  type ContainerMount,
  type ContainerSpec,
  engineName,
  makeLabels,
  type SecretFile,
  specDigest,
} from '#container-ci';
import type { Manifest, ManifestContainer } from '#manifests';
import { CookbookError } from './error.ts';

/** An image of the project, as a build made it; digests are `sha256:…`. */
export interface PlannedImage {
  /** The container of the manifest that it is for. */
  readonly container: string;
  /** Such as `linux/amd64`. */
  readonly platform: string;
  /** Of the image's manifest: what the engine pulls by. */
  readonly digest: string;
  readonly configDigest: string;
  readonly buildKey: string;
}

export interface SpecRequest {
  readonly manifest: Manifest;
  readonly manifestDigest: string;
  readonly images: readonly PlannedImage[];
  /** Of the host that runs them: one image of a container is for it. */
  readonly platform: string;
  /** The stack whose containers they become. */
  readonly stack: string;
  /** `HOST:PORT` from which the engine pulls. */
  readonly registryAddress: string;
  /** A folder of the host in memory, below which files of secrets are. */
  readonly secretsFolder: string;
}

/** Raised when a plan makes other containers of the same manifest, so that old ones are replaced. */
const specVersion = 2;
const mebibyte = 1_048_576;

/** The project's own network, or one that it names. No name of ours has a dot, so that none of two projects are the same. */
export function networkName(project: string, network?: string): string {
  return network === undefined ? `hermesh-${project}` : `hermesh-${project}.${network}`;
}

export function volumeName(project: string, volume: string): string {
  return `hermesh-${project}.${volume}`;
}

/** By digest, in the repository `<project>/<container>`. */
export function imageReference(registryAddress: string, project: string, image: PlannedImage): string {
  return `${registryAddress}/${project}/${image.container}@${image.digest}`;
}

/** The name of the CI of a container: `ci_name` of its manifest, else `<container>-ci`. */
export function ciName(manifest: Manifest, container: string): string {
  return manifest.containers[container]?.ci_name ?? `${container}-ci`;
}

/** Networks of a container as the engine has them, the first one first. */
export function networksOf(manifest: Manifest, container: string): readonly string[] {
  const { networks = [] } = manifest.containers[container] ?? {};
  const project = manifest.project.name;
  return networks.length === 0 ? [networkName(project)] : networks.map((network) => networkName(project, network));
}

/** Volumes of a project as the engine has them, by name. */
export function volumesOf(manifest: Manifest): readonly string[] {
  const names = Object.values(manifest.containers).flatMap(({ volumes }) => volumes.flatMap(({ name }) => name ?? []));
  return [...new Set(names)].sort().map((name) => volumeName(manifest.project.name, name));
}

/** The image for the host's platform; throws `missing-image` where there is none. */
export function imageOf({ manifest, images, platform }: SpecRequest, container: string): PlannedImage {
  const all = images.filter((one) => one.container === container);
  const image = all.find((one) => one.platform === platform);
  if (image) return image;
  const why =
    all.length === 0
      ? 'it has no image; build the manifest first'
      : `this host is ${platform}, and its images are for ${all.map((one) => one.platform).join(', ')}; add "${platform}" to its "platforms"`;
  throw new CookbookError(
    'missing-image',
    `Cannot run container "${container}" of project "${manifest.project.name}": ${why}`,
  );
}

/** Each secret of a container as a file of its own, which is mounted from memory. */
export function secretFilesOf(
  { manifest, secretsFolder }: Pick<SpecRequest, 'manifest' | 'secretsFolder'>,
  container: string,
): readonly SecretFile[] {
  const { secrets = [] } = manifest.containers[container] ?? {};
  return secrets.map(({ name, mode, owner }, index) => ({
    secret: name,
    file: `${secretsFolder}/${manifest.project.name}/${container}/${index}`,
    mode,
    owner,
  }));
}

export function specOf(request: SpecRequest, container: string, image: PlannedImage): ContainerSpec {
  const { manifest, manifestDigest, stack, registryAddress } = request;
  const project = manifest.project.name;
  const wanted = manifest.containers[container] as ManifestContainer;
  const { memory_mib, millicpus, processes, shm_mib, open_files } = wanted.resources;
  const { security } = wanted;
  const [network = networkName(project), ...otherNetworks] = networksOf(manifest, container);
  // Neither the registry's address nor the rest of the manifest is part of it: they may change under a container that stays.
  const digest = specDigest({ version: specVersion, project, container, wanted, image: image.digest });
  return {
    name: engineName(project, container),
    image: imageReference(registryAddress, project, image),
    labels: makeLabels({
      stack,
      project,
      container,
      manifestDigest,
      ci: ciName(manifest, container),
      buildKey: image.buildKey,
      specDigest: digest,
      dependsOn: Object.keys(wanted.depends_on).sort().join(','),
    }),
    network: { name: network, aliases: [container] },
    otherNetworks,
    publish: wanted.publish.map(({ port, host_port }) => ({ port, hostPort: host_port })),
    restart: wanted.restart,
    graceSeconds: wanted.stop_grace_seconds,
    mounts: mountsOf(request, container),
    security: {
      readOnly: security.read_only,
      capDrop: security.cap_drop,
      capAdd: security.cap_add,
      mayGainPrivileges: !security.no_new_privileges,
      seccomp: security.seccomp,
      privileged: security.privileged,
      devices: security.devices,
      hostNamespaces: security.host_namespaces,
    },
    ...(memory_mib === undefined ? {} : { memoryBytes: memory_mib * mebibyte }),
    ...(millicpus === undefined ? {} : { nanoCpus: millicpus * 1_000_000 }),
    ...(processes === undefined ? {} : { processes }),
    ...(shm_mib === undefined ? {} : { shmBytes: shm_mib * mebibyte }),
    ...(open_files === undefined ? {} : { openFiles: open_files }),
  };
}

function mountsOf(request: SpecRequest, container: string): ContainerMount[] {
  const { manifest } = request;
  const { volumes = [], secrets = [] } = manifest.containers[container] ?? {};
  const files = secretFilesOf(request, container);
  return [
    ...volumes.flatMap(({ path, name, tmpfs_mib, host_path, read_only: readOnly }): ContainerMount[] => {
      if (name !== undefined)
        return [{ kind: 'volume', source: volumeName(manifest.project.name, name), path, readOnly }];
      if (tmpfs_mib !== undefined) return [{ kind: 'memory', sizeBytes: tmpfs_mib * mebibyte, path, readOnly }];
      return host_path === undefined ? [] : [{ kind: 'host', source: host_path, path, readOnly }];
    }),
    ...secrets.map(
      ({ name, path }, index): ContainerMount => ({
        kind: 'host',
        source: files[index]?.file ?? '',
        path: path ?? `/run/secrets/${name}`,
        readOnly: true,
      }),
    ),
  ];
}
