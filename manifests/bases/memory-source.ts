// Bases in memory, which make real images: the twin of registries and engines for tests and trials.
import type { Platform } from '#manifests/schema';
import { canonicalJson, type Digest, digestOf } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { type TarEntry, writeTar } from '../tar.ts';
import type { BaseSource, WantedBase } from './base-source.ts';
import { openLayout } from './layout.ts';

/** An image to be made: what each layer holds, from the bottom, and what its config says. */
export interface MemoryImage {
  readonly platform: Platform;
  readonly layers: readonly (readonly TarEntry[])[];
  readonly config?: object;
  /** The reference by tag under which it is found. */
  readonly tag?: string;
}

/** A source of these images by tag, and by the digest of their config, and of folders as the tars that stand for their paths. */
export async function makeMemoryBaseSource(
  images: readonly MemoryImage[],
  trees: Readonly<Record<string, () => AsyncIterable<Uint8Array>>> = {},
): Promise<BaseSource & { readonly digests: readonly Digest[] }> {
  const made = new Map<Digest, { config: Buffer; layers: Buffer[]; tag: string | undefined; platform: Platform }>();
  for (const { platform, layers, config = {}, tag } of images) {
    const tars: Buffer[] = [];
    for (const entries of layers) tars.push(Buffer.concat(await Array.fromAsync(writeTar(entries))));
    const [os, architecture] = platform.split('/');
    const rootfs = { type: 'layers', diff_ids: tars.map(digestOf) };
    const bytes = Buffer.from(canonicalJson({ os, architecture, config, rootfs }));
    made.set(digestOf(bytes), { config: bytes, layers: tars, tag, platform });
  }
  const unavailable = (what: string): ManifestError =>
    new ManifestError('base-unavailable', `Cannot use the base: there is no ${what}`);
  return {
    digests: [...made.keys()],
    async resolve(reference, platform, { signal }) {
      signal.throwIfAborted();
      const found = [...made].find(([, one]) => one.tag === reference && one.platform === platform);
      if (!found) throw unavailable(`"${reference}" for ${platform}`);
      return found[0];
    },
    async open(base: WantedBase, platform, { signal }) {
      signal.throwIfAborted();
      if (base.kind === 'oci-layout') return await openLayout(base.path, base.digest, platform);
      if (base.kind === 'rootfs') {
        const read = trees[base.path];
        if (!read) throw unavailable(`folder "${base.path}"`);
        return { kind: 'tree', read, async [Symbol.asyncDispose]() {} };
      }
      const found = made.get(base.kind === 'engine' ? base.image : base.digest);
      if (!found) throw unavailable(JSON.stringify(base));
      return {
        kind: 'image',
        config: found.config,
        layers: found.layers.map((tar) => ({
          compression: 'none' as const,
          async *read() {
            yield tar;
          },
        })),
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}
