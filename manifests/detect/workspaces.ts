// Which folders of a monorepo belong together, and which of its members one member needs.
import { globFault, makeMatcher } from '../glob.ts';
import {
  baseOf,
  type Folder,
  isWithin,
  joinPath,
  type Project,
  parentOf,
  table,
  tables,
  text,
  texts,
} from './project.ts';
import { compareBytes } from './tree.ts';

export type WorkspaceKind = 'npm' | 'cargo' | 'go' | 'maven' | 'gradle' | 'uv';

export interface Workspace {
  readonly kind: WorkspaceKind;
  readonly root: string;
  /** The file that makes it one. */
  readonly file: string;
  readonly members: readonly string[];
  /** Members that one needs, transitively, each behind what it needs itself; itself last. */
  needs(member: string): readonly string[];
  /** Patterns, from the root, of all that building one member reads; none where that is everything. */
  closure(member: string): readonly string[];
}

/** A source of a manifest lists at most 100 patterns. */
const maxGlobs = 100;

interface Rule {
  readonly marker: string;
  /** The file that says so, and patterns or folders of members below it. */
  readonly declare: (folder: Folder) => { readonly file: string; readonly globs: readonly string[] } | undefined;
  /** Names that a member goes by, and those it depends on; or paths, which begin with a dot. */
  readonly named: (folder: Folder) => readonly string[];
  readonly uses: (folder: Folder, root: Folder) => readonly string[];
  /** Whether the tool reads the sources of all members, whatever is built. */
  readonly needsAll?: true;
}

