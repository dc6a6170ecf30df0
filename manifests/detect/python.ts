// What a project of Python is: its manager, its framework, the module and name of its application, and its start.
import type { Draft, Found } from './plan.ts';
import { below, type Folder, table, text } from './project.ts';
import { firstOf, habit, type Provider, portOfCommand, portOfExample, said, withEvidence } from './provider.ts';
import { packagesOf, pythonManagerOf } from './python-manager.ts';
import { toolchainOf } from './runtimes.ts';
import { filesWith, scanHealth, scanLoopback, scanPort } from './scan.ts';
import { workspaceOf } from './workspaces.ts';

export const pythonProvider: Provider = {
  name: 'python',
  marks: ['pyproject.toml', 'requirements.txt', 'Pipfile', 'setup.py', 'manage.py', 'poetry.lock', 'uv.lock'],
  weakMarks: ['main.py', 'app.py'],
  detect: (folder) => [draftOf(folder)],
};

/** Web frameworks, each with how an application of it is made in source and served. */
const frameworks = [
  { name: 'django', packages: ['django'], made: /$^/, port: 8000 },
  {
    name: 'fastapi',
    packages: ['fastapi'],
    made: /^(\w{1,40})\s*(?::\s*\w{1,40}\s*)?=\s*(?:fastapi\.)?FastAPI\(/m,
    port: 8000,
  },
  { name: 'litestar', packages: ['litestar'], made: /^(\w{1,40})\s*(?::\s*\w{1,40}\s*)?=\s*Litestar\(/m, port: 8000 },
  {
    name: 'starlette',
    packages: ['starlette'],
    made: /^(\w{1,40})\s*(?::\s*\w{1,40}\s*)?=\s*Starlette\(/m,
    port: 8000,
  },
  { name: 'quart', packages: ['quart'], made: /^(\w{1,40})\s*=\s*Quart\(/m, port: 5000 },
  { name: 'sanic', packages: ['sanic'], made: /^(\w{1,40})\s*=\s*Sanic\(/m, port: 8000 },
  {
    name: 'flask',
    packages: ['flask'],
    made: /^(\w{1,40})\s*(?::\s*\w{1,40}\s*)?=\s*(?:flask\.)?(?:Flask|create_app)\(/m,
    port: 5000,
  },
  { name: 'bottle', packages: ['bottle'], made: /^(\w{1,40})\s*=\s*(?:bottle\.)?Bottle\(/m, port: 8080 },
  { name: 'aiohttp', packages: ['aiohttp'], made: /\b(web)\.run_app\(/, port: 8080 },
  { name: 'tornado', packages: ['tornado'], made: /\.(listen)\(\s*\d/, port: 8888 },
  { name: 'streamlit', packages: ['streamlit'], made: /\bimport (streamlit)/, port: 8501 },
  { name: 'gradio', packages: ['gradio'], made: /\bimport (gradio)/, port: 7860 },
] as const;
type Framework = (typeof frameworks)[number];

const asynchronous = new Set(['fastapi', 'litestar', 'starlette', 'quart', 'sanic']);

function draftOf(folder: Folder): Draft {
  const packages = packagesOf(folder);
  const framework = frameworks.find((each) => each.packages.some((name) => packages.has(name)));
  const workspace = workspaceOf(folder, 'uv');
  const isMember = workspace !== undefined && workspace.root !== folder.path;
  const root = isMember ? folder.project.folder(workspace.root) : folder;
  const pyproject = folder.toml('pyproject.toml');
  const start = startOf(folder, framework, packages);
  const isLibrary =
    start === undefined && (folder.has('setup.py') || pyproject !== undefined || !folder.has('requirements.txt'));
  const base = {
    named: text(table(pyproject?.['project'])['name']) ?? text(table(table(pyproject?.['tool'])['poetry'])['name']),
    path: folder.path,
    provider: 'python',
    language: 'python',
    ...(framework ? { framework: framework.name } : {}),
  } as const;
  if (isLibrary) {
    return {
      ...base,
      role: 'library',
      type: 'tool',
      confidence: 'medium',
      runtime: { name: 'python', wanted: undefined, from: undefined, packages: [], version: undefined },
      evidence: [folder.evidence(folder.first('pyproject.toml', 'setup.py') ?? '.', 'has nothing that starts')],
      install: [],
      build: [],
      collect: [],
      lockfiles: [],
    };
  }
  const manager = pythonManagerOf(root);
  const mark = manager.evidence.file;
  const toolchain = toolchainOf(folder, 'python');
  if (!start)
    folder.note(
      below(mark, folder.path),
      'no way to start it was found',
      'add a main.py, or a Procfile with a web line',
    );
  const port =
    framework || /socket|http\.server|wsgiref/.test(start?.value ?? '') || start
      ? portOf(folder, framework, start)
      : undefined;
  scanLoopback(folder, 'python');
  const health = scanHealth(folder, 'python');
  // Members of a workspace aren't installed: they are read where they lie.
  const beside = (isMember ? workspace.needs(folder.path) : [])
    .filter((path) => path !== folder.path)
    .map((path) => `./${below(path, root.path)}${hasSrc(folder.project.folder(path)) ? '/src' : ''}`);
  const collects = framework?.name === 'django' && packages.has('whitenoise');
  return {
    ...base,
    role: 'application',
    type: port ? 'service' : 'worker',
    manager: manager.name,
    confidence: framework ? 'high' : 'medium',
    runtime: toolchain.runtime,
    evidence: withEvidence(
      framework
        ? folder.evidence(below(mark, root.path), `depends on ${framework.name}`)
        : folder.evidence(below(mark, root.path), 'a project of Python'),
      manager.evidence,
      toolchain.evidence,
    ),
    install: manager.install,
    build: collects ? ['PYTHONPATH=.packages python3 manage.py collectstatic --noinput'] : [],
    collect: ['cp -a . /out/'],
    buildPackages: toolchain.build,
    ...(start ? { start } : {}),
    ...(port ? { port } : {}),
    ...(health ? { health } : {}),
    environment: {
      PYTHONPATH: [...(hasSrc(folder) ? ['src'] : []), ...beside, '.packages'].join(':'),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONUNBUFFERED: '1',
    },
    lockfiles: manager.lockfiles,
    ...(isMember ? { workspace: { root: workspace.root, closure: workspace.closure(folder.path) } } : {}),
  };
}

function hasSrc(folder: Folder): boolean {
  return folder.has('src') && !folder.names.includes('main.py');
}

function startOf(
  folder: Folder,
  framework: Framework | undefined,
  packages: ReadonlySet<string>,
): Found<string> | undefined {
  const port = framework?.port ?? 8000;
  if (framework?.name === 'django' || (folder.has('manage.py') && /django/.test(folder.read('manage.py') ?? '')))
    return djangoStart(folder, packages);
  if (framework?.name === 'streamlit' || framework?.name === 'gradio') {
    const file = filesWith(folder, 'python', framework.made)[0]?.file;
    if (file === undefined) return undefined;
    const command =
      framework.name === 'gradio'
        ? `python3 ${file}`
        : `python3 -m streamlit run ${file} --server.address=0.0.0.0 --server.port=${port}`;
    return said(folder, file, command, `uses ${framework.name}`);
  }
  const made =
    framework &&
    filesWith(folder, 'python', framework.made).find(({ file }) => !/(?:^|\/)(?:conftest|setup)\.py$/.test(file));
  if (framework && made) {
    const runsItself = /__name__\s*==\s*['"]__main__['"]/.test(folder.read(made.file) ?? '');
    const application = `${moduleOf(made.file)}:${made.match[1]}`;
    const from = folder.evidence(made.file, `makes the application "${made.match[1]}"`);
    const say = (value: string): Found<string> => ({ value, from, confidence: 'high' });
    if (framework.name === 'aiohttp' || framework.name === 'tornado') return say(`python3 ${made.file}`);
    if (asynchronous.has(framework.name)) {
      if (packages.has('gunicorn') && packages.has('uvicorn'))
        return say(
          `python3 -m gunicorn --bind 0.0.0.0:${port} --worker-class uvicorn.workers.UvicornWorker ${application}`,
        );
      if (packages.has('hypercorn')) return say(`python3 -m hypercorn --bind 0.0.0.0:${port} ${application}`);
      if (packages.has('uvicorn') || packages.has('fastapi[standard]'))
        return say(`python3 -m uvicorn --host 0.0.0.0 --port ${port} ${application}`);
    }
    for (const [server, flags] of [
      ['gunicorn', `--bind 0.0.0.0:${port}`],
      ['waitress', `--listen=0.0.0.0:${port}`],
    ] as const) {
      if (packages.has(server)) return say(`python3 -m ${server} ${flags} ${application}`);
    }
    if (runsItself) return say(`python3 ${made.file}`);
    if (framework.name === 'flask') {
      folder.note(
        made.file,
        "no server for production is among its packages: Flask's own is for development",
        'add gunicorn',
      );
      return say(`python3 -m flask --app ${application} run --host 0.0.0.0 --port ${port}`);
    }
    folder.note(
      made.file,
      `no server is among its packages: ${framework.name} needs one`,
      asynchronous.has(framework.name) ? 'add uvicorn' : 'add gunicorn',
    );
    return undefined;
  }
  return plainStart(folder);
}

function djangoStart(folder: Folder, packages: ReadonlySet<string>): Found<string> {
  const file = folder.files().find((each) => /(?:^|\/)wsgi\.py$/.test(each));
  const asgi = folder.files().find((each) => /(?:^|\/)asgi\.py$/.test(each));
  if (asgi && packages.has('uvicorn') && !packages.has('gunicorn')) {
    return said(
      folder,
      asgi,
      `python3 -m uvicorn --host 0.0.0.0 --port 8000 ${moduleOf(asgi)}:application`,
      'the application of Django',
    );
  }
  if (asgi && packages.has('daphne')) {
    return said(
      folder,
      asgi,
      `python3 -m daphne -b 0.0.0.0 -p 8000 ${moduleOf(asgi)}:application`,
      'the application of Django',
    );
  }
  if (file && packages.has('gunicorn')) {
    return said(
      folder,
      file,
      `python3 -m gunicorn --bind 0.0.0.0:8000 ${moduleOf(file)}:application`,
      'the application of Django',
    );
  }
  folder.note(
    'manage.py',
    "no server for production is among its packages: Django's own is for development",
    'add gunicorn',
  );
  return habit(folder, 'manage.py', 'python3 manage.py runserver 0.0.0.0:8000', 'how Django starts');
}

function plainStart(folder: Folder): Found<string> | undefined {
  for (const name of [
    'main.py',
    'app.py',
    'server.py',
    'run.py',
    'bot.py',
    'worker.py',
    'src/main.py',
    'src/app.py',
    'app/main.py',
    'app/__main__.py',
  ]) {
    if (folder.first(name))
      return {
        value: `python3 ${name}`,
        from: folder.evidence(name, 'the usual name of a start'),
        confidence: 'medium',
      };
  }
  const inside = folder.files().find((file) => /^(?:src\/)?[\w-]+\/__main__\.py$/.test(file));
  if (inside) return said(folder, inside, `python3 -m ${moduleOf(inside)}`, 'a package that can be run');
  const pyproject = folder.toml('pyproject.toml');
  const [name, entry] =
    Object.entries({
      ...table(table(table(pyproject?.['tool'])['poetry'])['scripts']),
      ...table(table(pyproject?.['project'])['scripts']),
    })[0] ?? [];
  const [module, call] = text(entry)?.split(':') ?? [];
  if (!name || !module || !call || !/^[\w.]+$/.test(module) || !/^[\w.]+$/.test(call)) return undefined;
  return said(
    folder,
    'pyproject.toml',
    `python3 -c 'from ${module} import ${call}; ${call}()'`,
    `the script "${name}"`,
  );
}

function portOf(
  folder: Folder,
  framework: Framework | undefined,
  start: Found<string> | undefined,
): Found<number> | undefined {
  const inStart = start && portOfCommand(start.value);
  const ours = start && /python3 -m|manage\.py/.test(start.value);
  if (start && inStart && ours)
    return { value: inStart, from: start.from, confidence: start.confidence === 'high' ? 'medium' : 'low' };
  const usual = framework
    ? habit(folder, start ? below(start.from.file, folder.path) : '.', framework.port, `the port of ${framework.name}`)
    : undefined;
  return firstOf(scanPort(folder, 'python'), portOfExample(folder), usual);
}

function moduleOf(file: string): string {
  return file
    .replace(/^src\//, '')
    .replace(/\/__(?:init|main)__\.py$|\.py$/, '')
    .replaceAll('/', '.');
}
