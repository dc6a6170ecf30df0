// The shape of manifest.lock.json, and whether a lock fits its manifest.
import { z } from 'zod';
import { type LockedPackage, lockedPackageSchema, type PackageSource } from '#manifests/debian';
import type { Manifest, Platform } from '#manifests/schema';
import { canonicalJson, type Digest, digestOf } from './digest.ts';
import { ManifestError } from './error.ts';
import { parseFile } from './parse.ts';

const digest = z.templateLiteral(['sha256:', z.string().regex(/[0-9a-f]{64}/)], 'a digest "sha256:…"');

const lockSchema = z.strictObject({
  lock_version: z.literal('1.0'),
  /** By container, then by platform. Containers without Debian packages aren't here. */
  containers: z.record(
    z.string(),
    z.record(
      z.string(),
      z.strictObject({
        /** The digest of the names that were asked for, so that a lock of another manifest is found out. */
        asked: digest,
        packages: z.array(lockedPackageSchema).max(2000),
      }),
    ),
  ),
});

export type Lock = z.infer<typeof lockSchema>;

/** A lock in a text; throws `invalid-lock` with every problem. */
export function parseLock(text: string, where: { readonly file: string }): Lock {
  return parseFile(text, where, 'invalid-lock', lockSchema, () => []);
}

/** The text of a lock: the same bytes for the same content, one fact a line so that its changes read well. */
export function formatLock(lock: Lock): string {
  return `${JSON.stringify(JSON.parse(canonicalJson(lock)), undefined, 2)}\n`;
}

/** Resolves the packages of each container to exact versions and hashes. Throws what `PackageSource.resolve` throws. */
export async function lockManifest(
  manifest: Manifest,
  packages: PackageSource,
  { signal, report }: { readonly signal: AbortSignal; readonly report: (progress: { message: string }) => void },
): Promise<Lock> {
  const containers: Lock['containers'] = {};
  for (const [name, container] of Object.entries(manifest.containers)) {
    if (container.debian.length === 0) continue;
    for (const platform of manifest.packaging.platforms) {
      signal.throwIfAborted();
      const resolved = await packages.resolve(container.debian, platform, { signal });
      const sorted = [...resolved].sort((left, right) => (left.name < right.name ? -1 : 1));
      containers[name] = {
        ...containers[name],
        [platform]: { asked: askedDigest(container.debian), packages: sorted },
      };
      report({ message: `locked ${sorted.length} packages of "${name}"` });
    }
  }
  return { lock_version: '1.0', containers };
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
  if (asked.length === 0) return [];
  const mend = 'run "hermesh manifest lock FILE"';
  const refuse = (state: string): never => {
    throw new ManifestError('lock-mismatch', `Cannot build "${containerName}": ${state}; ${mend}`);
  };
  if (lock === undefined) return refuse('its Debian packages have no manifest.lock.json');
  const entry = lock.containers[containerName]?.[platform];
  if (entry === undefined) return refuse(`the lock holds no packages of it for ${platform}`);
  if (entry.asked !== askedDigest(asked)) return refuse('the lock was made for other names of packages');
  return [...entry.packages].sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** The part of a build key that stands for packages: their hashes alone decide over bytes. */
export function lockedDigest(packages: readonly LockedPackage[]): Digest {
  return digestOf(canonicalJson(packages.map(({ sha256 }) => sha256).sort()));
}

function askedDigest(names: readonly string[]): Digest {
  return digestOf(canonicalJson([...names].sort()));
}
