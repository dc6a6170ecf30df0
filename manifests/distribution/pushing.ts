// What a registry takes: blobs whole, in pieces or from another repository, and manifests once all that they name is here.
import { type Digest, digestOf, isDigest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { type Descriptor, isElsewhere, maxManifestBytes, parseDocument } from './documents.ts';
import { type DistributionAnswer, type DistributionContext, type RoutedRequest, refuse } from './protocol.ts';
import { isOpen } from './pulling.ts';
import { isTag } from './reference.ts';
import { heldOf, withLoose, withManifest, withoutManifest } from './repositories.ts';

/** All verbs of one upload: begun or mounted (POST), gone on with (PATCH), asked for (GET), closed (PUT), given up (DELETE). */
export async function takeUpload(request: RoutedRequest, context: DistributionContext): Promise<DistributionAnswer> {
  const { method, repository, reference: id, parameters } = request;
  const { uploads } = context;
  if (method === 'POST') return (await mount(request, context)) ?? (await begin(request, context));
  if (method === 'DELETE') return (await uploads.cancel(repository, id)) ? empty(204) : unknownUpload(id);
  const before = await uploads.size(repository, id);
  if (before === undefined) return unknownUpload(id);
  if (method === 'GET') return empty(204, progress(repository, id, before));
  const digest = parameters.get('digest');
  if (method === 'PUT' && (digest === null || !isDigest(digest)))
    return refuse(400, 'DIGEST_INVALID', `"digest=${digest ?? ''}" is no sha256 digest`);
  const taken = await append(request, context, id);
  if (typeof taken !== 'number') return taken;
  if (method === 'PATCH') return empty(202, progress(repository, id, taken));
  return await finish(request, context, id, digest as Digest);
}

/** A manifest stands only where all that it names stands, with the sizes that it says. */
export async function putManifest(request: RoutedRequest, context: DistributionContext): Promise<DistributionAnswer> {
  const { repository, reference, headers, body } = request;
  if (!isDigest(reference) && !isTag(reference)) return refuse(400, 'NAME_INVALID', `"${reference}" is no tag`);
  const bytes = await readSmall(body);
  const digest = digestOf(bytes);
  if (isDigest(reference) && reference !== digest)
    return refuse(400, 'DIGEST_INVALID', `the manifest that came has ${digest}, not ${reference}`);
  const document = parseDocument(bytes, headers['content-type']?.split(';')[0]?.trim());
  const named: readonly Descriptor[] = [...(document.config ? [document.config] : []), ...document.layers];
  for (const one of named) {
    if (isElsewhere(one)) continue;
    const problem = await problemOf(one, 'blob', repository, context);
    if (problem) return problem;
  }
  for (const one of document.manifests) {
    const problem = await problemOf(one, 'manifest', repository, context);
    if (problem) return problem;
  }
  await context.blobs.write([bytes], { expected: digest, maxBytes: maxManifestBytes, signal: never });
  await context.repositories.change(repository, (before) => {
    const after = withManifest(before, digest, heldOf(document, bytes.length));
    return isDigest(reference) ? after : { ...after, tags: { ...after.tags, [reference]: digest } };
  });
  return empty(201, {
    location: `/v2/${repository}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(document.subject && { 'oci-subject': document.subject.digest }),
  });
}

/** By tag: the name goes. By digest: the manifest goes from the repository, with its tags; its bytes go when nobody names them. */
export async function deleteManifest(
  { repository, reference }: RoutedRequest,
  { repositories }: DistributionContext,
): Promise<DistributionAnswer> {
  const held = await repositories.read(repository);
  const isThere = isDigest(reference)
    ? Object.hasOwn(held?.manifests ?? {}, reference)
    : Object.hasOwn(held?.tags ?? {}, reference);
  if (!held || !isThere) return refuse(404, 'MANIFEST_UNKNOWN', `"${reference}" is not in "${repository}"`);
  const user = Object.entries(held.manifests).find(([, one]) => (one.manifests as string[]).includes(reference));
  if (user) return refuse(409, 'DENIED', `the index ${user[0]} names it: delete that first`);
  await repositories.change(repository, (before) => {
    if (isDigest(reference)) return withoutManifest(before, reference);
    const { [reference]: _, ...tags } = before.tags;
    return { ...before, tags };
  });
  return empty(202);
}

const never = new AbortController().signal;

async function problemOf(
  { digest, size }: Descriptor,
  kind: 'blob' | 'manifest',
  repository: string,
  context: DistributionContext,
): Promise<DistributionAnswer | undefined> {
  const found = (await isOpen(context, repository, digest, kind)) ? await context.blobs.size(digest) : undefined;
  if (found === undefined)
    return refuse(404, 'MANIFEST_BLOB_UNKNOWN', `it names the ${kind} ${digest}, which is not in "${repository}"`, {
      digest,
    });
  if (found === size) return undefined;
  return refuse(400, 'MANIFEST_INVALID', `it says that ${digest} has ${size} bytes, and it has ${found}`);
}

/** From another repository that the caller may read; undefined where that can't be, and the upload is then begun. */
async function mount(
  { repository, parameters }: RoutedRequest,
  context: DistributionContext,
): Promise<DistributionAnswer | undefined> {
  const digest = parameters.get('mount');
  const from = parameters.get('from') ?? repository;
  if (digest === null || !isDigest(digest) || !context.may(from, 'pull')) return undefined;
  if (!(await isOpen(context, from, digest, 'blob')) || !(await context.blobs.has(digest))) return undefined;
  await context.repositories.change(repository, (before) => withLoose(before, digest));
  return created(repository, digest);
}

async function begin(request: RoutedRequest, context: DistributionContext): Promise<DistributionAnswer> {
  const { repository, parameters, headers } = request;
  const digest = parameters.get('digest');
  if (digest !== null && !isDigest(digest))
    return refuse(400, 'DIGEST_INVALID', `"digest=${digest}" is no sha256 digest`);
  const id = await context.uploads.begin(repository, Number(headers['content-length'] ?? 0) || 0);
  if (digest === null) return empty(202, { ...progress(repository, id, 0), 'oci-chunk-min-length': '0' });
  const taken = await append(request, context, id);
  return typeof taken === 'number' ? await finish(request, context, id, digest) : taken;
}

/** The size after it, or what refuses it. */
async function append(
  { repository, headers, body = nothing() }: RoutedRequest,
  { uploads }: DistributionContext,
  id: string,
): Promise<number | DistributionAnswer> {
  const range = headers['content-range'];
  const [, first = '', last = ''] = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/\S*)?$/.exec(range ?? '') ?? [];
  if (range !== undefined && first === '')
    return refuse(400, 'BLOB_UPLOAD_INVALID', `"Content-Range: ${range}" is not START-END`);
  const length = headers['content-length'];
  if (range !== undefined && length !== undefined && Number(last) - Number(first) + 1 !== Number(length))
    return refuse(400, 'SIZE_INVALID', `"Content-Range: ${range}" isn't of ${length} bytes`);
  const taken = await uploads.append(repository, id, body, range === undefined ? undefined : Number(first));
  if (taken === undefined) return unknownUpload(id);
  if (taken !== 'out-of-order') return taken;
  const size = (await uploads.size(repository, id)) ?? 0;
  const answer = refuse(416, 'BLOB_UPLOAD_INVALID', `"${range}" does not go on where the upload ends, at ${size}`);
  return { ...answer, headers: { ...answer.headers, ...progress(repository, id, size) } };
}

async function finish(
  { repository }: RoutedRequest,
  { uploads, repositories }: DistributionContext,
  id: string,
  digest: Digest,
): Promise<DistributionAnswer> {
  if (!(await uploads.finish(repository, id, digest))) return unknownUpload(id);
  await repositories.change(repository, (before) => withLoose(before, digest));
  return created(repository, digest);
}

/** A manifest is small and is looked at as a whole. */
async function readSmall(body: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? nothing()) {
    size += chunk.length;
    if (size > maxManifestBytes)
      throw new ManifestError('too-large', `Cannot take the manifest: it has more than ${maxManifestBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function* nothing(): AsyncIterable<Uint8Array> {}

function progress(repository: string, id: string, size: number): Record<string, string> {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: `0-${Math.max(0, size - 1)}`,
    'docker-upload-uuid': id,
  };
}

function created(repository: string, digest: Digest): DistributionAnswer {
  return empty(201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest });
}

function unknownUpload(id: string): DistributionAnswer {
  return refuse(404, 'BLOB_UPLOAD_UNKNOWN', `there is no upload "${id}" to this repository`);
}

function empty(status: number, headers: Readonly<Record<string, string>> = {}): DistributionAnswer {
  return { status, headers: { ...headers, ...(status !== 204 && { 'content-length': '0' }) }, body: undefined };
}
