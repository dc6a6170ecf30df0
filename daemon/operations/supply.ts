// Operations on what images are made of and who says so: verify, rebuild, and the bills and provenance that stacks signed.
import { z } from 'zod';
import { type Digest, isDigest, type Manifest } from '#manifests';
import type { Context } from '../context.ts';
import { DaemonError } from '../errors.ts';
import { declare } from './declare.ts';
import { table } from './table.ts';
import { digestOfTarget } from './target.ts';

const digest = z.string().refine(isDigest, 'a digest "sha256:…"').describe('of an image');

/** A person reads no more. */
const maxTold = 200;

const reason = z.object({ what: z.string(), message: z.string(), mend: z.string() });
const verdict = z.object({
  digest: z.string(),
  container: z.string().optional(),
  allowed: z.boolean(),
  reasons: z.array(reason),
  told: z.array(reason).describe('what policies found and let pass'),
  signedBy: z.array(z.string()),
  components: z.int().optional().describe('in its bill of materials'),
  reproductions: z.int().describe('builders of other operators that got the same'),
  seal: z.object({ digest: z.string(), sha3_512: z.string(), blake3: z.string() }).optional(),
});

export const verify = declare({
  name: 'verify',
  title: 'Verify an image',
  sentence:
    'Reads every byte of an image and says whether it may run: whole, signed, with provenance and bill of materials; seals what may.',
  input: z.object({
    target: z
      .string()
      .min(1)
      .max(4096)
      .describe('a manifest on the host of the stack, or the digest of an image or a manifest'),
  }),
  output: z.object({ allowed: z.boolean(), images: z.array(verdict) }),
  hints: 'look',
  http: { method: 'POST', path: '/api/verifications' },
  command: {
    words: 'verify',
    positional: ['target'],
    paths: ['target'],
    examples: ['hermesh verify manifest.json', `hermesh verify sha256:${'0'.repeat(8)}… --json`],
  },
  text: ({ images }) =>
    [
      table(
        ['IMAGE', 'CONTAINER', 'MAY RUN', 'COMPONENTS', 'SIGNED BY'],
        images.map((one) => [
          one.digest,
          one.container ?? '-',
          one.allowed ? 'yes' : 'no',
          String(one.components ?? '-'),
          one.signedBy.join(' ') || '-',
        ]),
      ),
      ...images.flatMap(({ told }) => told.map(({ what, message }) => `${what} (told): ${message}`)),
      ...images.flatMap(({ reasons }) => reasons.map(({ what, message, mend }) => `${what}: ${message}; ${mend}`)),
      ...images.flatMap(({ seal }) =>
        seal ? [`sealed ${seal.digest}, SHA3-512 ${seal.sha3_512}, BLAKE3 ${seal.blake3}`] : [],
      ),
    ].join('\n'),
  tellsOfFailure: ({ allowed }) => !allowed,
  async run(context, { target }, call) {
    const { supply } = context;
    const named = await digestOfTarget(target);
    const found = await supply.find(named);
    if (found.length === 0 && !isDigest(target))
      throw new DaemonError('not-found', `Cannot verify "${target}": it was not built`, {
        mend: `hermesh build ${target}`,
      });
    const known = found.length > 0 ? found : [{ digest: named, record: undefined }];
    const images: z.input<typeof verdict>[] = [];
    for (const image of known) {
      const manifest = await manifestOf(context, image.record?.manifestDigest);
      const { isAllowed, reasons, facts } = await supply.verify(image, manifest, call);
      const { reproductionsOf } = await import('#manifests/supply');
      const seal = isAllowed && manifest?.packaging.seal ? await supply.seal(image, call) : undefined;
      const components = facts.sboms[0]?.components;
      images.push({
        digest: image.digest,
        ...(image.record && { container: image.record.container }),
        allowed: isAllowed,
        reasons: reasons.map((one) => ({ ...one })),
        told: facts.findings
          .filter(({ weight }) => weight === 'tell')
          .slice(0, maxTold)
          .map(({ policy, subject, message, mend }) => ({ what: policy, message: `${subject}: ${message}`, mend })),
        signedBy: [...new Set(facts.signatures.map(({ names, stack }) => names[1] ?? stack))].sort(),
        ...(components !== undefined && { components }),
        reproductions: reproductionsOf(facts),
        ...(seal && { seal }),
      });
    }
    return { allowed: images.every(({ allowed }) => allowed), images };
  },
});

