// What a manifest says of its way through the stages: defaults that a cookbook overrides.
import { z } from 'zod';
import { atMost, environment, few, instant, name, resources, text, word, zone } from './primitives.ts';

/** The stages, in their order. */
export const stages = ['dev', 'test', 'pre-deploy', 'stage', 'prod'] as const;
const stage = z.enum(stages);
const siteType = z.enum(['bare-metal', 'edge', 'aws', 'gcp', 'azure']);

/** Which sites: all that fit each key that is there. */
const selector = z.strictObject({
  names: z.array(word).max(200).default([]),
  types: z.array(siteType).max(5).default([]),
  regions: z.array(word).max(100).default([]),
  labels: z.record(word, word).default({}),
  capabilities: z.array(word).max(50).default([]),
});

/** What lets a release into a stage. */
const entry = z.strictObject({
  rules: z
    .array(z.enum(['automatic', 'ci-approved', 'manual']))
    .min(1)
    .max(3)
    .default(['automatic']),
  need: z.enum(['all', 'any']).default('all'),
  /** How long it must have been well in the stage before. */
  soak_seconds: z.int().min(0).max(31_536_000).default(0),
  /** Of people, where a rule is `manual`. */
  approvals: z.int().min(1).max(20).default(1),
});

/** What is other in a stage. */
const overlay = z.strictObject({
  containers: z
    .record(
      name,
      z.strictObject({
        environment: environment.default({}),
        resources: resources.default({}),
        replicas: z.int().min(0).max(1000).optional(),
      }),
    )
    .refine(few, atMost)
    .default({}),
  sites: selector.optional(),
});

const byStage = <Part extends z.ZodType>(part: Part) =>
  z.strictObject({
    dev: part.optional(),
    test: part.optional(),
    'pre-deploy': part.optional(),
    stage: part.optional(),
    prod: part.optional(),
  });

/** When a stage may move, by cron in a zone. */
const window = z.strictObject({
  cron: word,
  zone: zone.default('UTC'),
  duration_minutes: z.int().min(1).max(10_080).default(60),
  stages: z.array(stage).max(5).default([]),
  sites: selector.optional(),
});

const freeze = z.strictObject({
  from: instant,
  until: instant,
  reason: text.min(1),
  stages: z.array(stage).max(5).default([]),
  sites: selector.optional(),
});

const percent = z.int().min(1).max(100);

const strategy = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('rolling'), max_unavailable_percent: percent.default(25) }),
  z.strictObject({ kind: z.literal('blue-green'), keep_old_seconds: z.int().min(0).max(604_800).default(300) }),
  z.strictObject({
    kind: z.literal('canary'),
    steps: z
      .array(z.strictObject({ percent, seconds: z.int().min(1).max(604_800) }))
      .min(1)
      .max(20),
    metrics: z
      .array(
        z.strictObject({
          name: word,
          /** Against what runs beside it. */
          max_increase_percent: z.int().min(0).max(10_000),
        }),
      )
      .max(20)
      .default([]),
  }),
]);

export const lifecycle = z.strictObject({
  /** Those it goes through, in their order. */
  stages: z
    .array(stage)
    .min(1)
    .max(5)
    .default([...stages]),
  progression: byStage(entry).default({}),
  overlays: byStage(overlay).default({}),
  sites: selector.optional(),
  schedule: z.array(window).max(100).default([]),
  freezes: z.array(freeze).max(100).default([]),
  strategy: strategy.prefault({ kind: 'rolling' }),
  /** Healthy for so long within so long, or it goes back. */
  gate: z
    .strictObject({
      healthy_seconds: z.int().min(0).max(86_400).default(10),
      deadline_seconds: z.int().min(1).max(86_400).default(300),
    })
    .prefault({}),
  rollback: z
    .strictObject({
      automatic: z.boolean().default(true),
      to: z.enum(['previous', 'checkpoint']).default('previous'),
      /** Old releases that can be gone back to. */
      keep: z.int().min(1).max(100).default(5),
    })
    .prefault({}),
  checkpoints: z
    .strictObject({
      at: z.array(stage).max(5).default(['pre-deploy']),
      keep: z.int().min(1).max(100).default(3),
      volumes: z.boolean().default(true),
    })
    .prefault({}),
});
