// What is given to others: what is here of a blob, its ranges, and spans of it as one zstd stream.

import { Readable } from 'node:stream';
import { createZstdCompress, constants as zlib } from 'node:zlib';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Exchange, Network, StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { fromBytes, toBytes } from '../wire.ts';
import {
  type BlobAnswer,
  blobProtocol,
  blobRequest,
  chunksProtocol,
  chunksRequest,
  maxChunksRequestBytes,
  maxOthers,
  rangesProtocol,
  rangesRequest,
  statuses,
} from './messages.ts';
import { type BlobDigest, fits, RangeSet, rangeBytes, rangeCount, rangeLength, rootOf } from './ranges.ts';
import type { Shelf } from './shelf.ts';
import type { Uploads } from './uploads.ts';

const maxRequestBytes = 1_024;
/** As long as making the list of a blob of some GB takes, and as a piece may take to a slow reader. */
const timeoutMs = 15_000;
/** An asker is told of to the others for so long. */
const askedMs = 60_000;
/** Blobs whose askers are remembered, and askers of one. */
const maxAskedBlobs = 256;
const maxAskers = 64;
/** Level 3 is zstd's own; less of it isn't quicker than the links it is for. */
const level = 3;

/** A blob that is being fetched here. */
export interface Incoming {
  readonly sizeBytes: number;
  readonly root: string;
  readonly list: Uint8Array;
  readonly verified: RangeSet;
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface ServingParts {
  readonly network: Network;
  readonly shelf: Shelf;
  readonly clock: Clock;
  readonly log: Log;
  readonly uploads: Uploads;
  /** Whether that stack may have that blob; what is refused looks as if it weren't here. */
  readonly mayRead: (stack: StackId, blob: BlobDigest) => boolean | Promise<boolean>;
  /** What is being fetched here. */
  readonly incoming: ReadonlyMap<BlobDigest, Incoming>;
  /** Counts what went out. */
  readonly gave: (sizeBytes: number) => void;
}

interface Asked {
  /** Who asked, and when, the latest last. */
  readonly askers: Map<StackId, number>;
  /** Ranges that were given while there were askers. */
  given: Set<number>;
}

export class Serving {
  readonly #parts: ServingParts;
  readonly #asked = new Map<BlobDigest, Asked>();

