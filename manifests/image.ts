// The JSON of an image (OCI image specification 1.1): its config and its manifest, with nothing of the host or the clock in them.

import type { ManifestContainer, Platform } from '#manifests/schema';
import type { BlobInfo } from './blobs.ts';
import { canonicalJson } from './digest.ts';

/** Media types of the three kinds of blob in an image of ours; layers aren't compressed, so that their digest is their diff id. */
export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** One layer, and the word for it in the history. */
export interface ImageLayer extends BlobInfo {
  readonly what: 'packages' | 'system' | 'applications';
}

const epoch = '1970-01-01T00:00:00Z';
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The bytes of the image's config: how it is run, and the diff ids of its layers. */
export function makeConfig(container: ManifestContainer, platform: Platform, layers: readonly ImageLayer[]): Buffer {
  const [os, architecture] = platform.split('/');
  const environment = { PATH: defaultPath, ...container.environment };
  return Buffer.from(
    canonicalJson({
      created: epoch,
      architecture,
      os,
      config: {
        Env: Object.entries(environment)
          .map(([key, value]) => `${key}=${value}`)
          .sort((left, right) => (left < right ? -1 : 1)),
        User: container.user,
        WorkingDir: container.working_directory,
        ...(container.entrypoint.length > 0 && { Entrypoint: container.entrypoint }),
        ...(container.command.length > 0 && { Cmd: container.command }),
        ...(container.ports.length > 0 && {
          ExposedPorts: Object.fromEntries(container.ports.map((port) => [`${port}/tcp`, {}])),
        }),
      },
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
      history: layers.map(({ what }) => ({ created: epoch, created_by: `hermesh-oci/1 ${what}` })),
    }),
  );
}

/** The bytes of the image's manifest, whose digest is the image's name. */
export function makeImageManifest(config: BlobInfo, layers: readonly ImageLayer[]): Buffer {
  const descriptor = (mediaType: string, { digest, sizeBytes }: BlobInfo) => ({ mediaType, digest, size: sizeBytes });
  return Buffer.from(
    canonicalJson({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: descriptor(mediaTypes.config, config),
      layers: layers.map((layer) => descriptor(mediaTypes.layer, layer)),
    }),
  );
}
