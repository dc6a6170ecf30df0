// A project as the providers see it: folders, parsed files, and notes where a file can't be read as what it claims to be.
import { XMLParser } from 'fast-xml-parser';
import { parse as parseToml } from 'smol-toml';
import { parseDocument } from 'yaml';
import type { Evidence, Note } from './plan.ts';
import { compareBytes, type ProjectTree } from './tree.ts';

export type Table = Readonly<Record<string, unknown>>;

/** A folder of a project; names are relative to it. */
export interface Folder {
  readonly path: string;
  readonly project: Project;
  has(name: string): boolean;
  /** The first of these that is there. */
  first(...names: readonly string[]): string | undefined;
  read(name: string): string | undefined;
  json(name: string): Table | undefined;
  toml(name: string): Table | undefined;
  yaml(name: string): Table | undefined;
  xml(name: string): Table | undefined;
  /** Files directly in it. */
  readonly names: readonly string[];
  /** All files below it that belong to no other candidate's folder, without tests. */
  files(): readonly string[];
  /** The path of one of its files from the project's root. */
  at(name: string): string;
  evidence(name: string, what: string): Evidence;
  note(name: string, message: string, mend?: string): void;
}

export interface Project {
  readonly tree: ProjectTree;
  folder(path: string): Folder;
  /** Folders from one up to the root, itself first. */
  upwards(path: string): readonly Folder[];
  readonly folders: readonly string[];
  /** The folders whose files belong to them alone. */
  setCandidates(paths: readonly string[]): void;
  note(note: Note): void;
  notes(): readonly Note[];
}

/** Of a nested document, so that a hostile one can't exhaust the stack. */
const maxAliases = 100;
/** Nobody reads more. */
const maxNotes = 200;
/** Files of tests and examples say nothing of what is deployed. */
export const asideFolders =
  /(?:^|\/)(?:tests?|__tests__|__mocks__|specs?|e2e|cypress|fixtures?|testdata|examples?|samples?|demos?|docs?|documentation|benchmarks?|bench|\.github|\.storybook|stories|templates?)(?:\/|$)/;

export function openProject(tree: ProjectTree): Project {
  const files = tree.list().map((file) => file.path);
  const byFolder = new Map<string, string[]>([['.', []]]);
  for (const file of files) {
    for (let folder = parentOf(file); !byFolder.has(folder); folder = parentOf(folder)) byFolder.set(folder, []);
    byFolder.get(parentOf(file))?.push(baseOf(file));
  }
  const all = new Set(files);
  const notes = new Map<string, Note>();
  const parsed = new Map<string, Table | undefined>();
  let candidates: readonly string[] = [];
  const note = (each: Note): void => {
    const key = `${each.file}\0${each.message}`;
    if (notes.size < maxNotes && !notes.has(key)) notes.set(key, each);
  };
  const parse = (file: string, kind: string, read: (text: string) => unknown): Table | undefined => {
    const key = `${kind} ${file}`;
    if (!parsed.has(key)) parsed.set(key, parseTable(tree, file, kind, read, note));
    return parsed.get(key);
  };
  const folders = new Map<string, Folder>();
  const project: Project = {
    tree,
    folders: [...byFolder.keys()].sort(compareBytes),
    note,
    notes: () => [...notes.values()].sort((l, r) => compareBytes(l.file, r.file) || compareBytes(l.message, r.message)),
    setCandidates(paths) {
      candidates = paths;
    },
    upwards(path) {
      const chain = [path];
      while (chain.at(-1) !== '.') chain.push(parentOf(chain.at(-1) ?? '.'));
      return chain.map((each) => project.folder(each));
    },
    folder(path) {
      const known = folders.get(path);
      if (known) return known;
      const at = (name: string): string => joinPath(path, name);
      const names = byFolder.get(path) ?? [];
      let below: readonly string[] | undefined;
      const folder: Folder = {
        path,
        project,
        names,
        at,
        has: (name) => all.has(at(name)) || byFolder.has(at(name)),
        first: (...wanted) => wanted.find((name) => all.has(at(name))),
        read: (name) => tree.read(at(name)),
        json: (name) => parse(at(name), 'JSON', (text) => JSON.parse(withoutComments(name, text))),
        toml: (name) => parse(at(name), 'TOML', (text) => parseToml(text)),
        yaml: (name) => parse(at(name), 'YAML', readYaml),
        xml: (name) => parse(at(name), 'XML', readXml),
        files() {
          const inner = candidates.filter((other) => other !== path && isWithin(other, path));
          below ??= files
            .filter((file) => isWithin(file, path) && !inner.some((other) => isWithin(file, other)))
            .map((file) => (path === '.' ? file : file.slice(path.length + 1)))
            .filter(
              (file) => !asideFolders.test(parentOf(file)) && !/[._-](?:test|spec)\.|_test\.|(?:^|\/)test_/.test(file),
            );
          return below;
        },
        evidence: (name, what) => ({ file: at(name), what }),
        note: (name, message, mend) => note({ file: at(name), message, ...(mend === undefined ? {} : { mend }) }),
      };
      folders.set(path, folder);
      return folder;
    },
  };
  for (const each of tree.notes) note(each);
  return project;
}

