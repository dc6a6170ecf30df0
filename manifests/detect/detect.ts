// From the files of a project to its plan: every provider is asked about every folder, and all that matches is kept.
import { denoProvider } from './deno.ts';
import { dockerfileDraft, dockerfileOf, withDockerfile } from './dockerfile.ts';
import { dotnetProvider } from './dotnet.ts';
import { elixirProvider } from './elixir.ts';
import { globsOfGitignore } from './gitignore.ts';
import { goProvider } from './go.ts';
import { javaProvider } from './java.ts';
import { nameApplications, projectName } from './names.ts';
import { nodeProvider } from './node.ts';
import { phpProvider } from './php.ts';
import type { Draft, Match, Plan, PlannedProcess } from './plan.ts';
import { processesOf, procfileDraft, withProcfile } from './procfile.ts';
import { asideFolders, type Folder, isWithin, openProject, type Project } from './project.ts';
import { isMarked, type Provider } from './provider.ts';
import { pythonProvider } from './python.ts';
import { rubyProvider } from './ruby.ts';
import { rustProvider } from './rust.ts';
import { staticProvider } from './static.ts';
import { compareBytes, type ProjectTree } from './tree.ts';
import { workspacesOf } from './workspaces.ts';

const providers: readonly Provider[] = [
  nodeProvider,
  pythonProvider,
  goProvider,
  rustProvider,
  javaProvider,
  phpProvider,
  rubyProvider,
  dotnetProvider,
  denoProvider,
  elixirProvider,
  staticProvider,
];

/** A manifest holds at most 500 applications. */
const maxCandidates = 500;
const maxFolderDepth = 8;
/** Pages and single scripts lie near the root where they are a project. */
const maxWeakDepth = 3;
/** Documentation may be a site of its own; the others never are. */
const documentation = /(?:^|\/)(?:docs?|documentation)(?=\/|$)/g;

/** What each language leaves behind, and what no image may hold. */
const excludedAlways = [
  '**/.env',
  '**/.env.local',
  '**/.git',
  '**/.venv',
  '**/__pycache__',
  '**/node_modules',
  'Dockerfile',
  '.dockerignore',
];

interface Settled {
  readonly draft: Draft;
  readonly processes: readonly PlannedProcess[];
}

/** All applications of a project with the evidence for each choice. Pure: the same files give the same plan. */
export function detectProject(tree: ProjectTree): Plan {
  const project = openProject(tree);
  const candidates = candidatesOf(project);
  project.setCandidates([...candidates.keys()]);
  const drafts = [...candidates].flatMap(([path, asked]) => draftsOf(project.folder(path), asked));
  const matches: Match[] = drafts.map((draft) => matchOf(draft, draft.role));
  const settled = overlaid(project, withAssets(drafts, matches), matches);
  const deployed = deployable(settled, matches);
  for (const { draft } of deployed) {
    if (draft.type === 'worker' && draft.start) {
      const message = "no port was found: it is taken for a worker that doesn't listen";
      project.note({ file: draft.start.from.file, message, mend: 'add "ports" to its container if it does' });
    }
  }
  if (deployed.length === 0) {
    project.note({
      file: '.',
      message: 'nothing to deploy was found',
      mend: 'add a start script, a Procfile or a Dockerfile',
    });
  }
  const name = projectName(
    project,
    deployed.map(({ draft }) => draft),
  );
  const ignored = project.folder('.').read('.gitignore');
  return {
    project: name,
    applications: nameApplications(name, deployed),
    matches: matches.sort(
      (left, right) =>
        compareBytes(left.path, right.path) ||
        compareBytes(left.provider, right.provider) ||
        compareBytes(left.role, right.role),
    ),
    notes: project.notes(),
    exclude: [...new Set([...excludedAlways, ...globsOfGitignore(ignored ?? '')])].sort(compareBytes).slice(0, 90),
  };
}

/** Folders worth a look, each with the providers to ask. */
function candidatesOf(project: Project): ReadonlyMap<string, readonly Provider[]> {
  const members = new Set(workspacesOf(project).flatMap(({ members: all }) => all));
  const strong = new Map<string, readonly Provider[]>();
  const aside: string[] = [];
  for (const path of project.folders) {
    if (path.split('/').length > maxFolderDepth || strong.size >= maxCandidates) continue;
    const { names } = project.folder(path);
    const asked = providers.filter(({ marks }) => isMarked(names, marks));
    if (asked.length === 0) continue;
    if (asideFolders.test(path.replace(documentation, '')) && !members.has(path)) aside.push(path);
    else strong.set(path, asked);
  }
  const found = new Map(strong);
  for (const path of project.folders) {
    const { names } = project.folder(path);
    if (path.split('/').length > maxWeakDepth || asideFolders.test(path)) continue;
    const asked = providers.filter(({ weakMarks }) => weakMarks && isMarked(names, weakMarks));
    const isTaken = [...found.keys()].some((other) => isWithin(path, other));
    if (asked.length > 0 && !isTaken) found.set(path, asked);
  }
  for (const path of ['public', 'site', 'www', 'html']) {
    // A page in the usual folder of a project that has nothing else is the project's.
    if (found.has(path) && found.size === 1 && !found.has('.')) {
      const asked = found.get(path) ?? [];
      found.delete(path);
      found.set('.', asked);
    }
  }
  if (aside.length > 0) {
    const few = aside.slice(0, 5).join(', ');
    const message = `${aside.length === 1 ? 'is' : `${aside.length} folders are`} taken for tests or examples and not deployed: ${few}`;
    project.note({ file: aside[0] ?? '.', message, mend: 'add an application by hand where that is wrong' });
  }
  return new Map([...found].sort(([left], [right]) => compareBytes(left, right)));
}

