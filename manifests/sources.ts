// How a folder or file beside the manifest is read the same way on every machine, whatever its owner, times, umask or order.
import { type Dirent, lstatSync } from 'node:fs';
import { lstat, readdir, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { canonicalJson, type Digest, digestOf } from './digest.ts';
import type { ManifestError, ManifestErrorCode } from './error.ts';
import { maxFileBytes, type ReadMemory, readFileContent } from './file-content.ts';
import { makeMatcher } from './glob.ts';
import { didYouMean } from './near.ts';
import { laterProblem } from './parse.ts';
import { sortByPath } from './tar.ts';

/** One file or link below the root of a source; modes are 0644 or 0755 unless the manifest says otherwise. Folders are only there for what is in them. */
export type SourceEntry =
  | {
      readonly type: 'file';
      readonly path: string;
      readonly mode: number;
      readonly size: number;
      readonly sha256: string;
      /** Where it lies; its content is checked again when it is packed. */
      readonly file: string;
      /** By which it is known to be as it was read. */
      readonly stamp?: string | undefined;
    }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string };

/** How a source is read: its place in the manifest, and what is remembered of its files. */
export interface Reading {
  readonly pointer: string;
  readonly signal: AbortSignal;
  readonly memory?: ReadMemory | undefined;
}

/** What a source is made of, in the order of its paths, and the digest of all of it. */
export interface SourceTree {
  readonly digest: Digest;
  readonly entries: readonly SourceEntry[];
}

/** A source is held as a list in memory; a folder beyond this is a mistake (a home, a root). */
const maxEntries = 200_000;
const maxPathDepth = 64;
/** Small files are read without waiting; after so many the process does something else for a moment. */
const filesAtOnce = 100;
/** Never part of an image: what git keeps differs from clone to clone, and the two files would make an image depend on its own lifecycle. */
const never = new Set(['.git', 'manifest.json', 'manifest.lock.json']);

/**
 * The tree of an application's source. `directory` is the manifest's folder, `pointer` the source's place in the manifest.
 * Throws `missing-source`, or `unsafe-source` for links that lead out, devices, names that aren't UTF-8, and names that
 * fall together where case or Unicode form isn't told apart.
 */
export async function readSource(
  directory: string,
  source: {
    readonly path: string;
    readonly include: readonly string[];
    readonly exclude: readonly string[];
    readonly modes?: Readonly<Record<string, string>>;
  },
  { pointer, signal, memory }: Reading,
): Promise<SourceTree> {
  const root = await locate(directory, source.path, `${pointer}/path`);
  if (!(await lstat(root)).isDirectory()) {
    throw laterProblem('missing-source', `${pointer}/path`, `"${source.path}" is not a folder`);
  }
  const included = makeMatcher(source.include);
  const excluded = makeMatcher(source.exclude);
  const entries: SourceEntry[] = [];
  const walk = async (folder: string): Promise<void> => {
    const unsafe = (name: string, state: string): ManifestError =>
      laterProblem('unsafe-source', `${pointer}/path`, `"${path.join(source.path, folder, name)}" ${state}`);
    if (folder.split('/').length > maxPathDepth) throw unsafe('', `is nested deeper than ${maxPathDepth}`);
    const names = new Map<string, string>();
    const children = await listFolder(path.join(root, folder)).catch((cause: NodeJS.ErrnoException) => {
      throw Object.assign(unsafe('', `can't be read (${cause.code})`), { cause });
    });
    for (const child of children) {
      signal.throwIfAborted();
      const name = nameOf(child.name);
      if (name === undefined) throw unsafe(child.name.toString('latin1'), 'has a name that is not UTF-8');
      const relative = folder === '' ? name : `${folder}/${name}`;
      if (name === '.git' || (folder === '' && never.has(name)) || excluded(relative)) continue;
      const before = entries.length;
      const file = path.join(root, relative);
      if (child.isDirectory()) await walk(relative);
      else if (!included(relative)) continue;
      else if (child.isSymbolicLink()) entries.push(await linkEntry(file, relative, unsafe));
      else if (child.isFile()) {
        entries.push(await fileEntry(file, relative, { pointer: `${pointer}/path`, signal, memory }));
        if (entries.length % filesAtOnce === 0) await setImmediate();
      } else throw unsafe(name, 'is neither a file, a folder nor a link');
      if (entries.length === before) continue;
      const folded = name.normalize('NFC').toLowerCase();
      const other = names.get(folded);
      if (other !== undefined)
        throw unsafe(name, `falls together with "${other}" where case or form is not told apart`);
      names.set(folded, name);
      if (entries.length > maxEntries) throw unsafe('', `holds more than ${maxEntries} files; exclude some`);
    }
  };
  await walk('');
  if (entries.length === 0) {
    throw laterProblem('missing-source', `${pointer}/path`, `"${source.path}" holds no file that is included`);
  }
  return makeTree(withModes(entries, source.modes ?? {}));
}

