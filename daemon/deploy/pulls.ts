// Images from other stacks: all blobs of one, each from several peers at once; and a store that brings what an engine asks for.
import { type BlobStore, type Digest, isDigest, type PartialStore } from '#manifests';
import {
  formatReference,
  openRegistryClient,
  parseReference,
  pullImage,
  pushImage,
  type RegistryParts,
  type Repositories,
} from '#manifests/distribution';
import type { Registry } from '#registry';
import type { Exchange } from '#registry/exchange';
import type { Do, OperationCall } from '../deed.ts';
import { DaemonError } from '../errors.ts';
import type { BuildRecord } from '../kinds.ts';
import { type Holdings, type ImageManifest, manifestsOf, readImageManifest } from './holdings.ts';
import type { Supply } from './supply.ts';

export interface Pulled {
  readonly digest: Digest;
  readonly blobs: number;
  readonly sizeBytes: number;
  /** What came over the wire; the rest was here, or shared with what was. */
  readonly receivedBytes: number;
}

export interface Pulls {
  /**
   * Brings an image here with what it came of and what is attested of it, and tells the mesh that this stack holds it. Throws
   * `not-found` where no stack that is reached gives it, `no-space` before the first byte where it doesn't fit on the disk.
   */
  pull(digest: string, call: OperationCall): Promise<Pulled>;
  /** Brings an image here from a registry, by a reference with a tag or a digest. Throws what a registry client throws. */
  pullFrom(reference: string, call: OperationCall): Promise<Pulled>;
  /** Puts an image of this store and what refers to it into a registry, under the tag of the reference or its digest alone. */
  push(
    digest: Digest,
    reference: string,
    call: OperationCall,
  ): Promise<{ readonly reference: string; readonly movedBytes: number }>;
  /** Brings a manifest that some stack built, as canonical JSON. Throws `not-found`. */
  pullManifest(digest: Digest, options: { readonly signal: AbortSignal }): Promise<void>;
}

interface Parts {
  readonly blobs: BlobStore;
  readonly exchange: Exchange;
  readonly partials: Pick<PartialStore, 'requireSpace'>;
  readonly holdings: Holdings;
  readonly registry: Pick<Registry, 'stack' | 'write' | 'directory'>;
  readonly repositories: Repositories;
  readonly registryParts: RegistryParts;
  readonly supply: Pick<Supply, 'attached' | 'bring'>;
  readonly deed: Do;
}

/** As the distribution specification has it. */
const maxManifestBytes = 4 * 1024 * 1024;
/** Blobs of one image at a time: one that ends slowly doesn't hold up the next. */
const maxAtOnce = 2;
/** An engine that asks for a blob waits so long for it. */
const bringMs = 30 * 60_000;

/** As large as a manifest of Hermesh may be, with its defaults written out. */
const maxHermeshBytes = 2 * 1024 * 1024;
/** Progress is told this seldom: a line each on what isn't a terminal. */
const reportMs = 500;