function draftsOf(folder: Folder, asked: readonly Provider[]): readonly Draft[] {
  const drafts = asked.flatMap((provider) => provider.detect(folder));
  const isPage =
    drafts.every(({ role }) => role === 'library') && !asked.includes(staticProvider) && folder.has('index.html');
  return isPage ? [...drafts, ...staticProvider.detect(folder)] : drafts;
}

/** A page's build beside a server of another language makes that server's assets. */
function withAssets(drafts: readonly Draft[], matches: Match[]): readonly Draft[] {
  const serving = new Set(['php', 'ruby', 'python', 'elixir', 'java']);
  const merged = new Set<Draft>();
  const result = drafts.map((draft) => {
    if (draft.role !== 'application' || !serving.has(draft.provider)) return draft;
    const page = drafts.find(
      (other) =>
        other.path === draft.path &&
        other.provider === 'node' &&
        other.type === 'static' &&
        other.role === 'application',
    );
    if (!page) return draft;
    merged.add(page);
    const at = matches.findIndex((match) => match.path === page.path && match.provider === 'node');
    if (at >= 0) matches[at] = matchOf(page, 'assets');
    return {
      ...draft,
      install: [...draft.install, ...page.install],
      build: [...page.build, ...draft.build],
      buildPackages: [...(draft.buildPackages ?? []), ...(page.buildPackages ?? [])],
      runtime: page.runtime.node === undefined ? draft.runtime : { ...draft.runtime, node: page.runtime.node },
      evidence: [...draft.evidence, ...page.evidence.map((each) => ({ ...each, what: `assets: ${each.what}` }))],
      lockfiles: [...draft.lockfiles, ...page.lockfiles],
    };
  });
  return result.filter((draft) => !merged.has(draft));
}

/** What Dockerfiles and Procfiles add, or describe alone. */
function overlaid(project: Project, drafts: readonly Draft[], matches: Match[]): readonly Settled[] {
  const settled: Settled[] = drafts.map((draft) => ({ draft, processes: [] }));
  const own = new Set(drafts.filter(({ role }) => role === 'application').map(({ path }) => path));
  for (const path of project.folders) {
    if (path.split('/').length > maxFolderDepth || asideFolders.test(path)) continue;
    const folder = project.folder(path);
    const dockerfile = dockerfileOf(folder);
    const hasProcesses = processesOf(folder).length > 0;
    if (!dockerfile && !hasProcesses) continue;
    const isInside = [...own].some((other) => other !== path && isWithin(path, other));
    const isAlone = !own.has(path) && !isInside;
    if (isAlone)
      settled.push({ draft: dockerfile ? dockerfileDraft(folder, dockerfile) : procfileDraft(folder), processes: [] });
    for (const [index, each] of settled.entries()) {
      if (each.draft.path !== path || each.draft.role !== 'application') continue;
      let { draft, processes } = each;
      if (dockerfile && draft.provider !== 'dockerfile') draft = withDockerfile(folder, draft, dockerfile);
      if (hasProcesses) ({ draft, processes } = withProcfile(folder, draft));
      settled[index] = { draft, processes };
    }
    for (const [is, provider, file] of [
      [dockerfile !== undefined, 'dockerfile', dockerfile?.file],
      [hasProcesses, 'procfile', 'Procfile'],
    ] as const) {
      if (!is) continue;
      const isApplication = isAlone && (provider === 'dockerfile' || !dockerfile);
      matches.push({
        path,
        provider,
        role: isApplication ? 'application' : 'overlay',
        confidence: isInside && !own.has(path) ? 'low' : 'high',
        evidence: [
          folder.evidence(
            file ?? '.',
            isInside && !own.has(path) ? 'lies inside another application: not used' : 'is there',
          ),
        ],
      });
    }
  }
  return settled;
}

/** Applications, without tools that lie beside something that serves. */
function deployable(settled: readonly Settled[], matches: Match[]): readonly Settled[] {
  const applications = settled.filter(({ draft }) => draft.role === 'application');
  const serves = applications.some(({ draft }) => draft.type !== 'tool');
  if (!serves) return applications;
  for (const { draft } of applications.filter(({ draft: each }) => each.type === 'tool')) {
    const at = matches.findIndex(
      (match) =>
        match.path === draft.path &&
        match.provider === draft.provider &&
        match.role === 'application' &&
        match.evidence === draft.evidence,
    );
    const evidence = [...draft.evidence, { file: draft.path, what: 'is run by hand: not deployed' }];
    if (at >= 0) matches[at] = { ...matchOf(draft, 'library'), evidence };
  }
  return applications.filter(({ draft }) => draft.type !== 'tool');
}

function matchOf(draft: Draft, role: Match['role']): Match {
  return { path: draft.path, provider: draft.provider, role, confidence: draft.confidence, evidence: draft.evidence };
}
