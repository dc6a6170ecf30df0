// Which package manager a project of Python uses, what it depends on, and how that is installed.
import type { Evidence, Lockfile } from './plan.ts';
import { type Folder, table, texts } from './project.ts';
import { noteNoLock } from './provider.ts';
import { pythonName } from './workspaces.ts';

export interface Manager {
  readonly name: string;
  readonly evidence: Evidence;
  readonly lockfiles: readonly Lockfile[];
  readonly install: readonly string[];
}

/** What Python itself, which reads TOML and JSON, makes of each lock: a line a package, as pip wants them with hashes. */
const locks: readonly (readonly [name: string, file: string, lines: string])[] = [
  [
    'uv',
    'uv.lock',
    'import tomllib; [print(p["name"] + "==" + p["version"], *["--hash=" + f["hash"] for f in [*p.get("wheels", []), *([p["sdist"]] if "sdist" in p else [])]]) for p in tomllib.load(open("uv.lock", "rb"))["package"] if "registry" in p["source"]]',
  ],
  [
    'poetry',
    'poetry.lock',
    'import tomllib; [print(p["name"] + "==" + p["version"] + (" ; " + p["markers"] if isinstance(p.get("markers"), str) else ""), *["--hash=" + f["hash"] for f in p["files"]]) for p in tomllib.load(open("poetry.lock", "rb"))["package"] if "main" in p.get("groups", [p.get("category", "main")])]',
  ],
  [
    'pipenv',
    'Pipfile.lock',
    'import json; [print(n + p["version"] + (" ; " + p["markers"] if "markers" in p else ""), *["--hash=" + h for h in p["hashes"]]) for n, p in json.load(open("Pipfile.lock"))["default"].items()]',
  ],
];

/** What it depends on, by normal names, without versions. */
export function packagesOf(folder: Folder): ReadonlySet<string> {
  const pyproject = folder.toml('pyproject.toml');
  const poetry = table(table(pyproject?.['tool'])['poetry']);
  const names = [
    ...folder.names
      .filter((name) => /^requirements.*\.txt$/.test(name) && !/dev|test|lint|doc/.test(name))
      .flatMap((name) => (folder.read(name) ?? '').split('\n')),
    ...texts(table(pyproject?.['project'])['dependencies']),
    ...Object.keys(table(poetry['dependencies'])),
    ...Object.keys(table(folder.toml('Pipfile')?.['packages'])),
    ...[...(folder.read('setup.py') ?? '').matchAll(/['"]([\w.-]{2,50})[^'"\n]{0,40}['"]\s*,?/g)].map(
      ([, name = '']) => name,
    ),
  ];
  return new Set(
    names
      .flatMap((line) => /^\s*([A-Za-z][\w.-]*(?:\[[^\]\n]*\])?)/.exec(line)?.[1] ?? [])
      .flatMap((name) => [
        pythonName(name.replace(/\[.*/, '')),
        ...(name.includes('[standard]') ? [`${pythonName(name.replace(/\[.*/, ''))}[standard]`] : []),
      ]),
  );
}

export function pythonManagerOf(root: Folder): Manager {
  const pyproject = root.toml('pyproject.toml');
  const tool = table(pyproject?.['tool']);
  const one = (
    name: string,
    file: string,
    what: string,
    lock: string | undefined,
    ...install: readonly string[]
  ): Manager => ({
    name,
    evidence: root.evidence(file, what),
    lockfiles: lock === undefined ? [] : [{ path: root.at(lock), kind: name }],
    install,
  });
  const target = 'python3 -m pip install --no-compile --target .packages';
  const locked = `${target} --no-deps --require-hashes -r .requirements.txt`;
  for (const [name, file, lines] of locks) {
    if (root.has(file))
      return one(name, file, `a lock of ${name}`, file, `python3 -c '${lines}' > .requirements.txt`, locked);
  }
  if (tool['uv'] !== undefined) {
    noteNoLock(root, 'pyproject.toml', 'write one: uv lock');
    return one('uv', 'pyproject.toml', 'has a part for uv', undefined, `${target} .`);
  }
  if (tool['poetry'] !== undefined) {
    noteNoLock(root, 'pyproject.toml', 'write one: poetry lock');
    return one('poetry', 'pyproject.toml', 'has a part for poetry', undefined, `${target} .`);
  }
  if (root.has('Pipfile')) {
    noteNoLock(root, 'Pipfile', 'write one: pipenv lock');
    return one(
      'pipenv',
      'Pipfile',
      'a project of pipenv',
      undefined,
      'pipenv requirements > .requirements.txt',
      `${target} -r .requirements.txt`,
    );
  }
  const file = root.first(
    'requirements.txt',
    'requirements/production.txt',
    'requirements/prod.txt',
    'requirements/base.txt',
  );
  if (file !== undefined) {
    const lines = (root.read(file) ?? '').split('\n').filter((line) => /^\s*[A-Za-z]/.test(line));
    const hashed = (root.read(file) ?? '').includes('--hash=sha256:');
    if (lines.some((line) => !line.includes('=='))) {
      root.note(
        file,
        'not every package has an exact version: another day brings others',
        'write "==" versions with hashes: pip-compile --generate-hashes',
      );
    } else if (lines.length > 0 && !hashed) {
      root.note(file, "versions without hashes: what is fetched can't be checked", 'pip-compile --generate-hashes');
    }
    return one(
      'pip',
      file,
      'names packages of pip',
      lines.length > 0 && lines.every((line) => line.includes('==')) ? file : undefined,
      ...(lines.length > 0 ? [`${target}${hashed ? ' --require-hashes' : ''} -r ${file}`] : []),
    );
  }
  const described = root.first('pyproject.toml', 'setup.py');
  if (described !== undefined) {
    noteNoLock(root, described, 'write one: uv lock, or pip-compile --generate-hashes');
    return one('pip', described, 'describes a package', undefined, `${target} .`);
  }
  return one('pip', root.first('manage.py', 'main.py', 'app.py') ?? '.', 'a program without packages', undefined);
}
