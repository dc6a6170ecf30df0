// What the layers of an image hold: unpacked packages; accounts, folders and links; applications and files.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { type LockedPackage, readDeb, readTar } from '#manifests/debian';
import type { ManifestContainer } from '#manifests/schema';
import { type BlobStore, type Scratch, writeAll } from './blobs.ts';
import type { Digest } from './digest.ts';
import { ManifestError } from './error.ts';
import { readContent } from './file-content.ts';
import type { Wanted } from './filesystem.ts';
import type { SourceEntry, SourceTree } from './sources.ts';

/** A file of an entry, by what it holds; a folder or a link has none. */
export type Content = Wanted & { readonly sha256?: string };

const folder = { type: 'directory', mode: 0o755, uid: 0, gid: 0 } as const;
/** Of one layer, and of all packages of one container together; beyond it is no container but a machine. */
export const maxLayerBytes = 16 * 1024 ** 3;

/**
 * What the locked packages put into an image. Their files lie in `scratch` until the layer is written; hard links become files.
 * Throws `path-conflict` through the file system, `invalid-package` or `too-large` here.
 */
export async function unpackPackages(
  packages: readonly LockedPackage[],
  blobs: BlobStore,
  scratch: Scratch,
  { signal, report }: { readonly signal: AbortSignal; readonly report: (done: number) => void },
): Promise<Wanted[]> {
  const entries: Wanted[] = [];
  let offset = 0;
  for (const [index, locked] of packages.entries()) {
    const from = `package "${locked.name}"`;
    const files = new Map<string, Extract<Wanted, { type: 'file' }>>();
    try {
      for await (const entry of readDeb(blobs.read(`sha256:${locked.sha256}`))) {
        signal.throwIfAborted();
        const { path, mode, uid, gid, target } = entry;
        if (path === '') continue;
        if (entry.type === 'directory') entries.push({ path, type: 'directory', mode, uid, gid, from });
        else if (entry.type === 'symlink') entries.push({ path, type: 'symlink', target, mode: 0o777, uid, gid, from });
        else {
          let content = entry.type === 'hardlink' ? files.get(target)?.content : undefined;
          let size = entry.type === 'hardlink' ? files.get(target)?.size : entry.size;
          if (entry.type === 'file') {
            const start = offset;
            for await (const chunk of entry.content) {
              await writeAll(scratch.handle, chunk);
              offset += chunk.length;
            }
            size = entry.size;
            content = () => readRange(scratch.handle, start, entry.size);
          }
          if (offset > maxLayerBytes) throw new ManifestError('too-large', `more than ${maxLayerBytes} bytes`);
          if (content === undefined || size === undefined) {
            throw new ManifestError(
              'invalid-package',
              `its hard link "${path}" points at "${target}", which is not in it`,
            );
          }
          const file = { path, type: 'file', mode, uid, gid, size, content, from } as const;
          files.set(path, file);
          entries.push(file);
        }
      }
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      throw new ManifestError(error.code, `Cannot unpack ${from} ${locked.version}: ${error.message}`, {
        cause: error,
        mayRetry: error.mayRetry,
      });
    }
    report((index + 1) / packages.length);
  }
  return entries;
}

/** Accounts, folders and links of a container: what a package's scripts would have made. A base keeps its accounts unless there are some. */
export function systemEntries(container: ManifestContainer, { hasBase }: { readonly hasBase: boolean }): Content[] {
  const { users, groups } = container.accounts;
  const keepsAccounts = hasBase && users.length === 0 && groups.length === 0;
  const passwd = [
    'root:x:0:0:root:/root:/bin/sh',
    ...users.map(({ name, uid, gid, home, shell }) => `${name}:x:${uid}:${gid}::${home}:${shell}`),
  ];
  const group = ['root:x:0:', ...groups.map(({ name, gid }) => `${name}:x:${gid}:`)];
  return [
    ...(keepsAccounts ? [] : [textEntry('etc/passwd', passwd), textEntry('etc/group', group)]),
    ...container.directories.map(({ path, mode, owner }) => ({
      ...folder,
      path: path.slice(1),
      mode: Number.parseInt(mode, 8),
      ...owner,
      from: `directory "${path}"`,
    })),
    ...container.links.map(
      ({ path, target }): Content => ({
        path: path.slice(1),
        type: 'symlink',
        target,
        mode: 0o777,
        uid: 0,
        gid: 0,
        from: `link "${path}"`,
      }),
    ),
  ];
}

