// Only what is missing: a blob is laid out of a base that is here and of the chunks that the base hasn't, as one zstd stream.
import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { type Chunk, compareChunks, maxIndexBytes, parseChunkIndex, type Span } from '#manifests/chunks';
import type { Network, StackId } from '../network.ts';
import { sameBytes, sha256, toBytes } from '../wire.ts';
import { chunksProtocol, maxSpans, statuses } from './messages.ts';
import { type BlobDigest, type RangeSet, rangeBytes } from './ranges.ts';
import type { PartialFile, Shelf } from './shelf.ts';

/** Where more than this share is missing, ranges of several peers at once are quicker. */
const maxMissing = 0.5;
/** Copied within the disk at once. */
const copyBytes = 1024 * 1024;

export interface DeltaParts {
  readonly network: Network;
  readonly shelf: Shelf;
  readonly from: StackId;
  readonly blob: BlobDigest;
  readonly base: BlobDigest;
  readonly sizeBytes: number;
  readonly file: PartialFile;
  /** What is right already isn't asked for. */
  readonly verified: RangeSet;
  readonly came: (sizeBytes: number) => void;
}

/** `lie`: what came isn't what its sender's own index says; `no`: no base, no index, or too little in common. */
export type DeltaOutcome = 'filled' | 'no' | 'lie';

/** Writes into the file all that base and sender give; whether it is right is seen range by range afterwards. */
export async function fillByChunks(parts: DeltaParts, { signal }: { signal: AbortSignal }): Promise<DeltaOutcome> {
  const { network, shelf, from, blob, base, sizeBytes, file, came } = parts;
  const baseSize = await shelf.size(base);
  const baseBytes = baseSize === undefined ? undefined : await shelf.chunkIndex(base);
  const baseChunks = baseBytes && parseChunkIndex(baseBytes, baseSize ?? 0);
  if (!baseChunks) return 'no';
  const limits = { signal, maxResponseBytes: maxIndexBytes };
  const request = toBytes({ blob });
  const answer = await readPacked(network.requestStream(from, chunksProtocol, request, limits), maxIndexBytes, came);
  const bytes = answer && Buffer.concat(await Array.fromAsync(answer));
  const chunks = bytes && parseChunkIndex(bytes, sizeBytes);
  if (!chunks) return bytes ? 'lie' : 'no';

  const { copies, missing } = compareChunks(chunks, baseChunks);
  const missingBytes = missing.reduce((sum, { length }) => sum + length, 0);
  if (missingBytes > sizeBytes * maxMissing) return 'no';
  for (const { offset, length, from: start } of copies) {
    if (isVerified(parts.verified, { offset, length })) continue;
    let at = offset;
    for await (const piece of shelf.read(base, { offset: start, length })) {
      for (let cut = 0; cut < piece.byteLength; cut += copyBytes)
        await file.write(at + cut, piece.subarray(cut, cut + copyBytes));
      at += piece.byteLength;
    }
  }
  const spans = missing.filter((span) => !isVerified(parts.verified, span));
  if (spans.length > maxSpans) return 'no';
  return spans.length === 0 ? 'filled' : await askSpans(parts, chunks, spans, signal);
}

/** One request for all of them; each chunk is checked against the index before it is written. */
async function askSpans(
  { network, from, blob, file, came }: DeltaParts,
  chunks: readonly Chunk[],
  spans: readonly Span[],
  signal: AbortSignal,
): Promise<DeltaOutcome> {
  const total = spans.reduce((sum, { length }) => sum + length, 0);
  const request = toBytes({ blob, spans: spans.map(({ offset, length }) => [offset, length]) });
  // A sender may pack nothing: zstd adds less than a hundredth.
  const limits = { signal, maxResponseBytes: Math.ceil(total * 1.01) + 64 * 1024 };
  const content = await readPacked(network.requestStream(from, chunksProtocol, request, limits), total, came);
  if (!content) return 'no';
  const wanted = chunksIn(chunks, spans);
  let chunk = wanted.next().value;
  let held = Buffer.alloc(0);
  for await (const piece of content) {
    held = Buffer.concat([held, piece]);
    while (chunk && held.byteLength >= chunk.length) {
      const bytes = held.subarray(0, chunk.length);
      if (!sameBytes(sha256(bytes), chunk.sha256)) return 'lie';
      await file.write(chunk.offset, bytes);
      held = held.subarray(chunk.length);
      chunk = wanted.next().value;
    }
  }
  return chunk ? 'lie' : 'filled';
}

/** The unpacked content after the status; undefined where the other side hasn't it or is busy. */
async function readPacked(
  answer: AsyncIterable<Uint8Array>,
  maxBytes: number,
  came: (sizeBytes: number) => void,
): Promise<AsyncIterable<Buffer> | undefined> {
  const pieces = answer[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (first.done || first.value[0] !== statuses.here) {
    await pieces.return?.();
    return undefined;
  }
  const rest = async function* (): AsyncIterable<Uint8Array> {
    try {
      if (first.value.byteLength > 1) yield first.value.subarray(1);
      for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
        came(next.value.byteLength);
        yield next.value;
      }
    } finally {
      await pieces.return?.();
    }
  };
  const unpacked = Readable.from(rest(), { objectMode: false });
  const stream = createZstdDecompress();
  unpacked.on('error', (error) => stream.destroy(error));
  stream.on('close', () => unpacked.destroy());
  unpacked.pipe(stream);
  return (async function* () {
    let size = 0;
    for await (const piece of stream as AsyncIterable<Buffer>) {
      size += piece.byteLength;
      // What unpacks to more than was asked for is none of it.
      if (size > maxBytes) throw new Error(`it unpacks to more than ${maxBytes} bytes`);
      yield piece;
    }
  })();
}

function* chunksIn(chunks: readonly Chunk[], spans: readonly Span[]): Generator<Chunk, undefined> {
  let index = 0;
  for (const { offset, length } of spans) {
    while (index < chunks.length && (chunks[index] as Chunk).offset < offset) index += 1;
    for (; index < chunks.length && (chunks[index] as Chunk).offset < offset + length; index += 1)
      yield chunks[index] as Chunk;
  }
  return undefined;
}

function isVerified(verified: RangeSet, { offset, length }: Span): boolean {
  for (let index = Math.floor(offset / rangeBytes); index * rangeBytes < offset + length; index += 1) {
    if (!verified.has(index)) return false;
  }
  return true;
}