export function makePulls(parts: Parts): Pulls {
  const { blobs, exchange, partials, holdings, registry, repositories, registryParts, supply, deed } = parts;
  const told = ({ report, signal }: OperationCall, doing: string) => ({
    signal,
    report: ({ doneBytes, sizeBytes }: { readonly doneBytes: number; readonly sizeBytes: number }) =>
      report({
        message: `${doing} ${doneBytes} of ${sizeBytes} bytes`,
        fraction: sizeBytes === 0 ? 1 : doneBytes / sizeBytes,
      }),
  });
  return {
    async pullFrom(text, call) {
      const { registry: host, repository, tag, digest: named } = parseReference(text);
      const client = openRegistryClient(host, repository, registryParts);
      const copied = await pullImage(client, named ?? tag ?? 'latest', blobs, told(call, 'pulled'));
      // Its name here is that of there: what keeps it from being swept, and how it is found again.
      await repositories.add(repository, copied.digest, tag === undefined ? {} : { tag });
      const records = await holdings.of([copied.digest]);
      const data = { reference: text, sizeBytes: copied.sizeBytes, receivedBytes: copied.movedBytes };
      deed(call, { type: 'image.pulled', subject: copied.digest, data }, () => registry.write(records));
      const { digest, blobs: count, sizeBytes, movedBytes } = copied;
      return { digest, blobs: count, sizeBytes, receivedBytes: movedBytes };
    },
    async push(wanted, text, call) {
      const reference = parseReference(text);
      if (reference.digest !== undefined)
        throw new DaemonError('bad-input', `Cannot push to "${text}": a digest is not chosen`, {
          mend: 'leave "@…" out',
        });
      const client = openRegistryClient(reference.registry, reference.repository, registryParts);
      const pushed = await referrersOf(repositories, wanted);
      const referrers = [...new Set([...pushed, ...(await supply.attached(wanted))])];
      const copied = await pushImage(client, wanted, blobs, { ...told(call, 'pushed'), tag: reference.tag, referrers });
      const at = formatReference({ ...reference, digest: wanted });
      const data = { reference: at, movedBytes: copied.movedBytes };
      deed(call, { type: 'image.pushed', subject: wanted, data }, () => undefined);
      return { reference: at, movedBytes: copied.movedBytes };
    },
    async pullManifest(wanted, { signal }) {
      await bring(exchange, wanted, { maxBytes: maxHermeshBytes, signal });
    },
    async pull(wanted, call) {
      const { signal, report } = call;
      if (!isDigest(wanted)) throw new DaemonError('bad-input', `Cannot pull "${wanted}": that is no sha256 digest`);
      let receivedBytes = await bring(exchange, wanted, { maxBytes: maxManifestBytes, signal });
      const manifest = await readImageManifest(blobs, wanted);
      if (!manifest)
        throw new DaemonError('bad-input', `Cannot pull "${wanted}": it is no image`, { mend: 'hermesh ls build' });
      const older = await olderImage(blobs, registry, wanted);
      const all = [manifest.config, ...manifest.layers];
      const sizeBytes = all.reduce((sum, { size }) => sum + size, 0);
      const missing = [];
      for (const one of all) if (!(await blobs.has(one.digest))) missing.push({ ...one, sizeBytes: one.size });
      if (missing.length > 0) await partials.requireSpace(missing);
      const told = makeProgress(sizeBytes, report);
      const queue = all.entries();
      const worker = async (): Promise<void> => {
        for (const [index, { digest: blob, size }] of queue) {
          const base = index === 0 ? undefined : await baseOf(blobs, older?.layers[index - 1]?.digest, blob);
          const here = (bytes: number): void => told(index, bytes);
          receivedBytes += await bring(exchange, blob, {
            sizeBytes: size,
            signal,
            report: here,
            ...(base && { base }),
          });
          told(index, size);
        }
      };
      await Promise.all(Array.from({ length: maxAtOnce }, worker));
      receivedBytes += await bringManifests(parts, wanted, { signal });
      await supply.bring(wanted, { signal });
      const records = await holdings.of([wanted]);
      const data = { sizeBytes, receivedBytes };
      deed(call, { type: 'image.pulled', subject: wanted, data }, () => registry.write(records));
      return { digest: wanted, blobs: all.length + 1, sizeBytes, receivedBytes };
    },
  };
}

/** Tells how much of all is here, now and then, and at the end. */
function makeProgress(sizeBytes: number, report: OperationCall['report']): (index: number, hereBytes: number) => void {
  const here = new Map<number, number>();
  let toldAt = Number.NEGATIVE_INFINITY;
  return (index, hereBytes) => {
    here.set(index, hereBytes);
    const done = [...here.values()].reduce((sum, each) => sum + each, 0);
    const now = performance.now();
    if (done < sizeBytes && now - toldAt < reportMs) return;
    toldAt = now;
    report({ message: `${done} of ${sizeBytes} bytes are here`, fraction: sizeBytes === 0 ? 1 : done / sizeBytes });
  };
}

