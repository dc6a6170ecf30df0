// Where content lies on the disk by its SHA-256, and how it gets there whole or not at all.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { type Digest, isDigest } from './digest.ts';
import { ManifestError } from './error.ts';
import { checkSpace } from './space.ts';

/** What was written, or is to be. */
export interface BlobInfo {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export interface BlobStore {
  /** The folder of the store; what is derived from blobs may lie beside them. */
  readonly directory: string;
  has(digest: Digest): Promise<boolean>;
  /** In bytes, undefined where the store doesn't hold it. */
  size(digest: Digest): Promise<number | undefined>;
  /**
   * The content, or `length` bytes from `offset`. Throws `missing-blob` at the first read. A whole content is checked as it is
   * read, its last piece held back until it is right; what rotted on the disk is removed, so that it is made or fetched anew,
   * and throws `digest-mismatch`. A part is as the disk has it: who fetches parts checks the whole.
   */
  read(digest: Digest, range?: { readonly offset: number; readonly length: number }): AsyncIterable<Uint8Array>;
  /** The whole content, checked as `read` does. Throws `missing-blob`, `digest-mismatch`, or `too-large` above `maxBytes`. */
  bytes(digest: Digest, options: { readonly maxBytes: number }): Promise<Uint8Array>;
  /**
   * Writes a stream to a temporary file, checks it, and lets it appear under its digest.
   * Throws `digest-mismatch`, `too-large` or `no-space`, and then nothing stays behind. `comingBytes` are known to come: they are
   * refused at once where the disk can't hold them.
   */
  write(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: WriteOptions): Promise<BlobInfo>;
  /** An empty file for passing use, which goes when it is disposed, and at the latest when the store is opened again. */
  scratch(): Promise<Scratch>;
  /** Writes a small file beside the blobs, by write, fsync and rename. */
  writeNote(name: string, text: string): Promise<void>;
  /** The text of such a file, undefined where there is none. */
  readNote(name: string): Promise<string | undefined>;
}

export interface WriteOptions {
  readonly expected?: Digest;
  readonly maxBytes: number;
  readonly comingBytes?: number;
  readonly signal: AbortSignal;
}

/** A blob that may be swept. */
export interface KeptBlob extends BlobInfo {
  /** Milliseconds since 1970, at most an hour before the last use. */
  readonly usedAtMs: number;
}

/** The store as who keeps it small sees it. */
export interface SweepableStore extends BlobStore {
  list(): AsyncIterable<KeptBlob>;
  /** The bytes as the disk has them, or the first `maxBytes`, which counts as no use; undefined where they are gone. */
  peek(digest: Digest, maxBytes?: number): Promise<Uint8Array | undefined>;
  /**
   * Removes a blob, and what is derived from it, unless it was used since; false where it was, or isn't there. Whoever wants it
   * meanwhile has it whole or not at all, and a crash at any moment loses no blob that was wanted.
   */
  remove(digest: Digest, options: { readonly usedSinceMs: number }): Promise<boolean>;
}

/** A file that only this process knows. */
export interface Scratch extends AsyncDisposable {
  readonly file: string;
  readonly handle: FileHandle;
}

/** Notes are indexes of layers; a package set of 100,000 paths stays below. */
const maxNoteBytes = 64 * 1024 * 1024;
/** Ranges are read at once, and what comes in smaller pieces is written, and summed, so much at a time. */
const pieceBytes = 1024 * 1024;
const noSpaceCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** A use is written down this seldom: a store that is only read isn't worn out. */
const useStepMs = 60 * 60_000;

/** Between two looks at what is left on the disk. */
const spaceEveryBytes = 16 * 1024 * 1024;

/**
 * The store in a folder, which is made where it isn't there. One process a folder; leftovers of a crash are removed, and a blob that
 * it left half removed is back. With a clock (milliseconds since 1970) each use of a blob is written down, to the hour. `gone` is
 * told of each blob that was removed, asked for or as rotten.
 */
export async function openBlobStore(
  directory: string,
  { now, gone }: { readonly now?: () => number; readonly gone?: (digest: Digest) => void } = {},
): Promise<SweepableStore> {
  const temporary = path.join(directory, 'tmp');
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  await putBack(directory);
  return new DiskStore(directory, temporary, now, gone);
}

class DiskStore implements SweepableStore {
  readonly directory: string;
  readonly #temporary: string;
  readonly #now: (() => number) | undefined;
  readonly #gone: ((digest: Digest) => void) | undefined;
  /** Blobs that are being removed: whoever asks for one waits, and then finds it or not. */
  readonly #removing = new Map<Digest, Promise<boolean>>();

  constructor(directory: string, temporary: string, now?: () => number, gone?: (digest: Digest) => void) {
    this.directory = directory;
    this.#temporary = temporary;
    this.#now = now;
    this.#gone = gone;
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.size(digest)) !== undefined;
  }

