// What a manifest says of a container: what its image holds, and how it is run.
import { z } from 'zod';
import {
  absolutePath,
  accountPath,
  debianNames,
  digest,
  environment,
  health,
  identifier,
  mode,
  name,
  owner,
  platform,
  port,
  relativePath,
  resources,
  text,
  word,
} from './primitives.ts';

const root = { uid: 0, gid: 0 };

/** What lies under everything else, always by content: a tag can be moved. */
const base = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('scratch') }),
  /** An OCI image layout below the manifest's folder; the digest of a manifest or an index in it. */
  z.strictObject({ kind: z.literal('oci-layout'), path: relativePath, digest }),
  z.strictObject({
    kind: z.literal('registry'),
    reference: z
      .string()
      .max(512)
      .regex(/^[a-z0-9][a-zA-Z0-9.:/_-]*@sha256:[0-9a-f]{64}$/, 'a reference with its digest: "NAME@sha256:…"'),
  }),
  /** An image that the local engine holds, by its id. */
  z.strictObject({ kind: z.literal('engine'), image: digest }),
  /** The root of a file system below the manifest's folder, with the owners and modes it has there. */
  z.strictObject({ kind: z.literal('rootfs'), path: relativePath }),
]);

const use = z.strictObject({
  destination: absolutePath,
  owner: owner.default(root),
  /** "source" and names of steps, whose results are put at the destination; unless told, the source and the result of each step. */
  content: z.array(name).max(51).default([]),
});

const accounts = z.strictObject({
  users: z
    .array(
      z.strictObject({
        name,
        uid: identifier,
        gid: identifier,
        home: accountPath.default('/nonexistent'),
        shell: accountPath.default('/usr/sbin/nologin'),
      }),
    )
    .max(100)
    .default([]),
  groups: z
    .array(z.strictObject({ name, gid: identifier }))
    .max(100)
    .default([]),
});

/** One of: a volume of the project by its name, a folder in memory, a folder of the host (which the host must allow). */
const volume = z
  .strictObject({
    path: absolutePath,
    name: name.optional(),
    tmpfs_mib: z.int().min(1).max(1_048_576).optional(),
    host_path: absolutePath.optional(),
    read_only: z.boolean().default(false),
  })
  .refine(
    (one) => [one.name, one.tmpfs_mib, one.host_path].filter((part) => part !== undefined).length === 1,
    'exactly one of "name", "tmpfs_mib" and "host_path"',
  );

/** A secret of the stack that runs it, by its name; the value never stands in a manifest. */
const secret = z.strictObject({
  name: word,
  /** Where its file stands; /run/secrets/NAME unless told. */
  path: absolutePath.optional(),
  mode: mode.default('0400'),
  owner: owner.default(root),
});

const capability = z.string().regex(/^(?:ALL|[A-Z][A-Z_]{1,40})$/, 'a capability such as "NET_BIND_SERVICE", or "ALL"');

/** What is wider than the default is given only where the host's ceiling allows it. */
const security = z.strictObject({
  read_only: z.boolean().default(false),
  cap_drop: z.array(capability).max(50).default([]),
  cap_add: z.array(capability).max(50).default([]),
  no_new_privileges: z.boolean().default(true),
  seccomp: z.enum(['default', 'unconfined']).default('default'),
  privileged: z.boolean().default(false),
  devices: z.array(absolutePath).max(20).default([]),
  host_namespaces: z
    .array(z.enum(['network', 'pid', 'ipc', 'uts']))
    .max(4)
    .default([]),
});

/** Tekton's words for what other keys say too; those keys win. */
const dockerConfig = z.strictObject({
  dockerfile_path: relativePath.optional(),
  base_image: word.optional(),
  exposed_ports: z.array(port).max(100).default([]),
  environment: environment.default({}),
  build_args: environment.default({}),
  container_ci: z
    .strictObject({
      enabled: z.boolean().default(true),
      socket: text.optional(),
      capabilities: z.array(text).max(20).default([]),
    })
    .optional(),
});

export const container = z.strictObject({
  base: base.default({ kind: 'scratch' }),
  /** Tekton's word for a base: with a digest as it is, without one as the lock pins it. */
  base_image: word.optional(),
  /** As in `packaging` unless told. */
  platforms: z.array(platform).max(2).default([]),
  /** Names of Debian packages; their versions and hashes, and those of what they depend on, stand in the lock. */
  debian: debianNames.default([]),
  /** By name, or a list of names, which go to /srv/NAME. */
  applications: z
    .union([
      z.record(name, use),
      z
        .array(name)
        .max(100)
        .transform((names) =>
          Object.fromEntries(
            names.map((one): [string, z.output<typeof use>] => [
              one,
              { destination: `/srv/${one}`, owner: root, content: [] },
            ]),
          ),
        ),
    ])
    .default({}),
  files: z
    .array(
      z.strictObject({
        source: relativePath,
        destination: absolutePath,
        mode: mode.default('0644'),
        owner: owner.default(root),
      }),
    )
    .max(1000)
    .default([]),
  directories: z
    .array(z.strictObject({ path: absolutePath, mode: mode.default('0755'), owner: owner.default(root) }))
    .max(1000)
    .default([]),
  links: z
    .array(z.strictObject({ path: absolutePath, target: text.min(1).max(1024) }))
    .max(1000)
    .default([]),
  /** What stands in /etc/passwd and /etc/group; root is always there. Over a base, only where there are some. */
  accounts: accounts.default({ users: [], groups: [] }),
  entrypoint: z.array(text).max(100).default([]),
  command: z.array(text).max(100).default([]),
  environment: environment.default({}),
  /** Unless told, where the application that brings the command is, else "/". */
  working_directory: z.union([absolutePath, z.literal('/')]).optional(),
  user: z
    .string()
    .regex(/^\d+(:\d+)?$/, 'numeric "uid" or "uid:gid"')
    .default('0:0'),
  /** Of the image's config. */
  labels: z.record(word, text).default({}),
  stop_signal: z
    .string()
    .regex(/^SIG[A-Z0-9+-]{2,12}$/, 'a signal such as "SIGTERM"')
    .optional(),
  /** TCP ports that the container listens on. */
  ports: z.array(port).max(100).default([]),
  /** Ports of it that are reachable at 127.0.0.1 of the host; host_port 0 takes a free one. */
  publish: z
    .array(z.strictObject({ port, host_port: z.int().min(0).max(65_535).default(0) }))
    .max(100)
    .default([]),
  depends_on: z
    .record(name, z.strictObject({ condition: z.enum(['started', 'healthy', 'completed']).default('healthy') }))
    .default({}),
  /** Networks of the project that it is in; the project's own one where none is named. */
  networks: z.array(name).max(20).default([]),
  volumes: z.array(volume).max(100).default([]),
  secrets: z.array(secret).max(100).default([]),
  health: health.optional(),
  restart: z.enum(['no', 'on-failure', 'unless-stopped', 'always']).default('unless-stopped'),
  stop_grace_seconds: z.int().min(0).max(3600).default(10),
  resources: resources.default({}),
  security: security.prefault({}),
  ci_name: name.optional(),
  ci_capabilities: z.array(text).max(20).default([]),
  docker_config: dockerConfig.optional(),
});

export type Container = z.output<typeof container>;
export type Base = z.output<typeof base>;
