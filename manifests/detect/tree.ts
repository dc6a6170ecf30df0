// How a project's folder is read once, within bounds, so that all that decides is pure over what was read.
import type { Dirent } from 'node:fs';
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { ManifestError } from '../error.ts';
import { type Ignore, parseGitignore } from './gitignore.ts';
import type { Note } from './plan.ts';

export interface TreeFile {
  readonly path: string;
  readonly size: number;
  readonly mode: number;
}

/** The files of a project, sorted by the bytes of their paths, and the texts of those that decide something. */
export interface ProjectTree {
  list(): readonly TreeFile[];
  /** Undefined for what isn't there, isn't text, or lay beyond the bounds. */
  read(path: string): string | undefined;
  /** What was cut off by a bound. */
  readonly notes: readonly Note[];
}

/** A monorepo of several hundred packages; beyond, an analysis takes longer than a person waits. */
const maxEntries = 100_000;
const maxDepth = 16;
/** No file that says how to build is longer; what is generated often is. */
const maxFileBytes = 256 * 1024;
/** Together, so that the largest project costs as much memory as a browser tab. */
const maxBytes = 32 * 1024 * 1024;
/** Sources that are searched for ports and routes; what says how to build is read first. */
const maxSources = 4000;

/** What tools leave behind or bring from elsewhere. */
const neverFolders = new Set(
  (
    '.git .hg .svn node_modules bower_components vendor target dist .next .nuxt .output .svelte-kit .angular .turbo .nx ' +
    '.cache .parcel-cache .venv venv __pycache__ .tox .nox .mypy_cache .pytest_cache .ruff_cache .gradle .m2 .idea ' +
    '.vscode _build .elixir_ls .terraform Pods coverage .nyc_output .bundle .direnv .yarn'
  ).split(' '),
);

const sourceNames = /\.(?:[cm]?[jt]sx?|py|go|rs|java|kt|kts|php|rb|ru|cs|fs|exs?)$/;
const decidingNames =
  /(?:^|\/)(?:[^/]*\.(?:json|jsonc|toml|ya?ml|xml|gradle|gradle\.kts|csproj|fsproj|vbproj|sln|slnx|properties|mod|work|ru)|requirements[^/]*\.txt|(?:[^/]*\.)?Dockerfile(?:\.[^/]*)?|Containerfile|Procfile|Pipfile|Gemfile|Rakefile|Staticfile|manage\.py|setup\.(?:py|cfg)|mix\.exs|runtime\.txt|artisan|mvnw|gradlew|\.(?:nvmrc|node-version|tool-versions|python-version|ruby-version|java-version|php-version|go-version|sdkmanrc|gitignore|dockerignore)|\.env\.(?:example|sample|template|dist)|rust-toolchain|global\.json|[^/]*\.config\.[cm]?[jt]s)$/;
/** Locks are known by their names alone, and long. */
const unreadNames =
  /(?:^|\/)(?:package-lock|npm-shrinkwrap|composer\.lock|packages\.lock)\.json$|pnpm-lock\.yaml$|deno\.lock$/;

/** Pipes and devices are never waited for, links never followed. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Reads a project once. Left out: `.git`, what `.gitignore` files name, and folders that only tools write.
 * Throws `missing-source` where there is no such folder.
 */
