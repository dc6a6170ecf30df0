// The seam to where blobs lie: the exchange moves them, and knows not what they are.
import type { BlobDigest } from './ranges.ts';

/** A blob that is here in part; its bytes are right only where the exchange has checked them. */
export interface PartialFile extends AsyncDisposable {
  /** Whether an earlier process began it. */
  readonly isResumed: boolean;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  read(offset: number, length: number): Promise<Uint8Array>;
  /** The whole is checked and appears under its digest, durable; or false, and the file stays as it is. */
  finish(): Promise<boolean>;
}

export interface Shelf {
  /** In bytes; undefined for what isn't here whole. */
  size(blob: BlobDigest): Promise<number | undefined>;
  /** As the disk has it. */
  read(blob: BlobDigest, range: { readonly offset: number; readonly length: number }): AsyncIterable<Uint8Array>;
  /** The hashes of its ranges, 32 bytes each, made of checked content at the first use; undefined for what isn't here whole. */
  rangeList(blob: BlobDigest): Promise<Uint8Array | undefined>;
  /** The index of its chunks (`#manifests/chunks`); undefined for what isn't here whole or is too large. */
  chunkIndex(blob: BlobDigest): Promise<Uint8Array | undefined>;
  /** It was found to be other bytes than it was: it goes. */
  rotten(blob: BlobDigest): Promise<void>;
  /** Opens or resumes; throws where the disk can't hold it. */
  partial(blob: BlobDigest, sizeBytes: number): Promise<PartialFile>;
}
