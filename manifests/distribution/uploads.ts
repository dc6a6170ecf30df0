// Blobs that are being pushed: each a file that grows in order, survives a cut and a crash, and becomes a blob once it is right.
import { createHash, type Hash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { type BlobInfo, keepFile, spaceError, writeAll } from '../blobs.ts';
import { type Digest, digestOf } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { maxPartialBytes } from '../partial.ts';
import { checkSpace } from '../space.ts';

export interface Uploads {
  /** The id of a new upload to a repository; `bytes` are known to come. Throws `no-space` where the disk can't hold them. */
  begin(repository: string, bytes?: number): Promise<string>;
  /** How many bytes are here; undefined where there is no such upload to that repository. */
  size(repository: string, id: string): Promise<number | undefined>;
  /**
   * Appends what comes, and gives the size after it; what came before a cut stays. Undefined where there is no such upload,
   * `out-of-order` where `at` isn't its end. Throws `too-large` or `no-space`.
   */
  append(
    repository: string,
    id: string,
    content: AsyncIterable<Uint8Array>,
    at?: number,
  ): Promise<number | 'out-of-order' | undefined>;
  /** Makes it a blob; undefined where there is no such upload. Throws `digest-mismatch`, and then it is gone. */
  finish(repository: string, id: string, digest: Digest): Promise<BlobInfo | undefined>;
  /** Removes it; false where there is none. */
  cancel(repository: string, id: string): Promise<boolean>;
  /** Removes those that nobody went on with since `beforeMs` (milliseconds since 1970), and writes now. */
  clear(beforeMs: number): Promise<void>;
}

const doing = 'take the upload';

/** Far more than clients push at once; of those that nobody writes the one touched first gives way. */
const maxUploads = 200;
/** Between two looks at what is left on the disk. */
const spaceEveryBytes = 16 * 1024 * 1024;

/** The uploads beside a store's folder; those of an earlier process can be gone on with. */
export function openUploads(directory: string): Uploads {
  const folder = path.join(directory, 'uploads');
  /** The running hash of each upload that this process has seen from its first byte. */
  const hashes = new Map<string, { hash: Hash; bytes: number }>();
  const turns = new Map<string, Promise<unknown>>();

  /** An upload whose connection was cut may still be written when its client is back: one act at a time. */
  const inTurn = async <T>(id: string, act: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(id) ?? Promise.resolve()).then(act, act);
    turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (turns.get(id) === turn) turns.delete(id);
    }
  };
  const sizeOf = async (repository: string, id: string): Promise<number | undefined> => {
    if (!isIdOf(repository, id)) return undefined;
    return await stat(path.join(folder, id)).then(
      ({ size }) => size,
      () => undefined,
    );
  };
  const remove = async (id: string): Promise<void> => {
    hashes.delete(id);
    await rm(path.join(folder, id), { force: true });
  };

  return {
    size: sizeOf,
    async begin(repository, bytes = 0) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await checkSpace(folder, bytes, doing);
      await makeRoom(folder, (id) => turns.has(id), remove);
      const id = `${randomUUID()}.${markOf(repository)}`;
      await using handle = await open(path.join(folder, id), 'wx', 0o600).catch((error: unknown) => {
        throw spaceError(error);
      });
      await handle.sync();
      hashes.set(id, { hash: createHash('sha256'), bytes: 0 });
      return id;
    },
    append: (repository, id, content, at) =>
      inTurn(id, async () => {
        let size = await sizeOf(repository, id);
        if (size === undefined) return undefined;
        if (at !== undefined && at !== size) return 'out-of-order';
        await using handle = await open(path.join(folder, id), 'a');
        const known = hashes.get(id);
        let looked = size;
        for await (const chunk of content) {
          if (size + chunk.length > maxPartialBytes)
            throw new ManifestError('too-large', `Cannot take the upload: it has more than ${maxPartialBytes} bytes`);
          await writeAll(handle, chunk);
          size += chunk.length;
          if (size - looked >= spaceEveryBytes) {
            looked = size;
            await checkSpace(folder, 0, doing);
          }
          if (known) {
            known.hash.update(chunk);
            known.bytes = size;
          }
        }
        return size;
      }),
    finish: (repository, id, digest) =>
      inTurn(id, async () => {
        const sizeBytes = await sizeOf(repository, id);
        if (sizeBytes === undefined) return undefined;
        const file = path.join(folder, id);
        const known = hashes.get(id);
        const hash = known?.bytes === sizeBytes ? known.hash : await hashOf(file);
        const found: Digest = `sha256:${hash.digest('hex')}`;
        hashes.delete(id);
        if (found !== digest) {
          await remove(id);
          throw new ManifestError('digest-mismatch', `Cannot keep blob ${digest}: the bytes that came have ${found}`);
        }
        await using handle = await open(file, 'r+');
        // Of the same size, and touched: however long it took, it came now.
        await handle.truncate(sizeBytes);
        await keepFile(directory, { file, handle }, digest);
        return { digest, sizeBytes };
      }),
    cancel: (repository, id) =>
      inTurn(id, async () => {
        const isThere = (await sizeOf(repository, id)) !== undefined;
        if (isThere) await remove(id);
        return isThere;
      }),
    async clear(beforeMs) {
      for (const id of await readdir(folder).catch(() => []))
        await inTurn(id, async () => {
          const found = await stat(path.join(folder, id)).catch(() => undefined);
          if (found && found.mtimeMs < beforeMs) await remove(id);
        });
    },
  };
}

/** An id bears its repository, so that it opens no upload of another. */
function isIdOf(repository: string, id: string): boolean {
  return /^[0-9a-f-]{36}\.[0-9a-f]{16}$/.test(id) && id.endsWith(`.${markOf(repository)}`);
}

function markOf(repository: string): string {
  return digestOf(repository).slice('sha256:'.length, 'sha256:'.length + 16);
}

async function hashOf(file: string): Promise<Hash> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash;
}

async function makeRoom(
  folder: string,
  isBusy: (id: string) => boolean,
  remove: (id: string) => Promise<void>,
): Promise<void> {
  const ids = await readdir(folder);
  if (ids.length < maxUploads) return;
  const idle = ids.filter((id) => !isBusy(id));
  const aged = await Promise.all(
    idle.map(async (id) => ({ id, at: (await stat(path.join(folder, id)).catch(() => ({ mtimeMs: 0 }))).mtimeMs })),
  );
  aged.sort((left, right) => left.at - right.at);
  for (const { id } of aged.slice(0, ids.length - maxUploads + 1)) await remove(id);
}
