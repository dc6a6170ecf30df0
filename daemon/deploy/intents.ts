// What a container was meant to be: its part of the manifest that its label names, read from this stack's store.
import type { ContainerIntent } from '#container-ci';
import { readLabels } from '#container-ci';
import { ciName } from '#cookbooks';
import type { Manifest } from '#manifests';
import type { Images } from './images.ts';

/** Manifests of projects that run here; more are read again when they are needed. */
const maxManifests = 200;

/** Answers from memory; what isn't there yet is read in the background, and there the next time it is asked for. */
export function makeIntents(
  images: Pick<Images, 'manifest'>,
  onFault: (error: unknown) => void,
): (labels: Readonly<Record<string, string>>) => ContainerIntent | undefined {
  const manifests = new Map<string, Manifest | 'reading'>();
  const read = async (digest: string): Promise<void> => {
    manifests.set(digest, 'reading');
    const manifest = await images.manifest(digest);
    manifests.delete(digest);
    if (!manifest) return;
    manifests.set(digest, manifest);
    for (const oldest of manifests.keys()) {
      if (manifests.size <= maxManifests) break;
      manifests.delete(oldest);
    }
  };
  return (labels) => {
    const identity = readLabels(labels);
    if (!identity) return undefined;
    const manifest = manifests.get(identity.manifestDigest);
    if (manifest === undefined) read(identity.manifestDigest).catch(onFault);
    if (manifest === undefined || manifest === 'reading') return undefined;
    const container = manifest.containers[identity.container];
    if (!container) return undefined;
    const dependencies = Object.keys(container.depends_on).map((name) => ({
      container: name,
      ci: ciName(manifest, name),
    }));
    return { container, dependencies };
  };
}
