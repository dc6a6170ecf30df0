// Where two builds of one image differ: which files, and in what of them, from the tars of their layers.
import { createHash } from 'node:crypto';
import { decompress, readForeignTar } from '#manifests/debian';
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { type ImageParts, readImageParts } from './image-parts.ts';

/** An image, and the store that holds it: a rebuild has one of its own. */
export interface PlacedImage {
  readonly digest: Digest;
  readonly blobs: BlobStore;
}

export interface Difference {
  /** Of a file in the image, or "config" for how it is run. */
  readonly path: string;
  /** From the bottom, from 0; undefined for the config. */
  readonly layer: number | undefined;
  readonly what: readonly (
    | 'only in the first'
    | 'only in the second'
    | 'type'
    | 'mode'
    | 'owner'
    | 'size'
    | 'content'
    | 'target'
    | 'order'
  )[];
}

export interface Comparison {
  readonly isSame: boolean;
  /** By layer, then by path. */
  readonly differences: readonly Difference[];
  /** Beyond those that are told. */
  readonly more: number;
}

/** More than a person reads; the first ones tell the kind. */
const maxDifferences = 1000;
const maxUnpackedBytes = 16 * 1024 ** 3;
const maxConfigBytes = 4 * 1024 * 1024;

interface FileFacts {
  readonly type: string;
  readonly mode: number;
  readonly owner: string;
  readonly size: number;
  readonly content: string;
  readonly target: string;
}

/** Equal digests are the same without a look; else layers are compared in pairs, from the bottom. */
export async function compareImages(
  first: PlacedImage,
  second: PlacedImage,
  { signal }: { readonly signal: AbortSignal },
): Promise<Comparison> {
  if (first.digest === second.digest) return { isSame: true, differences: [], more: 0 };
  const [one, two] = [
    await readImageParts(first.digest, first.blobs),
    await readImageParts(second.digest, second.blobs),
  ];
  const differences: Difference[] = [];
  for (let layer = 0; layer < Math.max(one.layers.length, two.layers.length); layer += 1) {
    if (one.layers[layer]?.digest === two.layers[layer]?.digest) continue;
    const files = [
      await filesOf(one, layer, first.blobs, signal),
      await filesOf(two, layer, second.blobs, signal),
    ] as const;
    const found = differencesOf(...files, layer);
    // The same files in another order, or with other padding: the tar itself differs.
    differences.push(...(found.length > 0 ? found : [{ path: '', layer, what: ['order'] } satisfies Difference]));
  }
  if (one.config !== two.config) {
    const [left, right] = [await configOf(first.blobs, one.config), await configOf(second.blobs, two.config)];
    // Diff ids follow the layers, which are told above.
    for (const key of [...new Set([...Object.keys(left), ...Object.keys(right)])].sort())
      if (key !== 'rootfs' && JSON.stringify(left[key]) !== JSON.stringify(right[key]))
        differences.push({ path: `config/${key}`, layer: undefined, what: ['content'] });
  }
  const told = differences.slice(0, maxDifferences);
  return { isSame: false, differences: told, more: differences.length - told.length };
}

async function filesOf(
  { layers }: ImageParts,
  index: number,
  blobs: BlobStore,
  signal: AbortSignal,
): Promise<Map<string, FileFacts>> {
  const files = new Map<string, FileFacts>();
  const layer = layers[index];
  if (layer === undefined) return files;
  const content = blobs.read(layer.digest);
  const tar =
    layer.compression === 'none' ? content : decompress(content, layer.compression, { maxBytes: maxUnpackedBytes });
  for await (const { path, type, mode, uid, gid, size, target, content: bytes } of readForeignTar(tar)) {
    signal.throwIfAborted();
    const hash = createHash('sha256');
    for await (const chunk of bytes) hash.update(chunk);
    files.set(path, { type, mode, owner: `${uid}:${gid}`, size, content: hash.digest('hex'), target });
  }
  return files;
}

function differencesOf(
  first: ReadonlyMap<string, FileFacts>,
  second: ReadonlyMap<string, FileFacts>,
  layer: number,
): Difference[] {
  return [...new Set([...first.keys(), ...second.keys()])].sort().flatMap((path): Difference[] => {
    const [one, two] = [first.get(path), second.get(path)];
    if (one === undefined || two === undefined)
      return [{ path, layer, what: [one === undefined ? 'only in the second' : 'only in the first'] }];
    const fields = ['type', 'mode', 'owner', 'size', 'content', 'target'] as const;
    const what = fields.filter((field) => one[field] !== two[field]);
    return what.length === 0 ? [] : [{ path, layer, what }];
  });
}

async function configOf(blobs: BlobStore, digest: Digest): Promise<Readonly<Record<string, unknown>>> {
  try {
    return JSON.parse(Buffer.from(await blobs.bytes(digest, { maxBytes: maxConfigBytes })).toString('utf8')) as Record<
      string,
      unknown
    >;
  } catch (cause) {
    if (cause instanceof ManifestError) throw cause;
    throw new ManifestError('invalid-base', `Cannot compare images: the config ${digest} is no JSON`, { cause });
  }
}
