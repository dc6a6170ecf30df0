// What a manifest says of other stacks and meshes: defaults that a cookbook overrides.
import { z } from 'zod';
import { name, word } from './primitives.ts';

export const federation = z.strictObject({
  /** On how many stacks its images lie, and where, beside those that run it. */
  replicate: z
    .strictObject({
      copies: z.int().min(0).max(100).default(0),
      sites: z.array(word).max(100).default([]),
      regions: z.array(word).max(100).default([]),
    })
    .prefault({}),
  /** Whose builds count without having been reproduced; never those of a partner mesh. */
  peers: z
    .strictObject({
      trust: z.enum(['own', 'builders', 'named']).default('builders'),
      named: z.array(word).max(100).default([]),
    })
    .prefault({}),
  /** What partners may see of it. */
  share: z
    .strictObject({
      mode: z.enum(['none', 'full', 'partial', 'read-only']).default('none'),
      cis: z.array(name).max(200).default([]),
      with: z.array(word).max(100).default([]),
    })
    .prefault({}),
  /** How its portions are cut and who may have them. */
  partition: z
    .strictObject({
      by: z.enum(['stack', 'site', 'region']).default('stack'),
      candidates: z.int().min(1).max(15).default(3),
      /** Never run twice, even for a moment. */
      singleton: z.boolean().default(false),
    })
    .prefault({}),
  sync: z
    .strictObject({
      interval_seconds: z.int().min(60).max(604_800).default(3600),
      conflict: z.enum(['ancestry', 'person']).default('ancestry'),
    })
    .prefault({}),
});
