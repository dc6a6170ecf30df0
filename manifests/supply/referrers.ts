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
/** Of the manifest of a referrer. */
export const maxReferrerBytes = 64 * 1024;
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
  await enlist(subject.digest, referrer, blobs);
  return referrer;
}

/** Keeps what another stack attached, whose manifest and bundle are here; undefined where the manifest is no referrer of the subject. */
export async function adopt(digest: Digest, subject: Digest, blobs: BlobStore): Promise<Referrer | undefined> {
  const manifest = await blobs.bytes(digest, { maxBytes: maxReferrerBytes });
  const read = await readReferrer({ digest }, subject, blobs);
  if ('refused' in read) return undefined;
  const { artifactType, annotations } = read;
  const referrer: Referrer = {
    mediaType: mediaTypes.manifest,
    digest,
    size: manifest.length,
    artifactType,
    annotations,
  };
  await enlist(subject, referrer, blobs);
  return referrer;
}

async function enlist(subject: Digest, referrer: Referrer, blobs: BlobStore): Promise<void> {
  await inTurn(blobs, async () => {
    const all = await listedReferrers(subject, blobs);
    if (all.some(({ digest }) => digest === referrer.digest)) return;
    if (all.length >= maxReferrers)
      throw new ManifestError('too-large', `Cannot attest ${subject}: it has ${all.length} attestations already`);
    const sorted = [...all, referrer].sort((left, right) => (left.digest < right.digest ? -1 : 1));
    await writePlainNote(blobs, 'referrers', { subject }, sorted);
  });
}

/** All that was ever attached to a subject, by digest; of some the blobs may be gone. */
export async function listedReferrers(subject: Digest, blobs: BlobStore): Promise<readonly Referrer[]> {
  return (await readPlainNote<Referrer[]>(blobs, 'referrers', { subject })) ?? [];
}

/** The referrers of a subject whose manifests are here, by digest. */
export async function referrersOf(subject: Digest, blobs: BlobStore): Promise<Referrer[]> {
  const here: Referrer[] = [];
  for (const one of await listedReferrers(subject, blobs)) if (await blobs.has(one.digest)) here.push(one);
  return here;
}

/** Those whose bundles are here, too. What a bundle says isn't looked at. */
export async function wholeReferrersOf(subject: Digest, blobs: BlobStore): Promise<Referrer[]> {
  const whole: Referrer[] = [];
  for (const one of await referrersOf(subject, blobs)) {
    const read = await readReferrer(one, subject, blobs);
    if (!('refused' in read) && (await blobs.has(read.bundle.digest))) whole.push(one);
  }
  return whole;
}

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'a digest "sha256:…"');
const referrerManifest = z.object({
  artifactType: z.string(),
  layers: z.tuple([z.object({ digest, size: z.int().min(0).max(maxBundleBytes) })]),
  subject: z.object({ digest: z.string() }),
  annotations: z.record(z.string(), z.string()).default({}),
});

/** What a referrer's manifest says. */
interface ReadReferrer {
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly bundle: { readonly digest: Digest; readonly size: number };
}

/** The bytes of a referrer's bundle, or why there are none. */
export async function readBundle(
  referrer: Pick<Referrer, 'digest'>,
  subject: Digest,
  blobs: BlobStore,
): Promise<Uint8Array | { readonly refused: string }> {
  const read = await readReferrer(referrer, subject, blobs);
  if ('refused' in read) return read;
  try {
    return await blobs.bytes(read.bundle.digest, { maxBytes: maxBundleBytes });
  } catch (error) {
    if (error instanceof ManifestError) return { refused: error.message };
    throw error;
  }
}

/** The manifest of a referrer, or why it is none. */
export async function readReferrer(
  referrer: Pick<Referrer, 'digest'>,
  subject: Digest,
  blobs: BlobStore,
): Promise<ReadReferrer | { readonly refused: string }> {
  try {
    const manifest = await blobs.bytes(referrer.digest, { maxBytes: maxReferrerBytes });
    const read = referrerManifest.safeParse(JSON.parse(Buffer.from(manifest).toString('utf8')));
    if (!read.success || read.data.artifactType !== bundleMediaType) return { refused: 'it is no attestation' };
    const { artifactType, annotations, layers } = read.data;
    if (read.data.subject.digest !== subject) return { refused: `it is about ${read.data.subject.digest}` };
    return { artifactType, annotations, bundle: layers[0] };
  } catch (error) {
    if (error instanceof ManifestError || error instanceof SyntaxError) return { refused: error.message };
    throw error;
  }
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
