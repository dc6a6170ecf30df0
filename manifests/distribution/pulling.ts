// What a registry gives: manifests, blobs in ranges, tags, and referrers; each only through a repository that names it.
import type { BlobStore } from '../blobs.ts';
import { type Digest, digestOf, isDigest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { mediaTypes } from '../image.ts';
import { type Descriptor, maxManifestBytes, parseDocument, referrersTag } from './documents.ts';
import { type DistributionAnswer, type DistributionContext, json, type RoutedRequest, refuse } from './protocol.ts';
import { holdsBlob, readDocument } from './repositories.ts';

/** Tags of one answer; more are asked for by the link in it. */
const maxTagsAtOnce = 1_000;
/** Referrers of one answer: with annotations of the usual size it stays far below 4 MiB. */
const maxReferrersAtOnce = 100;
/** An index that leads through others may be this deep. */
const maxDepth = 4;

/** Whether a manifest or a blob may be read through a repository: what was pushed there, and the images that stand in it. */
export async function isOpen(
  context: DistributionContext,
  repository: string,
  digest: Digest,
  kind: 'blob' | 'manifest',
): Promise<boolean> {
  const { repositories, imagesOf } = context;
  const held = await repositories.read(repository);
  if (held && (kind === 'blob' ? holdsBlob(held, digest) : Object.hasOwn(held.manifests, digest))) return true;
  const images = imagesOf?.(repository) ?? [];
  if (kind === 'manifest' && images.includes(digest)) return true;
  const names = async (image: Digest, depth: number): Promise<boolean> => {
    const document = await repositories.document(image);
    if (!document || depth > maxDepth) return false;
    if ((kind === 'blob' ? document.blobs : document.manifests).includes(digest)) return true;
    for (const child of document.manifests) if (await names(child, depth + 1)) return true;
    return false;
  };
  for (const image of images) if (await names(image, 0)) return true;
  return await isAttached(context, repository, digest, kind);
}

/** Whether it is attached to an image of the repository, or a blob of what is. */
async function isAttached(
  context: DistributionContext,
  repository: string,
  digest: Digest,
  kind: 'blob' | 'manifest',
): Promise<boolean> {
  const { repositories, imagesOf, attachedTo } = context;
  if (attachedTo === undefined) return false;
  const document = kind === 'manifest' ? await repositories.document(digest) : undefined;
  // What is attached says to what; of a blob nothing tells.
  const held = Object.keys((await repositories.read(repository))?.manifests ?? {}) as Digest[];
  const subjects =
    kind === 'manifest' ? [document?.subject ?? []].flat() : [...(imagesOf?.(repository) ?? []), ...held];
  for (const subject of subjects) {
    const attached = await attachedTo(subject);
    if (kind === 'manifest') return attached.includes(digest) && (await isOpen(context, repository, subject, kind));
    for (const one of attached) if ((await repositories.document(one))?.blobs.includes(digest)) return true;
  }
  return false;
}

/** By digest, or by a tag of the repository. */
export async function answerManifest(
  { repository, reference }: RoutedRequest,
  context: DistributionContext,
): Promise<DistributionAnswer> {
  const unknown = refuse(404, 'MANIFEST_UNKNOWN', `"${reference}" is not in "${repository}"`);
  const { blobs, repositories } = context;
  const tagged = isDigest(reference) ? reference : (await repositories.read(repository))?.tags[reference];
  if (tagged === undefined) return (await fallbackIndex(repository, reference, context)) ?? unknown;
  if (!(await isOpen(context, repository, tagged, 'manifest'))) return unknown;
  const size = await blobs.size(tagged);
  if (size === undefined || size > maxManifestBytes) return unknown;
  try {
    const body = await blobs.bytes(tagged, { maxBytes: maxManifestBytes });
    const { mediaType } = parseDocument(body);
    return { status: 200, headers: { ...headersOf(tagged, body.length), 'content-type': mediaType }, body };
  } catch (error) {
    // Rotted or gone meanwhile, or no manifest at all.
    if (error instanceof ManifestError) return unknown;
    throw error;
  }
}

/** Whole, or in one range. */
export async function answerBlob(
  { method, headers, repository, reference }: RoutedRequest,
  context: DistributionContext,
): Promise<DistributionAnswer> {
  if (!isDigest(reference)) return refuse(400, 'DIGEST_INVALID', `"${reference}" is no sha256 digest`);
  const { blobs } = context;
  const isHere = await isOpen(context, repository, reference, 'blob');
  const size = isHere ? await blobs.size(reference) : undefined;
  if (size === undefined) return refuse(404, 'BLOB_UNKNOWN', `${reference} is not in "${repository}"`);
  const base = { ...headersOf(reference, size), 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' };
  if (method === 'HEAD') return { status: 200, headers: base, body: undefined };
  const range = rangeOf(headers['range'], size);
  if (range === undefined) return { status: 200, headers: base, body: blobs.read(reference) };
  if (range === 'unsatisfiable') {
    const answer = refuse(416, 'SIZE_INVALID', `the range is not within the ${size} bytes of ${reference}`);
    return { ...answer, headers: { ...answer.headers, 'content-range': `bytes */${size}` } };
  }
  const { offset, length } = range;
  const contentRange = `bytes ${offset}-${offset + length - 1}/${size}`;
  return {
    status: 206,
    headers: { ...base, 'content-length': String(length), 'content-range': contentRange },
    body: blobs.read(reference, range),
  };
}

/** In the order of their bytes, `n` of them after `last`. */
export async function answerTags(
  { repository, parameters }: RoutedRequest,
  { repositories, imagesOf }: DistributionContext,
): Promise<DistributionAnswer> {
  const held = await repositories.read(repository);
  if (!held && (imagesOf?.(repository) ?? []).length === 0)
    return refuse(404, 'NAME_UNKNOWN', `"${repository}" is not here`);
  const asked = parameters.get('n');
  if (asked !== null && !/^\d{1,9}$/.test(asked)) return refuse(400, 'UNSUPPORTED', `"n=${asked}" is no number`);
  const count = Math.min(asked === null ? maxTagsAtOnce : Number(asked), maxTagsAtOnce);
  const last = parameters.get('last');
  const rest = Object.keys(held?.tags ?? {})
    .sort()
    .filter((tag) => last === null || tag > last);
  const tags = rest.slice(0, count);
  const answer = json(200, { name: repository, tags });
  const end = tags.at(-1);
  if (end === undefined || tags.length === rest.length) return answer;
  return withNext(answer, `/v2/${repository}/tags/list?n=${count}&last=${encodeURIComponent(end)}`);
}

/** What names an image as its subject, of one artifact type where that is asked. */
export async function answerReferrers(
  { repository, reference, parameters }: RoutedRequest,
  context: DistributionContext,
): Promise<DistributionAnswer> {
  if (!isDigest(reference)) return refuse(400, 'DIGEST_INVALID', `"${reference}" is no sha256 digest`);
  const artifactType = parameters.get('artifactType') ?? undefined;
  const all = await referrersOf(context, repository, reference, artifactType);
  const last = parameters.get('last');
  const rest = all.filter((digest) => last === null || digest > last);
  const page = rest.slice(0, maxReferrersAtOnce);
  const manifests = await describe(context.blobs, page);
  const answer = json(200, { schemaVersion: 2, mediaType: mediaTypes.index, manifests }, mediaTypes.index);
  const filtered =
    artifactType === undefined
      ? answer
      : { ...answer, headers: { ...answer.headers, 'oci-filters-applied': 'artifactType' } };
  const end = page.at(-1);
  if (end === undefined || page.length === rest.length) return filtered;
  const filter = artifactType === undefined ? '' : `artifactType=${encodeURIComponent(artifactType)}&`;
  return withNext(filtered, `/v2/${repository}/referrers/${reference}?${filter}last=${end}`);
}

/** Clients that know no referrers API ask for the tag `sha256-HEX`: its index is made for them where nobody pushed one. */
async function fallbackIndex(
  repository: string,
  tag: string,
  context: DistributionContext,
): Promise<DistributionAnswer | undefined> {
  const subject = tag.replace('-', ':');
  if (!isDigest(subject) || tag !== referrersTag(subject)) return undefined;
  const found = (await referrersOf(context, repository, subject, undefined)).slice(0, maxReferrersAtOnce);
  if (found.length === 0) return undefined;
  const manifests = await describe(context.blobs, found);
  const answer = json(200, { schemaVersion: 2, mediaType: mediaTypes.index, manifests }, mediaTypes.index);
  const digest = digestOf(answer.body as Uint8Array);
  return { ...answer, headers: { ...answer.headers, 'docker-content-digest': digest } };
}

async function referrersOf(
  context: DistributionContext,
  repository: string,
  subject: Digest,
  artifactType: string | undefined,
): Promise<Digest[]> {
  const { repositories, attachedTo } = context;
  const { manifests = {} } = (await repositories.read(repository)) ?? {};
  const found = new Map(
    Object.entries(manifests).flatMap(([digest, held]) =>
      held.subject === subject ? [[digest as Digest, held.artifactType]] : [],
    ),
  );
  if (attachedTo && (await isOpen(context, repository, subject, 'manifest')))
    for (const digest of await attachedTo(subject))
      found.set(digest, (await repositories.document(digest))?.artifactType);
  return [...found]
    .flatMap(([digest, type]) => (artifactType === undefined || type === artifactType ? [digest] : []))
    .sort();
}

async function describe(blobs: BlobStore, digests: readonly Digest[]): Promise<Descriptor[]> {
  const found: Descriptor[] = [];
  for (const digest of digests) {
    const document = await readDocument(blobs, digest).catch(() => undefined);
    if (!document) continue;
    const { mediaType, size, artifactType, annotations } = document;
    found.push({
      mediaType,
      digest,
      size,
      ...(artifactType !== undefined && { artifactType }),
      ...(annotations && { annotations }),
    });
  }
  return found;
}

/** One range of bytes (RFC 9110, 14.2); several, or other units, are answered as if none were asked for. */
function rangeOf(
  header: string | undefined,
  size: number,
): { offset: number; length: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (!match || (first === '' && last === '')) return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < offset) return undefined;
  return offset >= size ? 'unsatisfiable' : { offset, length: end - offset + 1 };
}

function headersOf(digest: Digest, size: number): Record<string, string> {
  return { 'content-length': String(size), 'docker-content-digest': digest, etag: `"${digest}"` };
}

function withNext(answer: DistributionAnswer, path: string): DistributionAnswer {
  return { ...answer, headers: { ...answer.headers, link: `<${path}>; rel="next"` } };
}
