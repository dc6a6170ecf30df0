import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { parseManifest } from '#manifests';
import {
  detectProject,
  isUnedited,
  makeProjectTree,
  manifestOf,
  unifiedDiff,
  writeDockerfile,
} from '#manifests/detect';
import { openFolder } from '../folder.ts';

const dockerfileOf = (container: object, rest: object = {}): string =>
  writeDockerfile(
    parseManifest(
      JSON.stringify({ manifest_version: '1.0', project: { name: 'p' }, ...rest, containers: { c: container } }),
      { file: 'm' },
    ),
  ).dockerfile;

test('a base is taken by its digest, scratch stays scratch, and packages lie on Debian', () => {
  const reference = `registry.example/app@sha256:${'a'.repeat(64)}`;
  assert.match(dockerfileOf({ base: { kind: 'registry', reference } }), new RegExp(`^FROM ${reference} AS c$`, 'm'));
  assert.match(dockerfileOf({}), /^FROM scratch AS c$/m);
  const packed = dockerfileOf({ debian: ['nginx-light'] });
  assert.match(packed, /^FROM debian:bookworm-slim AS c$/m);
  assert.match(packed, /apt-get install --yes --no-install-recommends \\\n +nginx-light/);
});

test('a base that no registry names is refused with the container and the mend', () => {
  assert.throws(() => dockerfileOf({ base: { kind: 'engine', image: `sha256:${'b'.repeat(64)}` } }), {
    code: 'invalid-manifest',
    message: /container "c".*"engine".*use "registry" or "scratch"/,
  });
});

test('what a shell would read is quoted, and a script with blocks reaches the shell as it is written', () => {
  const text = dockerfileOf(
    { applications: { a: { destination: '/srv/a' } }, environment: { GREETING: 'a "b" $HOME' } },
    {
      applications: {
        a: {
          build: { steps: [{ name: 'build', run: ['for each in a b; do', '  echo "$each" > /out/$each', 'done'] }] },
        },
      },
    },
  );
  assert.match(text, /^ENV GREETING="a \\"b\\" \\\$HOME"$/m);
  const [, words = ''] = /^RUN (\["\/bin\/sh".*\])$/m.exec(text) ?? [];
  assert.deepEqual(JSON.parse(words), ['/bin/sh', '-euc', 'for each in a b; do\n  echo "$each" > /out/$each\ndone']);
});

test("one changed byte below the digest is an edit, and a file without a digest is a hand's", () => {
  const text = dockerfileOf({});
  assert.ok(isUnedited(text));
  assert.ok(!isUnedited(text.replace('scratch', 'scratcH')));
  assert.ok(!isUnedited('FROM scratch\n'));
  assert.ok(!isUnedited(''));
});

test('a Dockerfile that was made here is none that decides', () => {
  const plan = detectProject(makeProjectTree({ Dockerfile: dockerfileOf({ ports: [8080] }), 'index.html': '' }));
  assert.deepEqual(
    plan.applications.map(({ provider }) => provider),
    ['static'],
  );
});

test('the same texts have no difference, and lines without an end are told as patch wants it', () => {
  const names = { before: 'a', after: 'b' };
  assert.equal(unifiedDiff('x\n', 'x\n', names), '');
  assert.equal(unifiedDiff('x', 'x\n', names), '--- a\n+++ b\n@@ -1,1 +1,1 @@\n-x\n\\ No newline at end of file\n+x\n');
});

test('each lock of Python becomes lines that pip reads, a package and its hashes each', async (t) => {
  const version = ((): number => {
    try {
      return Number(/3\.(\d+)/.exec(execFileSync('python3', ['--version'], { encoding: 'utf8' }))?.[1]);
    } catch {
      return 0;
    }
  })();
  if (version < 11) return t.skip('needs Python 3.11, which reads TOML');
  const locks = {
    'uv.lock':
      '[[package]]\nname = "a"\nversion = "1"\nsource = { registry = "r" }\nsdist = { hash = "sha256:0" }\nwheels = [{ hash = "sha256:1" }]\n[[package]]\nname = "own"\nversion = "0"\nsource = { editable = "." }\n',
    'poetry.lock':
      '[[package]]\nname = "a"\nversion = "1"\ngroups = ["main"]\nfiles = [{ hash = "sha256:1" }, { hash = "sha256:0" }]\n[[package]]\nname = "dev"\nversion = "2"\ngroups = ["dev"]\nfiles = []\n',
    'Pipfile.lock':
      '{"default":{"a":{"version":"==1","hashes":["sha256:1","sha256:0"]}},"develop":{"b":{"version":"==2"}}}',
  };
  for (const [lock, text] of Object.entries(locks)) {
    await using folder = await openFolder({ [lock]: text });
    const plan = detectProject(makeProjectTree({ 'main.py': 'run()', 'pyproject.toml': '', [lock]: text }));
    const [write = '', install] = plan.applications[0]?.install ?? [];
    execFileSync('/bin/sh', ['-euc', write], { cwd: folder.path });
    const lines = execFileSync('cat', ['.requirements.txt'], { cwd: folder.path, encoding: 'utf8' });
    assert.equal(lines, 'a==1 --hash=sha256:1 --hash=sha256:0\n', lock);
    assert.match(install ?? '', /--require-hashes -r \.requirements\.txt/);
  }
});

test('processes of a long name, of names that fall together and of names that others have get containers of their own', () => {
  const start = '{"name":"NAME","scripts":{"start":"node i.js"}}';
  const plan = detectProject(
    makeProjectTree({
      'a/package.json': start.replace('NAME', 'x-worker'),
      'b/package.json': start.replace('NAME', 'x'),
      'b/Procfile': 'web: node i.js\nworker: node w.js\nWORKER: node v.js\n_: true\n',
      'c/package.json': start.replace('NAME', 'n'.repeat(60)),
      'c/Procfile': 'web: node i.js\na_process_with_a_long_name: node w.js\n',
    }),
  );
  const manifest = parseManifest(JSON.stringify(manifestOf(plan)), { file: 'm' });
  assert.deepEqual(Object.keys(manifest.containers), [
    'x-worker',
    'b',
    'b-worker',
    'n'.repeat(40),
    `${'n'.repeat(15)}-a-process-with-a-long-na`,
  ]);
});
