// What a builder says of an image it made, all at once: signature, provenance, bill of materials, each signed and kept beside it.
import type { LockedPackage } from '#manifests/debian';
import type { Manifest } from '#manifests/schema';
import { type Component, catalogueImage, readerOf, type SourceLock } from '#manifests/supply/catalogue';
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { readContent } from '../file-content.ts';
import type { PlannedImage } from '../inputs.ts';
import type { ImageNote } from '../notes.ts';
import type { SourceEntry } from '../sources.ts';
import { type ImageParts, readImageParts } from './image-parts.ts';
import { type BuildFacts, makeProvenance } from './provenance.ts';
import { attach, type Referrer, wholeReferrersOf } from './referrers.ts';
import { makeSbom } from './sbom.ts';
import { type Signer, signStatement } from './sign.ts';
import { type ImageName, makeStatement, predicateTypes, type What } from './statement.ts';

export interface AttestWork {
  readonly manifest: Manifest;
  readonly manifestDigest: Digest;
  readonly blobs: BlobStore;
  readonly signer: Signer;
  /** Says all again, whatever seems to be said: annotations are unsigned, and who can write to the disk can write them. */
  readonly isAnew?: boolean;
  readonly signal: AbortSignal;
}

/** Names of annotations, by which an attestation is found without opening it; only what is signed counts. */
export const annotations = {
  what: 'dev.sigstore.bundle.predicateType',
  by: 'io.hermesh.stack',
  manifest: 'io.hermesh.manifest',
  buildKey: 'io.hermesh.build-key',
} as const;

const said = ['signature', 'provenance', 'sbom'] as const satisfies readonly What[];
/** A lock file beyond this isn't read; it is told in the bill. */
const maxLockBytes = 16 * 1024 * 1024;

/** Says what isn't said yet by this signer; gives what was added. Nothing depends on a clock, so that the same build says the same. */
export async function attestImage(
  planned: PlannedImage,
  image: ImageNote,
  work: AttestWork,
): Promise<readonly Referrer[]> {
  const { manifest, manifestDigest, blobs, signer, isAnew = false, signal } = work;
  const notes = {
    [annotations.by]: signer.stack,
    [annotations.manifest]: manifestDigest,
    [annotations.buildKey]: planned.buildKey,
  };
  const known = isAnew ? [] : await wholeReferrersOf(image.digest, blobs);
  const isSaid = (what: What): boolean =>
    known.some(
      (one) =>
        one.annotations[annotations.what] === predicateTypes[what] &&
        Object.entries(notes).every(([key, value]) => one.annotations[key] === value),
    );
  const open = said.filter((what) => !isSaid(what));
  if (open.length === 0) return [];
  const parts = await readImageParts(image.digest, blobs);
  const name: ImageName = { name: `${manifest.project.name}/${planned.container}`, ...image };
  const locks = sourceLocks(planned);
  const say: Record<(typeof said)[number], () => Promise<object>> = {
    signature: () => Promise.resolve({}),
    provenance: async () => makeProvenance(await factsOf(planned, parts, locks, work), signer.stack),
    sbom: async () =>
      makeSbom(
        name,
        await catalogueImage(
          { layers: parts.layers, packages: planned.packages, toolchains: toolchainsOf(planned), sources: locks },
          blobs,
          { signal },
        ),
      ),
  };
  return await Promise.all(
    open.map(async (what) => {
      const bundle = signStatement(makeStatement(what, name, await say[what]()), signer);
      return await attach(parts, bundle, { [annotations.what]: predicateTypes[what], ...notes }, blobs, { signal });
    }),
  );
}

async function factsOf(
  planned: PlannedImage,
  parts: ImageParts,
  locks: readonly SourceLock[],
  { manifest, manifestDigest }: AttestWork,
): Promise<BuildFacts> {
  const steps = Object.values(planned.steps).flatMap((one) => Object.values(one));
  const read = new Set(
    steps.flatMap(({ application, lockfiles }) => lockfiles.map(({ file }) => `${application}/${file.path}`)),
  );
  const container = manifest.containers[planned.container];
  return {
    format: manifest.packaging.format,
    project: manifest.project.name,
    container: planned.container,
    platform: planned.platform,
    manifestDigest,
    buildKey: planned.buildKey,
    packages: planned.packages,
    toolchains: toolchainsOf(planned),
    base: baseOf(planned, parts),
    sources: Object.fromEntries(Object.entries(planned.sources).map(([name, { digest }]) => [name, digest])),
    files: Object.fromEntries(
      planned.files.map(({ sha256 }, index): [string, Digest] => [
        container?.files[index]?.destination ?? '',
        `sha256:${sha256}`,
      ]),
    ),
    lockfiles: Object.fromEntries(
      steps.flatMap(({ application, lockfiles }) =>
        lockfiles.map(({ file }): [string, Digest] => [`${application}/${file.path}`, `sha256:${file.sha256}`]),
      ),
    ),
    artifacts: (await Promise.all(locks.filter(({ path }) => read.has(path)).map(componentsOf))).flat(),
  };
}

function toolchainsOf({ steps }: PlannedImage): LockedPackage[] {
  return Object.values(steps).flatMap((one) => Object.values(one).flatMap(({ toolchain }) => toolchain));
}

/** A folder that is a base has the digest of its layer; nothing of where it lies on this host is told. */
function baseOf({ base }: PlannedImage, { layers }: ImageParts): BuildFacts['base'] {
  if (base === undefined) return undefined;
  if (base.kind === 'registry') return { name: base.name, digest: base.digest };
  if (base.kind === 'engine') return { name: base.kind, digest: base.image };
  if (base.kind === 'oci-layout') return { name: base.kind, digest: base.digest };
  return layers[0] && { name: base.kind, digest: layers[0].digest };
}

function sourceLocks({ sources }: PlannedImage): SourceLock[] {
  return Object.entries(sources).flatMap(([application, { entries }]) =>
    entries
      .filter((entry): entry is Extract<SourceEntry, { type: 'file' }> => entry.type === 'file')
      .filter(({ path }) => readerOf(path)?.kind === 'locked')
      .map((entry) => ({ path: `${application}/${entry.path}`, text: () => textOf(entry) })),
  );
}

async function textOf({
  file,
  sha256,
  size,
}: {
  readonly file: string;
  readonly sha256: string;
  readonly size: number;
}): Promise<string> {
  if (size > maxLockBytes) throw new Error(`it has ${size} bytes, at most ${maxLockBytes} are read`);
  return Buffer.concat(await Array.fromAsync(readContent(file, sha256))).toString('utf8');
}

async function componentsOf({ path, text }: SourceLock): Promise<readonly Component[]> {
  try {
    return readerOf(path)?.read(await text()) ?? [];
  } catch {
    // The bill tells of it.
    return [];
  }
}
