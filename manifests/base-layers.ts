// How a base comes into the store: layers of an image as they are, a tree of files as one canonical layer.
import {
  type BaseConfig,
  type BaseSource,
  invalidBase,
  type OpenedImage,
  type OpenedTree,
  parseBaseConfig,
  type WantedBase,
} from '#manifests/bases';
import { decompress, readForeignTar, readTar } from '#manifests/debian';
import type { Platform } from '#manifests/schema';
import { type BlobInfo, type BlobStore, writeAll } from './blobs.ts';
import { type Digest, isDigest } from './digest.ts';
import { ManifestError } from './error.ts';
import { Filesystem, type Node, type Wanted } from './filesystem.ts';
import { maxLayerBytes, readRange } from './layers.ts';
import { readPlainNote, writePlainNote } from './notes.ts';
import { writeTar } from './tar.ts';

/** A base in the store. */
export interface StoredBase {
  /** From the bottom. */
  readonly layers: readonly BlobInfo[];
  /** What images on it inherit. */
  readonly config: Pick<NonNullable<BaseConfig['config']>, 'Env' | 'Entrypoint' | 'Cmd' | 'Labels'>;
  /** What it leaves at each path. */
  readonly nodes: Readonly<Record<string, Node>>;
}

export interface BaseWork {
  readonly blobs: BlobStore;
  readonly bases: BaseSource;
  readonly signal: AbortSignal;
  readonly useCache: boolean;
  readonly epochSeconds: number;
}

/** The base in the store, brought there where it isn't yet; a folder is read each time. Throws what `BaseSource.open` throws. */
export async function storeBase(wanted: WantedBase, platform: Platform, work: BaseWork): Promise<StoredBase> {
  const key = wanted.kind === 'rootfs' ? undefined : { wanted: identityOf(wanted), platform };
  const known = key && work.useCache ? await readPlainNote<StoredBase>(work.blobs, 'bases', key) : undefined;
  if (known && (await allThere(known, work.blobs))) return known;
  await using opened = await work.bases.open(wanted, platform, { signal: work.signal });
  try {
    const stored = opened.kind === 'image' ? await storeImage(opened, platform, work) : await storeTree(opened, work);
    if (key) await writePlainNote(work.blobs, 'bases', key, stored);
    return stored;
  } catch (error) {
    // What reads tars speaks of packages, since that is what it was made for.
    if (!(error instanceof ManifestError)) throw error;
    if (error.code === 'invalid-package') throw invalidBase(`${nameOf(wanted)}: ${error.message}; ${mend}`, error);
    if (error.code !== 'too-large') throw error;
    throw new ManifestError('too-large', `Cannot use the base ${nameOf(wanted)}: ${error.message}; ${mend}`, {
      cause: error,
    });
  }
}

const mend = 'fetch it again, or name another base';

function nameOf(wanted: WantedBase): string {
  if (wanted.kind === 'rootfs') return `"${wanted.path}"`;
  return wanted.kind === 'oci-layout' ? `"${wanted.path}" (${wanted.digest})` : identityOf(wanted);
}

/** Where it came from doesn't change what it is. */
function identityOf(wanted: Exclude<WantedBase, { kind: 'rootfs' }>): Digest {
  return wanted.kind === 'engine' ? wanted.image : wanted.digest;
}

async function allThere({ layers }: StoredBase, blobs: BlobStore): Promise<boolean> {
  for (const { digest } of layers) if (!(await blobs.has(digest))) return false;
  return true;
}

/** Its layers stay as they are, so that an engine that holds them needs none of them again. */
async function storeImage(image: OpenedImage, platform: Platform, { blobs, signal }: BaseWork): Promise<StoredBase> {
  const { rootfs, config } = parseBaseConfig(image.config, platform);
  if (rootfs.diff_ids.length !== image.layers.length)
    throw invalidBase(`it has ${image.layers.length} layers, and its config names ${rootfs.diff_ids.length}`);
  const filesystem = new Filesystem();
  const layers: BlobInfo[] = [];
  for (const [index, layer] of image.layers.entries()) {
    const expected = rootfs.diff_ids[index];
    if (expected === undefined || !isDigest(expected)) throw invalidBase('its config names no digest of a layer');
    const content = decompress(layer.read(), layer.compression, { maxBytes: maxLayerBytes });
    layers.push(await blobs.write(content, { expected, maxBytes: maxLayerBytes, signal }));
    filesystem.lay(await Array.fromAsync(readForeignTar(blobs.read(expected)), ({ content: _, ...entry }) => entry));
  }
  const { Env, Entrypoint, Cmd, Labels } = config ?? {};
  return { layers, config: { Env, Entrypoint, Cmd, Labels }, nodes: filesystem.nodes() };
}

/** One layer with the owners, the modes and the capabilities of the tree; its times and its order are ours. */
async function storeTree(tree: OpenedTree, { blobs, signal, epochSeconds }: BaseWork): Promise<StoredBase> {
  await using scratch = await blobs.scratch();
  const entries: Wanted[] = [];
  const files = new Map<string, Extract<Wanted, { type: 'file' }>>();
  const from = 'the base';
  let offset = 0;
  for await (const entry of readTar(tree.read())) {
    signal.throwIfAborted();
    const { path, mode, uid, gid, size, target, capability } = entry;
    if (path === '') continue;
    if (entry.type === 'directory') entries.push({ path, type: 'directory', mode, uid, gid, from });
    else if (entry.type === 'symlink') entries.push({ path, type: 'symlink', target, mode: 0o777, uid, gid, from });
    else if (entry.type === 'hardlink') {
      const linked = files.get(target);
      if (linked === undefined) throw invalidBase(`its hard link "${path}" points at "${target}", which is not in it`);
      entries.push({ ...linked, path });
    } else {
      const start = offset;
      for await (const chunk of entry.content) {
        await writeAll(scratch.handle, chunk);
        offset += chunk.length;
        if (offset > maxLayerBytes)
          throw new ManifestError('too-large', `Cannot use the base: it has more than ${maxLayerBytes} bytes`);
      }
      const content = () => readRange(scratch.handle, start, size);
      const file = {
        path,
        type: 'file',
        mode,
        uid,
        gid,
        size,
        content,
        from,
        ...(capability && { capability }),
      } as const;
      files.set(path, file);
      entries.push(file);
    }
  }
  const filesystem = new Filesystem();
  const tar = writeTar(filesystem.addLayer(entries), { epochSeconds });
  const layer = await blobs.write(tar, { maxBytes: maxLayerBytes, signal });
  return { layers: [layer], config: {}, nodes: filesystem.nodes() };
}
