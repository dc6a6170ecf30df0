// Where content is cut into chunks by what it holds, so that an edit moves only the cuts beside it: FastCDC, normalised.
// W. Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach", USENIX ATC 2016, and IEEE TPDS 31(9), 2020.
import { createHash, hash } from 'node:crypto';

/** A chunk: where it begins, its length in bytes, and the SHA-256 of its bytes. */
export interface Chunk {
  readonly offset: number;
  readonly length: number;
  readonly sha256: Uint8Array;
}

/** No cut before this, except at the end of the content. */
export const minChunkBytes = 4 * 1024;
/** Where cuts become likelier; chunks of source trees and binaries come to about so much in the mean. */
export const normalChunkBytes = 16 * 1024;
/** A cut at the latest here. */
export const maxChunkBytes = 64 * 1024;

/**
 * Normalisation of level 2: two bits more than the mean's 14 before the normal size, two fewer after it. The high bits of
 * the hash are looked at: they depend on the last 32 bytes, the low ones on fewer.
 */
const maskBefore = 0xffff_0000;
const maskAfter = 0xfff0_0000;

/** Of each byte the first 32 bits of SHA-256("hermesh/gear/1/" and its number), so that every peer cuts alike. */
const gear = Int32Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(hash('sha256', `hermesh/gear/1/${byte}`, 'buffer')).readInt32BE(0),
);

/** The chunks of a content, in order, however it comes in pieces. Holds none of it. */
export async function* cutChunks(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Chunk, void, undefined> {
  let offset = 0;
  let length = 0;
  let rolling = 0;
  let digest = createHash('sha256');
  for await (const piece of content) {
    let from = 0;
    while (from < piece.byteLength) {
      const found = findCut(piece, from, length, rolling);
      digest.update(piece.subarray(from, found.at));
      length += found.at - from;
      rolling = found.rolling;
      from = found.at;
      if (!found.isCut) continue;
      yield { offset, length, sha256: digest.digest() };
      offset += length;
      length = 0;
      rolling = 0;
      digest = createHash('sha256');
    }
  }
  if (length > 0) yield { offset, length, sha256: digest.digest() };
}

/** Reads on until a cut or the end of the piece; `length` bytes of the chunk came before `from`. */
function findCut(
  piece: Uint8Array,
  from: number,
  length: number,
  before: number,
): { readonly at: number; readonly rolling: number; readonly isCut: boolean } {
  // Bytes before the least size are skipped: they take no part in the hash, as in the paper.
  let at = from + Math.max(0, minChunkBytes - length);
  if (at >= piece.byteLength) return { at: piece.byteLength, rolling: before, isCut: false };
  let rolling = before;
  const start = from - length;
  const normal = Math.min(piece.byteLength, Math.max(at, start + normalChunkBytes));
  const last = Math.min(piece.byteLength, start + maxChunkBytes);
  for (; at < normal; at += 1) {
    rolling = ((rolling << 1) + (gear[piece[at] as number] as number)) | 0;
    if ((rolling & maskBefore) === 0) return { at: at + 1, rolling, isCut: true };
  }
  for (; at < last; at += 1) {
    rolling = ((rolling << 1) + (gear[piece[at] as number] as number)) | 0;
    if ((rolling & maskAfter) === 0) return { at: at + 1, rolling, isCut: true };
  }
  return { at, rolling, isCut: at === start + maxChunkBytes };
}
