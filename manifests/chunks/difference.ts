// What of a wanted content is in another one already, and what is missing; pure.
import type { Chunk } from './cut.ts';

export interface Span {
  readonly offset: number;
  readonly length: number;
}

export interface Difference {
  /** Bytes that the base has: where in the base, and where they go. */
  readonly copies: readonly (Span & { readonly from: number })[];
  /** What has to come, neighbours joined. */
  readonly missing: readonly Span[];
}

/** Compares two lists of chunks by their hashes; `wanted` is covered exactly once by copies and missing spans. */
export function compareChunks(wanted: readonly Chunk[], base: readonly Chunk[]): Difference {
  const places = new Map(base.map((chunk) => [keyOf(chunk), chunk.offset]));
  const copies: { offset: number; length: number; from: number }[] = [];
  const missing: { offset: number; length: number }[] = [];
  for (const chunk of wanted) {
    const { offset, length } = chunk;
    const from = places.get(keyOf(chunk));
    const copy = copies.at(-1);
    const gap = missing.at(-1);
    if (from === undefined) {
      if (gap && gap.offset + gap.length === offset) gap.length += length;
      else missing.push({ offset, length });
    } else if (copy && copy.offset + copy.length === offset && copy.from + copy.length === from) copy.length += length;
    else copies.push({ offset, length, from });
  }
  return { copies, missing };
}

function keyOf({ length, sha256 }: Chunk): string {
  return `${length} ${Buffer.from(sha256.buffer, sha256.byteOffset, sha256.byteLength).toString('latin1')}`;
}
