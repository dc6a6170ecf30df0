// The seam to an archive of Debian packages: which exact packages some names need, and the bytes of each.
import { z } from 'zod';
import type { Platform } from '#manifests/schema';

const text = z.string().min(1).max(512);

/** One exact package as the lock pins it. */
export const lockedPackageSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.+-]{1,100}$/, 'the name of a Debian package'),
  version: text.regex(/^[A-Za-z0-9.+:~-]+$/, 'the version of a Debian package'),
  architecture: z.enum(['amd64', 'arm64', 'all']),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
  size_bytes: z.int().min(1).max(1_073_741_824),
  /** Its path in a Debian archive, never with the archive's own address. */
  pool_path: text.regex(/^pool\/(?:(?!\.{1,2}\/)[^/\0]+\/)+[^/\0]+\.deb$/, 'a path such as "pool/main/n/nginx/….deb"'),
});

export type LockedPackage = z.infer<typeof lockedPackageSchema>;

export interface PackageSource {
  /**
   * The packages of these names and all that they depend on (recommendations not counted), by name.
   * Throws `package-unknown`, `package-conflict`, `mirror-unreachable` or `no-apt`.
   */
  resolve(
    names: readonly string[],
    platform: Platform,
    options: { readonly signal: AbortSignal },
  ): Promise<readonly LockedPackage[]>;
  /**
   * The bytes of one package, which the caller checks against the lock.
   * Throws `package-unavailable` where the archive doesn't hold it any more, else as `resolve`.
   */
  fetch(locked: LockedPackage, options: { readonly signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
}

/** Debian's word for the processor of a platform. */
export function architectureOf(platform: Platform): 'amd64' | 'arm64' {
  return platform === 'linux/amd64' ? 'amd64' : 'arm64';
}
