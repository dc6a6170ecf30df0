// How locked Debian packages become a layer: fetched and checked, unpacked on what lies below, written once.
import type { LockedPackage, PackageSource } from '#manifests/debian';
import type { StoredBase } from './base-layers.ts';
import type { BlobStore } from './blobs.ts';
import type { Digest } from './digest.ts';
import { ManifestError } from './error.ts';
import { Filesystem } from './filesystem.ts';
import { maxLayerBytes, unpackPackages } from './layers.ts';
import { lockedDigest } from './lock.ts';
import { type LayerNote, readLayerNote, writeLayerNote } from './notes.ts';
import { writeTar } from './tar.ts';

/** What the layers of a build share. */
export interface LayerWork {
  readonly blobs: BlobStore;
  readonly packages: PackageSource;
  readonly signal: AbortSignal;
  /** False makes layers anew. */
  readonly useCache: boolean;
  /** What is going on, and how much of it is done (0 to 1). */
  readonly progress: (message: string, part: number) => void;
}

/** A source may take what is asked for at once in one connection; each is on the disk, not in memory. */
const fetchesAtOnce = 16;

/**
 * The layer of these packages on what lies below it, and what stands where afterwards; `epochSeconds` is the time of its files.
 * Throws what fetching and unpacking throw.
 */
export async function packagesLayer(
  locked: readonly LockedPackage[],
  on: { readonly base: StoredBase | undefined; readonly epochSeconds: number },
  work: LayerWork,
): Promise<LayerNote> {
  const { base, epochSeconds } = on;
  const below = base?.layers.map(({ digest }) => digest) ?? [];
  const inputs = { packages: lockedDigest(locked), below, epochSeconds };
  const known = work.useCache ? await readLayerNote(work.blobs, 'packages', inputs) : undefined;
  if (known) return known;
  const filesystem = new Filesystem();
  filesystem.adopt(base?.nodes ?? {});
  await fetchPackages(locked, work);
  await using scratch = await work.blobs.scratch();
  const entries = await unpackPackages(locked, work.blobs, scratch, {
    signal: work.signal,
    report: (done) => work.progress('unpacking its packages', 0.4 + done * 0.3),
  });
  const tar = writeTar(filesystem.addLayer(entries), { epochSeconds });
  const layer = await work.blobs.write(tar, { maxBytes: maxLayerBytes, signal: work.signal });
  const note = { layer, nodes: filesystem.nodes() };
  await writeLayerNote(work.blobs, 'packages', inputs, note);
  return note;
}

async function fetchPackages(locked: readonly LockedPackage[], work: LayerWork): Promise<void> {
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

async function fetchPackage(locked: LockedPackage, { packages, blobs, signal }: LayerWork): Promise<void> {
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
