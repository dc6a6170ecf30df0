// The blob store as the exchange sees it: whole blobs, what is derived from them once, and files that are being filled.
import { type BlobStore, type Digest, ManifestError, type PartialStore } from '#manifests';
import { readChunkIndex } from '#manifests/chunks';
import { hashBytes, makeRangeList, rangeCount, type Shelf } from '#registry/exchange';

/** Lists that are held in memory, of some KiB each: those of an image that is fetched by many. */
const maxLists = 64;

export function makeShelf(blobs: BlobStore, partials: PartialStore): Shelf {
  const lists = new Map<Digest, Promise<Uint8Array | undefined>>();
  return {
    size: (blob) => blobs.size(blob),
    read: (blob, range) => blobs.read(blob, range),
    chunkIndex: (blob) => readChunkIndex(blobs, blob),
    partial: (blob, sizeBytes) => partials.open(blob, sizeBytes),
    rangeList(blob) {
      const known = lists.get(blob);
      if (known) return known;
      const [oldest] = lists.keys();
      if (lists.size >= maxLists && oldest !== undefined) lists.delete(oldest);
      const reading = readRangeList(blobs, blob);
      lists.set(blob, reading);
      const forget = (): void => void lists.delete(blob);
      reading.then((list) => list ?? forget(), forget);
      return reading;
    },
    async rotten(blob) {
      lists.delete(blob);
      // Read whole, it is checked, and goes where it is wrong.
      try {
        for await (const piece of blobs.read(blob)) if (piece.byteLength === 0) continue;
      } catch (error) {
        if (!(error instanceof ManifestError)) throw error;
      }
    },
  };
}

/** Made of checked content at the first use and kept beside the blob; undefined for what isn't here whole. */
async function readRangeList(blobs: BlobStore, blob: Digest): Promise<Uint8Array | undefined> {
  const size = await blobs.size(blob);
  if (size === undefined) return undefined;
  const name = `ranges/${blob.slice('sha256:'.length)}`;
  const note = await blobs.readNote(name);
  const kept = note === undefined ? undefined : Buffer.from(note, 'base64');
  if (kept?.byteLength === rangeCount(size) * hashBytes) return kept;
  try {
    const list = await makeRangeList(blobs.read(blob));
    await blobs.writeNote(name, Buffer.from(list).toString('base64'));
    return list;
  } catch (error) {
    if (error instanceof ManifestError) return undefined;
    throw error;
  }
}
