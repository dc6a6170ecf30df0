// What is known of one kind of lock file: which artifacts it names, and how its tools want to find them offline.
import type { Platform } from '#manifests/schema';
import type { BlobInfo } from '../blobs.ts';
import type { TarEntry } from '../tar.ts';
import type { LockedArtifact, LockText } from './artifact.ts';

/** An artifact that is in the store. */
export interface StoredArtifact extends LockedArtifact {
  readonly blob: BlobInfo;
  readonly content: () => AsyncIterable<Uint8Array>;
}

export interface LockReader {
  /** What the lock names for a platform; refuses what it can't vouch for, and what the project asks beyond it. Pure. */
  read(lock: LockText, platform: Platform): readonly LockedArtifact[];
  /** The tree of /cache/KIND. */
  arrange(artifacts: readonly StoredArtifact[]): Promise<readonly TarEntry[]>;
  /** Lines before the step's own, where the kind's tools want to write beside what they read. */
  readonly prepare?: readonly string[];
  /** A second tree, where the kind's tools look for their settings. */
  readonly settings?: { readonly path: string; readonly entries: readonly TarEntry[] };
}

const owner = { uid: 0, gid: 0 };

/** Each artifact at its place, as it is. */
export async function asTheyAre(artifacts: readonly StoredArtifact[]): Promise<TarEntry[]> {
  return artifacts.map((one) => fileEntry(one.place, one.blob.sizeBytes, one.content));
}

export function fileEntry(path: string, size: number, content: () => AsyncIterable<Uint8Array>): TarEntry {
  return { path, type: 'file', mode: 0o644, size, content, ...owner };
}

export function textEntry(path: string, text: string): TarEntry {
  const bytes = Buffer.from(text);
  return fileEntry(path, bytes.length, async function* () {
    yield bytes;
  });
}

/** The folder of a path, with a slash at its end; '' at the root. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}
