// Operations that build, run and stop what a manifest says, and read what a container logged.
import { z } from 'zod';
import { plain } from '#container-ci';
import type { BuiltImage } from '#manifests';
import type { Context } from '../context.ts';
import type { OperationCall } from '../deed.ts';
import { defaultLimitGib } from '../store-limit.ts';
import { declare } from './declare.ts';
import { megabytes, table } from './table.ts';

const file = z.string().min(1).max(4096).describe('path of the manifest on the host of the stack');

const image = z.object({
  container: z.string(),
  platform: z.string(),
  buildKey: z.string(),
  digest: z.string(),
  configDigest: z.string(),
  sizeBytes: z.int(),
  cached: z.boolean(),
  changes: z
    .array(z.object({ input: z.string(), was: z.string().optional(), is: z.string().optional() }))
    .optional()
    .describe('what differs from the last build of the container here; only where it was asked for'),
});

const container = z.object({
  name: z.string(),
  container: z.string(),
  id: z.string(),
  ci: z.string(),
  outcome: z.enum(['started', 'kept', 'replaced', 'adopted']),
  published: z.array(z.object({ port: z.int(), address: z.string() })),
});

export const drift = z.object({
  project: z.string(),
  name: z.string(),
  what: z.string(),
  expected: z.string(),
  actual: z.string(),
});

export function sayDrift(one: z.output<typeof drift>): string {
  return `${one.name}: ${one.what}: expected ${one.expected}, found ${one.actual}`;
}

export const build = declare({
  name: 'build',
  title: 'Build a manifest',
  sentence:
    'Builds the OCI images of a manifest and its lock; the same manifest gives the same digests on every stack.',
  input: z.object({
    file,
    cache: z.boolean().default(true).describe('take what this stack built before'),
    check: z.boolean().default(false).describe('run each build step twice, and name the files that differ'),
    explain: z.boolean().default(false).describe('say which inputs changed since the last build'),
    push: z
      .string()
      .min(1)
      .max(510)
      .optional()
      .describe(
        'put the images into a registry: HOST/NAME:TAG for one image, else each goes to HOST/NAME/CONTAINER:TAG',
      ),
  }),
  output: z.object({
    manifestDigest: z.string(),
    images: z.array(image),
    pushed: z.array(z.object({ reference: z.string(), movedBytes: z.int() })).optional(),
    ms: z.int(),
  }),
  hints: 'change',
  http: { method: 'POST', path: '/api/builds' },
  command: {
    words: 'build',
    positional: ['file'],
    paths: ['file'],
    examples: [
      'hermesh build examples/shop/manifest.json',
      'hermesh build manifest.json --explain',
      'hermesh build manifest.json --push 127.0.0.1:5000/shop:1.0',
    ],
  },
  text: ({ manifestDigest, images, pushed, ms }) =>
    [
      `manifest ${manifestDigest}, ${ms} ms`,
      table(
        ['CONTAINER', 'IMAGE', 'SIZE', ''],
        images.map((one) => [one.container, one.digest, megabytes(one.sizeBytes), one.cached ? 'cached' : 'built']),
      ),
      ...images.flatMap(({ container: name, changes }) =>
        (changes ?? []).map(({ input, was, is }) => `${name}: ${input}: ${was ?? 'nothing'} -> ${is ?? 'nothing'}`),
      ),
      ...(pushed ?? []).map(({ reference, movedBytes }) => `pushed ${reference} (${megabytes(movedBytes)} moved)`),
    ].join('\n'),
  async run(context, { file: path, cache, check, explain, push }, call) {
    const started = performance.now();
    const { build: made } = await context.runs.build(path, { useCache: cache, check }, call);
    const images = made.images.map(({ changes, ...one }) => ({
      ...one,
      ...(explain && changes !== undefined && { changes: [...changes] }),
    }));
    const pushed = push === undefined ? undefined : await pushEach(context, made.images, push, call);
    return {
      manifestDigest: made.manifestDigest,
      images,
      ...(pushed && { pushed }),
      ms: Math.round(performance.now() - started),
    };
  },
});

