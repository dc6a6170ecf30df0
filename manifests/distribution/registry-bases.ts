// Images of registries as bases: a tag becomes a digest when it is locked, and a digest is all that a build takes.
import type { BaseSource, OpenedImage } from '#manifests/bases';
import { compressionOf, invalidBase, manifestFor } from '#manifests/bases';
import type { Platform } from '#manifests/schema';
import { ManifestError } from '../error.ts';
import { type FetchedDocument, openRegistryClient, type RegistryClient } from './client.ts';
import { maxManifestBytes } from './documents.ts';
import type { RegistryParts } from './http.ts';
import { parseReference } from './reference.ts';

/** Fills `BaseSource` for what is named by a registry; other kinds of base are refused with `base-unavailable`. */
export function makeRegistryBases(parts: RegistryParts): BaseSource {
  return {
    resolve: (reference, platform, { signal }) =>
      asBase(reference, async () => {
        const { registry, repository, tag = 'latest' } = parseReference(reference);
        const client = openRegistryClient(registry, repository, parts);
        return (await imageFor(platform, await client.document(tag, { signal }), client, signal)).digest;
      }),
    async open(base, platform, { signal }): Promise<OpenedImage> {
      if (base.kind !== 'registry')
        throw new ManifestError('base-unavailable', `Cannot use the base: a registry has no ${base.kind}`);
      return await asBase(base.name, async () => {
        const { registry, repository } = parseReference(base.name);
        const client = openRegistryClient(registry, repository, parts);
        const found = await imageFor(platform, await client.document(base.digest, { signal }), client, signal);
        if (!found.config) throw invalidBase(`${found.digest} names no config`);
        if (found.config.size > maxManifestBytes)
          throw invalidBase(`its config has ${found.config.size} bytes, at most ${maxManifestBytes}`);
        const config = Buffer.concat(await Array.fromAsync(client.blob(found.config, { signal })));
        return {
          kind: 'image',
          config,
          layers: found.layers.map((layer) => ({
            compression: compressionOf(layer.mediaType),
            read: () => client.blob(layer, { signal }),
          })),
          async [Symbol.asyncDispose]() {},
        };
      });
    },
  };
}

/** The image itself, or that of an index which is for the platform. */
async function imageFor(
  platform: Platform,
  document: FetchedDocument,
  client: RegistryClient,
  signal: AbortSignal,
): Promise<FetchedDocument> {
  if (!document.isIndex) return document;
  const found = await client.document(manifestFor(platform, document.manifests).digest, { signal });
  if (found.isIndex) throw invalidBase('its index leads to another index');
  return found;
}

/** What keeps a base from being had says so by the code of bases, with the registry's word as its cause. */
async function asBase<T>(name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    const isAway = ['not-in-registry', 'registry-unreachable', 'registry-refused'].includes(cause.code);
    if (!isAway && cause.code !== 'registry-lied') throw cause;
    throw new ManifestError(
      isAway ? 'base-unavailable' : 'invalid-base',
      `Cannot use the base "${name}": ${cause.message}`,
      {
        cause,
        mayRetry: cause.mayRetry,
      },
    );
  }
}