/** The manifests that an image came of: hints, so that what nobody gives is left out. */
async function bringManifests(
  { exchange, registry }: Parts,
  image: Digest,
  { signal }: { readonly signal: AbortSignal },
): Promise<number> {
  let receivedBytes = 0;
  for (const manifest of manifestsOf(registry.directory, image))
    try {
      receivedBytes += (await exchange.fetch(manifest, { maxBytes: maxHermeshBytes, signal })).receivedBytes;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'unreachable') throw error;
    }
  return receivedBytes;
}

/** What names an image as its subject, in any repository here. */
async function referrersOf(repositories: Repositories, subject: Digest): Promise<Digest[]> {
  const found = new Set<Digest>();
  for (const name of await repositories.names()) {
    const held = await repositories.read(name);
    for (const [digest, one] of Object.entries(held?.manifests ?? {}))
      if (one.subject === subject) found.add(digest as Digest);
  }
  return [...found];
}

/** Images of `PROJECT/CONTAINER` that some stack of the mesh built: they stand in that repository without having been pushed. */
export function imagesOf(directory: Registry['directory'], repository: string): readonly Digest[] {
  const [project, container, ...more] = repository.split('/');
  if (container === undefined || more.length > 0) return [];
  const builds = directory.list<BuildRecord>({ kind: 'build', includeUnreachable: true });
  return builds
    .filter(({ body }) => body.project === project && body.container === container)
    .map(({ body }) => body.digest)
    .filter(isDigest);
}

/** The store with blobs of other stacks behind it: what isn't here is brought when its size is asked for. */
export function bringMissing(blobs: BlobStore, exchange: Exchange): BlobStore {
  const size = async (wanted: Digest): Promise<number | undefined> => {
    const here = await blobs.size(wanted);
    if (here !== undefined) return here;
    // What nobody holds, or nobody gives now, isn't known to whoever asks.
    const fetched = await exchange.fetch(wanted, { signal: AbortSignal.timeout(bringMs) }).catch(() => undefined);
    return fetched?.sizeBytes;
  };
  return {
    directory: blobs.directory,
    size,
    has: async (wanted) => (await size(wanted)) !== undefined,
    read: (wanted, range) => blobs.read(wanted, range),
    bytes: (wanted, options) => blobs.bytes(wanted, options),
    write: (content, options) => blobs.write(content, options),
    scratch: () => blobs.scratch(),
    writeNote: (name, text) => blobs.writeNote(name, text),
    readNote: (name) => blobs.readNote(name),
  };
}

async function bring(exchange: Exchange, blob: Digest, options: Parameters<Exchange['fetch']>[1]): Promise<number> {
  try {
    return (await exchange.fetch(blob, options)).receivedBytes;
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'unreachable') throw cause;
    throw new DaemonError('not-found', (cause as Error).message, {
      cause,
      mayRetry: true,
      mend: 'hermesh ls blob-holding',
    });
  }
}

/** An image of the same container that is here: its layers share most with the wanted one's, one by one. */
async function olderImage(
  blobs: BlobStore,
  { directory }: Pick<Registry, 'directory'>,
  wanted: Digest,
): Promise<ImageManifest | undefined> {
  const builds = directory.list<BuildRecord>({ kind: 'build', includeUnreachable: true });
  const of = builds.find(({ body }) => body.digest === wanted)?.body;
  const others = builds.filter(
    ({ body }) => body.digest !== wanted && body.project === of?.project && body.container === of.container,
  );
  for (const { body } of others) {
    const manifest = await readImageManifest(blobs, body.digest);
    if (manifest) return manifest;
  }
  return undefined;
}

async function baseOf(blobs: BlobStore, base: Digest | undefined, wanted: Digest): Promise<Digest | undefined> {
  return base !== undefined && base !== wanted && (await blobs.has(base)) ? base : undefined;
}
