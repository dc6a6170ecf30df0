// How an image is read from an OCI image layout: a folder with blobs by digest; every blob is checked before it is believed.
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Platform } from '#manifests/schema';
import { type Digest, digestOf } from '../digest.ts';
import { ManifestError } from '../error.ts';
import type { OpenedImage } from './base-source.ts';
import { compressionOf, type Descriptor, invalidBase, manifestFor, parseBaseManifest } from './image-json.ts';

/** As the specification asks of clients: a larger manifest may be refused. */
const maxJsonBytes = 4 * 1024 * 1024;

/** Opens a layout at a manifest or an index in it. Throws `base-unavailable` or `invalid-base`. */
export async function openLayout(directory: string, digest: Digest, platform: Platform): Promise<OpenedImage> {
  let found = parseBaseManifest(await jsonOf(directory, digest));
  if ('manifests' in found) {
    found = parseBaseManifest(await jsonOf(directory, manifestFor(platform, found.manifests).digest));
    if ('manifests' in found) throw invalidBase('its index leads to another index');
  }
  const { config, layers } = found;
  return {
    kind: 'image',
    config: await jsonOf(directory, config.digest),
    layers: layers.map((layer: Descriptor) => ({
      compression: compressionOf(layer.mediaType),
      read: () => createReadStream(blobFile(directory, layer.digest), { highWaterMark: 256 * 1024 }),
    })),
    async [Symbol.asyncDispose]() {},
  };
}

async function jsonOf(directory: string, digest: Digest): Promise<Uint8Array> {
  const file = blobFile(directory, digest);
  const size = await stat(file).then(
    (one) => one.size,
    (cause: unknown) => {
      throw new ManifestError('base-unavailable', `Cannot use the base: "${directory}" does not hold ${digest}`, {
        cause,
      });
    },
  );
  if (size > maxJsonBytes) throw invalidBase(`${digest} has ${size} bytes, at most ${maxJsonBytes}`);
  const bytes = await readFile(file);
  if (digestOf(bytes) !== digest) throw invalidBase(`what lies at ${digest} has another digest`);
  return bytes;
}

function blobFile(directory: string, digest: Digest): string {
  return path.join(directory, 'blobs', 'sha256', digest.slice('sha256:'.length));
}
