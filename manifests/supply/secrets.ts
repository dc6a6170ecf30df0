// Keys and tokens that lie in an image: each text file of its owner's layers and its config, read by secretlint's recommended rules.

import { z } from 'zod';
import { decompress, type ReadEntry, readForeignTar } from '#manifests/debian';
import type { ScannedLayer } from '#manifests/supply/catalogue';
import type { FoundSecret, SecretScan } from '#manifests/supply/policy';
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { readPlainNote, writePlainNote } from '../notes.ts';
import { readImageParts } from './image-parts.ts';

/** Larger texts are data or bundles, and the rules take some 100 ms a megabyte. */
const maxFileBytes = 512 * 1024;
/** Of one layer: an owner's own files are far fewer. */
const maxFiles = 20_000;
const maxTextBytes = 64 * 1024 * 1024;
const maxFound = 200;
/** Where a text has a zero byte so early, it is none. */
const lookedAtBytes = 8_192;
const maxConfigBytes = 4 * 1024 * 1024;
const maxUnpackedBytes = 16 * 1024 ** 3;
/** Changes where the rules or what is left out do: what was found by others is looked for again. */
const rules = 'secretlint-preset-recommend 13.0.7, 1';

/** What comes from public archives holds no secret of the owner, and many keys that were made to be published. */
const publicLayers = ['packages', 'runtime', 'base'];
const publicFolders = /(^|\/)(node_modules|site-packages|dist-packages|usr\/share|usr\/lib|var\/lib\/dpkg)\//;

/** What was found in the layers and the config of an image; a layer is read once, and what was found kept by its digest. */
export async function scanSecrets(
  image: Digest,
  blobs: BlobStore,
  { signal }: { readonly signal: AbortSignal },
): Promise<SecretScan> {
  const { layers, config } = await readImageParts(image, blobs);
  const text = Buffer.from(await blobs.bytes(config, { maxBytes: maxConfigBytes })).toString('utf8');
  const words = layerWords(text);
  const scans = [await scanned(config, blobs, () => scanConfig(text))];
  for (const [at, layer] of layers.entries()) {
    if (publicLayers.includes(words[at] ?? '')) continue;
    scans.push(await scanned(layer.digest, blobs, () => scanLayer(layer, blobs, signal)));
  }
  return { found: scans.flatMap(({ found }) => found), isCut: scans.some(({ isCut }) => isCut) };
}

async function scanned(digest: Digest, blobs: BlobStore, scan: () => Promise<SecretScan>): Promise<SecretScan> {
  const key = { digest, rules };
  const known = await readPlainNote<SecretScan>(blobs, 'secrets', key);
  if (known) return known;
  const made = await scan();
  await writePlainNote(blobs, 'secrets', key, made);
  return made;
}

/** Variables and labels are in every copy of the image, too. */
async function scanConfig(text: string): Promise<SecretScan> {
  const { config } = configSchema.parse(JSON.parse(text));
  const lint = await openLint();
  const lines = [...config.Env, ...Object.entries(config.Labels).map(([key, value]) => `${key}=${value}`)];
  return { found: await lint('config', lines.join('\n')), isCut: false };
}

async function scanLayer(layer: ScannedLayer, blobs: BlobStore, signal: AbortSignal): Promise<SecretScan> {
  const lint = await openLint();
  const found: FoundSecret[] = [];
  const length = (await blobs.size(layer.digest)) ?? 0;
  const content = blobs.read(layer.digest, { offset: 0, length });
  const tar =
    layer.compression === 'none' ? content : decompress(content, layer.compression, { maxBytes: maxUnpackedBytes });
  let [files, bytes] = [0, 0];
  for await (const entry of readForeignTar(tar)) {
    signal.throwIfAborted();
    if (entry.type !== 'file' || entry.size === 0 || entry.size > maxFileBytes || publicFolders.test(entry.path))
      continue;
    const text = await textOf(entry);
    if (text === undefined) continue;
    files += 1;
    bytes += text.length;
    if (files > maxFiles || bytes > maxTextBytes || found.length >= maxFound) return { found, isCut: true };
    found.push(...(await lint(`/${entry.path}`, text)));
  }
  return { found, isCut: false };
}

async function textOf(entry: ReadEntry): Promise<string | undefined> {
  const bytes = Buffer.concat(await Array.fromAsync(entry.content));
  return bytes.subarray(0, lookedAtBytes).includes(0) ? undefined : bytes.toString('utf8');
}

const configSchema = z.object({
  config: z
    .object({ Env: z.array(z.string()).nullish().transform(orNone<string[]>([])), Labels: labels() })
    .nullish()
    .transform((value) => value ?? { Env: [], Labels: {} }),
  history: z
    .array(z.object({ created_by: z.string().default(''), empty_layer: z.boolean().default(false) }))
    .default([]),
});

function labels() {
  return z.record(z.string(), z.string()).nullish().transform(orNone<Record<string, string>>({}));
}

function orNone<Value>(none: Value): (value: Value | null | undefined) => Value {
  return (value) => value ?? none;
}

/** What each layer is, in images of ours; of others' nothing is known. */
function layerWords(text: string): string[] {
  const { history } = configSchema.parse(JSON.parse(text));
  return history
    .filter(({ empty_layer }) => !empty_layer)
    .map(({ created_by }) => /^hermesh-oci\/1 (\w+)$/.exec(created_by)?.[1] ?? '');
}

type Lint = (path: string, text: string) => Promise<FoundSecret[]>;

const messages = z.array(
  z.object({
    messages: z.array(
      z.object({ ruleId: z.string(), messageId: z.string(), loc: z.object({ start: z.object({ line: z.int() }) }) }),
    ),
  }),
);

let opened: Promise<Lint> | undefined;

/** Loaded when the first layer is looked at. Of what the rules say only the place is kept: never a part of the secret. */
function openLint(): Promise<Lint> {
  opened ??= (async () => {
    const { createEngine } = await import('@secretlint/node');
    const engine = await createEngine({
      cwd: import.meta.dirname,
      color: false,
      formatter: 'json',
      maskSecrets: true,
      configFileJSON: { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend' }] },
    });
    return async (path: string, text: string) => {
      const { output } = await engine.executeOnContent({ content: text, filePath: path });
      return messages.parse(JSON.parse(output || '[]')).flatMap((one) =>
        one.messages.map(({ ruleId, messageId, loc }) => ({
          path,
          rule: `${ruleId.replace('@secretlint/secretlint-rule-', '')}/${messageId}`,
          line: loc.start.line,
        })),
      );
    };
  })();
  return opened;
}