/** One image goes where it is told; of several each goes below that, under its container's name. */
async function pushEach(
  { pulls }: Pick<Context, 'pulls'>,
  images: readonly Pick<BuiltImage, 'container' | 'digest' | 'platform'>[],
  where: string,
  call: OperationCall,
): Promise<{ reference: string; movedBytes: number }[]> {
  const { formatReference, parseReference } = await import('#manifests/distribution');
  const target = parseReference(where);
  const pushed = [];
  for (const { container, digest, platform } of images) {
    const isSecond = images.some((one) => one.container === container && one.platform !== platform);
    const tag = isSecond ? `${target.tag ?? 'latest'}-${platform.replace('/', '-')}` : target.tag;
    const repository = images.length === 1 ? target.repository : `${target.repository}/${container}`;
    pushed.push(await pulls.push(digest, formatReference({ ...target, repository, tag }), call));
  }
  return pushed;
}

export const run = declare({
  name: 'run',
  title: 'Run a manifest',
  sentence:
    'Builds a manifest, or brings by digest what another stack built, and starts its containers bottom-up, each when what it depends on is healthy.',
  input: z.object({
    file: z
      .string()
      .min(1)
      .max(4096)
      .describe(
        'path of the manifest on the host of the stack, or the digest of a manifest or image that a stack built',
      ),
    dryRun: z.boolean().default(false).describe('only say what would be done and what differs from the manifest'),
  }),
  output: z.object({
    project: z.string(),
    manifestDigest: z.string(),
    containers: z.array(container),
    removed: z.array(z.string()),
    drift: z.array(drift).describe('how what ran differed from the manifest'),
    steps: z.array(z.string()).optional().describe('what would be done'),
    ms: z.int(),
  }),
  hints: 'change',
  http: { method: 'POST', path: '/api/runs' },
  command: {
    words: 'run',
    positional: ['file'],
    paths: ['file'],
    examples: [
      'hermesh run examples/shop/manifest.json',
      'hermesh run manifest.json --dry-run',
      `hermesh run sha256:${'0123456789abcdef'.repeat(4)}`,
    ],
  },
  text: ({ project, containers, removed, drift: differs, steps, ms }) =>
    [
      ...differs.map((one) => `drift     ${sayDrift(one)}`),
      ...(steps ? [`${project} would take ${steps.length} steps`, ...steps.map((step) => `  ${step}`)] : []),
      ...(steps ? [] : [`${project} runs, ${ms} ms`]),
      ...(steps
        ? []
        : [
            table(
              ['CONTAINER', 'OUTCOME', 'CI', 'REACHED AT'],
              containers.map((one) => [
                one.container,
                one.outcome,
                one.ci,
                one.published.map(({ address }) => `http://${address}`).join(' ') || '-',
              ]),
            ),
          ]),
      ...removed.map((name) => `removed ${name}`),
    ].join('\n'),
  async run(context, { file: path, dryRun }, call) {
    const started = performance.now();
    const outcome = await context.runs.run(path, { dryRun }, call);
    return { ...outcome, drift: [...outcome.drift], ms: Math.round(performance.now() - started) };
  },
});

export const stop = declare({
  name: 'stop',
  title: 'Stop a project',
  sentence: 'Stops and removes the containers of a project on this stack, top-down; its volumes stay unless told.',
  input: z.object({
    project: z.string().min(1).max(64).describe('the project, as its manifest names it'),
    volumes: z.boolean().default(false).describe('remove its volumes too, with what is in them'),
  }),
  output: z.object({ project: z.string(), removed: z.array(z.string()), ms: z.int() }),
  hints: 'remove',
  http: { method: 'DELETE', path: '/api/runs/:project' },
  command: { words: 'stop', positional: ['project'], examples: ['hermesh stop shop', 'hermesh stop shop --volumes'] },
  text: ({ project, removed, ms }) => `Stopped ${project}: removed ${removed.join(', ')} (${ms} ms).`,
  async run(context, { project, volumes }, call) {
    const started = performance.now();
    const removed = await context.runs.stop(project, { volumes }, call);
    return { project, removed: [...removed], ms: Math.round(performance.now() - started) };
  },
});

