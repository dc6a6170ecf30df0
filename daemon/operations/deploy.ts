// Operations that build, run and stop what a manifest says, and read what a container logged.
import { z } from 'zod';
import { plain } from '#container-ci';
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
    explain: z.boolean().default(false).describe('say which inputs changed since the last build'),
  }),
  output: z.object({ manifestDigest: z.string(), images: z.array(image), ms: z.int() }),
  hints: 'change',
  http: { method: 'POST', path: '/api/builds' },
  command: {
    words: 'build',
    positional: ['file'],
    paths: ['file'],
    examples: ['hermesh build examples/shop/manifest.json', 'hermesh build manifest.json --explain'],
  },
  text: ({ manifestDigest, images, ms }) =>
    [
      `manifest ${manifestDigest}, ${ms} ms`,
      table(
        ['CONTAINER', 'IMAGE', 'SIZE', ''],
        images.map((one) => [one.container, one.digest, megabytes(one.sizeBytes), one.cached ? 'cached' : 'built']),
      ),
      ...images.flatMap(({ container: name, changes }) =>
        (changes ?? []).map(({ input, was, is }) => `${name}: ${input}: ${was ?? 'nothing'} -> ${is ?? 'nothing'}`),
      ),
    ].join('\n'),
  async run(context, { file: path, cache, explain }, call) {
    const started = performance.now();
    const { build: made } = await context.runs.build(path, { useCache: cache }, call);
    const images = made.images.map(({ changes, ...one }) => ({
      ...one,
      ...(explain && changes !== undefined && { changes: [...changes] }),
    }));
    return { manifestDigest: made.manifestDigest, images, ms: Math.round(performance.now() - started) };
  },
});

export const run = declare({
  name: 'run',
  title: 'Run a manifest',
  sentence: 'Builds a manifest and starts its containers bottom-up, each when what it depends on is healthy.',
  input: z.object({
    file,
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
    examples: ['hermesh run examples/shop/manifest.json', 'hermesh run manifest.json --dry-run'],
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
  title: 'Pull an image from other stacks',
  sentence: 'Brings an image of the mesh here, from several stacks at once; what is here already stays.',
  input: z.object({
    digest: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/)
      .describe('the digest of the image'),
  }),
  output: z.object({ digest: z.string(), blobs: z.int(), sizeBytes: z.int(), receivedBytes: z.int(), ms: z.int() }),
  hints: 'change',
  http: { method: 'POST', path: '/api/pulls' },
  command: {
    words: 'pull',
    positional: ['digest'],
    examples: [`hermesh pull sha256:${'0123456789abcdef'.repeat(4)}`],
  },
  text: ({ digest, blobs, sizeBytes, receivedBytes, ms }) =>
    `${digest} is here: ${blobs} blobs, ${megabytes(sizeBytes)}, ${megabytes(receivedBytes)} came, ${ms} ms.`,
  async run(context, { digest }, call) {
    const started = performance.now();
    const pulled = await context.pulls.pull(digest, call);
    return { ...pulled, ms: Math.round(performance.now() - started) };
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