/** The part of a tree that fits some patterns; it may be empty. */
export function partOfTree(tree: SourceTree, patterns: readonly string[]): SourceTree {
  const fits = makeMatcher(patterns);
  return makeTree(tree.entries.filter(({ path: relative }) => fits(relative)));
}

function makeTree(entries: readonly SourceEntry[]): SourceTree {
  const sorted = sortByPath(entries);
  const facts = sorted.map((entry) =>
    entry.type === 'file'
      ? [entry.mode, 'file', entry.path, entry.size, entry.sha256]
      : [0o777, 'symlink', entry.path, 0, entry.target],
  );
  return { digest: digestOf(canonicalJson(facts)), entries: sorted };
}

/** Of several patterns that fit, the longest counts: the order of keys means nothing in JSON. */
function withModes(entries: readonly SourceEntry[], modes: Readonly<Record<string, string>>): SourceEntry[] {
  const rules = Object.entries(modes)
    .sort(([left], [right]) => right.length - left.length || (left < right ? -1 : 1))
    .map(([pattern, mode]) => ({ fits: makeMatcher([pattern]), mode: Number.parseInt(mode, 8) }));
  return entries.map((entry) => {
    const rule = entry.type === 'file' ? rules.find(({ fits }) => fits(entry.path)) : undefined;
    return entry.type === 'file' && rule ? { ...entry, mode: rule.mode } : entry;
  });
}

/** One file that the manifest names. Throws as `readSource`. */
export async function readSourceFile(
  directory: string,
  source: string,
  { pointer, signal, memory }: Reading,
): Promise<Extract<SourceEntry, { type: 'file' }>> {
  const file = await locate(directory, source, `${pointer}/source`);
  if (!(await lstat(file)).isFile()) {
    throw laterProblem('missing-source', `${pointer}/source`, `"${source}" is not a file`);
  }
  return await fileEntry(file, path.basename(file), { pointer: `${pointer}/source`, signal, memory });
}

/** The real path of something below the manifest's folder. */
export async function locate(directory: string, relative: string, pointer: string): Promise<string> {
  const root = await realpath(directory);
  let found: string;
  try {
    found = await realpath(path.join(root, relative));
  } catch (error) {
    const known = await readdir(path.dirname(path.join(root, relative))).catch(() => []);
    const near = didYouMean(path.basename(relative), known);
    throw Object.assign(laterProblem('missing-source', pointer, `there is no "${relative}"`, near), { cause: error });
  }
  if (found !== root && !found.startsWith(`${root}${path.sep}`)) {
    throw laterProblem('unsafe-source', pointer, `"${relative}" leads out of the folder of the manifest`);
  }
  return found;
}

async function listFolder(folder: string): Promise<Dirent<Buffer>[]> {
  return await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
}

function nameOf(bytes: Buffer): string | undefined {
  const name = bytes.toString('utf8');
  return Buffer.from(name).equals(bytes) ? name : undefined;
}

async function fileEntry(
  file: string,
  relative: string,
  { pointer, signal, memory }: Reading,
): Promise<Extract<SourceEntry, { type: 'file' }>> {
  const refuse = (code: ManifestErrorCode, state: string, cause?: unknown): ManifestError =>
    Object.assign(laterProblem(code, pointer, `"${relative}" ${state}`), { cause });
  const content =
    recalled(file, memory) ??
    (await readFileContent(file, {
      signal,
      memory,
      fault: (what, sizeBytes) => {
        if (what === 'no-file') return refuse('unsafe-source', 'is no file any more');
        if (what === 'grows') return refuse('source-changed', 'grows while it is read; exclude it if it is a log');
        return refuse('too-large', `has ${sizeBytes} bytes, at most ${maxFileBytes}; exclude it`);
      },
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.syscall === undefined) throw error;
      throw refuse(
        'missing-source',
        `can't be read (${error.code}); let the daemon's user read it, or exclude it`,
        error,
      );
    }));
  const { size, sha256, mode, stamp } = content;
  return { type: 'file', path: relative, mode: (mode & 0o111) === 0 ? 0o644 : 0o755, size, sha256, file, stamp };
}

function recalled(file: string, memory: ReadMemory | undefined) {
  if (memory === undefined) return undefined;
  const found = lstatSync(file, { throwIfNoEntry: false });
  return found && memory.recall(file, found);
}

async function linkEntry(
  file: string,
  relative: string,
  unsafe: (name: string, state: string) => ManifestError,
): Promise<SourceEntry> {
  const name = path.posix.basename(relative);
  const target = nameOf(await readlink(file, { encoding: 'buffer' }));
  if (target === undefined) throw unsafe(name, 'points at a name that is not UTF-8');
  const end = path.posix.join(path.posix.dirname(relative), target);
  if (path.posix.isAbsolute(target) || end === '..' || end.startsWith('../')) {
    throw unsafe(name, `is a link to "${target}", which leads out of the source`);
  }
  return { type: 'symlink', path: relative, target };
}
