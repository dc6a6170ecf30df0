// The records of a build, given what is recorded already: what is there stays as it is, what is new says what it takes the place of.
import { type BuiltImage, canonicalJson, checkStandards, type Lock, type Manifest, standards } from '#manifests';
import type { Directory } from '#registry';
import type { BuildRecord, CheckRecord, ManifestRecord } from '../kinds.ts';
import type { Revision } from './revision.ts';

export interface RecordChange {
  readonly kind: string;
  readonly name: string;
  readonly body: unknown;
}

interface Made {
  readonly manifest: Manifest;
  readonly digest: string;
  readonly lock: Lock | undefined;
  readonly images: readonly BuiltImage[];
  readonly revision: Revision | undefined;
}

/** More than a manifest has containers that differ in what lies under them. */
const maxBases = 100;

export function checkName(manifestDigest: string): string {
  return `${manifestDigest}.${standards}`;
}

/** `differs` names build keys that another image was made from before: their records stay, and people are to be told. */
export function writtenBy(
  made: Made,
  directory: Pick<Directory, 'list'>,
  stack: string,
): { readonly changes: readonly RecordChange[]; readonly differs: readonly string[] } {
  const { manifest, digest, images } = made;
  const project = manifest.project.name;
  const own = <Body>(kind: string) => directory.list<Body>({ kind, stack, includeUnreachable: true });
  const manifests = own<ManifestRecord>('manifest').filter(({ body }) => body.project === project);
  const builds = own<BuildRecord>('build').filter(({ body }) => body.project === project);
  const changes: RecordChange[] = [];
  const differs: string[] = [];
  const isNew = !manifests.some(({ name }) => name === digest);
  if (isNew) changes.push({ kind: 'manifest', name: digest, body: manifestRecord(made, newest(manifests)) });
  if (!own<CheckRecord>('check').some(({ name }) => name === checkName(digest)))
    changes.push({ kind: 'check', name: checkName(digest), body: checkOf(manifest, digest, made.lock) });
  for (const { container, buildKey, platform, digest: image, configDigest, sizeBytes } of images) {
    const known = builds.find(({ name }) => name === buildKey);
    if (known && known.body.digest !== image) differs.push(buildKey);
    if (known) continue;
    const before = builds.filter(({ body }) => body.container === container && body.platform === platform);
    const supersedes = newest(before);
    const body: BuildRecord = {
      project,
      container,
      manifestDigest: digest,
      buildKey,
      platform,
      digest: image,
      configDigest,
      sizeBytes,
      ...(supersedes !== undefined && { supersedes }),
    };
    changes.push({ kind: 'build', name: buildKey, body });
  }
  const buried = new Set(own('tombstone').map(({ name }) => name));
  const risen = changes.map(({ kind, name }) => `${kind}/${name}`).filter((name) => buried.has(name));
  return { changes: [...changes, ...risen.map((name) => ({ kind: 'tombstone', name, body: undefined }))], differs };
}

export function checkOf(manifest: Manifest, manifestDigest: string, lock: Lock | undefined): CheckRecord {
  const checks = checkStandards(manifest, lock).map((one) => ({ ...one }));
  const meetsStandards = checks.every(({ isMet }) => isMet);
  return { manifestDigest, project: manifest.project.name, standards, meetsStandards, checks };
}

/** The one that none of the others takes the place of; a build of something older again leaves the newest as it is. */
function newest(
  all: readonly { readonly name: string; readonly body: { readonly supersedes?: string | undefined } }[],
) {
  const superseded = new Set(all.map(({ body }) => body.supersedes));
  return all.find(({ name }) => !superseded.has(name))?.name;
}

function manifestRecord({ manifest, digest, lock, revision }: Made, supersedes: string | undefined): ManifestRecord {
  const { name, version, license } = manifest.project;
  const bases = basesOf(manifest, lock);
  return {
    digest,
    project: name,
    containers: Object.keys(manifest.containers).sort(),
    sizeBytes: Buffer.byteLength(canonicalJson(manifest)),
    ...(version !== undefined && { version }),
    ...(license !== undefined && { license }),
    ...(supersedes !== undefined && { supersedes }),
    ...(bases.length > 0 && { bases }),
    ...(revision && { revision: { ...revision } }),
  };
}

/** Digests of what lies under its images, as the manifest or its lock names them. */
function basesOf(manifest: Manifest, lock: Lock | undefined): string[] {
  const named = Object.entries(manifest.containers).flatMap(([name, { base, base_image }]) => [
    base.kind === 'oci-layout' ? base.digest : '',
    base.kind === 'registry' ? base.reference.slice(base.reference.indexOf('@') + 1) : '',
    base.kind === 'engine' ? base.image : '',
    /@(sha256:[0-9a-f]{64})$/.exec(base_image ?? '')?.[1] ?? '',
    ...Object.values(lock?.bases[name] ?? {}).map((pinned) => pinned.digest),
  ]);
  return [...new Set(named.filter((one) => one !== ''))].sort().slice(0, maxBases);
}
