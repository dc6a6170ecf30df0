// What a package.json gives: an application of Node with its framework, its build and its start; or a library.
import semver from 'semver';
import { developmentCommand, type NodeFramework, nodeFrameworks } from './node-frameworks.ts';
import { type NodeManager, nodeManagerOf } from './node-manager.ts';
import type { Draft, Found } from './plan.ts';
import { below, type Folder, table, text } from './project.ts';
import { firstOf, habit, type Provider, portOfCommand, portOfExample, said, withEvidence } from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { filesWith, scanHealth, scanLoopback, scanPort } from './scan.ts';
import { type Workspace, workspaceOf } from './workspaces.ts';

export const nodeProvider: Provider = {
  name: 'node',
  marks: ['package.json'],
  detect(folder) {
    const manifest = folder.json('package.json');
    return manifest ? [draftOf(folder)] : [];
  },
};

/** What a build of Node is made of, before its parts are settled. */
interface Look {
  readonly folder: Folder;
  readonly scripts: Readonly<Record<string, string>>;
  readonly packages: Readonly<Record<string, string>>;
  readonly developing: ReadonlySet<string>;
  readonly framework: NodeFramework | undefined;
}

interface Shape {
  readonly type: Draft['type'];
  readonly output?: string;
  readonly start?: Found<string>;
  readonly role: Draft['role'];
  readonly isBundled?: true;
}

function draftOf(folder: Folder): Draft {
  const look = lookAt(folder);
  const { framework, scripts } = look;
  const manifest = folder.json('package.json');
  const workspace = workspaceOf(folder, 'npm');
  const isMember = workspace !== undefined && workspace.root !== folder.path;
  const shape = shapeOf(look, workspace !== undefined && !isMember);
  const root = isMember ? folder.project.folder(workspace.root) : folder;
  if (shape.role === 'library') return libraryOf(folder, manifest?.['name'], framework);
  const manager = nodeManagerOf(root);
  const runsBun = /^bunx? /.test(shape.start?.value ?? '') || (manager.name === 'bun' && framework?.name === 'elysia');
  const toolchain = toolchainOf(folder, runsBun ? 'bun' : 'node', floorOf(look));
  const isStatic = shape.type === 'static';
  const start = shape.start;
  if (!start && !isStatic) folder.note('package.json', 'no way to start it was found', 'add scripts.start');
  const ownPort = isStatic ? undefined : portOf(look, start);
  if (!isStatic) scanLoopback(folder, 'node');
  const keepsDeveloping = start && look.developing.has(/^(?:[A-Z_]+=\S+ )*(\S+)/.exec(start.value)?.[1] ?? '');
  const needsDeveloping = keepsDeveloping || shape.isBundled || isMember || look.developing.size === 0;
  const builds = buildOf(look, manager, workspace);
  const from = isMember ? below(folder.path, workspace.root) : '.';
  const result = shape.output === undefined ? undefined : from === '.' ? shape.output : `${from}/${shape.output}`;
  const serves = shape.type === 'service' && (framework !== undefined || ownPort !== undefined);
  const health = isStatic
    ? habit(folder, 'package.json', '/', 'a page has a start')
    : (scanHealth(folder, 'node') ?? routeFile(folder));
  return {
    named: text(manifest?.['name']),
    role: 'application',
    path: folder.path,
    provider: 'node',
    language: folder.has('tsconfig.json') ? 'typescript' : 'javascript',
    type: shape.type === 'service' && !serves ? 'worker' : shape.type,
    ...(framework ? { framework: framework.name } : {}),
    manager: manager.label,
    confidence: framework || scripts['start'] ? 'high' : 'medium',
    runtime: toolchain.runtime,
    evidence: withEvidence(
      folder.evidence('package.json', framework ? `depends on ${packageOf(look)}` : 'describes a package of Node'),
      manager.evidence,
      toolchain.evidence,
      workspace && isMember ? { file: workspace.file, what: `${folder.path} is a member of the workspace` } : undefined,
    ),
    install: [manager.install],
    build: builds,
    collect:
      result === undefined
        ? [...(manager.prune && !needsDeveloping ? [manager.prune] : []), 'cp -a . /out/']
        : [`cp -a ${result}/. /out/`],
    buildPackages: toolchain.build,
    ...(start ? { start } : {}),
    ...(result === undefined ? {} : { startIn: '' }),
    ...(ownPort ? { port: ownPort } : {}),
    ...(health ? { health } : {}),
    // Servers of frameworks listen on the loopback address, or on the container's name, unless told.
    environment: {
      ...(isStatic ? {} : { NODE_ENV: 'production' }),
      ...(isStatic || framework?.kind === 'plain' || !framework ? {} : { HOST: '0.0.0.0', HOSTNAME: '0.0.0.0' }),
    },
    lockfiles: manager.lockfiles,
    ...(isMember ? { workspace: { root: workspace.root, closure: workspace.closure(folder.path) } } : {}),
  };
}

