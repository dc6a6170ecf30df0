// The JSON of images that others made (OCI image specification 1.1, Docker's schema 2): read tolerantly, bounded.
import { z } from 'zod';
import type { Platform } from '#manifests/schema';
import { type Digest, isDigest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import type { LayerCompression } from './base-source.ts';

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'a digest "sha256:…"');
const words = z.array(z.string().max(65_536)).max(10_000);

const configSchema = z.object({
  architecture: z.string(),
  os: z.string(),
  config: z
    .object({
      Env: words.nullish(),
      Entrypoint: words.nullish(),
      Cmd: words.nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
  rootfs: z.object({ diff_ids: z.array(digest).max(1000) }),
});

const descriptor = z.object({
  mediaType: z.string(),
  digest,
  size: z.int().min(0),
  platform: z.object({ architecture: z.string(), os: z.string() }).optional(),
});
const manifestSchema = z.object({ config: descriptor, layers: z.array(descriptor).max(1000) });
const indexSchema = z.object({ manifests: z.array(descriptor).max(1000) });

export type BaseConfig = z.infer<typeof configSchema>;
export type Descriptor = z.infer<typeof descriptor>;

/** The config of an image; throws `invalid-base` where it is none, or is for another platform. */
export function parseBaseConfig(bytes: Uint8Array, platform: Platform): BaseConfig {
  const config = parseJson(bytes, configSchema, 'an image config');
  if (`${config.os}/${config.architecture}` !== platform)
    throw invalidBase(`it is for ${config.os}/${config.architecture}, and ${platform} is built`);
  return config;
}

/** A manifest's config and layers, or the descriptors of an index. Throws `invalid-base`. */
export function parseBaseManifest(
  bytes: Uint8Array,
):
  | { readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly manifests: readonly Descriptor[] } {
  return parseJson(bytes, z.union([manifestSchema, indexSchema]), 'an image manifest');
}

/** The manifest of an index that is for a platform. Throws `invalid-base`. */
export function manifestFor(platform: Platform, manifests: readonly Descriptor[]): Descriptor {
  const found = manifests.find((one) => `${one.platform?.os}/${one.platform?.architecture}` === platform);
  if (found) return found;
  if (manifests.length === 1 && manifests[0]?.platform === undefined && manifests[0]) return manifests[0];
  throw invalidBase(`it has nothing for ${platform}`);
}

/** How a layer is compressed by its media type; throws `invalid-base` for one that can't be read here. */
export function compressionOf(mediaType: string): LayerCompression {
  if (/tar$/.test(mediaType)) return 'none';
  if (/tar[.+]gzip$/.test(mediaType)) return 'gz';
  if (/tar\+zstd$/.test(mediaType)) return 'zst';
  throw invalidBase(`a layer has the media type "${mediaType}"`);
}

export function invalidBase(state: string, cause?: unknown): ManifestError {
  return new ManifestError('invalid-base', `Cannot use the base: ${state}`, { cause });
}

function parseJson<Schema extends z.ZodType>(bytes: Uint8Array, schema: Schema, what: string): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw invalidBase(`${what} is no JSON`, cause);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidBase(`${what} is not as the specification says`, parsed.error);
  return parsed.data;
}
