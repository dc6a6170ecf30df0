// The JSON that registries hold (OCI image specification 1.1, Docker's schema 2): manifests and indexes of anybody, read tolerantly, bounded.
import { z } from 'zod';
import { type Digest, isDigest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { mediaTypes } from '../image.ts';

/** As the distribution specification asks of clients: a larger manifest may be refused. */
export const maxManifestBytes = 4 * 1024 * 1024;

/** What names a blob or a manifest in another document. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly platform?: { readonly architecture: string; readonly os: string } | undefined;
}

/** A manifest or an index, by what it names. */
export interface RegistryDocument {
  readonly mediaType: string;
  readonly isIndex: boolean;
  readonly config: Descriptor | undefined;
  readonly layers: readonly Descriptor[];
  readonly manifests: readonly Descriptor[];
  readonly subject: Descriptor | undefined;
  /** Its own, or else the media type of its config, as the referrers API has it. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';
const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';
/** Kinds of document that are spoken, the best first: what is asked for with `Accept`, and what may be pushed. */
export const documentTypes = [mediaTypes.manifest, mediaTypes.index, dockerManifest, dockerList] as const;
const indexTypes: readonly string[] = [mediaTypes.index, dockerList];

const descriptor = z.object({
  mediaType: z.string().min(1).max(255),
  digest: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'a digest "sha256:…"'),
  size: z.int().min(0),
  artifactType: z.string().max(255).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  platform: z.object({ architecture: z.string(), os: z.string() }).optional(),
});
const schema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().max(255).optional(),
  artifactType: z.string().max(255).optional(),
  config: descriptor.optional(),
  layers: z.array(descriptor).max(1_000).optional(),
  manifests: z.array(descriptor).max(1_000).optional(),
  subject: descriptor.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

/**
 * Reads a manifest or an index; `said` is the media type that came with it. Throws `invalid-image` where it is neither, is both at
 * once, or says another media type than what came with it, so that nobody can take it for two things.
 */
export function parseDocument(bytes: Uint8Array, said?: string): RegistryDocument {
  const refuse = (state: string, cause?: unknown): ManifestError =>
    new ManifestError('invalid-image', `Cannot read the image manifest: ${state}`, { cause });
  if (bytes.length > maxManifestBytes) throw refuse(`it has ${bytes.length} bytes, at most ${maxManifestBytes}`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw refuse('it is no JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refuse(`"/${issue?.path.join('/') ?? ''}": ${issue?.message ?? 'it is wrong'}`, parsed.error);
  }
  const { mediaType, config, layers, manifests, subject, artifactType, annotations } = parsed.data;
  const isIndex = manifests !== undefined;
  if (isIndex && (config !== undefined || layers !== undefined)) throw refuse('it names both manifests and layers');
  if (!isIndex && (config === undefined || layers === undefined))
    throw refuse('it names neither manifests nor a config with layers');
  const type = said === undefined || said === '' ? undefined : said;
  if (mediaType !== undefined && type !== undefined && mediaType !== type)
    throw refuse(`it came as "${type}" and says "${mediaType}"`);
  const own = mediaType ?? type ?? (isIndex ? mediaTypes.index : mediaTypes.manifest);
  if (!(documentTypes as readonly string[]).includes(own)) throw refuse(`its media type is "${own}"`);
  if (indexTypes.includes(own) !== isIndex)
    throw refuse(`its media type is "${own}", and its keys are of another kind`);
  return {
    mediaType: own,
    isIndex,
    config,
    layers: layers ?? [],
    manifests: manifests ?? [],
    subject,
    artifactType: artifactType ?? config?.mediaType,
    annotations,
  };
}

/** Layers that a registry needn't hold: their owner forbids to hand them on. */
export function isElsewhere({ mediaType }: Descriptor): boolean {
  return /nondistributable|rootfs\.foreign/.test(mediaType);
}

/** The tag under which referrers of an image stand in a registry without the referrers API. */
export function referrersTag(subject: Digest): string {
  return subject.replace(':', '-');
}
