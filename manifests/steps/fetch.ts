// How artifacts come into the store: only whole, only those that hash to what a lock says, several at once.
import { createHash } from 'node:crypto';
import { type BlobInfo, type BlobStore, writeAll } from '../blobs.ts';
import { ManifestError } from '../error.ts';
import { readRange } from '../layers.ts';
import { readLayerNote, writeLayerNote } from '../notes.ts';
import type { Artifact, ArtifactHash, ArtifactSource } from './artifact.ts';
import { hashOfGoMod, hashOfZip } from './zip.ts';

/** The largest wheels have about 3 GB. */
const maxArtifactBytes = 4 * 1024 ** 3;
/** As cmd/go bounds it. */
const maxGoModBytes = 16 * 1024 ** 2;
/** A registry answers several at once; each goes to the disk as it comes. */
const fetchesAtOnce = 8;

export interface FetchWork {
  readonly blobs: BlobStore;
  readonly artifacts: ArtifactSource;
  readonly signal: AbortSignal;
  readonly report: (progress: { readonly message: string }) => void;
}

/** The artifacts in the store, in the order asked for. Throws `digest-mismatch` where one isn't what its lock says. */
export async function fetchArtifacts<One extends Artifact>(
  wanted: readonly One[],
  work: FetchWork,
): Promise<{ readonly artifact: One; readonly blob: BlobInfo }[]> {
  const failed = new AbortController();
  const signal = AbortSignal.any([work.signal, failed.signal]);
  const found: { artifact: One; blob: BlobInfo }[] = [];
  let done = 0;
  const queue = wanted.entries();
  const fetchRest = async (): Promise<void> => {
    for (const [index, artifact] of queue) {
      found[index] = { artifact, blob: await fetchArtifact(artifact, { ...work, signal }) };
      done += 1;
      if (done % 50 === 0) work.report({ message: `fetched ${done} of ${wanted.length} artifacts` });
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
  return found;
}

async function fetchArtifact(artifact: Artifact, { blobs, artifacts, signal }: FetchWork): Promise<BlobInfo> {
  for (const hash of artifact.hashes) {
    const known = await readLayerNote(blobs, 'artifact', hash);
    if (known) return known.layer;
  }
  await using scratch = await blobs.scratch();
  const hashers = new Map(
    artifact.hashes
      .filter(({ algorithm }) => !algorithm.startsWith('h1'))
      .map(({ algorithm }) => [algorithm, createHash(algorithm)]),
  );
  let sizeBytes = 0;
  for await (const chunk of await artifacts.fetch(artifact, { signal })) {
    signal.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > maxArtifactBytes) throw mismatch(artifact, `it has more than ${maxArtifactBytes} bytes`);
    for (const hasher of hashers.values()) hasher.update(chunk);
    await writeAll(scratch.handle, chunk);
  }
  const actual = new Map([...hashers].map(([algorithm, hasher]) => [algorithm as string, hasher.digest('hex')]));
  if (artifact.hashes.some(({ algorithm }) => algorithm === 'h1'))
    actual.set('h1', await hashOfZip(scratch.handle, sizeBytes));
  if (artifact.hashes.some(({ algorithm }) => algorithm === 'h1-mod') && sizeBytes <= maxGoModBytes)
    actual.set('h1-mod', hashOfGoMod(Buffer.concat(await Array.fromAsync(readRange(scratch.handle, 0, sizeBytes)))));
  const right = artifact.hashes.find(({ algorithm, hex }) => actual.get(algorithm) === hex);
  if (right === undefined) {
    const came = [...actual].map(([algorithm, hex]) => `${algorithm} ${hex}`).join(', ');
    throw mismatch(artifact, `it has ${came}, and the lock says ${describe(artifact.hashes)}`);
  }
  const blob = await blobs.write(readRange(scratch.handle, 0, sizeBytes), { maxBytes: maxArtifactBytes, signal });
  await writeLayerNote(blobs, 'artifact', right, { layer: blob, nodes: {} });
  return blob;
}

function describe(hashes: readonly ArtifactHash[]): string {
  const told = hashes.slice(0, 3).map(({ algorithm, hex }) => `${algorithm} ${hex}`);
  return told.join(' or ') + (hashes.length > told.length ? ' or others' : '');
}

function mismatch({ name, version, file }: Artifact, state: string): ManifestError {
  return new ManifestError(
    'digest-mismatch',
    `Cannot use "${name}" ${version} (${file}): ${state}; write the lock file again if you trust what the registry serves`,
  );
}
