// What a person may say of a daemon, in HOME/config.json and as flags of `hermesh up`: its shape, and what is wrong with it.
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { didYouMean } from '#manifests';
import { DaemonError } from './errors.ts';

const stackName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'a name: 1 to 40 of a-z, 0-9 and "-", not at its ends');
export const siteTypes = ['bare-metal', 'edge', 'aws', 'gcp', 'azure'] as const;

const settingsSchema = z.strictObject({
  name: stackName.optional(),
  site: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9-]{0,39}(:(bare-metal|edge|aws|gcp|azure))?$/,
      `NAME or NAME:TYPE, with a type of ${siteTypes.join(', ')}`,
    )
    .optional(),
  zone: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'a zone: 1 to 63 of a-z, 0-9 and "-", not at its ends')
    .optional(),
  region: z.string().min(1).max(40).optional(),
  labels: z.record(z.string().regex(/^[a-z0-9][a-z0-9./-]{0,62}$/), z.string().max(128)).optional(),
  http: z.string().optional(),
  listen: z.array(z.string().startsWith('/')).max(10).optional(),
  engine: z.enum(['auto', 'docker', 'podman', 'none']).optional(),
  mirror: z.array(z.string().min(1).max(500)).max(20).optional(),
  keyring: z.string().min(1).max(4096).optional(),
  hermes: z.enum(['closed', 'open']).optional(),
  log: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
  dht: z.boolean().optional(),
});

/** What a person may say, in config.json and, under the same names, as flags of `hermesh up`. */
export type Settings = z.infer<typeof settingsSchema>;

/** The settings of a file; none where there is no file. Throws `bad-config` with the key, the place and the mend. */
export function readSettings(file: string): Settings {
  if (!existsSync(file)) return {};
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new DaemonError('bad-config', `Cannot read "${file}": ${(cause as Error).message}`, {
      cause,
      mend: 'mend its JSON',
    });
  }
  return parseSettings(value, `"${file}"`);
}

/** Throws `bad-config` naming every key that is wrong; `where` is for the message. */
export function parseSettings(value: unknown, where: string): Settings {
  const parsed = settingsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const known = Object.keys(settingsSchema.shape);
  const problems = parsed.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys
        .map((key) => [`unknown key "${key}"`, didYouMean(key, known)].filter(Boolean).join(', '))
        .join(', ');
    }
    return `"${issue.path.join('.')}": ${issue.message}`;
  });
  throw new DaemonError('bad-config', `Cannot use the configuration in ${where}: ${problems.join('; ')}`, {
    mend: `known keys are ${known.join(', ')}`,
  });
}
