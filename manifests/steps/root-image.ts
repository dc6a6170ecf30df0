// The root of a step as an image in an archive (docker-archive), so that an engine elsewhere and Podman take it alike.
import type { BlobStore } from '../blobs.ts';
import { canonicalJson, digestOf } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { type TarEntry, writeTar } from '../tar.ts';
import type { StepRun } from './step-runner.ts';

/** A name of its root, the same wherever the root is: what engines call an image of nobody's registry. */
export function rootImageName({ root, platform }: Pick<StepRun, 'root' | 'platform'>): string {
  return `localhost/hermesh-step:${digestOf(canonicalJson({ root, platform })).slice('sha256:'.length, 39)}`;
}

/** The bytes for `docker load`; `labels` tell whose it is. Throws `missing-blob`. */
export async function* rootArchive(
  step: Pick<StepRun, 'root' | 'platform'>,
  { blobs, labels }: { readonly blobs: BlobStore; readonly labels: Readonly<Record<string, string>> },
): AsyncIterable<Uint8Array> {
  const { root, platform } = step;
  const [os, architecture] = platform.split('/');
  const created = '1970-01-01T00:00:00Z';
  const config = canonicalJson({
    architecture,
    config: { Labels: labels },
    created,
    history: root.map(() => ({ created })),
    os,
    rootfs: { type: 'layers', diff_ids: root },
  });
  const configName = `${digestOf(config).slice('sha256:'.length)}.json`;
  const layers = await Promise.all(
    [...new Set(root)].map(async (digest): Promise<TarEntry> => {
      const size = await blobs.size(digest);
      if (size === undefined) throw new ManifestError('missing-blob', `Cannot load a root: the store has no ${digest}`);
      return entryOf(layerName(digest), size, () => blobs.read(digest));
    }),
  );
  const index = [{ Config: configName, RepoTags: [rootImageName(step)], Layers: root.map(layerName) }];
  yield* writeTar([textOf(configName, config), textOf('manifest.json', JSON.stringify(index)), ...layers]);
}

function layerName(digest: string): string {
  return `${digest.slice('sha256:'.length)}/layer.tar`;
}

function textOf(path: string, text: string): TarEntry {
  const bytes = Buffer.from(text);
  return entryOf(path, bytes.length, async function* () {
    yield bytes;
  });
}

function entryOf(path: string, size: number, content: () => AsyncIterable<Uint8Array>): TarEntry {
  return { path, type: 'file', mode: 0o644, uid: 0, gid: 0, size, content };
}
