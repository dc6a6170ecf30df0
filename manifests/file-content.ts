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
  /** All of it that a change of the file changes, where nothing can have changed without a trace. */
  readonly stamp?: string;
}

/** What files of this machine held when they were read last: one that has not changed since isn't read again. */
export interface ReadMemory {
  recall(file: string, found: Stats): FileContent | undefined;
  /** Gives the content with its stamp, where it may be recalled. */
  remember(file: string, found: Stats, content: FileContent): FileContent;
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
/** What is only summed is read into the same memory, without waiting between. */
const shared = Buffer.allocUnsafeSlow(atOnceBytes + 1);
/** A pipe that took a file's place since it was listed would otherwise be waited for. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** A change within the clock tick of a file system, or of the coarsest one, can leave no trace in its times. */
const agedMs = 2_000;
/** About 20 MB; a tree with more files is read in part each time. */
const maxRemembered = 100_000;

/** A memory for one process; `now` is milliseconds since 1970, by the clock that stamps files. */
export function makeReadMemory(now: () => number): ReadMemory {
  const known = new Map<string, FileContent>();
  return {
    recall(file, found) {
      const content = known.get(file);
      return content?.stamp === stampOf(found) ? content : undefined;
    },
    remember(file, found, content) {
      // What was written just now may be written again without a trace.
      if (now() - Math.max(found.mtimeMs, found.ctimeMs) < agedMs) return content;
      const stamped = { ...content, stamp: stampOf(found) };
      known.delete(file);
      known.set(file, stamped);
      for (const oldest of known.keys()) {
        if (known.size <= maxRemembered) break;
        known.delete(oldest);
      }
      return stamped;
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
  const small = readAtOnce(file, fault, shared);
  if (small) {
    const content = { size: small.bytes.length, mode: small.found.mode, sha256: hash('sha256', small.bytes) };
    return memory?.remember(file, small.found, content) ?? content;
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
  return memory?.remember(file, found, content) ?? content;
}

/**
 * The content of a file that was read before; throws `source-changed` where it isn't that any more. With a stamp, a small file
 * that still bears it isn't summed again. Links are not followed.
 */
export async function* readContent(file: string, sha256: string, stamp?: string): AsyncIterable<Uint8Array> {
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
    if (stampOf(small.found) !== stamp && hash('sha256', small.bytes) !== sha256) throw changed();
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

/** The whole of a small file, and how it was found after it was read; undefined for a larger one. Bytes in a given buffer last until the next call. */
function readAtOnce(
  file: string,
  fault: FileFault,
  buffer?: Buffer,
): { readonly bytes: Buffer; readonly found: Stats } | undefined {
  const descriptor = openSync(file, openFlags);
  try {
    const before = fstatSync(descriptor);
    check(before, fault);
    if (before.size > atOnceBytes) return undefined;
    // One byte more than there should be shows a file that grows.
    const bytes = buffer ?? Buffer.allocUnsafe(before.size + 1);
    const most = before.size + 1;
    let size = 0;
    for (let read = -1; read !== 0 && size < most; size += read)
      read = readSync(descriptor, bytes, size, most - size, null);
    if (size > before.size) throw fault('grows', size);
    const found = fstatSync(descriptor);
    return { bytes: bytes.subarray(0, size), found };
  } finally {
    closeSync(descriptor);
  }
}

function stampOf({ dev, ino, size, mode, mtimeMs, ctimeMs }: Stats): string {
  return `${dev} ${ino} ${size} ${mode} ${mtimeMs} ${ctimeMs}`;
}

function check(found: Stats, fault: FileFault): void {
  if (!found.isFile()) throw fault('no-file', found.size);
  if (found.size > maxFileBytes) throw fault('too-large', found.size);
}
