// The pull side of the OCI distribution specification 1.1, as a function from a request to its answer; who is asking is settled before.
import type { BlobStore } from './blobs.ts';
import { type Digest, isDigest } from './digest.ts';
import { ManifestError } from './error.ts';
import { mediaTypes } from './image.ts';

export interface DistributionRequest {
  readonly method: string;
  /** Of the URL, from "/v2/" on, without a query. */
  readonly path: string;
  /** With lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export interface DistributionAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined for HEAD and where there is none. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

/** As the specification asks of clients: a larger manifest may be refused. */
const maxManifestBytes = 4 * 1024 * 1024;
/** Names have at most 255 characters, digests 71. */
const maxPathLength = 512;

/**
 * Answers GET and HEAD for manifests by digest and for blobs, with ranges. Every blob of the store can be read through every
 * repository that `mayRead` allows, so a store holds only what its readers may know by digest.
 */
export async function answerDistribution(
  request: DistributionRequest,
  context: { readonly blobs: BlobStore; readonly mayRead: (repository: string) => boolean },
): Promise<DistributionAnswer> {
  const answer = await answerOf(request, context);
  return request.method === 'HEAD' ? { ...answer, body: undefined } : answer;
}

async function answerOf(
  request: DistributionRequest,
  context: { readonly blobs: BlobStore; readonly mayRead: (repository: string) => boolean },
): Promise<DistributionAnswer> {
  const { method, path } = request;
  if (method !== 'GET' && method !== 'HEAD')
    return refuse(405, 'UNSUPPORTED', `"${method}" is not served: this registry is read-only`);
  if (path === '/v2' || path === '/v2/') return json(200, {});
  const match =
    path.length > maxPathLength
      ? null
      : /^\/v2\/([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)\/(manifests|blobs)\/([^/]+)$/.exec(path);
  const [, repository = '', kind, reference = ''] = match ?? [];
  if (!match) return refuse(404, 'NAME_UNKNOWN', `"${path}" is not known`);
  if (!context.mayRead(repository)) return refuse(403, 'DENIED', `"${repository}" is not open to this caller`);
  if (kind === 'manifests') return await answerManifest(reference, context.blobs);
  if (!isDigest(reference)) return refuse(400, 'DIGEST_INVALID', `"${reference}" is no sha256 digest`);
  return await answerBlob(request, reference, context.blobs);
}

async function answerManifest(reference: string, blobs: BlobStore): Promise<DistributionAnswer> {
  const unknown = refuse(404, 'MANIFEST_UNKNOWN', `"${reference}" is not here; manifests are asked for by digest`);
  if (!isDigest(reference)) return unknown;
  const size = await blobs.size(reference);
  if (size === undefined || size > maxManifestBytes) return unknown;
  const body = await blobs.bytes(reference, { maxBytes: maxManifestBytes }).catch((error: unknown) => {
    // Rotted, or gone meanwhile: the store holds it no more.
    if (error instanceof ManifestError) return undefined;
    throw error;
  });
  if (body === undefined || !isImageManifest(body)) return unknown;
  return {
    status: 200,
    headers: { ...headersOf(reference, body.length), 'content-type': mediaTypes.manifest },
    body,
  };
}

async function answerBlob(
  { method, headers }: DistributionRequest,
  digest: Digest,
  blobs: BlobStore,
): Promise<DistributionAnswer> {
  const size = await blobs.size(digest);
  if (size === undefined) return refuse(404, 'BLOB_UNKNOWN', `${digest} is not here`);
  const base = { ...headersOf(digest, size), 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' };
  if (method === 'HEAD') return { status: 200, headers: base, body: undefined };
  const range = rangeOf(headers['range'], size);
  if (range === undefined) return { status: 200, headers: base, body: blobs.read(digest) };
  if (range === 'unsatisfiable') {
    const answer = refuse(416, 'SIZE_INVALID', `the range is not within the ${size} bytes of ${digest}`);
    return { ...answer, headers: { ...answer.headers, 'content-range': `bytes */${size}` } };
  }
  const { offset, length } = range;
  const contentRange = `bytes ${offset}-${offset + length - 1}/${size}`;
  return {
    status: 206,
    headers: { ...base, 'content-length': String(length), 'content-range': contentRange },
    body: blobs.read(digest, range),
  };
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

function isImageManifest(body: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    return (
      typeof value === 'object' && value !== null && 'mediaType' in value && value.mediaType === mediaTypes.manifest
    );
  } catch {
    return false;
  }
}

function headersOf(digest: Digest, size: number): Record<string, string> {
  return { 'content-length': String(size), 'docker-content-digest': digest, etag: `"${digest}"` };
}

function refuse(status: number, code: string, message: string): DistributionAnswer {
  return json(status, { errors: [{ code, message }] });
}

function json(status: number, value: unknown): DistributionAnswer {
  const body = Buffer.from(JSON.stringify(value));
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'content-length': String(body.length),
      'docker-distribution-api-version': 'registry/2.0',
    },
    body,
  };
}
