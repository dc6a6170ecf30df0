// Whole images between the store and a registry: each blob once, manifests after what they name, the tag last.
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { maxPartialBytes } from '../partial.ts';
import { checkSpace } from '../space.ts';
import type { RegistryClient } from './client.ts';
import { type Descriptor, isElsewhere, maxManifestBytes, parseDocument } from './documents.ts';

export interface Copied {
  readonly digest: Digest;
  readonly blobs: number;
  readonly sizeBytes: number;
  /** Of what travelled; the rest was there. */
  readonly movedBytes: number;
}

interface CopyOptions {
  readonly report?: (progress: { readonly doneBytes: number; readonly sizeBytes: number }) => void;
  readonly signal: AbortSignal;
}

/** Blobs that travel at once: registries slow down who asks for more. */
const maxAtOnce = 3;
const maxDepth = 4;
/** Platforms of an index, and what is beside them. */
const maxDocuments = 100;
/** Of all documents of an image together: they are held in memory while its blobs travel, and have some KiB each. */
const maxDocumentBytes = 16 * 1024 * 1024;

/** Brings an image here, with every platform of an index. Throws what the client throws, `too-large`, or `no-space`. */
export async function pullImage(
  client: RegistryClient,
  reference: string,
  blobs: BlobStore,
  { signal, report }: CopyOptions,
): Promise<Copied> {
  const documents: { digest: Digest; bytes: Uint8Array }[] = [];
  const wanted = new Map<Digest, Descriptor>();
  let documentBytes = 0;
  const walk = async (what: string, depth: number): Promise<Digest> => {
    const { digest, bytes, config, layers, manifests } = await client.document(what, { signal });
    documentBytes += bytes.length;
    if (depth > maxDepth || documents.length >= maxDocuments || documentBytes > maxDocumentBytes)
      throw new ManifestError('invalid-image', `Cannot pull "${reference}": its indexes lead too far`);
    for (const child of manifests) await walk(child.digest, depth + 1);
    for (const one of [...(config ? [config] : []), ...layers]) if (!isElsewhere(one)) wanted.set(one.digest, one);
    documents.push({ digest, bytes });
    return digest;
  };
  const digest = await walk(reference, 0);
  let comingBytes = 0;
  for (const one of wanted.values()) {
    if (one.size > maxPartialBytes)
      throw new ManifestError(
        'too-large',
        `Cannot pull ${one.digest}: it has ${one.size} bytes, at most ${maxPartialBytes}`,
      );
    if (!(await blobs.has(one.digest))) comingBytes += one.size;
  }
  await checkSpace(blobs.directory, comingBytes, `pull "${reference}"`);
  const moved = await forEachBlob([...wanted.values()], { signal, report }, async (one, tell, either) => {
    if (await blobs.has(one.digest)) return 0;
    const content = counted(client.blob(one, { signal: either }), tell);
    await blobs.write(content, { expected: one.digest, maxBytes: one.size, signal: either });
    return one.size;
  });
  // Children stand before what names them: an image that is here is here whole.
  for (const one of documents)
    await blobs.write([one.bytes], { expected: one.digest, maxBytes: maxManifestBytes, signal });
  return { digest, blobs: wanted.size + documents.length, ...moved };
}

/** Brings an image of the store there, and what refers to it. Throws what the client throws, `missing-blob`, or `invalid-image`. */
export async function pushImage(
  client: RegistryClient,
  digest: Digest,
  blobs: BlobStore,
  options: CopyOptions & {
    readonly tag?: string | undefined;
    readonly referrers?: readonly Digest[];
    readonly mountFrom?: readonly string[];
  },
): Promise<Copied> {
  const { signal, tag, referrers = [], mountFrom = [] } = options;
  const documents = new Map<Digest, Uint8Array>();
  const wanted = new Map<Digest, Descriptor>();
  const walk = async (what: Digest, depth: number): Promise<void> => {
    if (documents.has(what)) return;
    if (depth > maxDepth || documents.size >= maxDocuments)
      throw new ManifestError('invalid-image', `Cannot push ${digest}: its indexes lead too far`);
    const bytes = await blobs.bytes(what, { maxBytes: maxManifestBytes });
    const { config, layers, manifests } = parseDocument(bytes);
    for (const child of manifests) await walk(child.digest, depth + 1);
    for (const one of [...(config ? [config] : []), ...layers]) if (!isElsewhere(one)) wanted.set(one.digest, one);
    documents.set(what, bytes);
  };
  await walk(digest, 0);
  for (const one of referrers) await walk(one, 0);
  const moved = await forEachBlob([...wanted.values()], options, async (one, tell, either) => {
    const read = (range: { offset: number; length: number }) => counted(readRange(blobs, one, range), tell);
    const outcome = await client.pushBlob(one, read, { signal: either, mountFrom });
    return outcome === 'pushed' ? one.size : 0;
  });
  for (const [what, bytes] of documents) {
    // A referrer is told again: a registry without the API lists it by a tag of its own.
    const isNeeded = referrers.includes(what) || !(await client.hasDocument(what, { signal }));
    if (isNeeded) await client.pushDocument(bytes, { signal });
  }
  const whole = documents.get(digest);
  if (tag !== undefined && whole) await client.pushDocument(whole, { signal, tag });
  return { digest, blobs: wanted.size + documents.size, ...moved };
}

/** A whole blob is checked as it is read. */
function readRange(blobs: BlobStore, { digest, size }: Descriptor, range: { offset: number; length: number }) {
  return range.offset === 0 && range.length === size ? blobs.read(digest) : blobs.read(digest, range);
}

async function* counted(content: AsyncIterable<Uint8Array>, tell: (bytes: number) => void): AsyncIterable<Uint8Array> {
  for await (const chunk of content) {
    tell(chunk.length);
    yield chunk;
  }
}

async function forEachBlob(
  wanted: readonly Descriptor[],
  { report, signal }: Pick<CopyOptions, 'signal'> & { readonly report?: CopyOptions['report'] | undefined },
  act: (one: Descriptor, tell: (bytes: number) => void, signal: AbortSignal) => Promise<number>,
): Promise<{ sizeBytes: number; movedBytes: number }> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const sizeBytes = wanted.reduce((sum, { size }) => sum + size, 0);
  let movedBytes = 0;
  let doneBytes = 0;
  const queue = wanted.values();
  const worker = async (): Promise<void> => {
    for (const one of queue) {
      const tell = (bytes: number): void => {
        doneBytes += bytes;
        report?.({ doneBytes: Math.min(doneBytes, sizeBytes), sizeBytes });
      };
      const moved = await act(one, tell, either);
      movedBytes += moved;
      if (moved === 0) doneBytes += one.size;
    }
  };
  // One that fails ends the others, and is told once all have ended: nothing goes on behind.
  const ended = await Promise.allSettled(
    Array.from({ length: maxAtOnce }, () =>
      worker().catch((error: unknown) => {
        stop.abort(error);
        throw error;
      }),
    ),
  );
  if (ended.some(({ status }) => status === 'rejected')) throw stop.signal.reason;
  return { sizeBytes, movedBytes };
}
