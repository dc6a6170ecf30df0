// What a manifest says of its images as things that are made, checked and handed on.
import { z } from 'zod';
import { globFault } from '../glob.ts';
import { instant, name, platform, text, word } from './primitives.ts';

/** Tekton writes a place such as "docker.io/company"; nothing is pushed there unless told. */
const registry = z
  .string()
  .max(255)
  .regex(
    /^[a-z0-9][a-zA-Z0-9.-]*(?::\d{1,5})?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/,
    'a registry: "HOST[:PORT][/PATH]"',
  );

/** What must be there before an image is run. */
const verify = z.strictObject({
  signature: z.boolean().default(true),
  provenance: z.boolean().default(true),
  sbom: z.boolean().default(true),
  /** Builders of other operators that got the same digests. */
  reproductions: z.int().min(0).max(10).default(0),
});

const policy = z.strictObject({
  licenses: z
    .strictObject({
      /** SPDX identifiers; empty allows all that aren't denied. */
      allow: z.array(word).max(200).default([]),
      deny: z.array(word).max(200).default([]),
      unknown: z.enum(['allow', 'deny']).default('allow'),
    })
    .prefault({}),
  vulnerabilities: z
    .strictObject({
      /** The lowest severity that is refused. */
      refuse: z.enum(['low', 'medium', 'high', 'critical', 'never']).default('never'),
      /** Beyond this age a database tells nothing. */
      max_database_age_days: z.int().min(1).max(3650).default(30),
      ignore: z
        .array(z.strictObject({ id: word, reason: text.min(1), until: instant.optional() }))
        .max(500)
        .default([]),
    })
    .prefault({}),
  /** Keys and tokens in the image. */
  secrets: z.enum(['refuse', 'report', 'off']).default('refuse'),
  /** Files (with "*", "?" and "**") whose keys were made to be published, and why. */
  secrets_ignore: z
    .array(
      z.strictObject({
        path: word.refine(
          (path) => globFault(path.replace(/^\//, '')) === undefined,
          'a path in the image, with "*", "?" and "**"',
        ),
        reason: text.min(1),
      }),
    )
    .max(500)
    .optional(),
});

export const packaging = z.strictObject({
  /** Pins the rules by which bytes are made. */
  format: z.literal('hermesh-oci/1').default('hermesh-oci/1'),
  /** Seconds since 1970: the time of everything in an image. */
  epoch: z.int().min(0).max(4_294_967_295).default(0),
  /** At most this many layers above the base. */
  layer_budget: z.int().min(1).max(100).default(16),
  platforms: z.array(platform).min(1).max(2).default(['linux/amd64']),
  registry: registry.optional(),
  tagging: z.enum(['manifest-digest', 'build-key', 'git-sha', 'version']).default('manifest-digest'),
  /** Containers to begin with, among those that may come next. */
  build_order: z.array(name).max(500).default([]),
  sbom: z.strictObject({ format: z.literal('cyclonedx-1.6').default('cyclonedx-1.6') }).prefault({}),
  /** Names of builders that must have signed, and how many of them; none names the stack that builds. */
  sign: z
    .strictObject({ keys: z.array(word).max(20).default([]), threshold: z.int().min(1).max(20).default(1) })
    .prefault({}),
  verify: verify.prefault({}),
  policy: policy.prefault({}),
  seal: z.boolean().default(true),
});