function lookAt(folder: Folder): Look {
  const manifest = folder.json('package.json');
  const read = (key: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(table(manifest?.[key])).flatMap(([name, value]) =>
        text(value) === undefined ? [] : [[name, text(value) ?? '']],
      ),
    );
  const runtime = read('dependencies');
  const developing = read('devDependencies');
  const packages = { ...developing, ...runtime };
  const framework = nodeFrameworks.find(
    (each) => each.packages.some((name) => Object.hasOwn(packages, name)) && (each.name !== 'vite' || hasPage(folder)),
  );
  return { folder, scripts: read('scripts'), packages, developing: new Set(Object.keys(developing)), framework };
}

/** Vite is a tool of tests and libraries as well: a page needs an index.html. */
function hasPage(folder: Folder): boolean {
  return folder.has('index.html') || folder.has('src/index.html') || folder.has('public/index.html');
}

/** Files of a server of another language, whose assets a build of Node in the same folder makes. */
const servers = ['composer.json', 'Gemfile', 'manage.py', 'mix.exs', 'pom.xml', 'build.gradle', 'build.gradle.kts'];

function shapeOf(look: Look, isWorkspaceRoot: boolean): Shape {
  const shape = ownShapeOf(look, isWorkspaceRoot);
  const isForServer = shape.role === 'library' && look.scripts['build'] !== undefined && look.folder.first(...servers);
  return isForServer ? { role: 'application', type: 'static', output: 'public' } : shape;
}

function ownShapeOf(look: Look, isWorkspaceRoot: boolean): Shape {
  const { folder, framework, scripts } = look;
  const library: Shape = { role: 'library', type: 'tool' };
  const command = framework?.kind === 'static' ? undefined : startScript(look);
  const special = framework ? specials[framework.name]?.(look) : undefined;
  if (special) return { role: 'application', ...special };
  if (framework?.kind === 'static') {
    const server = startScript(look);
    if (server && framework.name === 'vite' && /^node |tsx /.test(server.value))
      return { role: 'application', type: 'service', start: server };
    const isLibrary = folder.json('package.json')?.['exports'] !== undefined && !scripts['preview'] && !scripts['dev'];
    return isLibrary ? library : { role: 'application', type: 'static', output: framework.output ?? 'dist' };
  }
  if (framework?.kind === 'server') {
    const start =
      command ??
      (framework.start ? habit(folder, 'package.json', framework.start, `how ${framework.name} starts`) : undefined);
    return { role: 'application', type: 'service', ...(start ? { start } : {}) };
  }
  if (isWorkspaceRoot && !command) return library;
  const start = command ?? entryOf(look);
  if (start) return { role: 'application', type: 'service', start };
  return library;
}

