// How the content of a source's files is read and summed: most are small, and what a small file costs is how often it is waited for.
import { createHash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { ManifestError } from './error.ts';

/** A file as it was when it was read. */
export interface FileContent {
  readonly size: number;
  readonly mode: number;
  readonly sha256: string;
}

/** What files of this machine held when they were read last: one that has not changed since isn't read again. */
export interface ReadMemory {
  /** What `lstat` tells must be the same in all that a change of the file changes. */
  recall(file: string, found: Stats): FileContent | undefined;
  remember(file: string, found: Stats, content: FileContent): void;
}

/** Why a file isn't taken: its reader knows its place. */
export type FileFault = (what: 'no-file' | 'too-large' | 'grows', sizeBytes: number) => Error;

/** Of one file: beyond it lies a disk image, or a hole that would be read for hours. */
export const maxFileBytes = 8 * 1024 ** 3;
/**
 * Files up to this size are read at one go: four turns of the thread pool cost more than the file. Their folder was listed just
 * before, so the disk answers; larger ones are waited for.
 */
const atOnceBytes = 256 * 1024;
/** A pipe that took a file's place since it was listed would otherwise be waited for. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** A change within the clock tick of a file system, or of the coarsest one, can leave no trace in its times. */
const agedMs = 2_000;
/** About 20 MB; a tree with more files is read in part each time. */
const maxRemembered = 100_000;

/** A memory for one process; `now` is milliseconds since 1970, by the clock that stamps files. */
export function makeReadMemory(now: () => number): ReadMemory {
  const known = new Map<string, { readonly stamp: string; readonly content: FileContent }>();
  const stampOf = ({ dev, ino, size, mode, mtimeMs, ctimeMs }: Stats): string =>
    `${dev} ${ino} ${size} ${mode} ${mtimeMs} ${ctimeMs}`;
  return {
    recall(file, found) {
      const one = known.get(file);
      return one?.stamp === stampOf(found) ? one.content : undefined;
    },
    remember(file, found, content) {
      // What was written just now may be written again without a trace.
      if (now() - Math.max(found.mtimeMs, found.ctimeMs) < agedMs) return;
      known.delete(file);
      known.set(file, { stamp: stampOf(found), content });
      for (const oldest of known.keys()) {
        if (known.size <= maxRemembered) break;
        known.delete(oldest);
      }
    },
  };
}

/** Size, mode and SHA-256 of a file; links are not followed. Throws the fault, or what the file system throws. */
export async function readFileContent(
  file: string,
  {
    fault,
    signal,
    memory,
  }: { readonly fault: FileFault; readonly signal: AbortSignal; readonly memory?: ReadMemory | undefined },
): Promise<FileContent> {
  const small = readAtOnce(file, fault);
  if (small) {
    const content = { size: small.bytes.length, mode: small.found.mode, sha256: hash('sha256', small.bytes) };
    memory?.remember(file, small.found, content);
    return content;
  }
  await using handle = await open(file, openFlags);
  const found = await handle.stat();
  check(found, fault);
  const sum = createHash('sha256');
  let size = 0;
  for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 })) {
    signal.throwIfAborted();
    sum.update(chunk as Buffer);
    size += (chunk as Buffer).length;
    // What is written to without end would be read without end.
    if (size > found.size) throw fault('grows', size);
  }
  const content = { size, mode: found.mode, sha256: sum.digest('hex') };
  memory?.remember(file, found, content);
  return content;
}

/** The content of a file that was read before; throws `source-changed` where it isn't that any more. Links are not followed. */
export async function* readContent(file: string, sha256: string): AsyncIterable<Uint8Array> {
  const changed = (cause?: unknown): ManifestError =>
    new ManifestError('source-changed', `Cannot pack "${file}": it changed while it was read`, {
      cause,
      mayRetry: true,
    });
  let small: ReturnType<typeof readAtOnce>;
  try {
    small = readAtOnce(file, () => changed());
  } catch (error) {
    throw changed(error);
  }
  if (small) {
    if (hash('sha256', small.bytes) !== sha256) throw changed();
    yield small.bytes;
    return;
  }
  await using handle = await open(file, openFlags).catch((error: unknown) => {
    throw changed(error);
  });
  if (!(await handle.stat()).isFile()) throw changed();
  const sum = createHash('sha256');
  for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 })) {
    sum.update(chunk as Buffer);
    yield chunk as Buffer;
  }
  if (sum.digest('hex') !== sha256) throw changed();
}

/** The whole of a small file; undefined for a larger one. */
function readAtOnce(file: string, fault: FileFault): { readonly bytes: Buffer; readonly found: Stats } | undefined {
  const descriptor = openSync(file, openFlags);
  try {
    const found = fstatSync(descriptor);
    check(found, fault);
    if (found.size > atOnceBytes) return undefined;
    // One byte more than there should be shows a file that grows.
    const bytes = Buffer.allocUnsafe(found.size + 1);
    let size = 0;
    for (let read = -1; read !== 0 && size < bytes.length; size += read)
      read = readSync(descriptor, bytes, size, bytes.length - size, null);
    if (size > found.size) throw fault('grows', size);
    return { bytes: bytes.subarray(0, size), found };
  } finally {
    closeSync(descriptor);
  }
}

function check(found: Stats, fault: FileFault): void {
  if (!found.isFile()) throw fault('no-file', found.size);
  if (found.size > maxFileBytes) throw fault('too-large', found.size);
}
