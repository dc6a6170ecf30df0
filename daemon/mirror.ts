// Debian packages where there is no apt: lists and packages straight from mirrors by HTTP, the lists signed, all by their hashes.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type BlobStore, ManifestError, openBlobStore, type Platform } from '#manifests';
import {
  type Archive,
  architectureOf,
  closureOf,
  decompress,
  type IndexedPackage,
  type LockedPackage,
  lockedPackageSchema,
  makeArchive,
  maxReleaseBytes,
  type PackageSource,
  type Release,
  readIndex,
  readRelease,
  unavailablePackage,
} from '#manifests/debian';
import { DaemonError } from './errors.ts';
import { writeWhole } from './write-whole.ts';

/** One archive, as a line of sources.list names it. */
export interface Mirror {
  readonly url: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

export interface MirrorOptions {
  readonly mirrors: readonly Mirror[];
  /** Public keys of those who may sign releases, as gpg exports them in binary. */
  readonly keyring: string;
  /** A folder of its own, which is made where it isn't there. */
  readonly directory: string;
  /** Releases older than this are fetched anew, in milliseconds; one hour unless told, 0 for always. */
  readonly maxListAgeMs?: number;
  readonly now?: () => number;
}

/** Where Debian and those that derive from it keep the keys of its archive. */
export const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const defaultSuites = ['bookworm', 'bookworm-updates'];
const defaultComponents = ['main'];

const hourMs = 3_600_000;
/** An answer begins in that time, or the mirror isn't there. */
const answerMs = 30_000;
const tries = 3;
const firstPauseMs = 500;
/** Debian's largest index, of main, has 50 MB; compressed 12. */
const maxIndexBytes = 512 << 20;
const maxKeyringBytes = 16 << 20;

const noteSchema = z.object({ at: z.number(), date: z.number() });

/** `URL [SUITE,… [COMPONENT,…]]`; throws `bad-input` with an example. */
export function parseMirror(text: string): Mirror {
  const [url = '', suites, components, ...more] = text.trim().split(/\s+/);
  const listOf = (list: string | undefined, unlessTold: readonly string[]): readonly string[] =>
    list === undefined ? unlessTold : list.split(',');
  const mirror = {
    url: url.replace(/\/+$/, ''),
    suites: listOf(suites, defaultSuites),
    components: listOf(components, defaultComponents),
  };
  const isName = (name: string): boolean => /^[a-z0-9][a-z0-9.-]*(?:\/[a-z0-9][a-z0-9.-]*)?$/i.test(name);
  const isRight =
    URL.canParse(url) &&
    /^https?:$/.test(new URL(url).protocol) &&
    more.length === 0 &&
    [...mirror.suites, ...mirror.components].every(isName);
  if (!isRight)
    throw new DaemonError('bad-input', `Cannot use "${text}" as a mirror: it isn't "URL [SUITE,… [COMPONENT,…]]"`, {
      mend: 'for example --mirror "http://mirror.example/debian bookworm,bookworm-updates main"',
    });
  return mirror;
}

/** Packages from these mirrors. Throws `mirror-unreachable`, `mirror-untrusted` and what every source throws. */
export function openMirrorPackageSource(options: MirrorOptions): PackageSource {
  const { mirrors, directory, now = Date.now } = options;
  const archives = new Map<string, { readonly at: number; readonly archive: Promise<Archive> }>();
  const archiveOf = (architecture: string, signal: AbortSignal): Promise<Archive> => {
    const known = archives.get(architecture);
    if (known && now() - known.at < (options.maxListAgeMs ?? hourMs)) return known.archive;
    const archive = readArchive(options, architecture, signal);
    archives.set(architecture, { at: now(), archive });
    archive.catch(() => archives.delete(architecture));
    return archive;
  };
  return {
    async resolve(names, platform, { signal }) {
      signal.throwIfAborted();
      if (names.length === 0) return [];
      const archive = await archiveOf(architectureOf(platform), signal);
      return closureOf(archive, names).map((one) => lockedOf(one, platform));
    },
    async fetch(locked, { signal }) {
      let away: unknown;
      for (const { url } of mirrors) {
        const place = locked.pool_path.split('/').map(encodeURIComponent).join('/');
        const answer = await get(`${url}/${place}`, signal).catch((error: unknown) => {
          signal.throwIfAborted();
          away = error;
          return undefined;
        });
        if (answer) return answer;
      }
      if (away !== undefined) throw away;
      throw unavailablePackage(locked, new Error(`none of ${mirrors.length} mirrors has it in ${directory}`));
    },
  };
}

function lockedOf(one: IndexedPackage, platform: Platform): LockedPackage {
  const parsed = lockedPackageSchema.safeParse({
    name: one.name,
    version: one.version,
    architecture: one.architecture,
    sha256: one.sha256,
    size_bytes: one.sizeBytes,
    pool_path: one.filename,
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ManifestError(
    'package-conflict',
    `Cannot lock "${one.name}" for ${platform}: the index has no right ${issue?.path.join('.')} of it (${issue?.message})`,
  );
}

async function readArchive(options: MirrorOptions, architecture: string, signal: AbortSignal): Promise<Archive> {
  const keyring = await readKeyring(options.keyring);
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const lists = await openBlobStore(path.join(options.directory, 'lists'));
  const indexes: AsyncIterable<IndexedPackage>[] = [];
  for (const mirror of options.mirrors)
    for (const suite of mirror.suites) {
      const release = await freshRelease({ ...options, mirror, suite, keyring }, signal);
      for (const component of mirror.components)
        indexes.push(await openIndex({ mirror, suite, component, architecture, release, lists }, signal));
    }
  return await makeArchive(indexes);
}

async function readKeyring(file: string): Promise<Uint8Array> {
  const mend = 'name the keyring of the archive by --keyring FILE (of Debian: the package debian-archive-keyring)';
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile() || found.size > maxKeyringBytes)
    throw new DaemonError('not-found', `Cannot read the keys of the archive: "${file}" is no keyring`, { mend });
  return await readFile(file);
}

interface Wanted extends MirrorOptions {
  readonly mirror: Mirror;
  readonly suite: string;
  readonly keyring: string;
}

/** The release as it was kept within the hour, else as the mirror gives it now; never one older than was seen. */
async function freshRelease(
  {
    mirror,
    suite,
    keyring,
    directory,
    maxListAgeMs = hourMs,
    now = Date.now,
  }: Omit<Wanted, 'keyring'> & {
    readonly keyring: Uint8Array;
  },
  signal: AbortSignal,
): Promise<Release> {
  const of = `"${suite}" of ${new URL(mirror.url).host}`;
  const key = createHash('sha256').update(`${mirror.url} ${suite}`).digest('hex');
  const [file, note] = [path.join(directory, `${key}.release`), path.join(directory, `${key}.json`)];
  const seen = await readSeen(note);
  const notBefore = seen?.date ?? 0;
  if (seen && now() - seen.at < maxListAgeMs) {
    const kept = await readFile(file, 'utf8').catch(() => undefined);
    if (kept !== undefined) return await readRelease(kept, { keyring, now: now(), notBefore, of });
  }
  const answer = await get(`${mirror.url}/dists/${suite}/InRelease`, signal);
  if (!answer)
    throw new DaemonError('not-found', `Cannot read ${of}: the mirror has no such suite`, {
      mend: 'name its suites: --mirror "URL SUITE,SUITE"',
    });
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer) {
    length += chunk.length;
    if (length > maxReleaseBytes) throw new ManifestError('too-large', `Cannot read ${of}: its release is endless`);
    chunks.push(chunk);
  }
  const fresh = Buffer.concat(chunks).toString('utf8');
  const release = await readRelease(fresh, { keyring, now: now(), notBefore, of });
  writeWhole(file, fresh, 0o600);
  writeWhole(note, JSON.stringify({ at: now(), date: release.date }), 0o600);
  return release;
}

/** When a release was fetched, and of when it was; undefined where none was, or the note rotted. */
async function readSeen(note: string): Promise<z.output<typeof noteSchema> | undefined> {
  try {
    return noteSchema.parse(JSON.parse(await readFile(note, 'utf8')));
  } catch {
    return undefined;
  }
}

/** The index of one component, kept by its hash: an update of the archive is another file. */
async function openIndex(
  {
    mirror,
    suite,
    component,
    architecture,
    release,
    lists,
  }: {
    readonly mirror: Mirror;
    readonly suite: string;
    readonly component: string;
    readonly architecture: string;
    readonly release: Release;
    readonly lists: BlobStore;
  },
  signal: AbortSignal,
): Promise<AsyncIterable<IndexedPackage>> {
  const folder = `${component}/binary-${architecture}`;
  const of = `"${suite}" of ${new URL(mirror.url).host}`;
  for (const compression of ['xz', 'gz'] as const) {
    const listed = release.files.get(`${folder}/Packages.${compression}`);
    if (!listed) continue;
    const { sha256, sizeBytes } = listed;
    const digest = `sha256:${sha256}` as const;
    if (!(await lists.has(digest))) {
      const name = release.isByHash ? `by-hash/SHA256/${sha256}` : `Packages.${compression}`;
      const body = await get(`${mirror.url}/dists/${suite}/${folder}/${name}`, signal);
      if (!body) continue;
      await lists.write(body, { expected: digest, maxBytes: sizeBytes, signal }).catch((cause: unknown) => {
        if (!(cause instanceof ManifestError) || !['digest-mismatch', 'too-large'].includes(cause.code)) throw cause;
        const state = `its index of ${component} isn't the one that its release names; it is being updated, or it lies: ask again, or another mirror`;
        throw new ManifestError('mirror-untrusted', `Cannot trust the archive ${of}: ${state}`, { cause });
      });
      await forgetOthers(lists, digest);
    }
    return readIndex(decompress(lists.read(digest), compression, { maxBytes: maxIndexBytes }));
  }
  throw new DaemonError('not-found', `Cannot read ${of}: it has no index of "${component}" for ${architecture}`, {
    mend: 'name its components: --mirror "URL SUITE COMPONENT,COMPONENT"',
  });
}

/** Lists that were replaced are of no use; the newest twenty are more than any machine asks for at once. */
const keptLists = 20;

async function forgetOthers(lists: BlobStore, newest: string): Promise<void> {
  const root = path.join(lists.directory, 'sha256');
  const found: { readonly file: string; readonly at: number }[] = [];
  for (const folder of await readdir(root).catch(() => []))
    for (const name of await readdir(path.join(root, folder)).catch(() => [])) {
      const file = path.join(root, folder, name);
      if (!newest.endsWith(name)) found.push({ file, at: (await stat(file).catch(() => undefined))?.mtimeMs ?? 0 });
    }
  const old = found.sort((a, b) => b.at - a.at).slice(keptLists - 1);
  await Promise.all(old.map(({ file }) => rm(file, { force: true })));
}

/** The body of what is there, undefined for what isn't; a mirror that doesn't answer is asked again. Throws `mirror-unreachable`. */
async function get(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answering = new AbortController();
      const timer = setTimeout(() => answering.abort(new Error(`no answer in ${answerMs / 1000} s`)), answerMs);
      const answer = await fetch(url, { signal: AbortSignal.any([signal, answering.signal]) }).finally(() =>
        clearTimeout(timer),
      );
      if (answer.ok && answer.body) return answer.body;
      await answer.body?.cancel();
      if (answer.status < 500 && answer.status !== 429) return undefined;
      throw new Error(`it answers ${answer.status}`);
    } catch (cause) {
      signal.throwIfAborted();
      if (attempt === tries)
        throw new ManifestError(
          'mirror-unreachable',
          `Cannot reach the mirror ${new URL(url).host}: ${(cause as Error).message}; check the network and --mirror`,
          { cause, mayRetry: true },
        );
    }
    await sleep(firstPauseMs * 2 ** (attempt - 1), undefined, { signal });
  }
}
