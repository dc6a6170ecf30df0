// How a manifest becomes images: all inputs known first, then steps and images made side by side, each kept by what went into it.
import type { BaseSource, WantedBase } from '#manifests/bases';
import type { PackageSource } from '#manifests/debian';
import type { NodeSource } from '#manifests/runtimes';
import type { Manifest, Platform } from '#manifests/schema';
import { assembleImage } from './assemble.ts';
import { type StoredBase, storeBase } from './base-layers.ts';
import type { BlobStore } from './blobs.ts';
import { type Digest, manifestDigest } from './digest.ts';
import { ManifestError } from './error.ts';
import { compareFacts, type InputChange, type InputFacts } from './explain.ts';
import { makeImageIndex } from './image.ts';
import { checkLocks, openPlanner, type PlannedImage } from './inputs.ts';
import type { Lock } from './lock.ts';
import { type ImageNote, readImageNote, readPlainNote, writePlainNote } from './notes.ts';
import { actInOrder } from './order.ts';
import { containersInOrder, needsOfContainers } from './relations.ts';
import { type BuildSteps, openStepResults } from './step-results.ts';

/** What a build is made of, and where its parts come from. */
export interface BuildRequest {
  readonly manifest: Manifest;
  /** Undefined where there is no manifest.lock.json: enough where nothing has Debian packages. */
  readonly lock: Lock | undefined;
  /** The folder of the manifest. */
  readonly directory: string;
  readonly blobs: BlobStore;
  readonly packages: PackageSource;
  /** Needed where a container has a base. */
  readonly bases?: BaseSource;
  /** Needed where an application names a Node. */
  readonly nodes?: NodeSource;
  /** Needed where an application has steps. */
  readonly steps?: BuildSteps;
  /** Told of each image when it is in the store, made now or before: what is said of it is said here. */
  readonly attest?: (planned: PlannedImage, image: ImageNote) => Promise<void>;
  /** What is going on, and how much of all is done (0 to 1). */
  readonly report: (progress: { readonly message: string; readonly fraction?: number }) => void;
  readonly signal: AbortSignal;
  /** False builds anew from sources and packages. */
  readonly useCache: boolean;
}

export interface BuiltImage {
  readonly container: string;
  readonly platform: Platform;
  readonly buildKey: Digest;
  /** Of the image's manifest: what it is pulled by. */
  readonly digest: Digest;
  /** Of its config: its id in older engines. */
  readonly configDigest: Digest;
  /** Of manifest, config and layers together. */
  readonly sizeBytes: number;
  readonly cached: boolean;
  /** What differs from the last build of this container in this store; undefined where there was none. */
  readonly changes: readonly InputChange[] | undefined;
}

export interface Build {
  readonly manifestDigest: Digest;
  /** In the order in which the containers start, the platforms of one as the manifest lists them. */
  readonly images: readonly BuiltImage[];
  /** By container: the digest of the index over its platforms, where it has more than one. */
  readonly indexes: Readonly<Record<string, Digest>>;
}

/** Each holds the list of an image's files and writes to the disk; more at once only wait for it. */
const imagesAtOnce = 2;
const maxJsonBytes = 1024 * 1024;

/**
 * Builds the image of each container and platform; what is in the store already is not made again.
 * Throws ManifestError (`lock-mismatch`, `missing-source`, `digest-mismatch`, …); what was kept till then is whole and is used next time.
 */
export async function buildImages(request: BuildRequest): Promise<Build> {
  const { manifest, report, signal, blobs } = request;
  const names = containersInOrder(manifest);
  // All that can be refused without work is refused first.
  checkLocks(request);
  const storedBase = shareBases(request);
  const plan = openPlanner({
    ...request,
    digestOfTree: async (base, platform) => (await storedBase(base, platform)).layers[0]?.digest as Digest,
  });
  const total = names.reduce((sum, name) => sum + platformsOf(manifest, name).length, 0);
  const parts = new Map<string, number>();
  const images = new Map<string, BuiltImage[]>();
  const results = openStepResults(request);
  await actInOrder(names, needsOfContainers(manifest), { atOnce: imagesAtOnce, signal }, async (name, either) => {
    for (const platform of platformsOf(manifest, name)) {
      const label = platformsOf(manifest, name).length > 1 ? `${name} for ${platform}` : name;
      const progress = (message: string, part: number): void => {
        parts.set(label, part);
        report({ message: `${label}: ${message}`, fraction: sum(parts.values()) / total });
      };
      progress('reading its sources', 0);
      const planned = await plan(name, platform);
      const built = await buildOne(planned, { ...request, signal: either, progress, storedBase, results });
      images.set(name, [...(images.get(name) ?? []), built]);
      progress(built.cached ? 'built already' : `built ${built.digest}`, 1);
    }
  });
  const indexes: Record<string, Digest> = {};
  for (const [name, list] of images) {
    if (list.length < 2) continue;
    const entries = await Promise.all(
      list.map(async ({ digest, platform }) => ({ digest, platform, sizeBytes: (await blobs.size(digest)) ?? 0 })),
    );
    indexes[name] = (await blobs.write([makeImageIndex(entries)], { maxBytes: maxJsonBytes, signal })).digest;
  }
  return { manifestDigest: manifestDigest(manifest), images: names.flatMap((name) => images.get(name) ?? []), indexes };
}

async function buildOne(
  planned: PlannedImage,
  work: BuildRequest & {
    readonly progress: (message: string, part: number) => void;
    readonly storedBase: (wanted: WantedBase, platform: Platform) => Promise<StoredBase>;
    readonly results: ReturnType<typeof openStepResults>;
  },
): Promise<BuiltImage> {
  const { container, platform, buildKey, facts, base } = planned;
  const place = { project: work.manifest.project.name, container, platform };
  const before = await readPlainNote<InputFacts>(work.blobs, 'inputs', place);
  const changes = before && compareFacts(before, facts);
  const finish = async (image: ImageNote, cached: boolean): Promise<BuiltImage> => {
    await work.attest?.(planned, image);
    await writePlainNote(work.blobs, 'inputs', place, facts);
    return { container, platform, buildKey, ...image, cached, changes };
  };
  const known = work.useCache ? await readImageNote(work.blobs, buildKey) : undefined;
  if (known) return await finish(known, true);
  const stored = base && (await work.storedBase(base, platform));
  const results: Record<string, Digest> = {};
  for (const [application, steps] of Object.entries(planned.steps))
    for (const step of Object.keys(steps))
      results[`${application}/${step}`] = await work.results(steps, step, work.signal, (message) =>
        work.progress(message, 0.1),
      );
  return await finish(await assembleImage(planned, { base: stored, results }, work), false);
}

/** Each base is brought into the store once a build. */
function shareBases(request: BuildRequest): (wanted: WantedBase, platform: Platform) => Promise<StoredBase> {
  const shared = new Map<string, Promise<StoredBase>>();
  return (wanted, platform) => {
    const { bases, manifest } = request;
    if (bases === undefined)
      throw new ManifestError('base-unavailable', 'Cannot build on a base: nothing here can open one');
    const key = JSON.stringify([wanted, platform]);
    const stored =
      shared.get(key) ?? storeBase(wanted, platform, { ...request, bases, epochSeconds: manifest.packaging.epoch });
    shared.set(key, stored);
    return stored;
  };
}

function platformsOf(manifest: Manifest, container: string): readonly Platform[] {
  return manifest.containers[container]?.platforms ?? [];
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((total, value) => total + value, 0);
}
