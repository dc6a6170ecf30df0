// The list of a blob's chunks in its one canonical form, and where it is kept beside the blob.
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { type Chunk, cutChunks, maxChunkBytes } from './cut.ts';

/** The largest blob that is indexed: its index has about 9 MB. Larger ones move by ranges alone. */
export const maxIndexedBytes = 4 * 1024 * 1024 * 1024;
/** The longest index: a chunk has 4 KiB at least, yet 36 bytes of index for each 8 KiB are taken as the bound. */
export const maxIndexBytes = 20 * 1024 * 1024;

/** The first bytes of each index: which rules it was cut by. */
const head = Buffer.from('hermesh-chunks/1\n');
/** The length of a chunk (32 bits, big-endian) and its SHA-256. */
const entryBytes = 36;

/** All chunks in their order, as bytes: equal for equal content. */
export function formatChunkIndex(chunks: readonly Chunk[]): Uint8Array {
  const bytes = Buffer.alloc(head.length + chunks.length * entryBytes);
  head.copy(bytes);
  chunks.forEach(({ length, sha256 }, index) => {
    const at = head.length + index * entryBytes;
    bytes.writeUInt32BE(length, at);
    bytes.set(sha256, at + 4);
  });
  return bytes;
}

/** The chunks of an index, whoever sent it; undefined where it isn't one, or isn't one of a blob of that size. */
export function parseChunkIndex(bytes: Uint8Array, sizeBytes: number): readonly Chunk[] | undefined {
  const count = (bytes.byteLength - head.length) / entryBytes;
  if (bytes.byteLength > maxIndexBytes || !Number.isInteger(count) || count < 0) return undefined;
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!whole.subarray(0, head.length).equals(head)) return undefined;
  const chunks: Chunk[] = [];
  let offset = 0;
  for (let at = head.length; at < whole.length; at += entryBytes) {
    const length = whole.readUInt32BE(at);
    if (length === 0 || length > maxChunkBytes) return undefined;
    chunks.push({ offset, length, sha256: whole.subarray(at + 4, at + entryBytes) });
    offset += length;
  }
  return offset === sizeBytes ? chunks : undefined;
}

/** The index of a blob in the store, made at its first use and kept as a note; undefined for what isn't here or is too large. */
export async function readChunkIndex(blobs: BlobStore, digest: Digest): Promise<Uint8Array | undefined> {
  const size = await blobs.size(digest);
  if (size === undefined || size > maxIndexedBytes) return undefined;
  const name = `chunks/${digest.slice('sha256:'.length)}`;
  const note = await blobs.readNote(name);
  const kept = note === undefined ? undefined : Buffer.from(note, 'base64');
  if (kept && parseChunkIndex(kept, size)) return kept;
  try {
    const bytes = formatChunkIndex(await Array.fromAsync(cutChunks(blobs.read(digest))));
    if (bytes.byteLength > maxIndexBytes) return undefined;
    await blobs.writeNote(name, Buffer.from(bytes).toString('base64'));
    return bytes;
  } catch (error) {
    // Rotted, or gone meanwhile.
    if (error instanceof ManifestError) return undefined;
    throw error;
  }
}
