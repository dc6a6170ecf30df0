// From a digest to what can be run of it on a stack without the sources: what builders recorded, and what the mesh gives by it.
import { type BuiltImage, type Digest, isDigest, manifestDigest, type Platform } from '#manifests';
import type { Registry } from '#registry';
import type { OperationCall } from '../deed.ts';
import { DaemonError } from '../errors.ts';
import type { BuildRecord, ManifestRecord } from '../kinds.ts';
import type { BuiltManifest, Images } from './images.ts';
import type { Pulls } from './pulls.ts';

/** What a run needs of a build, wherever that was. */
export type Runnable = Pick<BuiltManifest, 'manifest' | 'digest' | 'build'>;

interface Parts {
  readonly images: Pick<Images, 'manifest'>;
  readonly pulls: Pick<Pulls, 'pull' | 'pullManifest'>;
  readonly registry: Pick<Registry, 'directory'>;
}

/**
 * Brings the manifest of a digest, its own or that of an image which came of it, and its images for this platform. Throws
 * `not-found` where nobody recorded a build of it, or nobody gives what was built, `ambiguous`.
 */
export async function bringRecorded(
  { images, pulls, registry }: Parts,
  target: Digest,
  platform: string,
  call: OperationCall,
): Promise<Runnable> {
  const digest = manifestOf(registry.directory, target);
  await pulls.pullManifest(digest, call);
  const manifest = await images.manifest(digest);
  // What is under a manifest's digest is canonical: read and written out again, it is the same.
  if (!manifest || manifestDigest(manifest) !== digest)
    throw new DaemonError('bad-input', `Cannot run "${target}": what is under ${digest} is no manifest`);
  const built: BuiltImage[] = [];
  for (const container of Object.keys(manifest.containers)) {
    const record = buildOf(registry.directory, { digest, project: manifest.project.name, container, platform });
    if (!record || !isDigest(record.digest) || !isDigest(record.configDigest) || !isDigest(record.buildKey))
      throw new DaemonError('not-found', `Cannot run "${container}": no stack recorded its image for ${platform}`, {
        mend: 'build it where its sources are: hermesh build FILE',
      });
    const { buildKey, configDigest, sizeBytes } = record;
    await pulls.pull(record.digest, call);
    built.push({
      container,
      platform: record.platform as Platform,
      buildKey,
      digest: record.digest,
      configDigest,
      sizeBytes,
      cached: true,
      changes: undefined,
    });
  }
  return { manifest, digest, build: { manifestDigest: digest, images: built, indexes: {} } };
}

function manifestOf(directory: Registry['directory'], target: Digest): Digest {
  const list = <Body>(kind: string) => directory.list<Body>({ kind, includeUnreachable: true });
  if (list<ManifestRecord>('manifest').some(({ body }) => body.digest === target)) return target;
  const of = list<BuildRecord>('build').filter(({ body }) => body.digest === target || body.manifestDigest === target);
  const found = [...new Set(of.map(({ body }) => body.manifestDigest))].filter(isDigest);
  const [digest, ...more] = found;
  if (digest === undefined)
    throw new DaemonError('not-found', `Cannot run "${target}": no stack of this mesh recorded a build of it`, {
      mend: 'hermesh ls build',
    });
  if (more.length > 0)
    throw new DaemonError('ambiguous', `Cannot run "${target}": ${found.length} manifests gave that image`, {
      mend: `name one of them: ${found.slice(0, 5).join(', ')}`,
    });
  return digest;
}

/**
 * The image that most stacks made of that manifest; a manifest whose change left an image as it was has no record of its own, so
 * that of the project's newest counts: the gate sees whether it was attested for this one.
 */
function buildOf(
  directory: Registry['directory'],
  wanted: { readonly digest: Digest; readonly project: string; readonly container: string; readonly platform: string },
): BuildRecord | undefined {
  const all = directory
    .list<BuildRecord>({ kind: 'build', includeUnreachable: true })
    .map(({ body }) => body)
    .filter(
      ({ project, container, platform }) =>
        project === wanted.project && container === wanted.container && platform === wanted.platform,
    );
  const exact = all.filter(({ manifestDigest: of }) => of === wanted.digest);
  if (exact.length > 0) {
    const votes = (image: string): number => exact.filter((one) => one.digest === image).length;
    return exact.sort((a, b) => votes(b.digest) - votes(a.digest) || (a.digest < b.digest ? -1 : 1))[0];
  }
  const superseded = new Set(all.map(({ supersedes }) => supersedes));
  return all.find(({ buildKey }) => !superseded.has(buildKey));
}
