// What two stacks say to one another about blobs: protocols, shapes and bounds.
import { z } from 'zod';
import { bytesSchema } from '../wire.ts';
import { hashBytes, maxBlobBytes, rangeBytes } from './ranges.ts';

/** What a stack has of a blob, and the list of its ranges. */
export const blobProtocol = '/hermesh/blob/1.0.0';
/** Ranges of a blob, in pieces. */
export const rangesProtocol = '/hermesh/blob-ranges/1.0.0';
/** The index of a blob's chunks, or spans of it as one zstd stream. */
export const chunksProtocol = '/hermesh/blob-chunks/1.0.0';

/** Ranges in one request: at 200 MB/s they take 40 ms, as long as ten round trips of a data centre. */
export const maxRangesAsked = 8;
/** Other askers that a holder tells of. */
export const maxOthers = 16;
/** Spans in one request: those of an image of 1 GB of which every fourth file changed. */
export const maxSpans = 16_384;
/** Spans, as CBOR. */
export const maxChunksRequestBytes = 256 * 1024;
/** A list of the longest blob and its envelope; or a bitmap and 16 names. */
export const maxBlobAnswerBytes = (maxBlobBytes / rangeBytes) * hashBytes + 4 * 1024;

const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .transform((text) => text as `sha256:${string}`);
const hex = z.string().regex(/^[0-9a-f]{64}$/);
const size = z.int().min(1).max(maxBlobBytes);
const stack = z.string().min(1).max(64);
const place = z.int().min(0).max(maxBlobBytes);

export const blobRequest = z.strictObject({ blob: digest, list: z.boolean() });
/** Empty from who hasn't it, or won't give it to the asker: the two can't be told apart. */
export const blobAnswer = z.strictObject({
  size: size.optional(),
  root: hex.optional(),
  /** The ranges that are there; left out by who has all. */
  have: bytesSchema({ maxBytes: maxBlobBytes / rangeBytes / 8 }).optional(),
  /** From who has all: the ranges that it gave to others of late, who soon give them on. */
  given: bytesSchema({ maxBytes: maxBlobBytes / rangeBytes / 8 }).optional(),
  list: bytesSchema({ maxBytes: (maxBlobBytes / rangeBytes) * hashBytes }).optional(),
  /** Who else asked in the last minute. */
  others: z.array(stack).max(maxOthers),
});
export type BlobAnswer = z.output<typeof blobAnswer>;

export const rangesRequest = z.strictObject({
  blob: digest,
  root: hex,
  ranges: z
    .array(
      z
        .int()
        .min(0)
        .max(maxBlobBytes / rangeBytes),
    )
    .min(1)
    .max(maxRangesAsked),
});

export const chunksRequest = z.strictObject({
  blob: digest,
  /** Left out, the index is asked for. */
  spans: z
    .array(z.tuple([place, z.int().min(1).max(maxBlobBytes)]))
    .max(maxSpans)
    .optional(),
});

/** The first byte of an answer in pieces. */
export const statuses = { here: 0, busy: 1, none: 2 } as const;