export const rebuild = declare({
  name: 'rebuild',
  title: 'Rebuild an image',
  sentence:
    'Builds an image again from its manifest and lock with an empty cache; signs that it is the same, or names each file that differs.',
  input: z.object({
    digest,
    file: z.string().min(1).max(4096).describe('path of its manifest on the host of the stack'),
  }),
  output: z.object({
    same: z.boolean(),
    digest: z.string(),
    attestation: z.string().optional(),
    differences: z.array(z.object({ path: z.string(), layer: z.int().optional(), what: z.array(z.string()) })),
    more: z.int(),
    ms: z.int(),
  }),
  hints: 'change',
  http: { method: 'POST', path: '/api/rebuilds' },
  command: {
    words: 'rebuild',
    positional: ['digest', 'file'],
    paths: ['file'],
    examples: [`hermesh rebuild sha256:${'0'.repeat(8)}… manifest.json`],
  },
  text: ({ same, digest: built, differences, more, ms }) =>
    same
      ? `The same: ${built}; signed for (${ms} ms).`
      : [
          `Not the same: ${built} (${ms} ms)`,
          ...differences.map(
            ({ path, layer, what }) => `${layer === undefined ? '' : `layer ${layer}: `}${path}: ${what.join(', ')}`,
          ),
          ...(more > 0 ? [`and ${more} more`] : []),
        ].join('\n'),
  tellsOfFailure: ({ same }) => !same,
  async run({ supply, images, holdings, registry, deed }, { digest: wanted, file }, call) {
    const started = performance.now();
    const image = (await supply.find(wanted as Digest))[0];
    if (image?.record === undefined) throw unknown(wanted);
    const made = await supply.rebuild(image, (into) => images.rebuild(file, into, call), call);
    const type = made.isSame ? 'image.reproduced' : 'image.differs';
    // Who pulls it from here gets what was signed just now, too.
    const told = [...(await supply.told([image.digest])), ...(await holdings.of([image.digest]))];
    deed(call, { type, subject: image.digest, data: { digest: made.digest } }, () => registry.write(told));
    return {
      same: made.isSame,
      digest: made.digest,
      ...(made.attestation && { attestation: made.attestation.digest }),
      differences: made.differences.map(({ path, layer, what }) => ({
        path,
        ...(layer !== undefined && { layer }),
        what: [...what],
      })),
      more: made.more,
      ms: Math.round(performance.now() - started),
    };
  },
});

export const sbom = declare({
  name: 'sbom',
  title: 'Show a bill of materials',
  sentence: 'Shows the signed bill of materials of an image, as CycloneDX 1.6.',
  input: z.object({ digest }),
  output: z.object({ signedBy: z.string(), sbom: z.record(z.string(), z.unknown()) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/images/:digest/sbom' },
  command: {
    words: 'sbom',
    positional: ['digest'],
    examples: [`hermesh sbom sha256:${'0'.repeat(8)}…`, `hermesh sbom sha256:${'0'.repeat(8)}… --json`],
  },
  text: ({ sbom: bill }) => {
    const parts = (bill['components'] ?? []) as { readonly purl?: string; readonly licenses?: unknown }[];
    return table(
      ['COMPONENT', 'LICENCES'],
      parts.map(({ purl = '', licenses }) => [purl, licensesIn(licenses)]),
    );
  },
  async run(context, { digest: wanted }) {
    const { by, statement } = await firstSaid(context, wanted as Digest, 'sbom');
    return { signedBy: by, sbom: statement.predicate };
  },
});

export const provenance = declare({
  name: 'provenance',
  title: 'Show provenance',
  sentence: 'Shows how an image came to be: the in-toto statements with SLSA provenance that stacks signed.',
  input: z.object({ digest }),
  output: z.object({
    statements: z.array(z.object({ signedBy: z.string(), statement: z.record(z.string(), z.unknown()) })),
  }),
  hints: 'look',
  http: { method: 'GET', path: '/api/images/:digest/provenance' },
  command: {
    words: 'provenance',
    positional: ['digest'],
    examples: [`hermesh provenance sha256:${'0'.repeat(8)}… --json`],
  },
  text: ({ statements }) => JSON.stringify(statements, undefined, 2),
  async run(context, { digest: wanted }) {
    await firstSaid(context, wanted as Digest, 'provenance');
    const image = (await context.supply.find(wanted as Digest))[0]?.digest ?? (wanted as Digest);
    const all = await context.supply.said(image, 'provenance');
    return { statements: all.map(({ by, statement }) => ({ signedBy: by, statement: { ...statement } })) };
  },
});

async function firstSaid({ supply }: Context, wanted: Digest, what: 'sbom' | 'provenance') {
  const image = (await supply.find(wanted))[0]?.digest ?? wanted;
  const [first] = await supply.said(image, what);
  if (first === undefined) throw unknown(wanted);
  return first;
}

async function manifestOf({ images }: Context, named: string | undefined): Promise<Manifest | undefined> {
  return named === undefined ? undefined : await images.manifest(named);
}

function licensesIn(value: unknown): string {
  const all = Array.isArray(value)
    ? (value as { expression?: string; license?: { id?: string; name?: string } }[])
    : [];
  return all.map(({ expression, license }) => expression ?? license?.id ?? license?.name ?? '').join(', ') || '-';
}

function unknown(wanted: string): DaemonError {
  return new DaemonError(
    'not-found',
    `Cannot find what was said of ${wanted}: no trusted stack built it, or its attestations are not here`,
    {
      mend: 'hermesh ls build',
    },
  );
}
