// Layers made by GNU tar from files, and images made of them.
import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { type BlobStore, type Digest, mediaTypes, openBlobStore } from '#manifests';
import { openFolder } from '../folder.ts';

export const signal = AbortSignal.timeout(300_000);

/** The digest of a layer that holds these files, or all of a folder. */
export async function layerOf(blobs: BlobStore, files: Readonly<Record<string, string>> | string): Promise<Digest> {
  await using folder = await openFolder(typeof files === 'string' ? {} : files);
  await using made = await openFolder();
  const tar = path.join(made.path, 'layer.tar');
  const from = typeof files === 'string' ? files : folder.path;
  execFileSync('tar', [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--format=gnu',
    '-C',
    from,
    '-cf',
    tar,
    '.',
  ]);
  return (await blobs.write(createReadStream(tar), { maxBytes: 2 ** 30, signal })).digest;
}

/** The digest of an image with these layers. */
export async function imageOf(blobs: BlobStore, layers: readonly Digest[]): Promise<Digest> {
  const write = (value: object) => blobs.write([Buffer.from(JSON.stringify(value))], { maxBytes: 2 ** 20, signal });
  const config = await write({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: layers } });
  const sized = await Promise.all(
    layers.map(async (digest) => ({ mediaType: mediaTypes.layer, digest, size: await blobs.size(digest) })),
  );
  const manifest = await write({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: config.digest, size: config.sizeBytes },
    layers: sized,
  });
  return manifest.digest;
}

/** A store in a folder of its own. */
export async function openStore(): Promise<AsyncDisposable & { readonly blobs: BlobStore; readonly path: string }> {
  const folder = await openFolder();
  const blobs = await openBlobStore(path.join(folder.path, 'store'));
  return { blobs, path: folder.path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
