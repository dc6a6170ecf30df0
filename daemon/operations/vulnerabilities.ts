// Operations on advisories: imported from what a person brought, and what they say of an image.
import path from 'node:path';
import { z } from 'zod';
import type { Digest } from '#manifests';
import { DaemonError } from '../errors.ts';
import { declare } from './declare.ts';
import { table } from './table.ts';
import { digestOfTarget } from './target.ts';

const part = z.object({
  name: z.string(),
  newestRecord: z.string().describe('when its newest record was changed: how old it is'),
  records: z.int(),
  ecosystems: z.array(z.string()).describe('package URL types'),
});

function said({
  name,
  madeAt,
  records,
  ecosystems,
}: {
  name: string;
  madeAt: number;
  records: number;
  ecosystems: readonly string[];
}) {
  return { name, newestRecord: new Date(madeAt).toISOString(), records, ecosystems: [...ecosystems] };
}

export const vulnerabilitiesImport = declare({
  name: 'vulnerabilities_import',
  title: 'Import advisories',
  sentence:
    'Imports advisories in the OSV format from a folder, a zip or a record on the host of the stack, in place of those of the same name.',
  input: z.object({
    path: z.string().min(1).max(4096).describe('a folder of records, a zip of them, or one record'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name of letters, digits, ".", "_" and "-"')
      .optional()
      .describe('what they are called, and replaced by; the name of the file, unless said'),
  }),
  output: part.extend({ passedOver: z.int().describe('files that are no record'), ms: z.int() }),
  hints: 'change',
  http: { method: 'POST', path: '/api/vulnerabilities/parts' },
  command: {
    words: 'vulnerabilities import',
    positional: ['path'],
    paths: ['path'],
    examples: ['hermesh vulnerabilities import npm.zip', 'hermesh vulnerabilities import advisories/ --name own'],
  },
  text: ({ name, records, ecosystems, newestRecord, passedOver, ms }) =>
    `Imported "${name}": ${records} records of ${ecosystems.join(', ') || 'no ecosystem that is known here'}, the newest of ${newestRecord}; ${passedOver} files passed over (${ms} ms).`,
  async run({ advisories, deed }, { path: source, name }, call) {
    const started = performance.now();
    const wanted =
      name ??
      path
        .basename(source)
        .replace(/\.(zip|json)$/, '')
        .replace(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 64);
    const made = await advisories.bring(source, { name: wanted, signal: call.signal });
    deed(call, { type: 'advisories.imported', subject: made.name, data: { records: made.records } }, () => undefined);
    return { ...said(made), passedOver: made.passedOver, ms: Math.round(performance.now() - started) };
  },
});

export const vulnerabilitiesCheck = declare({
  name: 'vulnerabilities_check',
  title: 'Check an image for known vulnerabilities',
  sentence:
    'Says which components of an image have known vulnerabilities, by its signed bill and the advisories imported here.',
  input: z.object({
    target: z
      .string()
      .min(1)
      .max(4096)
      .describe('a manifest on the host of the stack, or the digest of an image or a manifest'),
  }),
  output: z.object({
    refused: z.boolean(),
    images: z.array(
      z.object({
        digest: z.string(),
        container: z.string(),
        findings: z.array(
          z.object({ component: z.string(), refused: z.boolean(), message: z.string(), mend: z.string() }),
        ),
      }),
    ),
    parts: z.array(part),
  }),
  hints: 'look',
  http: { method: 'POST', path: '/api/vulnerabilities/checks' },
  command: {
    words: 'vulnerabilities check',
    positional: ['target'],
    paths: ['target'],
    examples: ['hermesh vulnerabilities check manifest.json', 'hermesh vulnerabilities check sha256:00000000… --json'],
  },
  text: ({ images, parts }) =>
    [
      ...(parts.length === 0 ? ['Nothing was imported here: hermesh vulnerabilities import PATH'] : []),
      ...images.map(({ container, digest, findings }) =>
        findings.length === 0
          ? `${container} ${digest}: nothing is known`
          : [
              `${container} ${digest}:`,
              table(
                ['COMPONENT', '', 'WHAT', 'MEND'],
                findings.map((one) => [one.component, one.refused ? 'refused' : 'told', one.message, one.mend]),
              ),
            ].join('\n'),
      ),
    ].join('\n'),
  tellsOfFailure: ({ refused }) => refused,
  async run({ supply, images: store, advisories }, { target }) {
    const named: Digest = await digestOfTarget(target);
    const found = await supply.find(named);
    if (found.length === 0)
      throw new DaemonError('not-found', `Cannot check "${target}": nothing was built of it`, {
        mend: 'hermesh build FILE',
      });
    const { billedComponents } = await import('#manifests/supply/policy');
    const images = [];
    for (const { digest, record } of found) {
      const [bill] = await supply.said(digest, 'sbom');
      if (bill === undefined)
        throw new DaemonError(
          'not-found',
          `Cannot check ${digest}: no trusted stack signed a bill of materials of it`,
          {
            mend: 'hermesh build FILE --no-cache',
          },
        );
      const manifest = await store.manifest(record?.manifestDigest ?? '');
      const policy = manifest?.packaging.policy.vulnerabilities ?? {
        refuse: 'never',
        max_database_age_days: 30,
        ignore: [],
      };
      const findings = await advisories.findings(billedComponents(bill.statement.predicate), policy);
      images.push({
        digest,
        container: record?.container ?? '-',
        findings: findings.map(({ subject, weight, message, mend }) => ({
          component: subject,
          refused: weight === 'refuse',
          message,
          mend,
        })),
      });
    }
    const refused = images.some(({ findings }) => findings.some((one) => one.refused));
    return { refused, images, parts: (await advisories.parts()).map(said) };
  },
});