export const pull = declare({
  name: 'pull',
  title: 'Pull an image',
  sentence:
    'Brings an image here: of the mesh by its digest, from several stacks at once, or of a registry by its name.',
  input: z.object({
    digest: z
      .string()
      .min(1)
      .max(510)
      .describe('the digest of an image of the mesh, or HOST/NAME[:TAG][@DIGEST] in a registry'),
  }),
  output: z.object({ digest: z.string(), blobs: z.int(), sizeBytes: z.int(), receivedBytes: z.int(), ms: z.int() }),
  hints: 'change',
  http: { method: 'POST', path: '/api/pulls' },
  command: {
    words: 'pull',
    positional: ['digest'],
    examples: [`hermesh pull sha256:${'0123456789abcdef'.repeat(4)}`, 'hermesh pull 127.0.0.1:5000/shop/api:1.0'],
  },
  text: ({ digest, blobs, sizeBytes, receivedBytes, ms }) =>
    `${digest} is here: ${blobs} blobs, ${megabytes(sizeBytes)}, ${megabytes(receivedBytes)} came, ${ms} ms.`,
  async run(context, { digest }, call) {
    const started = performance.now();
    const { pulls } = context;
    const isOfMesh = digest.startsWith('sha256:');
    const pulled = isOfMesh ? await pulls.pull(digest, call) : await pulls.pullFrom(digest, call);
    return { ...pulled, ms: Math.round(performance.now() - started) };
  },
});

/** More than a person reads; the sums are of all. */
const maxToldBlobs = 1_000;

export const prune = declare({
  name: 'prune',
  title: 'Free space in the store',
  sentence: 'Removes blobs that nothing names, the longest unused first, until the store is below its limit.',
  input: z.object({
    limitGib: z.coerce
      .number()
      .min(0)
      .max(100_000)
      .default(defaultLimitGib)
      .describe('what the store may have, in GiB'),
    graceHours: z.coerce.number().min(2).max(8_760).default(24).describe('what was used within so many hours stays'),
    dryRun: z.boolean().default(false).describe('say what would go, and remove nothing'),
  }),
  output: z.object({
    sizeBytes: z.int(),
    neededBytes: z.int().describe('what something in use leads to'),
    removed: z.int(),
    removedBytes: z.int(),
    blobs: z
      .array(z.object({ digest: z.string(), sizeBytes: z.int(), usedAt: z.string() }))
      .describe(`what went or would go, the longest unused first; at most ${maxToldBlobs}`),
    dryRun: z.boolean(),
  }),
  hints: 'remove',
  http: { method: 'POST', path: '/api/prunes' },
  command: { words: 'prune', positional: [], examples: ['hermesh prune --dry-run', 'hermesh prune --limit-gib 5'] },
  text: ({ sizeBytes, neededBytes, removed, removedBytes, blobs, dryRun }) =>
    [
      ...(dryRun && blobs.length > 0
        ? [
            table(
              ['BLOB', 'SIZE', 'LAST USED'],
              blobs.map((one) => [one.digest, megabytes(one.sizeBytes), one.usedAt]),
            ),
          ]
        : []),
      `Of ${megabytes(sizeBytes)}, ${megabytes(neededBytes)} are needed; ${removed} blobs ${dryRun ? 'would go' : 'went'}, ${megabytes(removedBytes)}.`,
    ].join('\n'),
  async run(context, { limitGib, graceHours, dryRun }, { report, signal }) {
    const { blobs, ...swept } = await context.sweep({
      limitBytes: limitGib * 1024 ** 3,
      graceMs: graceHours * 60 * 60_000,
      isDryRun: dryRun,
      report,
      signal,
    });
    const told = blobs.slice(0, maxToldBlobs).map(({ digest, sizeBytes, usedAtMs }) => ({
      digest,
      sizeBytes,
      usedAt: new Date(usedAtMs).toISOString(),
    }));
    return { ...swept, blobs: told, dryRun };
  },
});

export const logs = declare({
  name: 'logs',
  title: 'Read logs',
  sentence: 'Shows the newest lines that a container logged.',
  input: z.object({
    name: z.string().min(1).max(256).describe('the container, or its CI; NAME@STACK for one elsewhere'),
    tail: z.coerce.number().int().min(1).max(10_000).default(100).describe('how many lines'),
  }),
  output: z.object({
    container: z.string(),
    lines: z.array(z.object({ at: z.string().optional(), stream: z.enum(['stdout', 'stderr']), text: z.string() })),
  }),
  hints: 'look',
  remote: true,
  http: { method: 'GET', path: '/api/logs/:name' },
  command: {
    words: 'logs',
    positional: ['name'],
    examples: ['hermesh logs shop-api', 'hermesh logs api-ci@berlin --tail 20'],
  },
  text: ({ lines }) => lines.map((line) => plain(line.text)).join('\n'),
  run: (context, { name, tail }, call) => context.cis.logs(name, tail, call),
});
