// Records of manifests and builds by what they are named, whoever wrote them: manifest digest, build key or image digest.
import type { Directory, Entry } from '#registry';
import { DaemonError } from '../errors.ts';
import type { BuildRecord, ManifestRecord } from '../kinds.ts';

export type FoundRecord = Entry<ManifestRecord> | Entry<BuildRecord>;

/** As Git and Docker shorten them: 48 bits, which no mesh has twice by chance. */
const minPrefix = 12;
const shape = new RegExp(`^(?:sha256:)?[0-9a-f]{${minPrefix},64}$`);

export function isDigestLike(wanted: string): boolean {
  return shape.test(wanted);
}

/**
 * All that bear the digest, or begin with it: the manifest of that digest, else builds of that key, else builds of that image.
 * Of `kind` only where one is given. Throws `ambiguous` where a prefix means several.
 */
export function findByDigest(directory: Pick<Directory, 'list'>, wanted: string, kind?: string): FoundRecord[] {
  if (!isDigestLike(wanted)) return [];
  const prefix = wanted.startsWith('sha256:') ? wanted : `sha256:${wanted}`;
  const list = <Body>(of: string) =>
    kind === undefined || kind === of ? directory.list<Body>({ kind: of, includeUnreachable: true }) : [];
  const builds = list<BuildRecord>('build');
  const ways: (readonly (readonly [string, FoundRecord])[])[] = [
    list<ManifestRecord>('manifest').map((one) => [one.body.digest, one]),
    builds.map((one) => [one.body.buildKey, one]),
    builds.map((one) => [one.body.digest, one]),
    builds.map((one) => [one.body.configDigest, one]),
  ];
  for (const way of ways) {
    const found = way.filter(([digest]) => digest.startsWith(prefix));
    const digests = [...new Set(found.map(([digest]) => digest))];
    if (digests.length > 1)
      throw new DaemonError('ambiguous', `Cannot tell which "${wanted}" is meant: ${digests.slice(0, 5).join(', ')}`, {
        mend: 'give more characters of it',
      });
    if (found.length > 0) return found.map(([, one]) => one);
  }
  return [];
}
