// What npm's package-lock.json (versions 2 and 3) names, and npm's cache (cacache) as `npm ci --offline` reads it.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Platform } from '#manifests/schema';
import type { TarEntry } from '../tar.ts';
import type { ArtifactHash, LockedArtifact, LockText } from './artifact.ts';
import { npmCacheRegistry } from './environment.ts';
import { fileEntry, folderOf, type LockReader, parsedBy, type StoredArtifact, textEntry } from './lock-reader.ts';

const names = z.record(z.string(), z.string()).catch({});
const lockSchema = z.object({
  lockfileVersion: z.number(),
  packages: z.record(
    z.string(),
    z.object({
      name: z.string().optional(),
      version: z.string().optional(),
      resolved: z.string().optional(),
      integrity: z.string().optional(),
      link: z.boolean().optional(),
      inBundle: z.boolean().optional(),
      optional: z.boolean().optional(),
      os: z.array(z.string()).optional(),
      cpu: z.array(z.string()).optional(),
      libc: z.array(z.string()).optional(),
      dependencies: names.optional(),
      devDependencies: names.optional(),
      optionalDependencies: names.optional(),
    }),
  ),
});
type LockPackage = z.infer<typeof lockSchema>['packages'][string];

const again = 'run "npm install --package-lock-only"';
const asked = ['dependencies', 'devDependencies', 'optionalDependencies'] as const;
/** What npm says that it accepts of a list: the short form, and the whole (pacote). */
const accepted = ['application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*', 'application/json'];

export const npmLocks: LockReader = {
  // npm tidies the index of its cache as it reads it.
  prepare: [
    'mkdir -p /tmp/npm/_cacache',
    'ln -s /cache/npm/_cacache/content-v2 /tmp/npm/_cacache/content-v2',
    'if [ -d /cache/npm/_cacache/index-v5 ]; then cp -R /cache/npm/_cacache/index-v5 /tmp/npm/_cacache/; fi',
  ],

  read(lock, platform) {
    const { packages } = parse(lock);
    const root = packages[''];
    const project = lock.read(`${folderOf(lock.path)}package.json`);
    if (root && project !== undefined) refuseDrift(lock, root, project);
    return Object.entries(packages).flatMap(([key, one]) => artifactOf(lock, key, one, platform));
  },

  async arrange(artifacts) {
    const entries = new Map<string, TarEntry>();
    for (const one of artifacts) {
      const { algorithm, hex } = one.hashes[0] as ArtifactHash;
      const path = `_cacache/content-v2/${algorithm}/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex.slice(4)}`;
      entries.set(path, fileEntry(path, one.blob.sizeBytes, one.content));
    }
    // A lock that says no address makes npm ask for the list of versions first: it gets one that holds what the lock says.
    const unnamed = Map.groupBy(
      artifacts.filter(({ url }) => url === undefined),
      ({ name }) => name,
    );
    for (const [name, versions] of unnamed) for (const entry of listOf(name, versions)) entries.set(entry.path, entry);
    return [...entries.values()];
  },
};

function parse(lock: LockText): z.infer<typeof lockSchema> {
  const versioned = z.looseObject({ lockfileVersion: z.unknown() });
  const { lockfileVersion: version } = parsedBy(lock, JSON.parse, versioned, again);
  if (version !== 2 && version !== 3)
    return lock.refuse(
      '/lockfileVersion',
      `version ${String(version)} has no integrities for all`,
      `${again} with npm 7 or later`,
    );
  return parsedBy(lock, JSON.parse, lockSchema, again);
}

