// What the locks of Python name (requirements with hashes, uv, Poetry, Pipenv): for each package the one file that fits the platform.
import { parse } from 'smol-toml';
import { z } from 'zod';
import type { Platform } from '#manifests/schema';
import type { ArtifactHash, LockedArtifact, LockText } from './artifact.ts';
import { asTheyAre, type LockReader, parsedBy } from './lock-reader.ts';

/** Debian 12's. */
const minor = 11;
/** Debian 12's C library: wheels that ask for a newer one don't run. */
const glibcMinor = 36;

interface File {
  readonly file: string;
  readonly url?: string | undefined;
  readonly hash: string;
}

const files = z.array(z.object({ file: z.string(), hash: z.string() })).default([]);
const poetrySchema = z.object({
  package: z.array(
    z.object({ name: z.string(), version: z.string(), files, source: z.object({ type: z.string() }).optional() }),
  ),
});
const remote = z.object({ url: z.string().optional(), hash: z.string().optional() });
const uvSchema = z.object({
  package: z.array(
    z.object({
      name: z.string(),
      version: z.string().optional(),
      source: z.record(z.string(), z.unknown()),
      sdist: remote.optional(),
      wheels: z.array(remote).default([]),
    }),
  ),
});

export const uvLocks: LockReader = {
  read(lock, platform) {
    const again = 'run "uv lock"';
    return parsedBy(lock, parse, uvSchema, again).package.flatMap(({ name, version = '0', source, sdist, wheels }) => {
      if (['editable', 'virtual', 'directory', 'path'].some((kind) => kind in source)) return [];
      if (!('registry' in source))
        return lock.refuse(`package "${name}"`, 'it comes from no registry', 'take it from one');
      const all = [...wheels, ...(sdist ? [sdist] : [])].flatMap(({ url, hash }): File[] =>
        url && hash ? [{ file: decodeURIComponent(url.slice(url.lastIndexOf('/') + 1)), url, hash }] : [],
      );
      return [chosen(lock, { name, version }, all, platform, again)];
    });
  },
  arrange: asTheyAre,
};

export const poetryLocks: LockReader = {
  read(lock, platform) {
    const again = 'run "poetry lock"';
    return parsedBy(lock, parse, poetrySchema, again).package.flatMap((one) => {
      if (one.source?.type === 'directory') return [];
      if (one.source && one.source.type !== 'legacy')
        return lock.refuse(`package "${one.name}"`, `it comes from ${one.source.type}`, 'take it from a registry');
      return [chosen(lock, one, one.files, platform, again)];
    });
  },
  arrange: asTheyAre,
};

/** The one file that is installed: a wheel that fits, the most exact first, else the source. */
function chosen(
  lock: LockText,
  { name, version }: { readonly name: string; readonly version: string },
  all: readonly File[],
  platform: Platform,
  again: string,
): LockedArtifact {
  const best = all
    .map((one) => ({ ...one, rank: rankOf(one.file, platform) }))
    .filter(({ rank }) => rank > 0)
    .sort((left, right) => right.rank - left.rank || (left.file < right.file ? -1 : 1))[0];
  const where = `package "${name}"`;
  if (best === undefined)
    return lock.refuse(
      where,
      `it holds no file of it for Python 3.${minor} on ${platform}`,
      `${again} with a version that has one`,
    );
  const hex = /^sha256:([0-9a-f]{64})$/.exec(best.hash)?.[1];
  if (hex === undefined) return lock.refuse(where, `"${best.file}" has no SHA-256`, again);
  if (!/^[A-Za-z0-9][\w.+!-]*$/.test(best.file))
    return lock.refuse(where, `"${best.file}" is no name of a file`, again);
  const hashes: ArtifactHash[] = [{ algorithm: 'sha256', hex }];
  return { ecosystem: 'pypi', name, version, file: pathOf(name, best.file), url: best.url, hashes, place: best.file };
}

/** Where PyPI has a file whose address isn't said (its "legacy" paths, which it keeps). */
function pathOf(name: string, file: string): string {
  const tag = /\.whl$/.test(file) ? (file.split('-').at(-3) ?? 'source') : 'source';
  return `packages/${tag}/${file[0]}/${name}/${file}`;
}

/** 0 for what doesn't fit (PEP 425 tags; PEP 600 for manylinux). */
export function rankOf(file: string, platform: Platform): number {
  if (/\.(?:tar\.gz|zip)$/.test(file)) return 1;
  const [pythons, abi, places] = /-([^-]+)-([^-]+)-([^-]+)\.whl$/.exec(file)?.slice(1) ?? [];
  if (pythons === undefined || abi === undefined || places === undefined) return 0;
  const processor = platform === 'linux/amd64' ? 'x86_64' : 'aarch64';
  const isHere = places.split('.').some((place) => {
    const glibc = /^manylinux_2_(\d+)_(.+)$/.exec(place);
    if (glibc) return Number(glibc[1]) <= glibcMinor && glibc[2] === processor;
    return (
      place === 'any' ||
      place === `linux_${processor}` ||
      new RegExp(`^manylinux(?:1|2010|2014)_${processor}$`).test(place)
    );
  });
  if (!isHere) return 0;
  const tags = pythons.split('.');
  if (tags.includes(`cp3${minor}`) && abi.split('.').includes(`cp3${minor}`)) return 4;
  if (abi === 'abi3' && tags.some((tag) => /^cp3\d+$/.test(tag) && Number(tag.slice(3)) <= minor)) return 3;
  return abi === 'none' && tags.some((tag) => tag === 'py3' || tag === `py3${minor}` || tag === `cp3${minor}`) ? 2 : 0;
}
