// What an image consists of: what its layers say, as they lie on one another, what the lock pins, and what its sources lock.
import type { LockedPackage } from '#manifests/debian';
import type { BlobStore } from '../../blobs.ts';
import { type Component, mergeComponents } from './component.ts';
import { linkedComponents, lockedComponents } from './debian.ts';
import { readerOf } from './readers.ts';
import { type Find, type LayerCatalogue, type ScannedLayer, scanLayer, type Unread } from './scan.ts';

/** A file of a source that may be a lock file; its text is asked for where it is one. */
export interface SourceLock {
  readonly path: string;
  readonly text: () => Promise<string>;
}

export interface Catalogue {
  /** By package URL, each once. */
  readonly components: readonly Component[];
  readonly unread: readonly Unread[];
}

/**
 * The components of an image. What is installed wins over what was locked: where an ecosystem's packages are found installed,
 * lock files only add hashes to them.
 */
export async function catalogueImage(
  image: {
    /** From the bottom. */
    readonly layers: readonly ScannedLayer[];
    readonly packages: readonly LockedPackage[];
    /** Packages that its build steps ran with: libraries among them that exist as source may have become part of it. */
    readonly toolchains?: readonly LockedPackage[];
    readonly sources: readonly SourceLock[];
  },
  blobs: BlobStore,
  { signal }: { readonly signal: AbortSignal },
): Promise<Catalogue> {
  const layers: LayerCatalogue[] = [];
  for (const layer of image.layers) layers.push(await scanLayer(layer, blobs, { signal }));
  const unread: Unread[] = layers.flatMap((layer) => layer.unread);
  const sources: Find[] = [];
  for (const { path, text } of image.sources) {
    const reader = readerOf(path);
    if (reader?.kind !== 'locked') continue;
    try {
      sources.push({ path, kind: 'locked', components: reader.read(await text()) });
    } catch (error) {
      unread.push({ path, why: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error) });
    }
  }
  const visible = visibleFinds(layers);
  const components = mergeComponents([
    ...withoutAsides([...visible, ...sources], visible),
    ...withLicenses(lockedComponents(image.packages), layers),
    ...linkedComponents(image.toolchains ?? []),
  ]);
  return { components: withLicenses(components, layers), unread };
}

/** What of each layer the layers above leave. */
function visibleFinds(layers: readonly LayerCatalogue[]): Find[] {
  const hidden = new Set<string>();
  const visible: Find[] = [];
  for (const layer of [...layers].reverse()) {
    for (const find of layer.finds) if (!isHidden(find.path, hidden)) visible.push(find);
    for (const path of layer.removed) hidden.add(path);
    for (const { path } of [...layer.finds, ...layer.unread]) hidden.add(path);
  }
  return visible;
}

function isHidden(path: string, hidden: ReadonlySet<string>): boolean {
  if (hidden.has(path)) return true;
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
    if (hidden.has(path.slice(0, at)) || hidden.has(path.slice(0, at + 1))) return true;
  return hidden.has('');
}

/** Drops what was locked and isn't there where its like is installed; what of it is there gives its hashes. */
function withoutAsides(finds: readonly Find[], inImage: readonly Find[]): Component[] {
  const installed = finds.filter(({ kind }) => kind === 'installed');
  const places = new Set(
    installed.flatMap(({ path }) => {
      const at = path.indexOf('node_modules/');
      return at < 0 ? [] : [path.slice(0, at)];
    }),
  );
  const ecosystems = new Set(installed.flatMap(({ components }) => components.map(({ ecosystem }) => ecosystem)));
  const known = new Set(installed.flatMap(({ components }) => components.map(identityOf)));
  return finds.flatMap(({ path, kind, components }) => {
    if (kind === 'installed') return components;
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const isAside = (one: Component): boolean =>
      one.ecosystem === 'npm' && inImage.some((find) => find.path === path)
        ? places.has(folder.replace(/node_modules\/$/, ''))
        : ecosystems.has(one.ecosystem);
    return components
      .filter((one) => !isAside(one) || known.has(identityOf(one)))
      .map((one) => (isAside(one) ? plain(one) : one));
  });
}

/** What is installed is there, whatever the lock held it for. */
function plain({ scope: _, ...rest }: Component): Component {
  return rest;
}

function identityOf({ ecosystem, namespace, name, version }: Component): string {
  return JSON.stringify([ecosystem, namespace, name, version]);
}

function withLicenses(components: readonly Component[], layers: readonly LayerCatalogue[]): Component[] {
  const licenses = Object.assign({}, ...layers.map((layer) => layer.licenses)) as LayerCatalogue['licenses'];
  const shared = Object.assign({}, ...layers.map((layer) => layer.shared)) as LayerCatalogue['shared'];
  return components.map((one) => {
    if (one.ecosystem !== 'deb' || one.licenses.length > 0) return one;
    return { ...one, licenses: licenses[one.name] ?? licenses[shared[one.name] ?? ''] ?? [] };
  });
}
