// How a locked Node becomes a layer: its archive fetched and checked, the program and its licence taken, nothing else.
import { createHash } from 'node:crypto';
import { decompress, readTar } from '#manifests/debian';
import type { LockedNode, NodeSource } from '#manifests/runtimes';
import type { Platform } from '#manifests/schema';
import { type BlobStore, writeAll } from './blobs.ts';
import type { Digest } from './digest.ts';
import { ManifestError } from './error.ts';
import { readRange } from './layers.ts';
import { readLayerNote, writeLayerNote } from './notes.ts';
import { type TarEntry, writeTar } from './tar.ts';

/** An exact Node and what its archive must be. */
export interface WantedNode extends LockedNode {
  readonly version: string;
}

/** Node has about 130 MB, its archive a third of that. */
const maxArchiveBytes = 512 * 1024 ** 2;
const maxUnpackedBytes = 1024 ** 3;
const taken: Readonly<Record<string, { readonly path: string; readonly mode: number }>> = {
  'package/bin/node': { path: 'usr/local/bin/node', mode: 0o755 },
  'package/LICENSE': { path: 'usr/local/share/doc/node/LICENSE', mode: 0o644 },
};

/** The digest of a canonical tar with this Node in it. Throws `digest-mismatch` where what came isn't what the lock pins. */
export async function nodeLayer(
  node: WantedNode,
  platform: Platform,
  work: {
    readonly blobs: BlobStore;
    readonly nodes?: NodeSource | undefined;
    readonly signal: AbortSignal;
    readonly useCache: boolean;
    readonly epochSeconds: number;
  },
): Promise<Digest> {
  const { blobs, nodes, signal, epochSeconds } = work;
  const inputs = { integrity: node.integrity, epochSeconds };
  const known = work.useCache ? await readLayerNote(blobs, 'node', inputs) : undefined;
  if (known) return known.layer.digest;
  if (nodes === undefined)
    throw new ManifestError('package-unavailable', `Cannot fetch Node ${node.version}: nothing here can`);
  await using archive = await blobs.scratch();
  const hash = createHash('sha512');
  let sizeBytes = 0;
  for await (const chunk of await nodes.fetch(node.version, platform, { signal })) {
    signal.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > maxArchiveBytes) throw mismatch(node, `it has more than ${maxArchiveBytes} bytes`);
    hash.update(chunk);
    await writeAll(archive.handle, chunk);
  }
  if (`sha512-${hash.digest('base64')}` !== node.integrity)
    throw mismatch(node, 'its SHA-512 is not what the lock pins');
  await using scratch = await blobs.scratch();
  const entries: TarEntry[] = [];
  let offset = 0;
  const unpacked = decompress(readRange(archive.handle, 0, sizeBytes), 'gz', { maxBytes: maxUnpackedBytes });
  for await (const { path, type, size, content } of readTar(unpacked)) {
    const place = type === 'file' ? taken[path] : undefined;
    if (place === undefined) continue;
    const start = offset;
    for await (const chunk of content) {
      await writeAll(scratch.handle, chunk);
      offset += chunk.length;
    }
    entries.push({
      ...place,
      type: 'file',
      size,
      content: () => readRange(scratch.handle, start, size),
      uid: 0,
      gid: 0,
    });
  }
  if (!entries.some(({ path }) => path === 'usr/local/bin/node')) throw mismatch(node, 'it holds no "bin/node"');
  const layer = await blobs.write(writeTar(entries, { epochSeconds }), { maxBytes: maxUnpackedBytes, signal });
  await writeLayerNote(blobs, 'node', inputs, { layer, nodes: {} });
  return layer.digest;
}

function mismatch({ version }: WantedNode, state: string): ManifestError {
  const mend = 'run "hermesh manifest lock FILE --refresh"';
  return new ManifestError('digest-mismatch', `Cannot use Node ${version}: ${state}; ${mend}`);
}