export async function readProjectTree(
  directory: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<ProjectTree> {
  const found: string[] = [];
  const notes: Note[] = [];
  let isFull = false;
  const walk = async (
    folder: string,
    depth: number,
    ignores: readonly (readonly [string, Ignore])[],
  ): Promise<void> => {
    signal.throwIfAborted();
    const children = await readdir(path.join(directory, folder), { withFileTypes: true }).catch((cause) => {
      if (folder === '') {
        throw new ManifestError('missing-source', `Cannot read "${directory}": it is not a folder that can be read`, {
          cause,
        });
      }
      notes.push({ file: folder, message: "the folder can't be read", mend: 'let this user read it' });
      return [] as Dirent[];
    });
    const own = children.some((child) => child.name === '.gitignore' && child.isFile())
      ? await readText(path.join(directory, folder, '.gitignore'))
      : undefined;
    const rules = own === undefined ? ignores : [...ignores, [folder, parseGitignore(own.text)] as const];
    for (const child of children.sort((left, right) => compareBytes(left.name, right.name))) {
      const file = folder === '' ? child.name : `${folder}/${child.name}`;
      if (isIgnored(file, child.isDirectory(), rules)) continue;
      if (child.isDirectory()) {
        if (neverFolders.has(child.name)) continue;
        if (depth >= maxDepth) notes.push({ file, message: `nested deeper than ${maxDepth} folders: not looked at` });
        else await walk(file, depth + 1, rules);
      } else if (child.isFile()) {
        if (found.length >= maxEntries) {
          if (!isFull) {
            const mend = 'keep what is generated out with .gitignore';
            notes.push({ file, message: `more than ${maxEntries} files: the rest is not looked at`, mend });
          }
          isFull = true;
          return;
        }
        found.push(file);
      }
    }
  };
  await walk('', 0, []);

  const texts = new Map<string, string>();
  const facts = new Map<string, { size: number; mode: number }>();
  let bytes = 0;
  const keep = async (file: string): Promise<void> => {
    signal.throwIfAborted();
    const read = await readText(path.join(directory, file));
    if (!read) return;
    facts.set(file, { size: read.size, mode: read.mode });
    if (bytes + read.text.length > maxBytes) return;
    bytes += read.text.length;
    texts.set(file, read.text);
  };
  found.sort(compareBytes);
  for (const file of found.filter((each) => decidingNames.test(each) && !unreadNames.test(each))) await keep(file);
  const sources = found.filter((each) => sourceNames.test(each) && !texts.has(each));
  // The entries of a program lie near its root.
  const near = sources.toSorted((left, right) => depthOf(left) - depthOf(right) || compareBytes(left, right));
  for (const file of near.slice(0, maxSources)) await keep(file);
  if (near.length > maxSources) {
    notes.push({ file: '.', message: `${near.length} source files: the ${maxSources} nearest the root are searched` });
  }
  return makeTree(
    found.map((file) => ({ path: file, size: facts.get(file)?.size ?? 0, mode: facts.get(file)?.mode ?? 0o644 })),
    texts,
    notes,
  );
}

/** A tree in memory, from the texts of its files. */
export function makeProjectTree(files: Readonly<Record<string, string>>): ProjectTree {
  const texts = new Map(Object.entries(files));
  return makeTree(
    [...texts].map(([file, text]) => ({ path: file, size: Buffer.byteLength(text), mode: 0o644 })),
    texts,
    [],
  );
}

/** Of names as UTF-8, which is the order of code points and no locale's. */
export function compareBytes(left: string, right: string): number {
  return left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function makeTree(files: readonly TreeFile[], texts: ReadonlyMap<string, string>, notes: readonly Note[]): ProjectTree {
  const sorted = files.toSorted((left, right) => compareBytes(left.path, right.path));
  return { list: () => sorted, read: (file) => texts.get(file), notes };
}

function isIgnored(file: string, isFolder: boolean, rules: readonly (readonly [string, Ignore])[]): boolean {
  for (const [folder, ignore] of rules.toReversed()) {
    const verdict = ignore(folder === '' ? file : file.slice(folder.length + 1), isFolder);
    if (verdict !== undefined) return verdict;
  }
  return false;
}

function depthOf(file: string): number {
  return file.split('/').length;
}

async function readText(file: string): Promise<{ text: string; size: number; mode: number } | undefined> {
  try {
    await using handle = await open(file, openFlags);
    const { size, mode } = await handle.stat();
    if (size > maxFileBytes) return { text: '', size, mode: mode & 0o777 };
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await handle.read(buffer, 0, size, 0);
    const text = buffer.toString('utf8', 0, bytesRead);
    return { text: text.includes('\0') ? '' : text.replace(/^\uFEFF/, ''), size, mode: mode & 0o777 };
  } catch {
    // Gone, or not readable since it was listed: what can't be read decides nothing.
    return undefined;
  }
}
