import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseManifest } from '#manifests';
import { describePlan, detectProject, makeProjectTree, manifestOf, readProjectTree } from '#manifests/detect';
import { openFolder } from '../folder.ts';
import { frameworkShapes } from './frameworks-shapes.ts';
import { managedShapes } from './managed-shapes.ts';
import { monorepoShapes } from './monorepos-shapes.ts';
import { nativeShapes } from './native-shapes.ts';
import { nodeShapes } from './node-shapes.ts';
import { pageShapes } from './pages-shapes.ts';
import { programShapes } from './programs-shapes.ts';
import { pythonShapes } from './python-shapes.ts';
import { scriptedShapes } from './scripted-shapes.ts';
import { scriptShapes } from './scripts-shapes.ts';
import { siteShapes } from './sites-shapes.ts';

const shapes = [
  ...nodeShapes,
  ...programShapes,
  ...frameworkShapes,
  ...siteShapes,
  ...pythonShapes,
  ...scriptShapes,
  ...nativeShapes,
  ...managedShapes,
  ...scriptedShapes,
  ...pageShapes,
  ...monorepoShapes,
];
const signal = new AbortController().signal;

test('more than a hundred shapes of projects are known, each by its own name', () => {
  assert.ok(new Set(shapes.map(({ name }) => name)).size === shapes.length);
  assert.ok(shapes.length > 100, String(shapes.length));
});

for (const { name, files, plan } of shapes) {
  test(`the plan of ${name} is right, and its manifest is one`, () => {
    const found = detectProject(makeProjectTree(files));
    assert.deepEqual(describePlan(found), plan);
    if (found.applications.length === 0) return;
    const manifest = parseManifest(JSON.stringify(manifestOf(found)), { file: 'manifest.json' });
    assert.deepEqual(
      Object.keys(manifest.applications),
      found.applications.map((each) => each.name),
    );
  });
}

test("an exact Node has the library it is linked against, in its step and in its container; Debian's brings its own", async () => {
  const of = (node: string) => {
    const files = {
      'package.json': JSON.stringify({ name: 'a', scripts: { start: 'node a.js' }, engines: { node } }),
      'a.js': '',
    };
    const text = JSON.stringify(manifestOf(detectProject(makeProjectTree(files))));
    const { applications, containers } = parseManifest(text, { file: 'manifest.json' });
    return [applications['a']?.build.steps[0]?.debian, containers['a']?.debian].map((all) =>
      all?.includes('libstdc++6'),
    );
  };
  assert.deepEqual(
    [of('24.21.0'), of('18')],
    [
      [true, true],
      [false, false],
    ],
  );
});

test('what decides has evidence: each application, and each value of it, names its file', () => {
  for (const { name, files } of shapes) {
    for (const application of detectProject(makeProjectTree(files)).applications) {
      assert.ok(application.evidence.length > 0, name);
      for (const found of [application.start, application.port, application.health]) {
        if (!found) continue;
        assert.ok(Object.hasOwn(files, found.from.file), `${name}: ${found.from.file} is no file`);
      }
    }
  }
});

test('the same project gives the same bytes, whatever the folder, the order, the times and the modes', async () => {
  for (const { files } of shapes.filter((_, index) => index % 7 === 0)) {
    const texts: string[] = [];
    for (const order of [Object.entries(files), Object.entries(files).reverse()]) {
      await using folder = await openFolder();
      for (const [index, [name, text]] of order.entries()) {
        const file = path.join(folder.path, name);
        await mkdir(path.dirname(file), { recursive: true });
        await writeFile(file, text);
        await utimes(file, 1_000_000 * (index + 1), 2_000_000 * (texts.length + 1));
        await chmod(file, texts.length === 0 ? 0o600 : 0o755);
      }
      texts.push(JSON.stringify(manifestOf(detectProject(await readProjectTree(folder.path, { signal })))));
    }
    const [first, second] = texts;
    assert.equal(first, second);
    assert.equal(first, JSON.stringify(manifestOf(detectProject(makeProjectTree(files)))));
  }
});

test('what git ignores and what tools leave behind is not looked at', async () => {
  await using folder = await openFolder({
    '.gitignore': '/generated/\n*.tmp.json\nlogs\n!logs/keep\n',
    'generated/package.json': '{}',
    'sub/generated/package.json': '{}',
    'a.tmp.json': '{}',
    'node_modules/x/package.json': '{}',
    'vendor/y/composer.json': '{}',
    '.git/config': '',
    'target/z/Cargo.toml': '',
    'sub/.gitignore': 'deep/*\n!deep/b.json\n',
    'sub/deep/a.json': '{}',
    'sub/deep/b.json': '{}',
    'kept.js': '',
  });
  const tree = await readProjectTree(folder.path, { signal });
  assert.deepEqual(
    tree.list().map((file) => file.path),
    ['.gitignore', 'kept.js', 'sub/.gitignore', 'sub/deep/b.json', 'sub/generated/package.json'],
  );
});

