// Where packages come from, loaded when the first is needed: most starts of a daemon need none.
import type { PackageSource } from '#manifests/debian';

/** apt with a private state directory below the home. */
export function lazyPackageSource(directory: string): PackageSource {
  let opened: Promise<PackageSource> | undefined;
  const open = (): Promise<PackageSource> => {
    opened ??= import('../apt.ts').then(({ openAptPackageSource }) => openAptPackageSource({ directory }));
    return opened;
  };
  return {
    resolve: async (names, platform, options) => (await open()).resolve(names, platform, options),
    fetch: async (locked, options) => (await open()).fetch(locked, options),
  };
}
