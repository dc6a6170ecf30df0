// What one layer of an image says of components, found in one pass over its tar; kept by the layer's digest.
import { type Compression, decompress, type ReadEntry, readForeignTar } from '#manifests/debian';
import type { BlobStore } from '../../blobs.ts';
import type { Digest } from '../../digest.ts';
import { ManifestError } from '../../error.ts';
import { readPlainNote, writePlainNote } from '../../notes.ts';
import type { Component } from './component.ts';
import { readCopyright } from './debian.ts';
import { findElfSection, readBuildInfo } from './go.ts';
import { type Reader, readerOf } from './readers.ts';

/** A layer to be scanned. */
export interface ScannedLayer {
  readonly digest: Digest;
  readonly compression: Exclude<Compression, 'xz'>;
}

/** One file that says something. */
export interface Find {
  readonly path: string;
  readonly kind: Reader['kind'];
  readonly components: readonly Component[];
}

/** A file that should have said something, and why it couldn't be read. */
export interface Unread {
  readonly path: string;
  readonly why: string;
}

export interface LayerCatalogue {
  readonly finds: readonly Find[];
  /** By Debian package: the licences of its copyright file. */
  readonly licenses: Readonly<Record<string, readonly string[]>>;
  /** By Debian package: the one whose documentation it shares by a link. */
  readonly shared: Readonly<Record<string, string>>;
  /** Paths of lower layers that this one removes; with a slash at the end, all below. */
  readonly removed: readonly string[];
  readonly unread: readonly Unread[];
}

/** The largest lock files in public projects have about 5 MB. */
const maxTextBytes = 16 * 1024 * 1024;
/** Ten times a full desktop; each takes about 300 bytes. */
const maxComponents = 100_000;
const maxUnread = 1000;
/** The smallest Go program has more. */
const minGoBytes = 500_000;
/** Names and versions of all modules: of the largest programs about 300 KB. */
const maxBuildInfoBytes = 4 * 1024 * 1024;
const maxUnpackedBytes = 16 * 1024 ** 3;

/** What was found before, or else is now. Reads the layer as the disk has it: it was checked when it was made or brought. */
export async function scanLayer(
  layer: ScannedLayer,
  blobs: BlobStore,
  { signal }: { readonly signal: AbortSignal },
): Promise<LayerCatalogue> {
  const key = { digest: layer.digest, rules: 1 };
  const known = await readPlainNote<LayerCatalogue>(blobs, 'catalogues', key);
  if (known) return known;
  const found = await scanTar(layer, blobs, signal);
  await writePlainNote(blobs, 'catalogues', key, found);
  return found;
}

async function scanTar(layer: ScannedLayer, blobs: BlobStore, signal: AbortSignal): Promise<LayerCatalogue> {
  const finds: Find[] = [];
  const unread: Unread[] = [];
  const licenses: Record<string, readonly string[]> = {};
  const shared: Record<string, string> = {};
  const removed: string[] = [];
  let count = 0;
  const keep = async (path: string, kind: Reader['kind'], read: () => Promise<Component[]>): Promise<void> => {
    try {
      const components = await read();
      count += components.length;
      if (count > maxComponents) throw new ManifestError('too-large', `more than ${maxComponents} components`);
      finds.push({ path, kind, components });
    } catch (error) {
      if (error instanceof ManifestError) throw error;
      if (unread.length < maxUnread)
        unread.push({ path, why: error instanceof Error ? firstLine(error.message) : String(error) });
    }
  };
  const length = await blobs.size(layer.digest);
  if (length === undefined)
    throw new ManifestError('missing-blob', `Cannot scan layer ${layer.digest}: it is not here`);
  const content = blobs.read(layer.digest, { offset: 0, length });
  const tar =
    layer.compression === 'none' ? content : decompress(content, layer.compression, { maxBytes: maxUnpackedBytes });
  for await (const entry of readForeignTar(tar)) {
    signal.throwIfAborted();
    const { path } = entry;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const [, documented] = /^usr\/share\/doc\/([^/]+)(\/copyright)?$/.exec(path) ?? [];
    if (name === '.wh..wh..opq') removed.push(path.slice(0, -name.length));
    else if (name.startsWith('.wh.')) removed.push(path.slice(0, -name.length) + name.slice('.wh.'.length));
    else if (documented !== undefined && entry.type === 'symlink')
      shared[documented] = linkedPackage(entry.target) ?? documented;
    else if (entry.type !== 'file') continue;
    else if (documented !== undefined && name === 'copyright') {
      if (entry.size <= maxTextBytes) licenses[documented] = readCopyright(await textOf(entry));
    } else {
      const reader = readerOf(path);
      if (reader !== undefined) {
        await keep(path, reader.kind, async () => {
          if (entry.size > maxTextBytes)
            throw new Error(`it has ${entry.size} bytes, at most ${maxTextBytes} are read`);
          return reader.read(await textOf(entry));
        });
      } else if ((entry.mode & 0o111) !== 0 && entry.size >= minGoBytes && layer.compression === 'none') {
        await keep(path, 'installed', () => modulesOf(entry, layer.digest, blobs));
      }
    }
  }
  // A program without modules says nothing.
  return {
    finds: finds.filter(({ path, components }) => components.length > 0 || readerOf(path)),
    licenses,
    shared,
    removed,
    unread,
  };
}

async function modulesOf(entry: ReadEntry, digest: Digest, blobs: BlobStore): Promise<Component[]> {
  const read = async (offset: number, length: number): Promise<Buffer> => {
    const within = Math.min(length, entry.size - offset);
    if (!(offset >= 0) || within <= 0) return Buffer.alloc(0);
    return Buffer.concat(await Array.fromAsync(blobs.read(digest, { offset: entry.offset + offset, length: within })));
  };
  const section = await findElfSection('.go.buildinfo', read);
  if (section === undefined || section.length > maxBuildInfoBytes) return [];
  return readBuildInfo(await read(section.offset, section.length));
}

async function textOf(entry: ReadEntry): Promise<string> {
  return Buffer.concat(await Array.fromAsync(entry.content)).toString('utf8');
}

/** "libc6" of "libc6", "../libc6" and "libc6/copyright". */
function linkedPackage(target: string): string | undefined {
  return target
    .replace(/\/copyright$/, '')
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .at(-1);
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').slice(0, 200);
}
