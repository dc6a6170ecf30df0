// Any OCI registry as a place to take images from and put them to: every byte is checked by digest and size before it is believed.
import { createHash } from 'node:crypto';
import { type Digest, digestOf, isDigest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { mediaTypes } from '../image.ts';
import {
  type Descriptor,
  documentTypes,
  maxManifestBytes,
  parseDocument,
  type RegistryDocument,
  referrersTag,
} from './documents.ts';
import type { RegistryParts } from './http.ts';
import { pushBlob } from './push-blob.ts';
import { bytesOf, leave, maxJsonBytes, objectOf, RegistrySession } from './session.ts';

export interface FetchedDocument extends RegistryDocument {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

interface Cancel {
  readonly signal: AbortSignal;
}

/** What a blob is read from when it is pushed: from `offset` to its end. */
export type ReadBlob = (range: { readonly offset: number; readonly length: number }) => AsyncIterable<Uint8Array>;

/** One repository of a registry. All throw `registry-unreachable`, `registry-refused`, `registry-lied`; reading `not-in-registry`. */
export interface RegistryClient {
  /** A manifest or an index by tag or digest. */
  document(reference: string, options: Cancel): Promise<FetchedDocument>;
  /** Checked as it comes, its last piece held back until it is right; gone on with after a cut. */
  blob(blob: Pick<Descriptor, 'digest' | 'size'>, options: Cancel): AsyncIterable<Uint8Array>;
  hasBlob(digest: Digest, options: Cancel): Promise<boolean>;
  hasDocument(digest: Digest, options: Cancel): Promise<boolean>;
  /**
   * Brings a blob there: `kept` where it is there already, `mounted` from one of these repositories of the same registry, or
   * `pushed`, in pieces that are gone on with after a cut.
   */
  pushBlob(
    blob: Pick<Descriptor, 'digest' | 'size'>,
    read: ReadBlob,
    options: Cancel & { readonly mountFrom?: readonly string[] },
  ): Promise<'kept' | 'mounted' | 'pushed'>;
  /** Under its digest, or under a tag; a subject finds its referrer, also where the registry has no referrers API. */
  pushDocument(bytes: Uint8Array, options: Cancel & { readonly tag?: string }): Promise<Digest>;
  tags(options: Cancel): Promise<readonly string[]>;
  /** What names an image as its subject; by the referrers API, or by its tag schema. */
  referrers(subject: Digest, options: Cancel & { readonly artifactType?: string }): Promise<readonly Descriptor[]>;
}

/** Cuts of one blob; each goes on where the last one ended. */
const maxCuts = 5;
/** Pages of a list: with 100 a page, more than anybody looks through. */
const maxPages = 100;
/** Of all pages together: they are held in memory. */
const maxListBytes = 16 * 1024 * 1024;

export function openRegistryClient(registry: string, repository: string, parts: RegistryParts): RegistryClient {
  const session = new RegistrySession(registry, parts);
  const at = (rest: string): string => `/v2/${repository}/${rest}`;
  const pull = `repository:${repository}:pull`;
  const push = `repository:${repository}:pull,push`;
  const where = `"${registry}/${repository}"`;

  const document: RegistryClient['document'] = async (reference, { signal }) => {
    const place = at(`manifests/${reference}`);
    const headers = { accept: documentTypes.join(', ') };
    const answer = await session.ask({ method: 'GET', place, headers, scope: pull, signal });
    if (answer.status !== 200) throw await session.refusal(`read ${reference} of ${where}`, answer);
    const bytes = await bytesOf(answer, maxManifestBytes, session);
    const digest = digestOf(bytes);
    if (isDigest(reference) && digest !== reference)
      throw session.lied(`it gives a manifest with ${digest} for ${reference}`);
    try {
      const type = answer.headers['content-type']?.split(';')[0]?.trim();
      return { ...parseDocument(bytes, type === 'application/json' ? undefined : type), digest, bytes };
    } catch (cause) {
      throw session.lied(`${reference} of ${where} is no image: ${(cause as Error).message}`, cause);
    }
  };

  const has = async (place: string, headers: Record<string, string>, signal: AbortSignal): Promise<boolean> => {
    const answer = await session.ask({ method: 'HEAD', place, headers, scope: push, signal });
    await leave(answer);
    if (answer.status === 200) return true;
    if (answer.status === 404) return false;
    throw await session.refusal(`look into ${where}`, answer);
  };

  const pages = async (first: string, signal: AbortSignal): Promise<{ status: number; values: object[] }> => {
    const values: object[] = [];
    let bytes = 0;
    for (let place: string | URL | undefined = first; place !== undefined && values.length < maxPages; ) {
      const answer = await session.ask({ method: 'GET', place, scope: pull, signal });
      if (answer.status === 404 && values.length === 0) {
        await leave(answer);
        return { status: 404, values };
      }
      if (answer.status !== 200) throw await session.refusal(`list what is in ${where}`, answer);
      const page = await bytesOf(answer, maxJsonBytes, session);
      bytes += page.length;
      if (bytes > maxListBytes) throw session.lied(`a list of ${where} has more than ${maxListBytes} bytes`);
      values.push(objectOf(page, session));
      const next = /<([^>]*)>\s*;\s*rel="?next"?/.exec(answer.headers['link'] ?? '')?.[1];
      place = next === undefined ? undefined : session.resolve(next, answer.url);
    }
    return { status: 200, values };
  };

  const fallback = async (subject: Digest, signal: AbortSignal): Promise<readonly Descriptor[]> => {
    try {
      return (await document(referrersTag(subject), { signal })).manifests;
    } catch (error) {
      if (error instanceof ManifestError && error.code === 'not-in-registry') return [];
      throw error;
    }
  };

  const put = async (bytes: Uint8Array, reference: string, signal: AbortSignal): Promise<boolean> => {
    const { mediaType } = parseDocument(bytes);
    const answer = await session.ask({
      method: 'PUT',
      place: at(`manifests/${reference}`),
      headers: { 'content-type': mediaType },
      body: { size: bytes.length, open: () => bytes },
      scope: push,
      signal,
    });
    if (answer.status !== 201) throw await session.refusal(`push the manifest to ${where}`, answer);
    await leave(answer);
    const told = answer.headers['docker-content-digest'];
    const digest = digestOf(bytes);
    if (told !== undefined && told !== digest) throw session.lied(`it took ${digest} as ${told}`);
    return answer.headers['oci-subject'] !== undefined;
  };

  return {
    document,
    async *blob({ digest, size }, { signal }) {
      const hash = createHash('sha256');
      let offset = 0;
      let held: Uint8Array | undefined;
      for (let cuts = 0; ; ) {
        const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
        const answer = await session.ask({ method: 'GET', place: at(`blobs/${digest}`), headers, scope: pull, signal });
        if (answer.status !== 200 && answer.status !== 206)
          throw await session.refusal(`read ${digest} of ${where}`, answer);
        // Who knows no ranges begins anew.
        let skip = answer.status === 200 ? offset : 0;
        try {
          for await (const piece of answer.body) {
            const chunk = skip === 0 ? piece : piece.subarray(Math.min(skip, piece.length));
            skip -= Math.min(skip, piece.length);
            if (chunk.length === 0) continue;
            offset += chunk.length;
            if (offset > size) throw session.lied(`it gives more than the ${size} bytes of ${digest}`);
            hash.update(chunk);
            if (held) yield held;
            held = chunk;
          }
        } catch (error) {
          signal.throwIfAborted();
          if (error instanceof ManifestError) throw error;
          if (cuts >= maxCuts) throw session.cut(error);
        }
        if (offset === size) break;
        cuts += 1;
        if (cuts > maxCuts) throw session.lied(`it gives ${offset} of the ${size} bytes of ${digest}`);
        await session.pause(cuts, signal);
      }
      const found = `sha256:${hash.digest('hex')}`;
      if (found !== digest) throw session.lied(`it gives bytes with ${found} for ${digest}`);
      if (held) yield held;
    },
    hasBlob: (digest, { signal }) => has(at(`blobs/${digest}`), {}, signal),
    hasDocument: (digest, { signal }) => has(at(`manifests/${digest}`), { accept: documentTypes.join(', ') }, signal),
    async pushBlob(blob, read, { signal, mountFrom = [] }) {
      if (await has(at(`blobs/${blob.digest}`), {}, signal)) return 'kept';
      return await pushBlob(session, repository, blob, read, { signal, mountFrom });
    },
    async pushDocument(bytes, { signal, tag }) {
      const digest = digestOf(bytes);
      const { subject, mediaType, artifactType, annotations } = parseDocument(bytes);
      const isListed = await put(bytes, tag ?? digest, signal);
      if (subject && !isListed) {
        const others = (await fallback(subject.digest, signal)).filter((one) => one.digest !== digest);
        const own = { mediaType, digest, size: bytes.length, artifactType, annotations };
        const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [...others, own] };
        await put(Buffer.from(JSON.stringify(index)), referrersTag(subject.digest), signal);
      }
      return digest;
    },
    async tags({ signal }) {
      const { status, values } = await pages(at('tags/list'), signal);
      if (status === 404)
        throw new ManifestError('not-in-registry', `Cannot list the tags of ${where}: there is no such repository`);
      return values.flatMap((value) => {
        const { tags } = value as { tags?: unknown };
        return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
      });
    },
    async referrers(subject, { signal, artifactType }) {
      const filter = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
      const { status, values } = await pages(at(`referrers/${subject}${filter}`), signal);
      const found =
        status === 404
          ? await fallback(subject, signal)
          : values.flatMap((value) => parseDocument(Buffer.from(JSON.stringify(value))).manifests);
      // A registry may pass over the filter.
      return found.filter((one) => artifactType === undefined || one.artifactType === artifactType);
    },
  };
}
