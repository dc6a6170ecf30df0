// How a manifest becomes images: sources read, packages fetched and checked, layers written, each step kept by what went into it.
import type { LockedPackage, PackageSource } from '#manifests/debian';
import type { Manifest, ManifestContainer, Platform } from '#manifests/schema';
import type { BlobInfo, BlobStore } from './blobs.ts';
import { canonicalJson, type Digest, digestOf, makeBuildKey, manifestDigest } from './digest.ts';
import { ManifestError, pointerOf } from './error.ts';
import { Filesystem, type Node } from './filesystem.ts';
import { type ImageLayer, makeConfig, makeImageManifest } from './image.ts';
import { applicationEntries, type Content, systemEntries, unpackPackages } from './layers.ts';
import { type Lock, lockedDigest, lockedPackages } from './lock.ts';
import { containersInOrder } from './relations.ts';
import { readSource, readSourceFile, type SourceEntry, type SourceTree } from './sources.ts';
import { writeTar } from './tar.ts';

/** What a build is made of, and where its parts come from. */
export interface BuildRequest {
  readonly manifest: Manifest;
  /** Undefined where there is no manifest.lock.json: enough where no container has Debian packages. */
  readonly lock: Lock | undefined;
  /** The folder of the manifest. */
  readonly directory: string;
  readonly blobs: BlobStore;
  readonly packages: PackageSource;
  /** What is going on, and how much of all is done (0 to 1). */
  readonly report: (progress: { readonly message: string; readonly fraction?: number }) => void;
  readonly signal: AbortSignal;
  /** False builds anew from sources and packages. */
  readonly useCache: boolean;
}

export interface BuiltImage {
  readonly container: string;
  readonly buildKey: Digest;
  /** Of the image's manifest: what it is pulled by. */
  readonly digest: Digest;
  /** Of its config: its id in older engines. */
  readonly configDigest: Digest;
  /** Of manifest, config and layers together. */
  readonly sizeBytes: number;
  readonly cached: boolean;
}

export interface Build {
  readonly manifestDigest: Digest;
  /** In the order in which the containers start. */
  readonly images: readonly BuiltImage[];
}

/** A source may take what is asked for at once in one connection; each is on the disk, not in memory. */
const fetchesAtOnce = 16;
const maxLayerBytes = 16 * 1024 ** 3;
const maxJsonBytes = 1024 * 1024;

/**
 * Builds the image of each container; what is in the store already is not made again.
 * Throws ManifestError (`lock-mismatch`, `missing-source`, `digest-mismatch`, …); what was kept till then is whole and is used next time.
 */
export async function buildImages(request: BuildRequest): Promise<Build> {
  const { manifest, report } = request;
  const platform = manifest.packaging.platforms[0] ?? 'linux/amd64';
  const names = containersInOrder(manifest);
  // All that can be refused without work is refused first.
  const planned = names.map((name) => ({ name, locked: lockedPackages(manifest, request.lock, name, platform) }));
  const sources = new Map<string, Promise<SourceTree>>();
  const images: BuiltImage[] = [];
  for (const [index, { name, locked }] of planned.entries()) {
    const progress = (message: string, part: number): void =>
      report({ message: `${name}: ${message}`, fraction: (index + part) / names.length });
    images.push(await buildOne(name, locked, platform, { ...request, sources, progress }));
    const last = images.at(-1);
    progress(last?.cached ? 'built already' : `built ${last?.digest}`, 1);
  }
  return { manifestDigest: manifestDigest(manifest), images };
}

interface Work extends BuildRequest {
  readonly sources: Map<string, Promise<SourceTree>>;
  readonly progress: (message: string, part: number) => void;
}

async function buildOne(
  name: string,
  locked: readonly LockedPackage[],
  platform: Platform,
  work: Work,
): Promise<BuiltImage> {
  const container = work.manifest.containers[name];
  if (container === undefined) throw new TypeError(`Cannot build "${name}": the manifest has no such container`);
  work.progress('reading its sources', 0);
  const applications = await readApplications(container, work);
  const files: Extract<SourceEntry, { type: 'file' }>[] = [];
  for (const [index, { source }] of container.files.entries()) {
    files.push(
      await readSourceFile(work.directory, source, {
        pointer: pointerOf(['containers', name, 'files', index]),
        signal: work.signal,
      }),
    );
  }
  const buildKey = makeBuildKey(work.manifest, container, {
    platform,
    packages: lockedDigest(locked),
    applications: Object.fromEntries(Object.entries(applications).map(([key, tree]) => [key, tree.digest])),
    files: files.map(({ sha256 }): Digest => `sha256:${sha256}`),
  });
  const known = work.useCache ? await readImageNote(work.blobs, buildKey) : undefined;
  if (known) return { container: name, buildKey, ...known, cached: true };
  const filesystem = new Filesystem();
  const layers: ImageLayer[] = [];
  if (locked.length > 0) layers.push({ what: 'packages', ...(await packagesLayer(locked, filesystem, work)) });
  work.progress('packing its files', 0.8);
  for (const [what, entries] of [
    ['system', systemEntries(container)],
    ['applications', applicationEntries(container, applications, files)],
  ] as const) {
    if (entries.length > 0) layers.push({ what, ...(await contentLayer(filesystem.addLayer(entries), work)) });
  }
  return {
    container: name,
    buildKey,
    ...(await keepImage(container, platform, layers, buildKey, work)),
    cached: false,
  };
}

