// What is known of one kind of lock file: which artifacts it names, and how its tools want to find them offline.

import type { z } from 'zod';
import type { Platform } from '#manifests/schema';
import type { BlobInfo, Scratch } from '../blobs.ts';
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
  arrange(artifacts: readonly StoredArtifact[], scratch: Scratch): Promise<readonly TarEntry[]>;
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

/** What a lock says in its own language; refuses what can't be read, or is not of its shape. */
export function parsedBy<Schema extends z.ZodType>(
  lock: LockText,
  parse: (text: string) => unknown,
  schema: Schema,
  again: string,
): z.output<Schema> {
  let value: unknown;
  try {
    value = parse(lock.text);
  } catch (error) {
    return lock.refuse('/', `it can't be read (${(error as Error).message.split('\n')[0]})`, again);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return lock.refuse(`/${issue?.path.join('/') ?? ''}`, issue?.message ?? 'it is not well formed', again);
}

/** The folder of a path, with a slash at its end; '' at the root. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}
