// What this stack tells the mesh that it holds: of each image its blobs, its manifest and what is attested of it, as it is now.
import { z } from 'zod';
import type { RecordChange } from '#daemon/records';
import { type BlobStore, type Digest, isDigest, ManifestError, type SweepableStore } from '#manifests';
import type { Repositories } from '#manifests/distribution';
import type { Registry } from '#registry';
import { type Exchange, type Holding, holdingKind } from '#registry/exchange';
import type { AttestationRecord, BuildRecord } from '../kinds.ts';

/** As the distribution specification has it. */
const maxManifestBytes = 4 * 1024 * 1024;
/** Manifests of one image that are told of: the same image may have come of several. */
const maxManifests = 5;

const digest = z.string().refine(isDigest);
const descriptor = z.object({ digest, size: z.int().min(0) });
const manifestSchema = z.object({ config: descriptor, layers: z.array(descriptor).max(1_000) });
export type ImageManifest = z.output<typeof manifestSchema>;

export interface Holdings extends Disposable {
  /** The records that say which of these images are here; `manifest` is theirs, where no record says so yet. */
  of(images: readonly string[], manifest?: Digest): Promise<readonly RecordChange[]>;
  /** Brings the records in line with the store: at the start, as much may have happened to its files, and after a sweep. */
  correct(): Promise<void>;
  /** That blob is here no longer: whoever was told that it is hears so soon. */
  gone(blob: Digest): void;
}

interface Parts {
  readonly blobs: SweepableStore;
  readonly exchange: Pick<Exchange, 'describe'>;
  readonly registry: Pick<Registry, 'stack' | 'write' | 'directory'>;
  readonly documents: Pick<Repositories, 'document'>;
  /** Manifests of what was said of an image. */
  readonly attachedTo: (image: Digest) => Promise<readonly Digest[]>;
  readonly onFault: (error: unknown) => void;
}

export function makeHoldings({ blobs, exchange, registry, documents, attachedTo, onFault }: Parts): Holdings {
  const went = new Set<Digest>();
  let telling: NodeJS.Immediate | undefined;
  let isOver = false;

  const describe = async (image: Digest, given: Digest | undefined): Promise<Holding | undefined> => {
    const manifest = await readImageManifest(blobs, image);
    if (!manifest) return undefined;
    const attested: Digest[] = [];
    for (const one of await attachedTo(image)) attested.push(one, ...((await documents.document(one))?.blobs ?? []));
    const manifests = [...(given ? [given] : []), ...manifestsOf(registry.directory, image)].slice(0, maxManifests);
    const layers = manifest.layers.map((layer) => layer.digest);
    // What is needed to know what it is stands before what it is made of: of a record that is full, layers are left out.
    const all = [image, manifest.config.digest, ...manifests, ...attested, ...layers];
    const told = await exchange.describe(all);
    // It may have gone while the rest was looked at: without it nobody has an image.
    return told.blobs.some(([hex]) => image.endsWith(hex)) ? told : undefined;
  };

  const ownOf = <Body>(kind: string) =>
    registry.directory.list<Body>({ kind, stack: registry.stack, includeUnreachable: true });
  const own = () => ownOf<Holding>(holdingKind.name);

  /** Nothing is read for it, which would count as a use: what of a record is there still is told on. */
  const follow = (isHere: (blob: Digest) => boolean): void => {
    for (const { name, body } of own()) {
      const left = body.blobs.filter(([hex]) => isHere(`sha256:${hex}`));
      // Without its manifest nobody has an image.
      const isGone = !left.some(([hex]) => name.endsWith(hex));
      if (left.length === body.blobs.length && !isGone) continue;
      registry.write([{ kind: holdingKind.name, name, body: isGone ? undefined : { blobs: left } }]);
    }
  };

  return {
    async of(images, manifest) {
      const changes: RecordChange[] = [];
      for (const image of images) {
        const body = isDigest(image) ? await describe(image, manifest) : undefined;
        if (body) changes.push({ kind: holdingKind.name, name: image, body });
      }
      return changes;
    },
    async correct() {
      const here = new Set<string>();
      for await (const { digest: blob } of blobs.list()) here.add(blob);
      if (isOver) return;
      follow((blob) => here.has(blob));
      for (const { kind, name, body } of ownOf<AttestationRecord>('attestation'))
        if (!body.attestations.some(([blob]) => here.has(blob))) registry.write([{ kind, name, body: undefined }]);
      const told = new Set(own().map(({ name }) => name));
      for (const image of new Set(ownOf<BuildRecord>('build').map(({ body }) => body.digest))) {
        const body =
          here.has(image) && !told.has(image) && isDigest(image) ? await describe(image, undefined) : undefined;
        if (body && !isOver) registry.write([{ kind: holdingKind.name, name: image, body }]);
      }
    },
    gone(blob) {
      went.add(blob);
      // Those that go in one turn are told of together.
      telling ??= setImmediate(() => {
        telling = undefined;
        try {
          if (!isOver) follow((one) => !went.has(one));
        } catch (error) {
          onFault(error);
        }
        went.clear();
      });
    },
    [Symbol.dispose]() {
      isOver = true;
      clearImmediate(telling);
    },
  };
}

/** The manifest of an image that is in the store; undefined for anything else. */
export async function readImageManifest(blobs: BlobStore, image: string): Promise<ImageManifest | undefined> {
  const size = isDigest(image) ? await blobs.size(image) : undefined;
  if (!isDigest(image) || size === undefined || size > maxManifestBytes) return undefined;
  try {
    const bytes = await blobs.bytes(image, { maxBytes: maxManifestBytes });
    return manifestSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8'))).data;
  } catch (error) {
    // Rotted, or none at all.
    if (error instanceof ManifestError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Of the builds that made that image, here or elsewhere: what each was told to build. */
export function manifestsOf(directory: Registry['directory'], image: string): Digest[] {
  const builds = directory.list<BuildRecord>({ kind: 'build', includeUnreachable: true });
  const found = builds.filter(({ body }) => body.digest === image).map(({ body }) => body.manifestDigest);
  return [...new Set(found)].filter(isDigest).slice(0, maxManifests);
}
