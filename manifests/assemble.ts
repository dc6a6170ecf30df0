// How one image is put together: base, packages, runtime, system, dependencies, applications, in layers from the one that changes least.
import type { Manifest, ManifestContainer } from '#manifests/schema';
import type { StoredBase } from './base-layers.ts';
import type { BlobInfo, BlobStore } from './blobs.ts';
import { type Digest, layerOf } from './digest.ts';
import { Filesystem } from './filesystem.ts';
import { type ImageLayer, type LayerWord, makeConfig, makeImageManifest } from './image.ts';
import type { PlannedImage } from './inputs.ts';
import {
  type Content,
  filesEntries,
  maxLayerBytes,
  sourceEntries,
  systemEntries,
  tarEntries,
  treeEntries,
} from './layers.ts';
import { type ImageNote, readLayerNote, writeImageNote, writeLayerNote } from './notes.ts';
import { type LayerWork, packagesLayer } from './package-layer.ts';
import { writeTar } from './tar.ts';

const maxJsonBytes = 1024 * 1024;

/** Makes the image and keeps it under its build key; `results` has the layer of each step by `APPLICATION/STEP`. */
export async function assembleImage(
  planned: PlannedImage,
  made: { readonly base: StoredBase | undefined; readonly results: Readonly<Record<string, Digest>> },
  work: LayerWork & { readonly manifest: Manifest },
): Promise<ImageNote> {
  const { manifest } = work;
  const container = manifest.containers[planned.container] as ManifestContainer;
  const { epoch: epochSeconds, layer_budget } = manifest.packaging;
  const filesystem = new Filesystem();
  const own: ImageLayer[] = [];
  if (planned.packages.length > 0) {
    const { layer, nodes } = await packagesLayer(planned.packages, { base: made.base, epochSeconds }, work);
    filesystem.adopt(nodes);
    own.push({ what: 'packages', ...layer });
  } else filesystem.adopt(made.base?.nodes ?? {});
  work.progress('packing its files', 0.8);
  for (const [what, entries] of await contentsOf(planned, made.results, container, work, made.base !== undefined)) {
    if (entries.length === 0) continue;
    own.push({ what, ...(await contentLayer(filesystem.addLayer(entries), epochSeconds, work)) });
  }
  const within = await mergeOver(layer_budget, own, epochSeconds, work);
  const base = (made.base?.layers ?? []).map((layer): ImageLayer => ({ what: 'base', ...layer }));
  return await keepImage(planned, container, [...base, ...within], { epochSeconds, base: made.base }, work);
}

/** What goes into each layer above the packages, from the bottom. */
async function contentsOf(
  planned: PlannedImage,
  results: Readonly<Record<string, Digest>>,
  container: ManifestContainer,
  { manifest, blobs, signal }: LayerWork & { readonly manifest: Manifest },
  hasBase: boolean,
): Promise<readonly (readonly [LayerWord, Content[]])[]> {
  const byLayer = { runtime: [] as Content[], dependencies: [] as Content[], application: [] as Content[] };
  for (const [name, use] of Object.entries(container.applications)) {
    for (const part of use.content) {
      const source = part === 'source' ? planned.sources[name] : undefined;
      const result = results[`${name}/${part}`];
      const entries = source ? sourceEntries(source) : result ? await tarEntries(blobs, result, signal) : [];
      const from = part === 'source' ? `application "${name}"` : `step "${part}" of "${name}"`;
      byLayer[layerOf(manifest, name, part)].push(...treeEntries(entries, use, from));
    }
  }
  return [
    ['runtime', byLayer.runtime],
    ['system', systemEntries(container, { hasBase })],
    ['dependencies', byLayer.dependencies],
    ['applications', [...byLayer.application, ...filesEntries(container, planned.files)]],
  ];
}

async function contentLayer(entries: readonly Content[], epochSeconds: number, work: LayerWork): Promise<BlobInfo> {
  const facts = entries
    .map((entry) => [
      entry.path,
      entry.type,
      entry.mode,
      entry.uid,
      entry.gid,
      entry.type === 'symlink' ? entry.target : (entry.sha256 ?? ''),
    ])
    .sort(([left = ''], [right = '']) => (left < right ? -1 : 1));
  const inputs = { facts, epochSeconds };
  const known = work.useCache ? await readLayerNote(work.blobs, 'content', inputs) : undefined;
  if (known) return known.layer;
  const layer = await writeLayer(entries, epochSeconds, work);
  await writeLayerNote(work.blobs, 'content', inputs, { layer, nodes: {} });
  return layer;
}

/** Where there are more layers than allowed, the lowest two become one until there aren't: what changes most stays apart longest. */
async function mergeOver(
  budget: number,
  layers: readonly ImageLayer[],
  epochSeconds: number,
  work: LayerWork,
): Promise<readonly ImageLayer[]> {
  const [first, second, ...rest] = layers;
  if (layers.length <= budget || first === undefined || second === undefined) return layers;
  const inputs = { layers: [first.digest, second.digest] };
  const known = work.useCache ? await readLayerNote(work.blobs, 'merged', inputs) : undefined;
  let layer = known?.layer;
  if (layer === undefined) {
    // What is above counts: a layer repeats folders, and replaces files of those below it.
    const entries = [first, second].map(({ digest }) => tarEntries(work.blobs, digest, work.signal));
    layer = await writeLayer((await Promise.all(entries)).flat(), epochSeconds, work);
    await writeLayerNote(work.blobs, 'merged', inputs, { layer, nodes: {} });
  }
  return await mergeOver(budget, [{ what: first.what, ...layer }, ...rest], epochSeconds, work);
}

async function writeLayer(
  entries: readonly Content[],
  epochSeconds: number,
  { blobs, signal }: { readonly blobs: BlobStore; readonly signal: AbortSignal },
): Promise<BlobInfo> {
  return await blobs.write(writeTar(entries, { epochSeconds }), { maxBytes: maxLayerBytes, signal });
}

async function keepImage(
  { platform, buildKey }: PlannedImage,
  container: ManifestContainer,
  layers: readonly ImageLayer[],
  { epochSeconds, base }: { readonly epochSeconds: number; readonly base: StoredBase | undefined },
  { blobs, signal }: LayerWork,
): Promise<ImageNote> {
  const options = { maxBytes: maxJsonBytes, signal };
  const inherited = base === undefined ? {} : { base: base.config };
  const config = await blobs.write([makeConfig(container, platform, layers, { epochSeconds, ...inherited })], options);
  const manifest = await blobs.write([makeImageManifest(config, layers)], options);
  const parts = [manifest, config, ...layers];
  const sizeBytes = parts.reduce((total, part) => total + part.sizeBytes, 0);
  const image = { digest: manifest.digest, configDigest: config.digest, sizeBytes };
  await writeImageNote(blobs, buildKey, { image, blobs: parts.map(({ digest }) => digest) });
  return image;
}
