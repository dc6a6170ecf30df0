// A blob as ranges of 1 MiB, each with its hash, so that a part is checked as it comes, whoever sent it.
import { sameBytes, sha256, toHex } from '../wire.ts';

/** The name of a blob: SHA-256 of its bytes, in lower-case hex. */
export type BlobDigest = `sha256:${string}`;

/** Large enough that a request costs little beside it, small enough that eight stacks soon have different ones. */
export const rangeBytes = 1024 * 1024;
/** The largest blob that travels: its list has 512 KiB. */
export const maxBlobBytes = 16 * 1024 * 1024 * 1024;
/** Of one range: SHA-256. */
export const hashBytes = 32;

export function rangeCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / rangeBytes);
}

/** Of that range; the last one is as long as is left. */
export function rangeLength(index: number, sizeBytes: number): number {
  return Math.min(rangeBytes, sizeBytes - index * rangeBytes);
}

/** The hash of a blob's list of hashes, in hex: what its holders claim. */
export function rootOf(list: Uint8Array): string {
  return toHex(sha256(list));
}

/** Whether those are the bytes of that range, by that list. */
export function fits(list: Uint8Array, index: number, bytes: Uint8Array): boolean {
  return sameBytes(sha256(bytes), list.subarray(index * hashBytes, (index + 1) * hashBytes));
}

/** The list of a content, read once; throws what the content throws. */
export async function makeRangeList(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const hashes: Uint8Array[] = [];
  const kept = new Uint8Array(rangeBytes);
  let length = 0;
  for await (const piece of content) {
    for (let at = 0; at < piece.byteLength; ) {
      const part = piece.subarray(at, at + rangeBytes - length);
      kept.set(part, length);
      length += part.byteLength;
      at += part.byteLength;
      if (length < rangeBytes) continue;
      hashes.push(sha256(kept));
      length = 0;
    }
  }
  if (length > 0) hashes.push(sha256(kept.subarray(0, length)));
  return Buffer.concat(hashes);
}

/** Which ranges are there: one bit each, the lowest of a byte first. */
export class RangeSet {
  readonly count: number;
  readonly #bits: Uint8Array;
  #size = 0;

  constructor(count: number) {
    this.count = count;
    this.#bits = new Uint8Array(Math.ceil(count / 8));
  }

  /** Undefined where these aren't the bits of so many ranges. */
  static from(bytes: Uint8Array, count: number): RangeSet | undefined {
    if (bytes.byteLength !== Math.ceil(count / 8)) return undefined;
    const set = new RangeSet(count);
    for (let index = 0; index < count; index += 1) {
      if (((bytes[index >> 3] as number) >> (index & 7)) & 1) set.add(index);
    }
    return set;
  }

  static full(count: number): RangeSet {
    const set = new RangeSet(count);
    for (let index = 0; index < count; index += 1) set.add(index);
    return set;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size === this.count;
  }

  has(index: number): boolean {
    return (((this.#bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
  }

  add(index: number): void {
    if (this.has(index) || index >= this.count) return;
    this.#bits[index >> 3] = (this.#bits[index >> 3] as number) | (1 << (index & 7));
    this.#size += 1;
  }

  /** How many bytes these are of a blob of that size: its last range may be short. */
  sizeIn(sizeBytes: number): number {
    const short = this.count > 0 && this.has(this.count - 1) ? this.count * rangeBytes - sizeBytes : 0;
    return this.#size * rangeBytes - short;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#bits);
  }
}