  constructor(parts: ServingParts) {
    this.#parts = parts;
    const { network } = parts;
    const members = { access: 'member', maxRequestBytes, timeoutMs } as const;
    network.serve(blobProtocol, members, async (request, { from }) => toBytes(await this.#tell(request, from)));
    network.serveStream(rangesProtocol, members, (request, exchange) => this.#giveRanges(request, exchange));
    network.serveStream(chunksProtocol, { ...members, maxRequestBytes: maxChunksRequestBytes }, (request, exchange) =>
      this.#giveChunks(request, exchange),
    );
  }

  async #tell(bytes: Uint8Array, from: StackId): Promise<BlobAnswer> {
    const request = fromBytes(blobRequest, bytes, maxRequestBytes) ?? this.#refuse();
    const { blob } = request;
    if (!(await this.#parts.mayRead(from, blob))) return { others: [] };
    const here = await this.#whole(blob);
    const incoming = here ? undefined : this.#parts.incoming.get(blob);
    const known = here ?? incoming;
    if (!known) return { others: [] };
    return {
      size: known.sizeBytes,
      root: known.root,
      ...(incoming && { have: incoming.verified.bytes() }),
      ...(request.list && { list: known.list }),
      ...this.#meet(blob, from, here ? rangeCount(here.sizeBytes) : undefined),
    };
  }

  /** Ranges in the order they were asked for; each is checked before it leaves, so that a disk that rots is no lie. */
  async *#giveRanges(bytes: Uint8Array, { from, signal }: Exchange): AsyncIterable<Uint8Array> {
    const { uploads, shelf, incoming, mayRead, gave, log } = this.#parts;
    const { blob, root, ranges } = fromBytes(rangesRequest, bytes, maxRequestBytes) ?? this.#refuse();
    const whole = (await mayRead(from, blob)) ? await this.#whole(blob) : undefined;
    const part = (await mayRead(from, blob)) ? incoming.get(blob) : undefined;
    const known = whole ?? part;
    const has = (range: number): boolean =>
      range < rangeCount(known?.sizeBytes ?? 0) && (whole !== undefined || part?.verified.has(range) === true);
    if (!known || known.root !== root || !ranges.every(has)) {
      yield new Uint8Array([statuses.none]);
      return;
    }
    using turn = await uploads.enter(from);
    yield new Uint8Array([turn ? statuses.here : statuses.busy]);
    if (!turn) return;
    for (const range of ranges) this.#asked.get(blob)?.given.add(range);
    for (const range of ranges) {
      const length = rangeLength(range, known.sizeBytes);
      const content = await readAll(shelf, blob, whole ? undefined : part, range * rangeBytes, length);
      // A file that was cut short fits no hash either.
      if (!fits(known.list, range, content)) {
        log.error({ blob, range }, 'a blob changed on the disk');
        if (whole) await shelf.rotten(blob);
        throw new RegistryError('refused', 'Cannot give that range: it changed on the disk');
      }
      for (let at = 0; at < length; at += uploads.pieceBytes) {
        const piece = content.subarray(at, at + uploads.pieceBytes);
        await uploads.pace(from, piece.byteLength, { signal });
        gave(piece.byteLength);
        yield piece;
      }
    }
  }

  async *#giveChunks(bytes: Uint8Array, { from, signal }: Exchange): AsyncIterable<Uint8Array> {
    const { uploads, shelf, mayRead, gave } = this.#parts;
    const { blob, spans } = fromBytes(chunksRequest, bytes, maxChunksRequestBytes) ?? this.#refuse();
    const size = (await mayRead(from, blob)) ? await shelf.size(blob) : undefined;
    const isWithin = spans?.every(([offset, length]) => offset + length <= (size ?? 0)) ?? true;
    const index = size === undefined || spans ? undefined : await shelf.chunkIndex(blob);
    if (size === undefined || !isWithin || !(spans ?? index)) {
      yield new Uint8Array([statuses.none]);
      return;
    }
    using turn = await uploads.enter(from);
    yield new Uint8Array([turn ? statuses.here : statuses.busy]);
    if (!turn) return;
    const content = index ? [index] : readSpans(shelf, blob, spans ?? []);
    const packed = Readable.from(content, { objectMode: false }).pipe(
      createZstdCompress({ params: { [zlib.ZSTD_c_compressionLevel]: level } }),
    );
    for await (const whole of packed as AsyncIterable<Uint8Array>) {
      for (let at = 0; at < whole.byteLength; at += uploads.pieceBytes) {
        const piece = whole.subarray(at, at + uploads.pieceBytes);
        await uploads.pace(from, piece.byteLength, { signal });
        gave(piece.byteLength);
        yield piece;
      }
    }
  }

  async #whole(blob: BlobDigest): Promise<{ sizeBytes: number; root: string; list: Uint8Array } | undefined> {
    const sizeBytes = await this.#parts.shelf.size(blob);
    if (sizeBytes === undefined || sizeBytes === 0) return undefined;
    const list = await this.#parts.shelf.rangeList(blob);
    return list && { sizeBytes, list, root: rootOf(list) };
  }

  /** Who asked for that blob of late, and what went to them; the asker is one of them from now on. */
  #meet(blob: BlobDigest, from: StackId, count: number | undefined): { others: StackId[]; given?: Uint8Array } {
    const now = this.#parts.clock.monotonic();
    const asked = this.#asked.get(blob) ?? { askers: new Map<StackId, number>(), given: new Set<number>() };
    const { askers } = asked;
    for (const [stack, at] of askers) if (now - at > askedMs) askers.delete(stack);
    askers.delete(from);
    const others = [...askers.keys()].slice(-maxOthers);
    if (others.length === 0) asked.given = new Set();
    const [oldest] = askers.keys();
    if (askers.size >= maxAskers && oldest !== undefined) askers.delete(oldest);
    askers.set(from, now);
    this.#asked.delete(blob);
    const [oldestBlob] = this.#asked.keys();
    if (this.#asked.size >= maxAskedBlobs && oldestBlob !== undefined) this.#asked.delete(oldestBlob);
    this.#asked.set(blob, asked);
    if (count === undefined || others.length === 0) return { others };
    const given = new RangeSet(count);
    for (const range of asked.given) given.add(range);
    return { others, given: given.bytes() };
  }

  #refuse(): never {
    throw new RegistryError('refused', 'Cannot read the request: it is none of this protocol');
  }
}

async function* readSpans(
  shelf: Shelf,
  blob: BlobDigest,
  spans: readonly (readonly [number, number])[],
): AsyncIterable<Uint8Array> {
  for (const [offset, length] of spans) yield* shelf.read(blob, { offset, length });
}

async function readAll(
  shelf: Shelf,
  blob: BlobDigest,
  part: Incoming | undefined,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  if (part) return part.read(offset, length);
  const pieces = await Array.fromAsync(shelf.read(blob, { offset, length }));
  const [only, ...more] = pieces;
  return only && more.length === 0 ? only : Buffer.concat(pieces);
}
