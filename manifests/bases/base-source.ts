// The seam to what images are built on: registries, engines and folders, each opened by content.
import type { Platform } from '#manifests/schema';
import { type Digest, isDigest } from '../digest.ts';

/** A base, as far as it is known without opening it. */
export type WantedBase =
  | { readonly kind: 'registry'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'oci-layout'; readonly path: string; readonly digest: Digest }
  | { readonly kind: 'engine'; readonly image: Digest }
  | { readonly kind: 'rootfs'; readonly path: string };

/** How the bytes of a layer come. */
export type LayerCompression = 'none' | 'gz' | 'zst';

/** An image that is read as it is: its config, and its layers from the bottom, which are checked against the config's diff ids. */
export interface OpenedImage extends AsyncDisposable {
  readonly kind: 'image';
  /** The OCI image config, whose bytes the caller has checked against the digest that was asked for. */
  readonly config: Uint8Array;
  readonly layers: readonly {
    readonly compression: LayerCompression;
    read(): AsyncIterable<Uint8Array>;
  }[];
}

/** A file system as a tar with numeric owners, all mode bits and `security.capability`; it is written anew, canonically. */
export interface OpenedTree extends AsyncDisposable {
  readonly kind: 'tree';
  read(): AsyncIterable<Uint8Array>;
}

export interface BaseSource {
  /** The digest of what a tag names now, for a platform where it names several. Throws `base-unavailable`. */
  resolve(reference: string, platform: Platform, options: { readonly signal: AbortSignal }): Promise<Digest>;
  /**
   * Opens a base; paths are real and absolute. Throws `base-unavailable` where it isn't there, and `invalid-base` where it is
   * for another platform or isn't what its digest says.
   */
  open(
    base: WantedBase,
    platform: Platform,
    options: { readonly signal: AbortSignal },
  ): Promise<OpenedImage | OpenedTree>;
}

/** The name and the digest of a reference such as "python:3.11@sha256:…"; the digest is undefined for a tag alone. */
export function baseReference(reference: string): { readonly name: string; readonly digest: Digest | undefined } {
  const [name = '', digest = ''] = reference.split('@', 2);
  return { name, digest: isDigest(digest) ? digest : undefined };
}
