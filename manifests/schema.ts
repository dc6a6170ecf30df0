// The shape of manifest.json, version 1.0: what to build and run. Everything else reads the inferred type.
import { z } from 'zod';

/** A name that is a DNS label, so that it can be a container's alias and a part of an image's name. */
const name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'a name: 1 to 40 of a-z, 0-9 and "-", not at its ends');
/** A path inside a container: absolute, without "." or "..", without a trailing slash. */
const absolutePath = z
  .string()
  .max(1024)
  .regex(/^(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)+$/, 'an absolute path without "." and ".."');
/** A path below the manifest's folder. */
const relativePath = z
  .string()
  .max(1024)
  .regex(
    /^(?!\/)(?:(?!\.{1,2}(?:\/|$))[^/\0]+)(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)*$|^\.$/,
    'a path below the folder of the manifest',
  );
const mode = z.string().regex(/^[0-7]{4}$/, 'four octal digits, such as "0644"');
const identifier = z.int().min(0).max(2_147_483_647);
const port = z.int().min(1).max(65_535);
/** Text that an engine can hand to a process, which ends it at a zero byte. */
const text = z
  .string()
  .max(4096)
  .regex(/^[^\0]*$/, 'text without a zero byte');
/** A path that can stand in /etc/passwd. */
const accountPath = absolutePath.regex(/^[^:\n]*$/, 'a path without ":" and line breaks');

/** More than a project has; what walks along dependencies walks no deeper. */
const maxNamed = 500;
const few = (all: object): boolean => Object.keys(all).length <= maxNamed;
const atMost = `at most ${maxNamed}`;

const owner = z.strictObject({ uid: identifier.default(0), gid: identifier.default(0) });

const application = z.strictObject({
  type: text.optional(),
  language: text.optional(),
  /** Files of the project, by folder; patterns are globs relative to `path`. */
  source: z.strictObject({
    path: relativePath,
    include: z.array(text).max(100).default(['**']),
    exclude: z.array(text).max(100).default([]),
  }),
});

const health = z
  .strictObject({
    http: z
      .strictObject({
        port,
        path: z.string().max(1024).startsWith('/'),
        status: z.int().min(100).max(599).default(200),
      })
      .optional(),
    tcp: z.strictObject({ port }).optional(),
    interval_seconds: z.int().min(1).max(3600).default(5),
    timeout_seconds: z.int().min(1).max(60).default(2),
    retries: z.int().min(1).max(100).default(3),
    start_period_seconds: z.int().min(0).max(3600).default(10),
  })
  .refine((check) => (check.http === undefined) !== (check.tcp === undefined), 'exactly one of "http" and "tcp"');

const container = z.strictObject({
  base: z.strictObject({ kind: z.literal('scratch') }).default({ kind: 'scratch' }),
  /** Names of Debian packages; their versions and hashes, and those of what they depend on, stand in the lock. */
  debian: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9.+-]{1,100}$/, 'the name of a Debian package'))
    .max(200)
    .default([]),
  applications: z
    .record(name, z.strictObject({ destination: absolutePath, owner: owner.default({ uid: 0, gid: 0 }) }))
    .default({}),
  files: z
    .array(
      z.strictObject({
        source: relativePath,
        destination: absolutePath,
        mode: mode.default('0644'),
        owner: owner.default({ uid: 0, gid: 0 }),
      }),
    )
    .max(1000)
    .default([]),
  directories: z
    .array(z.strictObject({ path: absolutePath, mode: mode.default('0755'), owner: owner.default({ uid: 0, gid: 0 }) }))
    .max(1000)
    .default([]),
  links: z
    .array(z.strictObject({ path: absolutePath, target: text.min(1).max(1024) }))
    .max(1000)
    .default([]),
  /** What stands in /etc/passwd and /etc/group; root is always there. */
  accounts: z
    .strictObject({
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
    })
    .default({ users: [], groups: [] }),
  entrypoint: z.array(text).max(100).default([]),
  command: z.array(text).max(100).default([]),
  environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), text).default({}),
  working_directory: z.union([absolutePath, z.literal('/')]).default('/'),
  user: z
    .string()
    .regex(/^\d+(:\d+)?$/, 'numeric "uid" or "uid:gid"')
    .default('0:0'),
  /** TCP ports that the container listens on. */
  ports: z.array(port).max(100).default([]),
  /** Ports of it that are reachable at 127.0.0.1 of the host; host_port 0 takes a free one. */
  publish: z
    .array(z.strictObject({ port, host_port: z.int().min(0).max(65_535).default(0) }))
    .max(100)
    .default([]),
  depends_on: z
    .record(name, z.strictObject({ condition: z.enum(['started', 'healthy']).default('healthy') }))
    .default({}),
  health: health.optional(),
  restart: z.enum(['no', 'on-failure', 'unless-stopped', 'always']).default('unless-stopped'),
  resources: z
    .strictObject({
      memory_mib: z.int().min(6).optional(),
      millicpus: z.int().min(10).optional(),
      processes: z.int().min(1).optional(),
    })
    .default({}),
  ci_name: name.optional(),
  ci_capabilities: z.array(text).max(20).default([]),
});

/** manifest.json as it is signed and hashed: unknown keys are refused, `x-…` keys are removed before it is parsed. */
export const manifestSchema = z.strictObject({
  manifest_version: z.literal('1.0'),
  project: z.strictObject({ name, description: text.optional(), repository: text.optional() }),
  applications: z.record(name, application).refine(few, atMost).default({}),
  containers: z
    .record(name, container)
    .refine((all) => Object.keys(all).length > 0, 'at least one container')
    .refine(few, atMost),
  packaging: z
    .strictObject({
      format: z.literal('hermesh-oci/1').default('hermesh-oci/1'),
      platforms: z
        .array(z.enum(['linux/amd64', 'linux/arm64']))
        .min(1)
        .max(1)
        .default(['linux/amd64']),
    })
    .default({ format: 'hermesh-oci/1', platforms: ['linux/amd64'] }),
  lifecycle: z.strictObject({}).default({}),
  federation: z.strictObject({}).default({}),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestContainer = Manifest['containers'][string];
export type Platform = Manifest['packaging']['platforms'][number];