async function readApplications(container: ManifestContainer, work: Work): Promise<Record<string, SourceTree>> {
  const trees: Record<string, SourceTree> = {};
  for (const name of Object.keys(container.applications)) {
    const application = work.manifest.applications[name];
    if (application === undefined) throw new TypeError(`Cannot build: the manifest has no application "${name}"`);
    const pointer = pointerOf(['applications', name, 'source']);
    const tree =
      work.sources.get(name) ?? readSource(work.directory, application.source, { pointer, signal: work.signal });
    work.sources.set(name, tree);
    trees[name] = await tree;
  }
  return trees;
}

async function packagesLayer(locked: readonly LockedPackage[], filesystem: Filesystem, work: Work): Promise<BlobInfo> {
  const note = noteOf('layers', digestOf(`hermesh-layer/1\0packages\0${lockedDigest(locked)}`));
  const known = work.useCache ? await readLayerNote(work.blobs, note) : undefined;
  if (known) {
    filesystem.adopt(known.nodes);
    return known.layer;
  }
  await fetchPackages(locked, work);
  await using scratch = await work.blobs.scratch();
  const entries = await unpackPackages(locked, work.blobs, scratch, {
    signal: work.signal,
    report: (done) => work.progress('unpacking its packages', 0.4 + done * 0.3),
  });
  const layer = await writeLayer(filesystem.addLayer(entries), work);
  await writeNote(work.blobs, note, { layer, nodes: filesystem.nodes() });
  return layer;
}

async function fetchPackages(locked: readonly LockedPackage[], work: Work): Promise<void> {
  const missing: LockedPackage[] = [];
  for (const one of locked) if (!(await work.blobs.has(`sha256:${one.sha256}`))) missing.push(one);
  const queue = missing.values();
  let done = 0;
  const failed = new AbortController();
  const signal = AbortSignal.any([work.signal, failed.signal]);
  const fetchRest = async (): Promise<void> => {
    for (const one of queue) {
      work.progress(`fetching "${one.name}" ${one.version}`, (0.4 * done) / missing.length);
      await fetchPackage(one, { ...work, signal });
      done += 1;
    }
  };
  const workers = Array.from({ length: fetchesAtOnce }, fetchRest);
  try {
    await Promise.all(workers);
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(workers);
    throw error;
  }
}

async function fetchPackage(locked: LockedPackage, { packages, blobs, signal }: Work): Promise<void> {
  const expected: Digest = `sha256:${locked.sha256}`;
  try {
    const content = await packages.fetch(locked, { signal });
    await blobs.write(content, { expected, maxBytes: locked.size_bytes, signal });
  } catch (error) {
    if (!(error instanceof ManifestError) || !['digest-mismatch', 'too-large'].includes(error.code)) throw error;
    throw new ManifestError(
      'digest-mismatch',
      `Cannot use package "${locked.name}" ${locked.version}: what came is not what the lock pins; run "hermesh manifest lock FILE --refresh"`,
      { cause: error },
    );
  }
}

async function contentLayer(entries: readonly Content[], work: Work): Promise<BlobInfo> {
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
  const note = noteOf('layers', digestOf(`hermesh-layer/1\0content\0${canonicalJson(facts)}`));
  const known = work.useCache ? await readLayerNote(work.blobs, note) : undefined;
  if (known) return known.layer;
  const layer = await writeLayer(entries, work);
  await writeNote(work.blobs, note, { layer, nodes: {} });
  return layer;
}

async function writeLayer(entries: readonly Content[], { blobs, signal }: Work): Promise<BlobInfo> {
  return await blobs.write(writeTar(entries), { maxBytes: maxLayerBytes, signal });
}

async function keepImage(
  container: ManifestContainer,
  platform: Platform,
  layers: readonly ImageLayer[],
  buildKey: Digest,
  { blobs, signal }: Work,
): Promise<ImageNote> {
  const config = await blobs.write([makeConfig(container, platform, layers)], { maxBytes: maxJsonBytes, signal });
  const manifest = await blobs.write([makeImageManifest(config, layers)], { maxBytes: maxJsonBytes, signal });
  const parts = [manifest, config, ...layers];
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  const image = { digest: manifest.digest, configDigest: config.digest, sizeBytes };
  const blobsOfIt = parts.map(({ digest }) => digest);
  await writeNote(blobs, noteOf('images', buildKey), { image, blobs: blobsOfIt });
  return image;
}

interface ImageNote {
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly sizeBytes: number;
}

async function readImageNote(blobs: BlobStore, buildKey: Digest): Promise<ImageNote | undefined> {
  const note = await readNote<{ image: ImageNote; blobs: Digest[] }>(blobs, noteOf('images', buildKey));
  if (note === undefined) return undefined;
  for (const digest of note.blobs) if (!(await blobs.has(digest))) return undefined;
  return note.image;
}

async function readLayerNote(
  blobs: BlobStore,
  name: string,
): Promise<{ layer: BlobInfo; nodes: Record<string, Node> } | undefined> {
  const note = await readNote<{ layer: BlobInfo; nodes: Record<string, Node> }>(blobs, name);
  return note && (await blobs.has(note.layer.digest)) ? note : undefined;
}

/** Notes are written whole by this room alone, so they are read without a schema; their sum tells what a disk made of them since. */
async function readNote<Note>(blobs: BlobStore, name: string): Promise<Note | undefined> {
  const [sum, body = ''] = (await blobs.readNote(name))?.split('\n', 2) ?? [];
  return sum === digestOf(body) ? (JSON.parse(body) as Note) : undefined;
}

async function writeNote(blobs: BlobStore, name: string, note: object): Promise<void> {
  const body = JSON.stringify(note);
  await blobs.writeNote(name, `${digestOf(body)}\n${body}`);
}

function noteOf(kind: 'images' | 'layers', key: Digest): string {
  return `${kind}/${key.slice('sha256:'.length)}.json`;
}