const rules: Record<WorkspaceKind, Rule> = {
  npm: {
    marker: 'package.json',
    declare(folder) {
      const pnpm = folder.yaml('pnpm-workspace.yaml');
      if (pnpm?.['packages']) return { file: 'pnpm-workspace.yaml', globs: texts(pnpm['packages']) };
      const value = folder.json('package.json')?.['workspaces'];
      const globs = texts(Array.isArray(value) ? value : table(value)['packages']);
      if (globs.length > 0) return { file: 'package.json', globs };
      const lerna = texts(folder.json('lerna.json')?.['packages']);
      return lerna.length > 0 ? { file: 'lerna.json', globs: lerna } : undefined;
    },
    named: (folder) => texts(folder.json('package.json')?.['name']),
    uses: (folder) =>
      ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'].flatMap((key) =>
        Object.keys(table(folder.json('package.json')?.[key])),
      ),
  },
  cargo: {
    marker: 'Cargo.toml',
    declare(folder) {
      const members = texts(table(folder.toml('Cargo.toml')?.['workspace'])['members']);
      return members.length > 0 ? { file: 'Cargo.toml', globs: members } : undefined;
    },
    named: (folder) => texts(table(folder.toml('Cargo.toml')?.['package'])['name']),
    uses: (folder) =>
      ['dependencies', 'dev-dependencies', 'build-dependencies'].flatMap((key) =>
        Object.keys(table(folder.toml('Cargo.toml')?.[key])),
      ),
    needsAll: true,
  },
  go: {
    marker: 'go.mod',
    declare(folder) {
      const content = folder.read('go.work');
      if (content === undefined) return undefined;
      const block = /^use\s*\(([^)]*)\)/m.exec(content)?.[1] ?? '';
      const single = [...content.matchAll(/^use[ \t]+([^\s(]+)/gm)].map(([, path = '']) => path);
      const listed = block.split('\n').map((line) => line.replace(/\/\/.*/, '').trim());
      return { file: 'go.work', globs: [...listed, ...single].filter((path) => path !== '') };
    },
    named: (folder) => texts(/^module[ \t]+(\S+)/m.exec(folder.read('go.mod') ?? '')?.[1]),
    uses: (folder) =>
      [...(folder.read('go.mod') ?? '').matchAll(/^\s*(?:require[ \t]+)?([\w.-]+\/\S+)[ \t]+v/gm)].map(
        ([, name = '']) => name,
      ),
  },
  maven: {
    marker: 'pom.xml',
    declare(folder) {
      const modules = texts(table(table(folder.xml('pom.xml')?.['project'])['modules'])['module']);
      return modules.length > 0 ? { file: 'pom.xml', globs: modules } : undefined;
    },
    named: (folder) => texts(table(folder.xml('pom.xml')?.['project'])['artifactId']),
    uses: (folder) =>
      tables(table(table(folder.xml('pom.xml')?.['project'])['dependencies'])['dependency']).flatMap((each) =>
        texts(each['artifactId']),
      ),
  },
  gradle: {
    marker: 'build.gradle',
    declare(folder) {
      const file = folder.first('settings.gradle', 'settings.gradle.kts');
      const content = (file && folder.read(file)) ?? '';
      const lines = [...content.matchAll(/\binclude\b[\s(]*((?:['"][^'"\n]{1,100}['"][\s,]*)+)/g)];
      const names = lines.flatMap(([, list = '']) =>
        [...list.matchAll(/['"]([^'"\n]+)['"]/g)].map(([, name = '']) => name),
      );
      return file && names.length > 0
        ? { file, globs: names.map((name) => name.replace(/^:/, '').replaceAll(':', '/')) }
        : undefined;
    },
    named: (folder) => [`:${folder.path.replaceAll('/', ':')}`],
    uses: (folder, root) => {
      const content = folder.read('build.gradle') ?? folder.read('build.gradle.kts') ?? '';
      const prefix = root.path === '.' ? '' : `:${root.path.replaceAll('/', ':')}`;
      return [...content.matchAll(/project\(\s*(?:path\s*[:=]\s*)?['"]([^'"\n]{1,100})['"]/g)].map(
        ([, name = '']) => prefix + name,
      );
    },
  },
  uv: {
    marker: 'pyproject.toml',
    declare(folder) {
      const workspace = table(table(table(folder.toml('pyproject.toml')?.['tool'])['uv'])['workspace']);
      const members = texts(workspace['members']);
      return members.length > 0 ? { file: 'pyproject.toml', globs: members } : undefined;
    },
    named: (folder) => texts(table(folder.toml('pyproject.toml')?.['project'])['name']).map(pythonName),
    uses: (folder) =>
      texts(table(folder.toml('pyproject.toml')?.['project'])['dependencies']).map((each) =>
        pythonName(/^[\w.-]+/.exec(each)?.[0] ?? ''),
      ),
  },
};

/** The workspace of a kind that a folder is the root or a member of. */
export function workspaceOf(folder: Folder, kind: WorkspaceKind): Workspace | undefined {
  for (const root of folder.project.upwards(folder.path)) {
    const declared = rules[kind].declare(root);
    if (!declared) continue;
    const workspace = makeWorkspace(folder.project, kind, root, declared);
    if (root.path === folder.path || workspace.members.includes(folder.path)) return workspace;
  }
  return undefined;
}

/** All workspaces of a project, outermost first. */
export function workspacesOf(project: Project): readonly Workspace[] {
  return (Object.keys(rules) as WorkspaceKind[]).flatMap((kind) =>
    project.folders.flatMap((path) => {
      const root = project.folder(path);
      const declared = rules[kind].declare(root);
      return declared ? [makeWorkspace(project, kind, root, declared)] : [];
    }),
  );
}

/** PEP 503. */
export function pythonName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

const made = new WeakMap<Project, Map<string, Workspace>>();

function makeWorkspace(
  project: Project,
  kind: WorkspaceKind,
  root: Folder,
  { file, globs }: { readonly file: string; readonly globs: readonly string[] },
): Workspace {
  const known = made.get(project) ?? new Map<string, Workspace>();
  made.set(project, known);
  const key = `${kind} ${root.path}`;
  const rule = rules[kind];
  const paths = globs.filter((glob) => !glob.startsWith('!')).map((glob) => trimmed(root.path, glob));
  const without = globs.filter((glob) => glob.startsWith('!')).map((glob) => trimmed(root.path, glob.slice(1)));
  const [takes, leaves] = [makeMatcher(paths), makeMatcher(without)];
  const cached = known.get(key);
  if (cached) return cached;
  const members = project.folders
    .filter((path) => path !== root.path && isWithin(path, root.path) && takes(path) && !leaves(path))
    .filter((path) => hasMarker(project.folder(path), rule.marker))
    .sort(compareBytes);
  for (const path of paths) {
    if (/[*?]/.test(path) || members.includes(path) || path === root.path) continue;
    root.note(file, `names the member "${path}", which is not there`, 'remove it, or add its folder');
  }
  const byName = new Map(
    members.flatMap((path) => rule.named(project.folder(path)).map((name) => [name, path] as const)),
  );
  const needs = (member: string): readonly string[] => {
    const done: string[] = [];
    const seen = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      for (const name of rule.uses(project.folder(path), root)) {
        const other = byName.get(kind === 'uv' ? pythonName(name) : name);
        if (other !== undefined) visit(other);
      }
      done.push(path);
    };
    visit(member);
    return done;
  };
  const workspace: Workspace = {
    kind,
    root: root.path,
    file: root.at(file),
    members,
    needs,
    closure(member) {
      const sources = rule.needsAll ? members : needs(member);
      const aside = new Set(members.map((path) => topOf(path, root.path)));
      const others = [...new Set(project.folders.map((path) => topOf(path, root.path)))].filter(
        (top) => top !== '' && !aside.has(top) && !top.startsWith('.git'),
      );
      const globs = [
        '*',
        `**/${rule.marker}${kind === 'gradle' ? '*' : ''}`,
        ...[...sources, ...others.map((top) => joinPath(root.path, top))].map(
          (path) => `${fromRoot(path, root.path)}/**`,
        ),
      ].sort(compareBytes);
      // What a manifest can't list, or no glob can say, is all of it.
      return globs.length > maxGlobs || globs.some((glob) => globFault(glob) !== undefined) ? [] : globs;
    },
  };
  known.set(key, workspace);
  return workspace;
}

function hasMarker(folder: Folder, marker: string): boolean {
  return folder.has(marker) || (marker === 'build.gradle' && folder.has('build.gradle.kts'));
}

function trimmed(root: string, glob: string): string {
  const path = joinPath(root, glob.replace(/\/+$/, ''));
  // A Maven module may name its file.
  return /\.xml$/.test(baseOf(path)) ? parentOf(path) : path;
}

function fromRoot(path: string, root: string): string {
  return root === '.' ? path : path.slice(root.length + 1);
}

/** The first folder below the root on the way to a path. */
function topOf(path: string, root: string): string {
  if (path === root || !isWithin(path, root)) return '';
  return text(fromRoot(path, root).split('/')[0]) ?? '';
}
