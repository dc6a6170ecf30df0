// Blobs that are here in part: a file of the whole's size that survives a crash, and becomes a blob once all of it is right.
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { blobFile, spaceError } from './blobs.ts';
import { type Digest, isDigest } from './digest.ts';
import { ManifestError } from './error.ts';
import { checkSpace } from './space.ts';

/**
 * A file to be filled in any order. It knows not which of its bytes are right: whoever fills it checks what an earlier process
 * left against hashes, so that no journal has to be trusted.
 */
export interface PartialBlob extends AsyncDisposable {
  readonly sizeBytes: number;
  /** Whether an earlier process began it. */
  readonly isResumed: boolean;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Checks the whole: it appears under its digest, durable; or false, and the file stays as it is. */
  finish(): Promise<boolean>;
  /** Removes it. */
  discard(): Promise<void>;
}

export interface PartialStore {
  /** Opens or resumes; one at a time of each blob. Throws `no-space` where the disk can't hold what is missing, `too-large`. */
  open(digest: Digest, sizeBytes: number): Promise<PartialBlob>;
  /** Removes what nobody fills now, and nobody did since `beforeMs` (milliseconds since 1970). */
  clear(beforeMs: number): Promise<void>;
}

/** The largest blob that is fetched: 16 GiB, twice the largest image that registries commonly take. */
export const maxPartialBytes = 16 * 1024 * 1024 * 1024;
/** Files that earlier processes left; more of them than this, and the ones touched first go. */
const maxLeftovers = 32;
/** Read at once when the whole is checked. */
const readBytes = 1024 * 1024;

/** The partial blobs beside a blob store's folder; those of an earlier process stay, 32 at most. */
export async function openPartialStore(directory: string): Promise<PartialStore> {
  const folder = path.join(directory, 'partial');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = await readdir(folder);
  const found = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(path.join(folder, name))).mtimeMs })),
  );
  found.sort((a, b) => b.at - a.at);
  for (const { name } of found.slice(maxLeftovers)) await rm(path.join(folder, name), { force: true });
  /** Bytes that open files may still take. */
  const promised = new Map<Digest, number>();
  return {
    async clear(beforeMs) {
      for (const name of await readdir(folder)) {
        const at = (await stat(path.join(folder, name)).catch(() => undefined))?.mtimeMs;
        if (at === undefined || at >= beforeMs) continue;
        // Looked at and taken away in one turn of the process: none opens it in between.
        if (!promised.has(`sha256:${name}`)) rmSync(path.join(folder, name), { force: true });
      }
    },
    async open(digest, sizeBytes) {
      if (!isDigest(digest)) throw new TypeError(`Cannot fill blob "${String(digest)}": that is no digest`);
      if (sizeBytes > maxPartialBytes) {
        throw new ManifestError(
          'too-large',
          `Cannot fetch blob ${digest}: it has ${sizeBytes} bytes, at most ${maxPartialBytes}`,
        );
      }
      if (promised.has(digest)) throw new TypeError(`Cannot fill blob ${digest} twice at a time`);
      promised.set(digest, sizeBytes);
      try {
        const file = path.join(folder, digest.slice('sha256:'.length));
        const { blocks = 0, size = 0 } = await stat(file).catch(() => ({ blocks: 0, size: -1 }));
        const isResumed = size === sizeBytes;
        const left = sizeBytes - (isResumed ? Math.min(sizeBytes, blocks * 512) : 0);
        promised.set(digest, left);
        await checkSpace(
          folder,
          [...promised.values()].reduce((sum, each) => sum + each, 0),
          `fetch blob ${digest}`,
        );
        // What has another size is of a liar.
        const handle = await open(file, isResumed ? 'r+' : 'w+', 0o600);
        await handle.truncate(sizeBytes);
        const target = blobFile(directory, digest);
        return new PartialFile({
          file,
          target,
          digest,
          sizeBytes,
          isResumed,
          handle,
          closed: () => promised.delete(digest),
        });
      } catch (error) {
        promised.delete(digest);
        throw spaceError(error);
      }
    },
  };
}

interface PartialParts {
  readonly file: string;
  readonly target: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly isResumed: boolean;
  readonly handle: FileHandle;
  readonly closed: () => void;
}

class PartialFile implements PartialBlob {
  readonly sizeBytes: number;
  readonly isResumed: boolean;
  readonly #parts: PartialParts;
  #isClosed = false;

  constructor(parts: PartialParts) {
    this.#parts = parts;
    this.sizeBytes = parts.sizeBytes;
    this.isResumed = parts.isResumed;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.byteLength; ) {
        at += (await this.#parts.handle.write(bytes, at, bytes.byteLength - at, offset + at)).bytesWritten;
      }
    } catch (error) {
      throw spaceError(error);
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await this.#parts.handle.read(bytes, at, length - at, offset + at);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    return bytes;
  }

  async finish(): Promise<boolean> {
    const { handle, digest, file, target, sizeBytes } = this.#parts;
    const hash = createHash('sha256');
    for (let at = 0; at < sizeBytes; at += readBytes) {
      hash.update(await this.read(at, Math.min(readBytes, sizeBytes - at)));
    }
    if (digest !== `sha256:${hash.digest('hex')}`) return false;
    try {
      // Of the same size, and touched: however long it took, it came now.
      await handle.truncate(sizeBytes);
      // Durable before it has its name, and its name after it.
      await handle.sync();
      await mkdir(path.dirname(target), { recursive: true });
      await rename(file, target);
      await using directory = await open(path.dirname(target), 'r');
      await directory.sync();
      return true;
    } catch (error) {
      throw spaceError(error);
    }
  }

  async discard(): Promise<void> {
    await rm(this.#parts.file, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.closed();
    await this.#parts.handle.close();
  }
}
