// The whole of manifest.json, version 1.0. Everything else reads the inferred types.
import { z } from 'zod';
import { application } from './application.ts';
import { container } from './container.ts';
import { federation } from './federation.ts';
import { writeOut } from './fill.ts';
import { lifecycle } from './lifecycle.ts';
import { packaging } from './packaging.ts';
import { atMost, few, name } from './primitives.ts';
import { project } from './project.ts';

/**
 * manifest.json as it is signed and hashed: unknown keys are refused, `x-…` keys are removed before it is parsed, and what it
 * says in short is written out, so that parsing what was parsed changes nothing.
 */
export const manifestSchema = z
  .strictObject({
    manifest_version: z.literal('1.0'),
    project,
    applications: z.record(name, application).refine(few, atMost).default({}),
    containers: z
      .record(name, container)
      .refine((all) => Object.keys(all).length > 0, 'at least one container')
      .refine(few, atMost),
    packaging: packaging.prefault({}),
    lifecycle: lifecycle.prefault({}),
    federation: federation.prefault({}),
  })
  .transform(writeOut);

export type Manifest = z.output<typeof manifestSchema>;
export type ManifestContainer = Manifest['containers'][string];
export type ManifestApplication = Manifest['applications'][string];