export function joinPath(folder: string, name: string): string {
  const parts: string[] = [];
  for (const part of `${folder}/${name}`.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/') || '.';
}

export function parentOf(path: string): string {
  const end = path.lastIndexOf('/');
  return end < 0 ? '.' : path.slice(0, end);
}

export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function isWithin(path: string, folder: string): boolean {
  return folder === '.' || path === folder || path.startsWith(`${folder}/`);
}

/** The way from a folder to a path below it. */
export function below(path: string, folder: string): string {
  return folder === '.' ? path : path === folder ? '.' : path.slice(folder.length + 1);
}

/** An object of unknown shape, empty where it is none. */
export function table(value: unknown): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : {};
}

/** A text or a number as text; undefined for anything else, and for what is longer than any name or command. */
export function text(value: unknown): string | undefined {
  const found = typeof value === 'number' ? String(value) : value;
  return typeof found === 'string' && found.length <= 2000 && !found.includes('\0') ? found.trim() : undefined;
}

/** The texts of a list, or of a single text. */
export function texts(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).flatMap((each) => text(each) ?? []);
}

export function tables(value: unknown): readonly Table[] {
  return (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(table);
}

function parseTable(
  tree: ProjectTree,
  file: string,
  kind: string,
  read: (text: string) => unknown,
  note: (note: Note) => void,
): Table | undefined {
  const content = tree.read(file);
  if (content === undefined) return undefined;
  try {
    const value = read(content);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Table;
    note({ file, message: `is no object in ${kind}: it decides nothing`, mend: 'write one, or remove the file' });
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 120);
    note({ file, message: `is not ${kind}: it decides nothing`, mend: `mend it: ${reason}` });
  }
  return undefined;
}

function readYaml(content: string): unknown {
  const document = parseDocument(content, { logLevel: 'silent' });
  if (document.errors[0]) throw document.errors[0];
  return document.toJS({ maxAliasCount: maxAliases });
}

function readXml(content: string): unknown {
  // A document type may define entities that grow without end.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(content)) throw new Error('it has a document type, which is not read');
  if (!/<\w/.test(content)) throw new Error('it has no element');
  return new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '@', parseTagValue: false }).parse(
    content,
    true,
  );
}

/** Comments and trailing commas, where files of this name may have them. */
function withoutComments(name: string, content: string): string {
  if (!/\.jsonc$|^(?:deno|tsconfig|angular|nx|turbo|project|wrangler|global)\b.*\.json$/.test(baseOf(name)))
    return content;
  const parts: string[] = [];
  for (let at = 0; at < content.length; ) {
    if (content[at] === '"') {
      const start = at;
      for (at += 1; at < content.length && content[at] !== '"'; at += 1) if (content[at] === '\\') at += 1;
      at += 1;
      parts.push(content.slice(start, at));
    } else if (content.startsWith('//', at) || content.startsWith('/*', at)) {
      const end = content.indexOf(content[at + 1] === '/' ? '\n' : '*/', at + 2);
      at = end < 0 ? content.length : end + (content[at + 1] === '/' ? 0 : 2);
    } else {
      const start = at;
      for (at += 1; at < content.length && content[at] !== '"' && content[at] !== '/'; ) at += 1;
      parts.push(content.slice(start, at).replace(/,(?=\s*[}\]])/g, ''));
    }
  }
  return parts.join('');
}
