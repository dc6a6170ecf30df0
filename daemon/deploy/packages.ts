// Where packages come from, loaded when the first is needed: most starts of a daemon need none.
import path from 'node:path';
import type { PackageSource } from '#manifests/debian';

export interface PackageOptions {
  /** A folder of its own, below the home. */
  readonly directory: string;
  /** Mirrors to ask instead of the machine's apt, each `URL [SUITE,… [COMPONENT,…]]`. */
  readonly mirrors?: readonly string[] | undefined;
  /** Who may sign what the mirrors say; Debian's own unless told. */
  readonly keyring?: string | undefined;
  /** Asks for what is new, whenever it was asked the last time. */
  readonly refresh?: boolean | undefined;
}

/** The mirrors that were named, else apt with a private state directory. */
export function lazyPackageSource(options: PackageOptions): PackageSource {
  let opened: Promise<PackageSource> | undefined;
  const opening = (): Promise<PackageSource> => {
    opened ??= open(options);
    return opened;
  };
  return {
    resolve: async (names, platform, limits) => (await opening()).resolve(names, platform, limits),
    fetch: async (locked, limits) => (await opening()).fetch(locked, limits),
  };
}

async function open({ directory, mirrors = [], keyring, refresh }: PackageOptions): Promise<PackageSource> {
  const age = refresh ? { maxListAgeMs: 0 } : {};
  if (mirrors.length === 0) {
    const { openAptPackageSource } = await import('../apt.ts');
    return openAptPackageSource({ directory, ...age });
  }
  const { debianKeyring, openMirrorPackageSource, parseMirror } = await import('../mirror.ts');
  return openMirrorPackageSource({
    mirrors: mirrors.map(parseMirror),
    keyring: keyring ?? debianKeyring,
    directory: path.join(directory, 'mirrors'),
    ...age,
  });
}
