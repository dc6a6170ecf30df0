// The kinds of record that this stack writes beside its own `stack` record: CIs, manifests, builds, checks and what runs.
import { z } from 'zod';
import { defineKind } from '#registry';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const short = z.string().max(256);

/** How a CI is doing; `stopped` is a container that exists and doesn't run, `stale` a local CI whose heartbeat is late. */
const ciHealth = z.enum(['healthy', 'unhealthy', 'starting', 'stopped', 'stale', 'unknown']);

const ciSchema = z.object({
  name: short,
  /** `container`, `tekton` (a stack itself), or what a local CI said of itself. */
  type: short,
  description: short.optional(),
  endpoint: short.optional(),
  messageFormat: short.optional(),
  capabilities: z.array(short).max(50),
  health: ciHealth,
  services: z.array(z.object({ name: short, port: z.int().optional(), confidence: z.number() })).max(20),
  container: z
    .object({
      id: short,
      name: short,
      image: short,
      project: short.optional(),
      manifestDigest: short.optional(),
    })
    .optional(),
  /** It registered without proving who it is (`--hermes open`). */
  unauthenticated: z.boolean().optional(),
});
export type CiRecord = z.infer<typeof ciSchema>;

const manifestRecordSchema = z.object({
  digest,
  project: short,
  containers: z.array(short).max(500),
  sizeBytes: z.int(),
  version: short.optional(),
  license: short.optional(),
  /** Where it comes from: the manifest of the project that it takes the place of, what lies under its images, and the source in Git. */
  supersedes: digest.optional(),
  bases: z.array(digest).max(100).optional(),
  revision: z.object({ commit: z.string().regex(/^[0-9a-f]{40,64}$/), isDirty: z.boolean() }).optional(),
});
export type ManifestRecord = z.infer<typeof manifestRecordSchema>;

const buildSchema = z.object({
  project: short,
  container: short,
  manifestDigest: digest,
  buildKey: digest,
  platform: short,
  digest,
  configDigest: digest,
  sizeBytes: z.int(),
  /** The build key of the image of this container that it takes the place of. */
  supersedes: digest.optional(),
});
export type BuildRecord = z.infer<typeof buildSchema>;

const runSchema = z.object({
  project: short,
  manifestDigest: digest,
  containers: z
    .array(
      z.object({
        name: short,
        container: short,
        id: short,
        digest,
        /** When it started, in milliseconds since 1970: one that started since was restarted. */
        startedAt: z.int().min(0).optional(),
      }),
    )
    .max(500),
});
export type RunRecord = z.infer<typeof runSchema>;

const ciKind = defineKind({ name: 'ci', schema: ciSchema, maxBytes: 16_384, writer: 'any-member' });
/** What a check of a manifest against standards found, named `DIGEST.STANDARDS`: a record of its own, so that none is changed. */
const checkSchema = z.object({
  manifestDigest: digest,
  project: short,
  standards: short,
  meetsStandards: z.boolean(),
  checks: z.array(z.object({ check: short, isMet: z.boolean(), evidence: short, mend: short.optional() })).max(50),
});
export type CheckRecord = z.infer<typeof checkSchema>;

/** What this stack got by running a build step, named by the key of the result. */
const stepResultSchema = z.object({ layer: digest, sizeBytes: z.int().min(0) });
export type StepResultRecord = z.infer<typeof stepResultSchema>;

/** That a record was removed by its owner, named `KIND/NAME`: who follows a lineage is told, rather than left looking. */
const tombstoneSchema = z.object({ kind: short, name: short, project: short, by: short });
export type TombstoneRecord = z.infer<typeof tombstoneSchema>;

// What was made stays true while its stack is away; what runs is so only as long as its stack says so.
const manifestKind = defineKind({
  name: 'manifest',
  schema: manifestRecordSchema,
  maxBytes: 16_384,
  writer: 'any-member',
  outlastsOwner: true,
});
const buildKind = defineKind({
  name: 'build',
  schema: buildSchema,
  maxBytes: 4_096,
  writer: 'any-member',
  outlastsOwner: true,
});
const runKind = defineKind({ name: 'run', schema: runSchema, maxBytes: 16_384, writer: 'any-member' });
const checkKind = defineKind({
  name: 'check',
  schema: checkSchema,
  maxBytes: 8_192,
  writer: 'any-member',
  outlastsOwner: true,
});
const tombstoneKind = defineKind({
  name: 'tombstone',
  schema: tombstoneSchema,
  maxBytes: 2_048,
  writer: 'any-member',
  outlastsOwner: true,
});
const stepResultKind = defineKind({
  name: 'step-result',
  schema: stepResultSchema,
  maxBytes: 512,
  writer: 'any-member',
  outlastsOwner: true,
});
export const daemonKinds = [
  ciKind,
  manifestKind,
  buildKind,
  runKind,
  checkKind,
  stepResultKind,
  tombstoneKind,
] as const;
