// The shape of manifest.lock.json, and whether a lock fits its manifest.
import { z } from 'zod';
import { type BaseSource, baseReference } from '#manifests/bases';
import { type LockedPackage, lockedPackageSchema, type PackageSource } from '#manifests/debian';
import type { Manifest, ManifestContainer, Platform } from '#manifests/schema';
import { canonicalJson, type Digest, digestOf } from './digest.ts';
import { ManifestError } from './error.ts';
import { parseFile } from './parse.ts';

const digest = z.templateLiteral(['sha256:', z.string().regex(/[0-9a-f]{64}/)], 'a digest "sha256:…"');

/** Packages for one platform, by the names that were asked for. */
const lockedSet = z.strictObject({
  /** The digest of the names that were asked for, so that a lock of another manifest is found out. */
  asked: digest,
  packages: z.array(lockedPackageSchema).max(2000),
});

const lockSchema = z.strictObject({
  lock_version: z.literal('1.0'),
  /** By container, then by platform. Containers without Debian packages aren't here. */
  containers: z.record(z.string(), z.record(z.string(), lockedSet)).default({}),
  /** Toolchains of build steps, by application, step and platform. */
  steps: z.record(z.string(), z.record(z.string(), z.record(z.string(), lockedSet))).default({}),
  /** What a `base_image` without a digest was when it was locked, by container and platform. */
  bases: z.record(z.string(), z.record(z.string(), z.strictObject({ asked: z.string().max(512), digest }))).default({}),
});

export type Lock = z.infer<typeof lockSchema>;
type LockedSet = z.infer<typeof lockedSet>;

const mend = 'run "hermesh manifest lock FILE"';

/** A lock in a text; throws `invalid-lock` with every problem. */
export function parseLock(text: string, where: { readonly file: string }): Lock {
  return parseFile(text, where, 'invalid-lock', lockSchema, () => []);
}

/** The text of a lock: the same bytes for the same content, one fact a line so that its changes read well. */
export function formatLock(lock: Lock): string {
  return `${JSON.stringify(JSON.parse(canonicalJson(lock)), undefined, 2)}\n`;
}

/**
 * Resolves the packages of each container and each step, and each base that is named by a tag, to exact versions and hashes.
 * Throws what `PackageSource.resolve` and `BaseSource.resolve` throw.
 */
export async function lockManifest(
  manifest: Manifest,
  packages: PackageSource,
  {
    signal,
    report,
    bases,
  }: {
    readonly signal: AbortSignal;
    readonly report: (progress: { message: string }) => void;
    readonly bases?: BaseSource;
  },
): Promise<Lock> {
  const lock: Lock = { lock_version: '1.0', containers: {}, steps: {}, bases: {} };
  /** Names are asked for once: several containers and steps often want the same. */
  const known = new Map<string, LockedSet>();
  const resolve = async (names: readonly string[], platform: Platform, whose: string): Promise<LockedSet> => {
    signal.throwIfAborted();
    const asked = askedDigest(names);
    const key = `${platform} ${asked}`;
    const found = known.get(key) ?? { asked, packages: sorted(await packages.resolve(names, platform, { signal })) };
    known.set(key, found);
    report({ message: `locked ${found.packages.length} packages of ${whose}` });
    return found;
  };
  for (const [name, container] of Object.entries(manifest.containers)) {
    for (const platform of container.platforms) {
      if (container.debian.length > 0) {
        const set = await resolve(container.debian, platform, `"${name}"`);
        lock.containers[name] = { ...lock.containers[name], [platform]: set };
      }
      if (isTag(container) && bases !== undefined) {
        const asked = container.base_image ?? '';
        const pinned = { asked, digest: await bases.resolve(baseReference(asked).name, platform, { signal }) };
        lock.bases[name] = { ...lock.bases[name], [platform]: pinned };
        report({ message: `locked the base of "${name}"` });
      }
    }
  }
  for (const [name, application] of Object.entries(manifest.applications)) {
    const steps: Lock['steps'][string] = {};
    for (const step of application.build.steps) {
      const names = toolchainOf(manifest, name, step.name);
      for (const platform of names.length === 0 ? [] : platformsOf(manifest, name)) {
        const set = await resolve(names, platform, `step "${step.name}" of "${name}"`);
        steps[step.name] = { ...steps[step.name], [platform]: set };
      }
    }
    if (Object.keys(steps).length > 0) lock.steps[name] = steps;
  }
  return lock;
}