  async size(digest: Digest): Promise<number | undefined> {
    const file = this.#fileOf(digest);
    await this.#removing.get(digest);
    try {
      const found = await stat(file);
      const at = this.#now?.();
      if (at !== undefined && at - found.mtimeMs > useStepMs) await utimes(file, at / 1000, at / 1000);
      return found.size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async *list(): AsyncIterable<KeptBlob> {
    const root = path.join(this.directory, 'sha256');
    for (const folder of await readdir(root).catch(() => [])) {
      for (const name of await readdir(path.join(root, folder)).catch(() => [])) {
        const digest = `sha256:${name}`;
        const found = await stat(path.join(root, folder, name)).catch(() => undefined);
        if (found && isDigest(digest)) yield { digest, sizeBytes: found.size, usedAtMs: found.mtimeMs };
      }
    }
  }

  async peek(digest: Digest, maxBytes?: number): Promise<Uint8Array | undefined> {
    const file = this.#fileOf(digest);
    if (maxBytes === undefined) return await readFile(file).catch(() => undefined);
    const handle = await open(file, 'r').catch(() => undefined);
    await using _open = handle;
    const read = await handle?.read(Buffer.alloc(maxBytes), 0, maxBytes, 0).catch(() => undefined);
    return read?.buffer.subarray(0, read.bytesRead);
  }

  async remove(digest: Digest, { usedSinceMs }: { readonly usedSinceMs: number }): Promise<boolean> {
    const removing = this.#removing.get(digest) ?? this.#removeUnused(this.#fileOf(digest), digest, usedSinceMs);
    this.#removing.set(digest, removing);
    try {
      return await removing;
    } finally {
      this.#removing.delete(digest);
    }
  }

  /** Taken aside first: what came or was used at that moment is put back. */
  async #removeUnused(file: string, digest: Digest, usedSinceMs: number): Promise<boolean> {
    const aside = path.join(this.directory, asideFolder, path.basename(file));
    try {
      if ((await stat(file)).mtimeMs >= usedSinceMs) return false;
      await mkdir(path.dirname(aside), { recursive: true, mode: 0o700 });
      await rename(file, aside);
      const isUsed = (await stat(aside)).mtimeMs >= usedSinceMs;
      if (isUsed) await rename(aside, file);
      else await rm(aside);
      if (isUsed) return false;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
    const name = digest.slice('sha256:'.length);
    for (const kind of ['chunks', 'ranges']) await rm(path.join(this.directory, kind, name), { force: true });
    this.#gone?.(digest);
    return true;
  }

  async *read(digest: Digest, range?: { readonly offset: number; readonly length: number }): AsyncIterable<Uint8Array> {
    if (range?.length === 0) return;
    await this.size(digest);
    try {
      if (range) yield* readRange(this.#fileOf(digest), range);
      else yield* this.#checked(digest, createReadStream(this.#fileOf(digest), { highWaterMark: 256 * 1024 }));
    } catch (error) {
      throw codeOf(error) === 'ENOENT' ? missing(digest) : error;
    }
  }

  async bytes(digest: Digest, { maxBytes }: { readonly maxBytes: number }): Promise<Uint8Array> {
    const size = await this.size(digest);
    if (size === undefined) throw missing(digest);
    if (size > maxBytes) {
      throw new ManifestError('too-large', `Cannot read blob ${digest}: it has ${size} bytes, at most ${maxBytes}`);
    }
    return Buffer.concat(await Array.fromAsync(this.read(digest)));
  }

  async *#checked(digest: Digest, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const hash = createHash('sha256');
    let held: Uint8Array | undefined;
    for await (const chunk of chunks) {
      hash.update(chunk);
      if (held) yield held;
      held = chunk;
    }
    if (digest !== `sha256:${hash.digest('hex')}`) {
      await rm(this.#fileOf(digest), { force: true });
      this.#gone?.(digest);
      throw new ManifestError(
        'digest-mismatch',
        `Cannot read blob ${digest}: its file changed on the disk and is removed; build or fetch it again, and check the disk`,
        { mayRetry: true },
      );
    }
    if (held) yield held;
  }

  async write(
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { expected, maxBytes, comingBytes, signal }: WriteOptions,
  ): Promise<BlobInfo> {
    const doing = `keep ${expected ?? 'a blob'}`;
    if (comingBytes !== undefined && comingBytes >= spaceEveryBytes)
      await checkSpace(this.#temporary, comingBytes, doing);
    await using scratch = await this.scratch();
    const hash = createHash('sha256');
    let sizeBytes = 0;
    let looked = 0;
    for await (const piece of gatherPieces(content, signal)) {
      sizeBytes += piece.length;
      if (sizeBytes > maxBytes) {
        throw new ManifestError('too-large', `Cannot keep a blob: it has more than ${maxBytes} bytes`);
      }
      // The disk takes a piece while its sum is made.
      const written = writeAll(scratch.handle, piece);
      hash.update(piece);
      await written;
      if (sizeBytes - looked >= spaceEveryBytes) {
        looked = sizeBytes;
        await checkSpace(this.#temporary, 0, doing);
      }
    }
    const digest: Digest = `sha256:${hash.digest('hex')}`;
    if (expected !== undefined && digest !== expected) {
      throw new ManifestError('digest-mismatch', `Cannot keep blob ${expected}: the bytes that came have ${digest}`);
    }
    await keepFile(this.directory, scratch, digest);
    return { digest, sizeBytes };
  }

  async scratch(): Promise<Scratch> {
    const file = path.join(this.#temporary, randomUUID());
    const handle = await open(file, 'wx+', 0o600).catch((error: unknown) => Promise.reject(spaceError(error)));
    return {
      file,
      handle,
      async [Symbol.asyncDispose]() {
        await handle.close();
        await rm(file, { force: true });
      },
    };
  }

  async writeNote(name: string, text: string): Promise<void> {
    await using scratch = await this.scratch();
    await writeAll(scratch.handle, Buffer.from(text));
    await keep(scratch, path.join(this.directory, name));
  }

  async readNote(name: string): Promise<string | undefined> {
    const file = path.join(this.directory, name);
    try {
      return (await stat(file)).size > maxNoteBytes ? undefined : await readFile(file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #fileOf(digest: Digest): string {
    if (!isDigest(digest)) throw new TypeError(`Cannot find blob "${String(digest)}": that is no digest`);
    return blobFile(this.directory, digest);
  }
}

/** Where a blob lies while it is decided whether it goes. */
const asideFolder = 'removing';

/** A crash between taking a blob aside and letting it go: somebody may have asked for it at that moment. */
async function putBack(directory: string): Promise<void> {
  const folder = path.join(directory, asideFolder);
  for (const name of await readdir(folder).catch(() => [])) {
    const digest = `sha256:${name}`;
    if (isDigest(digest)) await rename(path.join(folder, name), blobFile(directory, digest));
  }
}

/** Without a stream between: a range of 1 MiB is one buffer, filled once. */
async function* readRange(
  file: string,
  { offset, length }: { readonly offset: number; readonly length: number },
): AsyncIterable<Uint8Array> {
  await using handle = await open(file, 'r');
  for (let at = 0; at < length; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, length - at));
    const { bytesRead } = await handle.read(piece, 0, piece.byteLength, offset + at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield bytesRead === piece.byteLength ? piece : piece.subarray(0, bytesRead);
  }
}

/** Where a blob lies in the folder of a store. */
export function blobFile(directory: string, digest: Digest): string {
  const hex = digest.slice('sha256:'.length);
  return path.join(directory, 'sha256', hex.slice(0, 2), hex);
}

/** The same bytes in pieces of up to a megabyte: a tar of small files would be written in many thousand. A piece is the reader's until the next. */
async function* gatherPieces(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  let gathered: Buffer | undefined;
  let size = 0;
  for await (const chunk of content) {
    signal.throwIfAborted();
    const isLarge = chunk.length >= pieceBytes / 4;
    if (gathered !== undefined && size > 0 && (isLarge || size + chunk.length > pieceBytes)) {
      yield gathered.subarray(0, size);
      size = 0;
    }
    if (isLarge) yield chunk;
    else {
      gathered ??= Buffer.allocUnsafeSlow(pieceBytes);
      gathered.set(chunk, size);
      size += chunk.length;
    }
  }
  if (gathered !== undefined && size > 0) yield gathered.subarray(0, size);
}

/** Appends all of the bytes: one call may write fewer. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
  } catch (error) {
    throw spaceError(error);
  }
}

/** A file whose bytes were checked becomes the blob; it is on the same file system as the store. */
export async function keepFile(
  directory: string,
  source: Pick<Scratch, 'file' | 'handle'>,
  digest: Digest,
): Promise<void> {
  await keep(source, blobFile(directory, digest));
}

/** fsync before rename, and of the folder after it: a name never stands for bytes that a power loss can take. */
async function keep(scratch: Pick<Scratch, 'file' | 'handle'>, file: string): Promise<void> {
  try {
    await scratch.handle.sync();
    const folder = path.dirname(file);
    await mkdir(folder, { recursive: true });
    await rename(scratch.file, file);
    await using directory = await open(folder, 'r');
    await directory.sync();
  } catch (error) {
    throw spaceError(error);
  }
}

/** A full disk as `no-space`; any other fault as it is. */
export function spaceError(error: unknown): unknown {
  if (!noSpaceCodes.has(codeOf(error) ?? '')) return error;
  return new ManifestError('no-space', 'Cannot write to the blob store: the disk is full; free some space and retry', {
    cause: error,
    mayRetry: true,
  });
}

function missing(digest: Digest): ManifestError {
  return new ManifestError('missing-blob', `Cannot read blob ${digest}: the store does not hold it`);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
