// What a manifest says of an application: where its source is, what it needs, how it is built and started.
import { z } from 'zod';
import {
  commandLine,
  debianNames,
  digest,
  environment,
  health,
  mode,
  name,
  port,
  relativePath,
  resources,
  text,
  word,
} from './primitives.ts';

/** Files of the project, by folder; patterns are globs relative to `path`. */
/** Layers from the one that changes least to the one that changes most. */
const layer = z.enum(['runtime', 'dependencies', 'application']);

const source = z.strictObject({
  path: relativePath.default('.'),
  include: z.array(text).max(100).default(['**']),
  exclude: z.array(text).max(100).default([]),
  /** Modes by pattern, where those of the checkout don't say it; of those that fit, the longest pattern counts. */
  modes: z.record(text, mode).default({}),
  /** The layer that it goes into, where that isn't `application`: what seldom changes isn't packed and moved again. */
  layer: layer.optional(),
});

/** What `manifest init` found, and why; it changes nothing. */
const detect = z.strictObject({
  provider: word,
  version: word.optional(),
  evidence: z
    .array(z.strictObject({ file: relativePath, what: text }))
    .max(200)
    .default([]),
});

/** What it runs on: an exact Node, or packages of Debian. Containers that use the application get it, and its steps too. */
const runtime = z.strictObject({
  node: z
    .string()
    .regex(/^\d{1,3}\.\d{1,3}\.\d{1,3}$/, 'an exact version, such as "24.21.0"')
    .optional(),
  debian: debianNames.default([]),
});

/** The lock files that artifacts are checked against before a step may see them. */
export const lockfileKinds = [
  'npm',
  'pnpm',
  'yarn',
  'bun',
  'pip',
  'poetry',
  'uv',
  'pipenv',
  'go',
  'cargo',
  'maven',
  'gradle',
  'composer',
  'bundler',
  'nuget',
  'deno',
  'mix',
] as const;
const lockfileKind = z.enum(lockfileKinds);

const lockfile = z.strictObject({
  /** Relative to the folder of the source. */
  path: relativePath,
  kind: lockfileKind,
  /** Of the file, where only exactly this one may be used. */
  digest: digest.optional(),
});

/**
 * A command that runs in a container without network, with the source read-only at /src, and leaves its result in /out.
 * What it needs of others is at /steps/NAME, what its lock files name at /cache/KIND.
 */
const step = z.strictObject({
  name,
  /** Packages of its toolchain, beside the runtime's. */
  debian: debianNames.default([]),
  /** Earlier steps of the application whose results it reads. */
  needs: z.array(name).max(20).default([]),
  /** The part of the source it sees: less seen is more often kept. */
  inputs: z.array(text).max(100).default(['**']),
  /** The kinds of lock file whose artifacts it reads. */
  caches: z.array(lockfileKind).max(10).default([]),
  /** Lines of one `sh -eu` script. */
  run: z.array(text.min(1)).min(1).max(100),
  environment: environment.default({}),
  outputs: z.array(z.literal('/out')).min(1).max(1).default(['/out']),
  network: z.literal('none').default('none'),
  /** The layer that its result goes into. */
  layer: layer.default('application'),
  limits: z
    .strictObject({
      memory_mib: resources.shape.memory_mib,
      processes: resources.shape.processes,
      seconds: z.int().min(1).max(86_400).optional(),
    })
    .default({}),
});

export const application = z.strictObject({
  type: text.optional(),
  language: text.optional(),
  framework: text.optional(),
  source: source.prefault({}),
  detect: detect.optional(),
  runtime: runtime.prefault({}),
  lockfiles: z.array(lockfile).max(50).default([]),
  build: z.strictObject({ steps: z.array(step).max(50).default([]) }).prefault({}),
  /** The command of a container that uses this application and has none of its own. */
  start: commandLine.default([]),
  /** Listened on by each container that uses it. */
  ports: z.array(port).max(100).default([]),
  health: health.optional(),
  /** Tekton's words. `run_command` is `start`; the others say how a Dockerfile would do it. */
  entrypoint: text.optional(),
  dependencies: z.union([text, z.array(text).max(500)]).optional(),
  build_commands: z.array(text).max(100).default([]),
  run_command: text.min(1).optional(),
});

export type Application = z.output<typeof application>;
export type BuildStep = z.output<typeof step>;
export type LockfileKind = z.output<typeof lockfileKind>;
