// What a project and its applications are called: by their own files, never by the folder that a clone happens to lie in.
import type { Draft, PlannedApplication, PlannedProcess } from './plan.ts';
import { baseOf, below, type Project, parentOf, table, text } from './project.ts';
import { compareBytes } from './tree.ts';

/** As the schema has it. */
const maxName = 40;

export function projectName(project: Project, drafts: readonly Draft[]): string {
  const root = project.folder('.');
  const solution = root.names.find((name) => /\.slnx?$/.test(name));
  const candidates = [
    text(root.json('package.json')?.['name'])?.split('/').at(-1),
    text(table(root.toml('pyproject.toml')?.['project'])['name']),
    text(table(table(root.toml('pyproject.toml')?.['tool'])['poetry'])['name']),
    baseOf(/^module[ \t]+(\S+)/m.exec(root.read('go.mod') ?? '')?.[1]?.replace(/\/v\d+$/, '') ?? ''),
    text(table(root.toml('Cargo.toml')?.['package'])['name']),
    text(table(root.xml('pom.xml')?.['project'])['artifactId']),
    /rootProject\.name\s*=\s*['"]([^'"\n]{1,80})['"]/.exec(
      root.read('settings.gradle') ?? root.read('settings.gradle.kts') ?? '',
    )?.[1],
    text(root.json('composer.json')?.['name'])?.split('/').at(-1),
    /\bapp:\s*:(\w{1,60})/.exec(root.read('mix.exs') ?? '')?.[1],
    text(root.json('deno.json')?.['name'])?.split('/').at(-1),
    solution?.replace(/\.slnx?$/, ''),
    ...(drafts.length === 1 ? [drafts[0]?.named] : []),
  ];
  const found = candidates.map((each) => label(each ?? '')).find((each) => each !== '');
  if (found) return found;
  project.note({ file: '.', message: 'no file names the project: it is called "app"', mend: 'change project.name' });
  return 'app';
}

export function nameApplications(
  projectNamed: string,
  settled: readonly { readonly draft: Draft; readonly processes: readonly PlannedProcess[] }[],
): readonly PlannedApplication[] {
  const sorted = settled.toSorted(
    (left, right) =>
      compareBytes(left.draft.path, right.draft.path) ||
      compareBytes(left.draft.named ?? '', right.draft.named ?? '') ||
      compareBytes(left.draft.provider, right.draft.provider),
  );
  const taken = new Set<string>();
  return sorted.map(({ draft, processes }) => {
    const { path, provider } = draft;
    const own = label(draft.named?.split('/').at(-1) ?? '');
    const folder = path === '.' ? projectNamed : label(baseOf(path));
    const parent = label(parentOf(path) === '.' ? '' : baseOf(parentOf(path)));
    const first = own || folder || 'app';
    const wanted = [first, label(`${parent}-${folder}`), label(`${first}-${provider}`)];
    const isFree = (each: string): boolean =>
      [each, ...processes.map((process) => processName(each, process.name))].every((one) => !taken.has(one));
    const name = wanted.find((each) => each !== '' && isFree(each)) ?? numbered(first, isFree);
    taken.add(name);
    // A process is a container of its own, so its name is taken too.
    for (const process of processes) taken.add(processName(name, process.name));
    return planned(draft, name, processes);
  });
}

/** A DNS label of at most 40 characters, empty where nothing of the text is left. */
export function label(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, maxName)
    .replace(/^-+|-+$/g, '');
}

/** The name of the container of one process of an application. */
export function processName(application: string, process: string): string {
  const own = label(process) || 'process';
  return `${application.slice(0, maxName - 1 - own.length).replace(/-+$/, '')}-${own}`;
}

/** Short, so that the number also stands in the names of its processes. */
function numbered(name: string, isFree: (name: string) => boolean): string {
  for (let number = 2; ; number += 1) {
    const each = `${name.slice(0, 10).replace(/-+$/, '')}-${number}`;
    if (isFree(each)) return each;
  }
}

function planned(draft: Draft, name: string, processes: readonly PlannedProcess[]): PlannedApplication {
  const { named: _named, role: _role, workspace, startIn, environment, buildPackages, runPackages, ...rest } = draft;
  const root = workspace?.root ?? draft.path;
  return {
    name,
    ...rest,
    root,
    closure: workspace?.closure ?? [],
    startIn: startIn ?? (root === draft.path ? '' : below(draft.path, root)),
    processes,
    environment: environment ?? {},
    buildPackages: [...new Set(buildPackages ?? [])],
    runPackages: [...new Set(runPackages ?? [])],
  };
}