test('links are not followed, pipes not waited for, and long or binary files decide nothing', async () => {
  await using folder = await openFolder({
    'package.json': `{"name":"long","x":"${'x'.repeat(300_000)}"}`,
    'requirements.txt': 'flask\0',
  });
  await symlink('/etc', path.join(folder.path, 'etc'));
  await symlink('..', path.join(folder.path, 'loop'));
  execFileSync('mkfifo', [path.join(folder.path, 'Dockerfile')]);
  const tree = await readProjectTree(folder.path, { signal });
  assert.deepEqual(
    tree.list().map((file) => file.path),
    ['package.json', 'requirements.txt'],
  );
  assert.equal(tree.read('requirements.txt'), '');
  detectProject(tree);
});

test('a folder that is not there is refused with its name', async () => {
  await assert.rejects(readProjectTree('/nowhere/at/all', { signal }), {
    code: 'missing-source',
    message: /"\/nowhere\/at\/all"/,
  });
});

test('folders nested too deep are told and left out', async () => {
  await using folder = await openFolder({ [`${'d/'.repeat(20)}package.json`]: '{}', 'index.html': '' });
  const plan = detectProject(await readProjectTree(folder.path, { signal }));
  assert.match(describePlan(plan).join('\n'), /note d\/.*: nested deeper than 16 folders/);
});

test('any part of any project gives a plan and a manifest that parses', () => {
  const all = shapes.flatMap(({ files }) => Object.entries(files));
  fc.assert(
    fc.property(
      fc.subarray(all, { maxLength: 12 }),
      fc.constantFrom('', 'sub/', 'apps/x/', 'a[b]{c}!/', 'x y/ü/', '-/', '..a/', `${'long'.repeat(20)}/`),
      (part, prefix) => {
        const plan = detectProject(
          makeProjectTree(Object.fromEntries(part.map(([file, text]) => [prefix + file, text]))),
        );
        if (plan.applications.length > 0) parseManifest(JSON.stringify(manifestOf(plan)), { file: 'manifest.json' });
      },
    ),
    { numRuns: 300 },
  );
});

test('garbage in a file gives a note or nothing, never a fault', () => {
  const names = [
    ...new Set(shapes.flatMap(({ files }) => Object.keys(files)).filter((name) => !name.includes('/'))),
    'pnpm-workspace.yaml',
  ];
  const garbage = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.json(),
    fc.constantFrom(
      '{"scripts":7,"dependencies":["x"],"workspaces":{"packages":{}}}',
      '[project]\nname = 1\n',
      '<a>'.repeat(500),
      '{"name":{"__proto__":1},"engines":{"node":[]}}',
    ),
    fc.constantFrom(
      'a: &a [*a, *a]\n',
      '- - - -\n',
      '[workspace]\nmembers = [1, "../..", "**"]\n',
      'use (\n../..\n)\n',
      '{"workspaces":["../../*","**","!"]}',
    ),
    fc
      .tuple(
        fc.constantFrom(...shapes.flatMap(({ files }) => Object.values(files))),
        fc.nat(400),
        fc.string({ maxLength: 8 }),
      )
      .map(([text, at, put]) => text.slice(0, at) + put + text.slice(at + 3)),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), garbage), { maxLength: 8 }), (files) => {
      const plan = detectProject(makeProjectTree(Object.fromEntries(files)));
      if (plan.applications.length > 0) parseManifest(JSON.stringify(manifestOf(plan)), { file: 'manifest.json' });
    }),
    { numRuns: 500 },
  );
});

test('lines made to be slow are not', () => {
  const slow = [
    'listen('.repeat(30_000),
    'port = '.repeat(30_000),
    '/*'.repeat(60_000),
    '"/'.repeat(60_000),
    `FROM ${'$'.repeat(50_000)}`,
    'include '.repeat(20_000),
    `${' '.repeat(100_000)}x`,
  ];
  for (const text of slow) {
    const started = performance.now();
    detectProject(
      makeProjectTree(
        Object.fromEntries(
          [
            'package.json',
            'server.js',
            'main.py',
            'app.py',
            'main.go',
            'go.mod',
            'deno.jsonc',
            'Dockerfile',
            'Procfile',
            'settings.gradle',
            'build.gradle',
            'Gemfile',
            'config.ru',
            'pom.xml',
            'mix.exs',
            'setup.py',
            'requirements.txt',
            'a.csproj',
            'src/Main.java',
          ].map((name) => [name, text]),
        ),
      ),
    );
    assert.ok(performance.now() - started < 5000, `${text.slice(0, 10)} took ${performance.now() - started} ms`);
  }
});

test('a tree of 50,000 files is planned within ten seconds', () => {
  const files: Record<string, string> = {
    'package.json': '{"name":"big","workspaces":["apps/*"]}',
    'package-lock.json': '',
  };
  for (let app = 0; app < 100; app += 1) {
    files[`apps/a${app}/package.json`] = `{"name":"a${app}","scripts":{"start":"node i.js"}}`;
    for (let file = 0; file < 499; file += 1)
      files[`apps/a${app}/src/d${file % 20}/f${file}.js`] = 'export const x = 1;\n';
  }
  const started = performance.now();
  const plan = detectProject(makeProjectTree(files));
  assert.equal(plan.applications.length, 100);
  assert.ok(performance.now() - started < 10_000, `${performance.now() - started} ms`);
});
