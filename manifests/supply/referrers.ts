// Where attestations lie: blobs of OCI manifests with a `subject` (image specification 1.1), and a note of them by that subject.
import { z } from 'zod';
import type { BlobStore } from '../blobs.ts';
import { canonicalJson, type Digest, isDigest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { mediaTypes } from '../image.ts';
import { readPlainNote, writePlainNote } from '../notes.ts';
import { bundleMediaType } from './sign.ts';

/** A referrer as the distribution specification lists it. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Subject {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** An image has three of each builder and each manifest that it came of. */
const maxReferrers = 1000;
/** A bill of 100,000 components, in base64. */
export const maxBundleBytes = 128 * 1024 * 1024;
const maxManifestBytes = 64 * 1024;
const emptyConfig = { mediaType: 'application/vnd.oci.empty.v1+json', bytes: Buffer.from('{}') };

/** Keeps a bundle as a referrer of its subject; the same twice is one. Throws `too-large` where a subject has too many. */
export async function attach(
  subject: Subject,
  bundle: Uint8Array,
  annotations: Readonly<Record<string, string>>,
  blobs: BlobStore,
  { signal }: { readonly signal: AbortSignal },
): Promise<Referrer> {
  const [config, layer] = await Promise.all([keep(emptyConfig.bytes, blobs, signal), keep(bundle, blobs, signal)]);
  const named = { ...annotations, 'dev.sigstore.bundle.content': 'dsse-envelope' };
  const manifest = Buffer.from(
    canonicalJson({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: bundleMediaType,
      config: { mediaType: emptyConfig.mediaType, digest: config, size: emptyConfig.bytes.length },
      layers: [{ mediaType: bundleMediaType, digest: layer, size: bundle.length }],
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.sizeBytes },
      annotations: named,
    }),
  );
  const referrer: Referrer = {
    mediaType: mediaTypes.manifest,
    digest: await keep(manifest, blobs, signal),
    size: manifest.length,
    artifactType: bundleMediaType,
    annotations: named,
  };
  await note(subject.digest, referrer, blobs);
  return referrer;
}

/**
 * Takes a referrer that another stack made, once its manifest is here; false for what is no attestation of that subject. What it
 * says counts only once its signature was looked at.
 */
export async function adopt(subject: Digest, digest: Digest, blobs: BlobStore): Promise<boolean> {
  const read = await readManifest(subject, digest, blobs);
  if (!read) return false;
  const { annotations, artifactType, size } = read;
  await note(subject, { mediaType: mediaTypes.manifest, digest, size, artifactType, annotations }, blobs);
  return true;
}

/** The blobs that an attestation is made of, beside its manifest, which is here; none for what is no attestation of that subject. */
export async function partsOf(
  subject: Digest,
  digest: Digest,
  blobs: BlobStore,
): Promise<readonly { readonly digest: Digest; readonly size: number }[]> {
  const read = await readManifest(subject, digest, blobs);
  return read ? [...read.layers, read.config] : [];
}

async function readManifest(subject: Digest, digest: Digest, blobs: BlobStore) {
  const size = await blobs.size(digest);
  if (size === undefined || size > maxManifestBytes) return undefined;
  const read = foreignManifest.safeParse(parsed(await blobs.bytes(digest, { maxBytes: maxManifestBytes })));
  return read.success && read.data.subject.digest === subject ? { ...read.data, size } : undefined;
}

async function note(subject: Digest, referrer: Referrer, blobs: BlobStore): Promise<void> {
  await inTurn(blobs, async () => {
    const all = await listed(subject, blobs);
    if (all.some(({ digest }) => digest === referrer.digest)) return;
    if (all.length >= maxReferrers)
      throw new ManifestError('too-large', `Cannot attest ${subject}: it has ${all.length} attestations already`);
    const sorted = [...all, referrer].sort((left, right) => (left.digest < right.digest ? -1 : 1));
    await writePlainNote(blobs, 'referrers', { subject }, sorted);
  });
}

/** The referrers of a subject whose manifests are here, by digest. */
export async function referrersOf(subject: Digest, blobs: BlobStore): Promise<Referrer[]> {
  const here: Referrer[] = [];
  for (const one of await listed(subject, blobs)) if (await blobs.has(one.digest)) here.push(one);
  return here;
}

const blobSchema = z.object({ digest: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)) });
const referrerManifest = z.object({
  artifactType: z.string(),
  layers: z.array(blobSchema).length(1),
  subject: z.object({ digest: z.string() }),
});
const sizedBlob = blobSchema.extend({ size: z.int().min(0).max(maxBundleBytes) });
const foreignManifest = referrerManifest.extend({
  artifactType: z.literal(bundleMediaType),
  config: sizedBlob,
  layers: z.array(sizedBlob).length(1),
  annotations: z.record(z.string().max(256), z.string().max(4096)).default({}),
});

/** The bytes of a referrer's bundle, or why there are none. */
export async function readBundle(
  referrer: Referrer,
  subject: Digest,
  blobs: BlobStore,
): Promise<Uint8Array | { readonly refused: string }> {
  try {
    const manifest = await blobs.bytes(referrer.digest, { maxBytes: maxManifestBytes });
    const read = referrerManifest.safeParse(JSON.parse(Buffer.from(manifest).toString('utf8')));
    if (!read.success || read.data.artifactType !== bundleMediaType) return { refused: 'it is no attestation' };
    if (read.data.subject.digest !== subject) return { refused: `it is about ${read.data.subject.digest}` };
    const [layer] = read.data.layers;
    return layer ? await blobs.bytes(layer.digest, { maxBytes: maxBundleBytes }) : { refused: 'it holds nothing' };
  } catch (error) {
    if (error instanceof ManifestError || error instanceof SyntaxError) return { refused: error.message };
    throw error;
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

async function listed(subject: Digest, blobs: BlobStore): Promise<readonly Referrer[]> {
  return (await readPlainNote<Referrer[]>(blobs, 'referrers', { subject })) ?? [];
}

async function keep(bytes: Uint8Array, blobs: BlobStore, signal: AbortSignal): Promise<Digest> {
  return (await blobs.write([bytes], { maxBytes: maxBundleBytes, signal })).digest;
}

/** One change of a store's notes at a time, since each reads what the last one wrote. */
const turns = new WeakMap<BlobStore, Promise<unknown>>();

async function inTurn(blobs: BlobStore, work: () => Promise<void>): Promise<void> {
  const before = turns.get(blobs) ?? Promise.resolve();
  const mine = before.then(work, work);
  turns.set(
    blobs,
    mine.catch(() => undefined),
  );
  await mine;
}
