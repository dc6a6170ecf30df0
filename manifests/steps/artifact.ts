// The seam to the registries of languages: one exact file that a lock names, and what it must be.
import type { LockfileKind } from '#manifests/schema';

/** Where an artifact is known by its name and version. */
export type Ecosystem = 'npm' | 'pypi' | 'crates' | 'go' | 'packagist' | 'rubygems' | 'maven';

/** What the bytes of an artifact must hash to: hexadecimal digits; `h1` is Go's hash of what a zip holds, `h1-mod` that of a go.mod. */
export interface ArtifactHash {
  readonly algorithm: 'sha256' | 'sha384' | 'sha512' | 'h1' | 'h1-mod';
  readonly hex: string;
}

export interface Artifact {
  readonly ecosystem: Ecosystem;
  readonly name: string;
  readonly version: string;
  /** What it is called in its registry, or a path below it: "left-pad-1.3.0.tgz". */
  readonly file: string;
  /** The whole address, where the lock says one. */
  readonly url: string | undefined;
  /** Any of them will do, as a lock lists wheels of several makers; never none. */
  readonly hashes: readonly ArtifactHash[];
}

export interface ArtifactSource {
  /**
   * The bytes of one artifact, which the caller checks against the lock. Throws `artifact-unavailable` where the registry doesn't
   * hold it, and `mirror-unreachable` where it can't be asked.
   */
  fetch(artifact: Artifact, options: { readonly signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
}

/** A lock file, as far as reading it goes: its text, its place, and files beside it. */
export interface LockText {
  readonly kind: LockfileKind;
  /** Relative to the source. */
  readonly path: string;
  readonly text: string;
  /** The text of a file of the source by its path; undefined where there is none. */
  readonly read: (path: string) => string | undefined;
  /** Throws `lock-mismatch` with the place and the mend. `where` is a key or a line of the lock. */
  readonly refuse: (where: string, state: string, mend: string) => never;
}

/** One artifact, and the path below /cache/KIND where a step finds it. */
export interface LockedArtifact extends Artifact {
  readonly place: string;
}