/** A tree at a place: what a source or a step's result puts into an image. Folders on the way belong to the owner, too. */
export function treeEntries(
  entries: readonly Content[],
  at: { readonly destination: string; readonly owner: { readonly uid: number; readonly gid: number } },
  from: string,
): Content[] {
  const root = at.destination.slice(1);
  const folders = new Set(['']);
  for (const { path } of entries)
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
      folders.add(path.slice(0, end));
  return [
    ...[...folders].map((path) => ({ ...folder, path: below(root, path), ...at.owner, implicit: true, from })),
    ...entries.map((entry): Content => ({ ...entry, path: below(root, entry.path), ...at.owner, from })),
  ];
}

/** The entries of a source, as they are. */
export function sourceEntries(tree: SourceTree): Content[] {
  return tree.entries.map((entry) =>
    entry.type === 'symlink'
      ? { ...entry, mode: 0o777, uid: 0, gid: 0, from: 'the source' }
      : { ...fileEntry(entry), path: entry.path, mode: entry.mode, uid: 0, gid: 0, from: 'the source' },
  );
}

/** The entries of a canonical tar of the store, which is checked as it is read; contents are read from it again when they are packed. */
export async function tarEntries(blobs: BlobStore, digest: Digest, signal: AbortSignal): Promise<Content[]> {
  const entries: Content[] = [];
  const files = new Map<string, Content>();
  for await (const { path, mode, uid, gid, size, target, offset, type, capability } of readTar(blobs.read(digest))) {
    signal.throwIfAborted();
    const from = 'a step';
    if (path === '') continue;
    if (type === 'directory') entries.push({ path, type, mode, uid, gid, from });
    else if (type === 'symlink') entries.push({ path, type, target, mode: 0o777, uid, gid, from });
    else if (type === 'hardlink') entries.push({ ...(files.get(target) as Content), path });
    else {
      const content = () => blobs.read(digest, { offset, length: size });
      const sha256 = sha256Of(Buffer.from(`${digest}/${path}`));
      const file: Content = {
        path,
        type,
        size,
        content,
        sha256,
        mode,
        uid,
        gid,
        from,
        ...(capability && { capability }),
      };
      files.set(path, file);
      entries.push(file);
    }
  }
  return entries;
}

/** Single files of a container. */
export function filesEntries(
  container: ManifestContainer,
  files: readonly Extract<SourceEntry, { type: 'file' }>[],
): Content[] {
  return container.files.flatMap(({ destination, mode, owner }, index): Content[] => {
    const entry = files[index];
    const from = `file "${destination}"`;
    return entry
      ? [{ ...fileEntry(entry), path: destination.slice(1), mode: Number.parseInt(mode, 8), ...owner, from }]
      : [];
  });
}

function fileEntry(entry: Extract<SourceEntry, { type: 'file' }>) {
  const { size, sha256, file, stamp } = entry;
  return { type: 'file', size, sha256, content: () => readContent(file, sha256, stamp) } as const;
}

function textEntry(path: string, lines: readonly string[]): Content {
  const bytes = Buffer.from(`${lines.join('\n')}\n`);
  const content = async function* () {
    yield bytes;
  };
  const from = 'the accounts';
  return {
    path,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: bytes.length,
    sha256: sha256Of(bytes),
    content,
    from,
  };
}

/** Bytes of a file that is open, in pieces. */
export async function* readRange(handle: FileHandle, start: number, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < size; ) {
    const buffer = Buffer.allocUnsafe(Math.min(256 * 1024, size - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start + at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function below(root: string, path: string): string {
  return path === '' ? root : `${root}/${path}`;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