/**
 * The packages locked for one container, by name; none where it asks for none.
 * Throws `lock-mismatch` where the lock is missing or was made for other names.
 */
export function lockedPackages(
  manifest: Manifest,
  lock: Lock | undefined,
  containerName: string,
  platform: Platform,
): readonly LockedPackage[] {
  const asked = manifest.containers[containerName]?.debian ?? [];
  return fitting(asked, lock?.containers[containerName]?.[platform], lock, `"${containerName}"`, platform);
}

/** The packages locked for a step's toolchain: those of the application's runtime and its own. Throws as `lockedPackages`. */
export function lockedToolchain(
  manifest: Manifest,
  lock: Lock | undefined,
  place: { readonly application: string; readonly step: string },
  platform: Platform,
): readonly LockedPackage[] {
  const { application, step } = place;
  const set = lock?.steps[application]?.[step]?.[platform];
  const asked = toolchainOf(manifest, application, step);
  return fitting(asked, set, lock, `step "${step}" of "${application}"`, platform);
}

/**
 * The digest that a container's base is taken by; undefined for `scratch`, and for a folder, whose content decides.
 * Throws `lock-mismatch` where it is named by a tag that the lock doesn't pin.
 */
export function lockedBase(
  manifest: Manifest,
  lock: Lock | undefined,
  containerName: string,
  platform: Platform,
): Digest | undefined {
  const container = manifest.containers[containerName];
  if (container?.base_image !== undefined) {
    const { digest: own } = baseReference(container.base_image);
    const entry = lock?.bases[containerName]?.[platform];
    if (own !== undefined) return own;
    if (entry?.asked === container.base_image) return entry.digest as Digest;
    const state = `its base "${container.base_image}" is a tag, which can be moved, and the lock does not pin it`;
    const how = `name its digest ("NAME@sha256:…"), or ${mend} where the registry can be reached`;
    throw new ManifestError('lock-mismatch', `Cannot build "${containerName}": ${state}; ${how}`, {
      problems: [{ pointer: `/containers/${containerName}/base_image`, line: undefined, message: state, mend: how }],
    });
  }
  const base = container?.base;
  if (base?.kind === 'registry') return baseReference(base.reference).digest;
  if (base?.kind === 'oci-layout') return base.digest as Digest;
  return base?.kind === 'engine' ? (base.image as Digest) : undefined;
}

/** The part of a build key that stands for packages: their hashes alone decide over bytes. */
export function lockedDigest(packages: readonly LockedPackage[]): Digest {
  return digestOf(canonicalJson(packages.map(({ sha256 }) => sha256).sort()));
}

function fitting(
  asked: readonly string[],
  entry: LockedSet | undefined,
  lock: Lock | undefined,
  whose: string,
  platform: Platform,
): readonly LockedPackage[] {
  if (asked.length === 0) return [];
  const refuse = (state: string): never => {
    throw new ManifestError('lock-mismatch', `Cannot build ${whose}: ${state}; ${mend}`);
  };
  if (lock === undefined) return refuse('its Debian packages have no manifest.lock.json');
  if (entry === undefined) return refuse(`the lock holds no packages of it for ${platform}`);
  if (entry.asked !== askedDigest(asked)) return refuse('the lock was made for other names of packages');
  return sorted(entry.packages);
}

function toolchainOf(manifest: Manifest, application: string, step: string): string[] {
  const one = manifest.applications[application];
  const own = one?.build.steps.find(({ name }) => name === step)?.debian ?? [];
  return [...new Set([...(one?.runtime.debian ?? []), ...own])];
}

/** Of the containers that use it: nobody else wants its steps run. */
function platformsOf(manifest: Manifest, application: string): Platform[] {
  const users = Object.values(manifest.containers).filter((one) => Object.hasOwn(one.applications, application));
  return [...new Set(users.flatMap(({ platforms }) => platforms))].sort();
}

function isTag({ base_image }: ManifestContainer): boolean {
  return base_image !== undefined && baseReference(base_image).digest === undefined;
}

function sorted(packages: readonly LockedPackage[]): LockedPackage[] {
  return [...packages].sort((left, right) => (left.name < right.name ? -1 : 1));
}

function askedDigest(names: readonly string[]): Digest {
  return digestOf(canonicalJson([...names].sort()));
}
