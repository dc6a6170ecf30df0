// Who holds what, as records: one an image, with its blobs and what its owner says of their ranges.
import { z } from 'zod';
import type { Directory } from '#registry/directory';
import { defineKind } from '../kind.ts';
import type { StackId } from '../network.ts';
import { type BlobDigest, maxBlobBytes } from './ranges.ts';

/** Of an image with more blobs the first ones are told; who asks a holder for another is answered all the same. */
export const maxHoldingBlobs = 100;

const hex = z.string().regex(/^[0-9a-f]{64}$/);

/** Of what is attested of an image, each of two blobs: ten builders with three each. */
export const maxHoldingReferrers = 30;

/**
 * Named by the image's digest. A blob: SHA-256, size in bytes, and for one of several ranges the hash of their list. `referrers`
 * are places in `blobs`: of manifests that name the image as their subject.
 */
export const holdingKind = defineKind({
  name: 'blob-holding',
  schema: z.object({
    blobs: z.array(z.tuple([hex, z.int().min(0).max(maxBlobBytes), hex.nullable()])).max(maxHoldingBlobs),
    referrers: z
      .array(
        z
          .int()
          .min(0)
          .max(maxHoldingBlobs - 1),
      )
      .max(maxHoldingReferrers)
      .optional(),
  }),
  maxBytes: 16 * 1024,
  writer: 'any-member',
});
export type Holding = z.output<typeof holdingKind.schema>;

/** A stack that said it holds a blob. */
export interface Claim {
  readonly stack: StackId;
  readonly sizeBytes: number;
  readonly root: string | undefined;
}

/** What others say refers to that image: hints, to be read before they count; the same from several once. */
export function referrersIn(directory: Directory, image: BlobDigest, self: StackId): BlobDigest[] {
  const found = new Set<BlobDigest>();
  const records = directory.list<Holding>({ kind: holdingKind.name, includeUnreachable: true });
  for (const { stack, name, body } of records) {
    if (stack === self || name !== image) continue;
    for (const place of body.referrers ?? []) {
      const blob = body.blobs[place];
      if (blob) found.add(`sha256:${blob[0]}`);
      if (found.size >= maxReferrersOfAll) return [...found];
    }
  }
  return [...found];
}

/** What is fetched of one image, whoever names it. */
const maxReferrersOfAll = 300;
/** Records that are looked through for one blob. */
const maxRecords = 10_000;

/** Who claims to hold that blob, this stack left out; each once. Where nobody does that is there, those that seem to be gone. */
export function claimsOf(directory: Directory, blob: BlobDigest, self: StackId): Claim[] {
  const wanted = blob.slice('sha256:'.length);
  const claims = new Map<StackId, Claim>();
  for (const includeUnreachable of [false, true]) {
    if (claims.size > 0) break;
    const records = directory.list<Holding>({ kind: holdingKind.name, includeUnreachable });
    for (const { stack, body } of records.slice(0, maxRecords)) {
      const found = stack === self ? undefined : body.blobs.find(([digest]) => digest === wanted);
      if (found) claims.set(stack, { stack, sizeBytes: found[1], root: found[2] ?? undefined });
    }
  }
  return [...claims.values()];
}
