// The JSON of an image (OCI image specification 1.1): its config and its manifest, with nothing of the host or the clock in them.

import type { ManifestContainer, Platform } from '#manifests/schema';
import type { BlobInfo } from './blobs.ts';
import { canonicalJson } from './digest.ts';

/** Media types of the kinds of blob in an image of ours; layers aren't compressed, so that their digest is their diff id. */
export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** One layer, and the word for it in the history. */
export interface ImageLayer extends BlobInfo {
  readonly what: LayerWord;
}

/** From the bottom. */
export type LayerWord = 'base' | 'packages' | 'runtime' | 'system' | 'dependencies' | 'applications';

/** What an image inherits of its base: variables, and the command where the container has none. */
export interface InheritedConfig {
  readonly Env?: readonly string[] | null | undefined;
  readonly Entrypoint?: readonly string[] | null | undefined;
  readonly Cmd?: readonly string[] | null | undefined;
  readonly Labels?: Readonly<Record<string, string>> | null | undefined;
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The bytes of the image's config: how it is run, and the diff ids of its layers. The container's words win over the base's. */
export function makeConfig(
  container: ManifestContainer,
  platform: Platform,
  layers: readonly ImageLayer[],
  { epochSeconds = 0, base = {} }: { readonly epochSeconds?: number; readonly base?: InheritedConfig } = {},
): Buffer {
  const [os, architecture] = platform.split('/');
  const created = new Date(epochSeconds * 1000).toISOString().replace('.000Z', 'Z');
  const inherited = (base.Env ?? []).map((line) => {
    const [key = '', ...value] = line.split('=');
    return [key, value.join('=')] as const;
  });
  const environment = { PATH: defaultPath, ...Object.fromEntries(inherited), ...container.environment };
  const hasCommand = container.entrypoint.length > 0 || container.command.length > 0;
  const entrypoint = hasCommand ? container.entrypoint : (base.Entrypoint ?? []);
  const command = hasCommand ? container.command : (base.Cmd ?? []);
  const labels = { ...base.Labels, ...container.labels };
  return Buffer.from(
    canonicalJson({
      created,
      architecture,
      os,
      config: {
        Env: Object.entries(environment)
          .map(([key, value]) => `${key}=${value}`)
          .sort((left, right) => (left < right ? -1 : 1)),
        User: container.user,
        WorkingDir: container.working_directory,
        ...(entrypoint.length > 0 && { Entrypoint: entrypoint }),
        ...(command.length > 0 && { Cmd: command }),
        ...(Object.keys(labels).length > 0 && { Labels: labels }),
        ...(container.stop_signal !== undefined && { StopSignal: container.stop_signal }),
        ...(container.ports.length > 0 && {
          ExposedPorts: Object.fromEntries(container.ports.map((port) => [`${port}/tcp`, {}])),
        }),
      },
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
      history: layers.map(({ what }) => ({ created, created_by: `hermesh-oci/1 ${what}` })),
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

/** The bytes of the index that names the image of each platform. */
export function makeImageIndex(images: readonly (BlobInfo & { readonly platform: Platform })[]): Buffer {
  return Buffer.from(
    canonicalJson({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: images.map(({ digest, sizeBytes, platform }) => {
        const [os, architecture] = platform.split('/');
        return { mediaType: mediaTypes.manifest, digest, size: sizeBytes, platform: { architecture, os } };
      }),
    }),
  );
}