/** Frameworks whose configuration decides what their result is. */
const specials: Readonly<Record<string, (look: Look) => Omit<Shape, 'role'> | undefined>> = {
  next({ folder }) {
    const config = configOf(folder, 'next.config');
    if (/output\s*:\s*['"]export['"]/.test(config.text)) return { type: 'static', output: 'out' };
    if (!/output\s*:\s*['"]standalone['"]/.test(config.text)) return undefined;
    return {
      type: 'service',
      start: said(folder, config.file, 'node .next/standalone/server.js', 'its output is standalone'),
    };
  },
  nuxt({ folder, scripts }) {
    const config = configOf(folder, 'nuxt.config');
    if (/ssr\s*:\s*false/.test(config.text) || /nuxt generate|nuxi generate/.test(scripts['build'] ?? '')) {
      return { type: 'static', output: '.output/public' };
    }
    return {
      type: 'service',
      start: habit(folder, 'package.json', 'node server/index.mjs', 'how nuxt starts'),
      output: '.output',
      isBundled: true,
    };
  },
  sveltekit({ folder, packages }) {
    if (packages['@sveltejs/adapter-static']) return { type: 'static', output: 'build' };
    if (!packages['@sveltejs/adapter-node']) {
      folder.note(
        'package.json',
        'SvelteKit has no adapter that makes a server',
        'npm install --save-dev @sveltejs/adapter-node, and name it in svelte.config.js',
      );
    }
    return undefined;
  },
  astro({ folder, packages }) {
    if (!packages['@astrojs/node']) return undefined;
    return {
      type: 'service',
      start: habit(
        folder,
        'package.json',
        'node ./dist/server/entry.mjs',
        'how astro starts with its adapter for Node',
      ),
    };
  },
  angular({ folder, packages }) {
    const projects = Object.entries(table(folder.json('angular.json')?.['projects']));
    const [name, project] = projects.find(([, each]) => table(each)['projectType'] !== 'library') ?? [];
    const target = table(table(table(table(project)['architect'])['build']));
    const set = table(target['options'])['outputPath'];
    const base = text(set) ?? text(table(set)['base']) ?? `dist/${name ?? ''}`.replace(/\/$/, '');
    if (packages['@angular/ssr']) {
      return {
        type: 'service',
        start: habit(folder, 'angular.json', `node ${base}/server/server.mjs`, 'how angular starts with its server'),
      };
    }
    const isNew =
      /:(?:application|browser-esbuild)$/.test(text(target['builder']) ?? '') &&
      !/browser-esbuild$/.test(text(target['builder']) ?? '');
    return { type: 'static', output: isNew ? `${base}/browser` : base };
  },
};

/** `start:prod` and its like, else `start`, where it isn't how a person develops. */
function startScript({ folder, scripts }: Look): Found<string> | undefined {
  for (const name of ['start:prod', 'start:production', 'prod', 'serve:prod', 'start', 'serve']) {
    const command = scripts[name];
    if (!command || developmentCommand.test(command)) continue;
    const called = /^(?:npm run|yarn(?: run)?|pnpm(?: run)?|bun run) ([\w:-]+)$/.exec(command)?.[1];
    const found = called ? scripts[called] : command;
    if (found && !developmentCommand.test(found))
      return said(folder, 'package.json', found, `scripts.${called ?? name}`);
  }
  return undefined;
}

/** `main`, then the usual names, where the file is there and listens. */
function entryOf({ folder }: Look): Found<string> | undefined {
  const main = text(folder.json('package.json')?.['main'])?.replace(/^\.\//, '');
  const listening = new Set(
    filesWith(folder, 'node', /\.listen\(|createServer\(|\bserve\(|Deno\.serve|Bun\.serve/).map(({ file }) => file),
  );
  if (main && listening.has(main)) return said(folder, 'package.json', `node ${main}`, 'main, which listens');
  const names = ['server', 'index', 'app', 'main', 'src/server', 'src/index', 'src/app', 'src/main'];
  for (const name of names.flatMap((each) => ['.js', '.mjs', '.cjs'].map((end) => each + end))) {
    if (listening.has(name))
      return { value: `node ${name}`, from: folder.evidence(name, 'listens'), confidence: 'medium' };
  }
  return undefined;
}

function portOf(look: Look, start: Found<string> | undefined): Found<number> | undefined {
  const { folder, framework } = look;
  const inStart = start && portOfCommand(start.value);
  if (start && inStart) return { value: inStart, from: start.from, confidence: 'high' };
  const usual =
    framework?.port ?? (framework?.name === 'astro' ? 4321 : framework?.name === 'angular' ? 4000 : undefined);
  return firstOf(
    scanPort(folder, 'node'),
    portOfExample(folder),
    usual === undefined ? undefined : habit(folder, 'package.json', usual, `the port of ${framework?.name}`),
  );
}

/** A file whose place is its route, as in Next, Nuxt, SvelteKit and Astro. */
function routeFile(folder: Folder): Found<string> | undefined {
  const file = folder
    .files()
    .find((each) =>
      /(?:^|\/)(?:app|pages|routes|server\/routes|server)\/(?:[\w-]+\/)*(?:health|healthz|ready)(?:(?:\.get)?\.[jt]s|\/(?:route|\+server|index)\.[jt]s)$/.test(
        each,
      ),
    );
  if (!file) return undefined;
  const route = /(?:^|\/)(?:app|pages|routes|server)\/((?:[\w-]+\/)*(?:health|healthz|ready))/.exec(file)?.[1];
  return {
    value: `/${route?.replace(/^routes\//, '')}`,
    from: folder.evidence(file, 'its place is its route'),
    confidence: 'medium',
  };
}

function buildOf(look: Look, manager: NodeManager, workspace: Workspace | undefined): readonly string[] {
  const { folder, scripts, framework } = look;
  if (!workspace || workspace.root === folder.path) {
    const own = scripts['build'] ? [manager.run('build')] : framework?.build ? [manager.exec(framework.build)] : [];
    // Next leaves the files of its pages beside what it calls standalone.
    const isStandalone =
      framework?.name === 'next' && /output\s*:\s*['"]standalone['"]/.test(configOf(folder, 'next.config').text);
    return isStandalone ? [...own, 'cp -R .next/static .next/standalone/.next/'] : own;
  }
  const project = folder.project;
  const nameOf = (path: string): string =>
    text(project.folder(path).json('package.json')?.['name']) ?? `./${below(path, workspace.root)}`;
  const root = project.folder(workspace.root);
  const buildable = workspace
    .needs(folder.path)
    .filter((path) => table(project.folder(path).json('package.json')?.['scripts'])['build'] !== undefined);
  if (buildable.length === 0)
    return framework?.build
      ? [`cd ${below(folder.path, workspace.root)} && ${manager.exec(framework.build)} && cd -`]
      : [];
  if (root.has('turbo.json')) return [manager.exec(`turbo run build --filter=${nameOf(folder.path)}`)];
  if (root.has('nx.json')) return [manager.exec(`nx run ${nameOf(folder.path)}:build`)];
  return buildable.map((path) => manager.run('build', nameOf(path)));
}

function floorOf({ packages, framework }: Look): string | undefined {
  const version = semver.coerce(packages[packageOfFramework(framework, packages) ?? ''] ?? '');
  return version ? framework?.floors?.find(([major]) => version.major >= major)?.[1] : undefined;
}

function packageOf(look: Look): string {
  const name = packageOfFramework(look.framework, look.packages) ?? '';
  return `${name} ${look.packages[name] ?? ''}`.trim();
}

function packageOfFramework(
  framework: NodeFramework | undefined,
  packages: Readonly<Record<string, string>>,
): string | undefined {
  return framework?.packages.find((name) => Object.hasOwn(packages, name));
}

function configOf(folder: Folder, name: string): { file: string; text: string } {
  const file = folder.first(...['.js', '.mjs', '.ts', '.cjs', '.mts'].map((end) => name + end)) ?? name;
  return { file, text: folder.read(file) ?? '' };
}

function libraryOf(folder: Folder, name: unknown, framework: NodeFramework | undefined): Draft {
  return {
    named: text(name),
    role: 'library',
    path: folder.path,
    provider: 'node',
    language: folder.has('tsconfig.json') ? 'typescript' : 'javascript',
    type: 'tool',
    ...(framework ? { framework: framework.name } : {}),
    confidence: 'medium',
    runtime: { name: 'node', wanted: undefined, from: undefined, packages: [], version: undefined },
    evidence: [folder.evidence('package.json', 'has nothing that starts')],
    install: [],
    build: [],
    collect: [],
    lockfiles: [],
  };
}