function artifactOf(lock: LockText, key: string, one: LockPackage, platform: Platform): LockedArtifact[] {
  const at = key.lastIndexOf('node_modules/');
  // The project itself, its workspaces, and what lies in another's archive need no fetching.
  if (at < 0 || one.link || one.inBundle) return [];
  if (one.optional && !fits(one, platform)) return [];
  const name = one.name ?? key.slice(at + 'node_modules/'.length);
  const where = `/packages/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const { version, resolved } = one;
  if (version === undefined) return lock.refuse(where, `"${name}" has no version`, again);
  if (resolved?.startsWith('file:')) return [];
  if (resolved !== undefined && !/^https?:\/\//.test(resolved))
    return lock.refuse(
      `${where}/resolved`,
      `"${name}" comes from "${resolved}", which no hash fixes`,
      'take it from a registry, or put it into the source',
    );
  if (one.integrity === undefined)
    return lock.refuse(where, `"${name}" has no integrity`, `remove node_modules and the lock, then ${again}`);
  const hash = strongest(one.integrity);
  if (hash === undefined)
    return lock.refuse(
      `${where}/integrity`,
      `"${name}" has only a hash that can be forged`,
      `remove it from the lock, then ${again}`,
    );
  const file = `${name.slice(name.lastIndexOf('/') + 1)}-${version}.tgz`;
  return [
    { ecosystem: 'npm', name, version, file, url: resolved, hashes: [hash], place: `${hash.algorithm}/${hash.hex}` },
  ];
}

/** The strongest hash of an integrity (W3C Subresource Integrity), as npm chooses; SHA-1 and MD5 don't count. */
export function strongest(integrity: string): ArtifactHash | undefined {
  const hashes = integrity.split(/\s+/).flatMap((text): ArtifactHash[] => {
    const [, algorithm, base64 = ''] = /^(sha512|sha384|sha256)-([A-Za-z0-9+/]+=*)/.exec(text) ?? [];
    const hex = Buffer.from(base64, 'base64').toString('hex');
    const isRight = algorithm !== undefined && hex.length * 4 === Number(algorithm.slice(3));
    return isRight ? [{ algorithm: algorithm as 'sha512', hex }] : [];
  });
  return hashes.sort((left, right) => (left.algorithm < right.algorithm ? 1 : -1))[0];
}

/** As npm's own npm-install-checks: Debian's C library is glibc. */
function fits({ os, cpu, libc }: LockPackage, platform: Platform): boolean {
  const allows = (list: readonly string[] | undefined, own: string): boolean =>
    list === undefined ||
    list.length === 0 ||
    (!list.includes(`!${own}`) &&
      (list.includes(own) || list.includes('any') || list.every((one) => one.startsWith('!'))));
  return allows(os, 'linux') && allows(cpu, platform === 'linux/amd64' ? 'x64' : 'arm64') && allows(libc, 'glibc');
}

function refuseDrift(lock: LockText, root: LockPackage, text: string): void {
  let project: Partial<Record<(typeof asked)[number], Record<string, string>>>;
  try {
    project = JSON.parse(text) as typeof project;
  } catch {
    return;
  }
  for (const list of asked) {
    const wanted = project[list] ?? {};
    const locked = root[list] ?? {};
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(locked)])) {
      if (wanted[name] === locked[name]) continue;
      const is = locked[name] === undefined ? 'does not hold it' : `was made for "${locked[name]}"`;
      const state =
        wanted[name] === undefined
          ? `package.json does not ask for "${name}", and the lock holds it`
          : `package.json asks for "${name}" ${wanted[name]}, and the lock ${is}`;
      lock.refuse(`/packages//${list}/${name}`, state, again);
    }
  }
}

/** The list of a package's versions and each archive, as answers that npm's cache holds. */
function listOf(name: string, versions: readonly StoredArtifact[]): TarEntry[] {
  const archives = versions.map(({ version, file, hashes, blob }) => {
    const { algorithm, hex } = hashes[0] as ArtifactHash;
    const integrity = `${algorithm}-${Buffer.from(hex, 'hex').toString('base64')}`;
    return { version, integrity, url: `${npmCacheRegistry}/${name}/-/${file}`, size: blob.sizeBytes };
  });
  const list = JSON.stringify({
    name,
    'dist-tags': { latest: versions[0]?.version },
    versions: Object.fromEntries(
      archives.map(({ version, integrity, url }) => [version, { name, version, dist: { tarball: url, integrity } }]),
    ),
  });
  const digest = createHash('sha512').update(list).digest();
  const hex = digest.toString('hex');
  const integrity = `sha512-${digest.toString('base64')}`;
  const url = `${npmCacheRegistry}/${name.replace('/', '%2f')}`;
  const size = Buffer.byteLength(list);
  return [
    textEntry(`_cacache/content-v2/sha512/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex.slice(4)}`, list),
    answerEntry(
      accepted.map((accept) => ({ url, integrity, size, headers: { accept } })),
      url,
    ),
    ...archives.map((archive) => answerEntry([{ ...archive, headers: {} }], archive.url)),
  ];
}

/** What the cache remembers of an address (cacache's index, version 5; make-fetch-happen's key and metadata). */
function answerEntry(
  answers: readonly {
    readonly url: string;
    readonly integrity: string;
    readonly size: number;
    readonly headers: object;
  }[],
  url: string,
): TarEntry {
  const key = `make-fetch-happen:request-cache:${url}`;
  const lines = answers.map(({ integrity, size, headers }) => {
    const entry = JSON.stringify({
      key,
      integrity,
      time: 1,
      size,
      metadata: {
        time: 1,
        url,
        reqHeaders: headers,
        resHeaders: { 'cache-control': 'public, max-age=300' },
        options: { compress: true },
      },
    });
    return `\n${createHash('sha1').update(entry).digest('hex')}\t${entry}`;
  });
  const bucket = createHash('sha256').update(key).digest('hex');
  const path = `_cacache/index-v5/${bucket.slice(0, 2)}/${bucket.slice(2, 4)}/${bucket.slice(4)}`;
  return textEntry(path, lines.join(''));
}
