// The seal of a release: one canonical JSON that names all of an image and what was said of it, by three families of hashes.
import { createHash } from 'node:crypto';
import { createBLAKE3 } from 'hash-wasm';
import type { BlobStore } from '../blobs.ts';
import { canonicalJson, type Digest } from '../digest.ts';
import { mediaTypes } from '../image.ts';
import { annotations } from './attest.ts';
import { readImageParts } from './image-parts.ts';
import { referrersOf } from './referrers.ts';
import { type What, whatOf } from './statement.ts';

/** Hexadecimal digests of the same bytes: should one family fall, two stand. */
export interface ThreeHashes {
  readonly sha256: string;
  readonly sha3_512: string;
  readonly blake3: string;
}

export interface Seal {
  /** The canonical JSON; its own hashes are `hashes`. */
  readonly text: string;
  readonly hashes: ThreeHashes;
}

/** Makes the seal of what is in the store now; reads every byte of the image. Throws `missing-blob` or `digest-mismatch`. */
export async function sealImage(
  image: Digest,
  of: { readonly manifestDigest: Digest; readonly buildKey: Digest },
  blobs: BlobStore,
  { signal }: { readonly signal: AbortSignal },
): Promise<Seal> {
  const parts = await readImageParts(image, blobs);
  const content: Record<string, unknown>[] = [];
  const add = async (digest: Digest, what: string): Promise<void> => {
    const hashes = await threeHashes(blobs.read(digest), signal);
    content.push({ what, digest, size: await blobs.size(digest), ...hashes });
  };
  await add(image, 'manifest');
  await add(parts.config, 'config');
  for (const { digest } of parts.layers) await add(digest, 'layer');
  // Who verifies later adds summaries; the seal is of what the builders said and of the verdict so far.
  for (const { digest, annotations: notes } of await referrersOf(image, blobs)) {
    const what: What | undefined = whatOf({ predicateType: notes[annotations.what] ?? '' });
    if (what !== undefined) await add(digest, what);
  }
  const text = canonicalJson({
    seal: 'hermesh-seal/1',
    ...of,
    image: { mediaType: mediaTypes.manifest, digest: image },
    content,
  });
  return { text, hashes: await threeHashes([Buffer.from(text)], signal) };
}

/** SHA-256, SHA3-512 (FIPS 202) and BLAKE3 of a stream, in one pass. */
export async function threeHashes(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal,
): Promise<ThreeHashes> {
  const sha256 = createHash('sha256');
  const sha3 = createHash('sha3-512');
  const blake3 = await createBLAKE3();
  for await (const chunk of content) {
    signal.throwIfAborted();
    sha256.update(chunk);
    sha3.update(chunk);
    blake3.update(chunk);
  }
  return { sha256: sha256.digest('hex'), sha3_512: sha3.digest('hex'), blake3: blake3.digest('hex') };
}
