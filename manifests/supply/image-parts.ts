// What an image in the store is made of, whoever made it: its config and layers as its manifest names them, and whether they are whole.
import { z } from 'zod';
import type { ScannedLayer } from '#manifests/supply/catalogue';
import type { BlobStore } from '../blobs.ts';
import { type Digest, isDigest } from '../digest.ts';
import { ManifestError } from '../error.ts';

export interface ImageParts {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Of the manifest. */
  readonly sizeBytes: number;
  readonly config: Digest;
  /** From the bottom. */
  readonly layers: readonly ScannedLayer[];
}

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'a digest "sha256:…"');
const descriptor = z.object({ mediaType: z.string(), digest, size: z.int().min(0) });
const manifestSchema = z.object({
  mediaType: z.string().default('application/vnd.oci.image.manifest.v1+json'),
  config: descriptor,
  layers: z.array(descriptor).max(1000),
});
const indexSchema = z.object({ manifests: z.array(descriptor).min(1).max(1000) });
/** As OCI asks of clients. */
const maxManifestBytes = 4 * 1024 * 1024;

/** Throws `missing-blob`, `digest-mismatch` (rotted or changed on the disk), or `invalid-base` for what is no image. */
export async function readImageParts(image: Digest, blobs: BlobStore): Promise<ImageParts> {
  const bytes = await blobs.bytes(image, { maxBytes: maxManifestBytes });
  const value = parsed(bytes);
  const found = manifestSchema.safeParse(value);
  if (!found.success) {
    const index = indexSchema.safeParse(value);
    const mend = index.success
      ? `name the image of one platform: ${index.data.manifests.map((one) => one.digest).join(', ')}`
      : 'name an image';
    throw new ManifestError(
      'invalid-base',
      `Cannot read image ${image}: it is ${index.success ? 'an index' : 'no image manifest'}; ${mend}`,
    );
  }
  const { mediaType, config, layers } = found.data;
  return {
    digest: image,
    mediaType,
    sizeBytes: bytes.length,
    config: config.digest,
    layers: layers.map((one) => ({ digest: one.digest, compression: compressionOf(one.mediaType) })),
  };
}

/** Reads every byte of an image; gives what is wrong with it, by blob. What rotted is removed by the store. */
export async function damageOf(
  { config, layers }: ImageParts,
  blobs: BlobStore,
  { signal }: { readonly signal: AbortSignal },
): Promise<{ readonly digest: Digest; readonly what: 'missing' | 'changed' }[]> {
  const damage: { digest: Digest; what: 'missing' | 'changed' }[] = [];
  for (const one of [config, ...layers.map((layer) => layer.digest)]) {
    try {
      for await (const _ of blobs.read(one)) signal.throwIfAborted();
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      if (error.code !== 'missing-blob' && error.code !== 'digest-mismatch') throw error;
      damage.push({ digest: one, what: error.code === 'missing-blob' ? 'missing' : 'changed' });
    }
  }
  return damage;
}

function compressionOf(mediaType: string): ScannedLayer['compression'] {
  if (/[.+]gzip$/.test(mediaType)) return 'gz';
  return mediaType.endsWith('+zstd') ? 'zst' : 'none';
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
