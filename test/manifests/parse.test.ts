// What a manifest may say, and how it is told what is wrong with it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { containersInOrder, ManifestError, manifestJsonSchema, type Problem, parseManifest } from '#manifests';

const root = path.dirname(path.dirname(import.meta.dirname));
const where = { file: 'manifest.json' };

function withContainers(containers: unknown, rest: object = {}): string {
  return JSON.stringify({ manifest_version: '1.0', project: { name: 'p' }, containers, ...rest }, undefined, 1);
}

function problemsOf(text: string): readonly Problem[] {
  try {
    parseManifest(text, where);
  } catch (error) {
    assert.ok(error instanceof ManifestError);
    assert.equal(error.code, 'invalid-manifest');
    for (const { message } of error.problems) assert.ok(error.message.includes(message), 'the message says all of it');
    return error.problems;
  }
  return [];
}

test('the manifest of the example is valid, and its containers start bottom-up', async () => {
  const manifest = parseManifest(await readFile(path.join(root, 'examples/shop/manifest.json'), 'utf8'), where);
  assert.deepEqual(containersInOrder(manifest), ['redis', 'api', 'frontend']);
});

test('defaults are written out', () => {
  const manifest = parseManifest(withContainers({ a: {} }), where);
  assert.equal(manifest.containers['a']?.restart, 'unless-stopped');
  assert.equal(manifest.packaging.format, 'hermesh-oci/1');
  assert.deepEqual(manifest.packaging.platforms, ['linux/amd64']);
  assert.deepEqual(manifest.lifecycle.stages, ['dev', 'test', 'pre-deploy', 'stage', 'prod']);
  assert.equal(manifest.federation.sync.interval_seconds, 3600);
});

test('an unknown key is refused with its place, its line and the near key', () => {
  const text =
    '{\n  "manifest_version": "1.0",\n  "project": {"name": "p"},\n  "containers": {"a": {\n    "debain": []}}}';
  assert.deepEqual(problemsOf(text), [
    {
      pointer: '/containers/a/debain',
      line: 5,
      message: '"debain" is not known here',
      mend: 'did you mean "debian"?',
    },
  ]);
});

test('every problem is told at once, in the order of the file', () => {
  const problems = problemsOf(
    withContainers({ a: { ports: [0, 1.5], restart: 'allways', user: 'root' }, 'B!': {} }, { packaging: 3 }),
  );
  assert.deepEqual(
    problems.map(({ pointer }) => pointer),
    [
      '/containers/a/ports/0',
      '/containers/a/ports/1',
      '/containers/a/restart',
      '/containers/a/user',
      '/containers/B!',
      '/packaging',
    ],
  );
  assert.ok(problems.every(({ line }) => line !== undefined && line > 1));
  assert.equal(problems[2]?.mend, 'did you mean "always"?');
});

test('a missing key is reported where its object begins', () => {
  const [problem] = problemsOf('{"manifest_version": "1.0",\n"project": {},\n"containers": {"a": {}}}');
  assert.deepEqual([problem?.pointer, problem?.line, problem?.message], ['/project/name', 2, '"name" is missing']);
});

test('x- keys are removed, except where the keys are names', () => {
  const text = withContainers({ 'x-a': { 'x-note': { any: [1.5] }, environment: { x_a: '1' } } }, { 'x-more': 1 });
  const manifest = parseManifest(text, where);
  assert.deepEqual(Object.keys(manifest.containers), ['x-a']);
  assert.ok(!JSON.stringify(manifest).includes('note'));
  assert.ok(!JSON.stringify(manifest).includes('more'));
});

test('a circle of dependencies is named by its path', () => {
  const needs = (name: string) => ({ depends_on: { [name]: {} } });
  const [problem] = problemsOf(withContainers({ a: needs('b'), b: needs('c'), c: needs('b') }));
  assert.match(problem?.message ?? '', /b -> c -> b$/);
  assert.equal(problem?.pointer, '/containers/c/depends_on/b');
});

const semantic: readonly [string, unknown, string, RegExp][] = [
  [
    'a dependency that is not there',
    { a: { depends_on: { rediss: {} } }, redis: {} },
    '/containers/a/depends_on/rediss',
    /no container "rediss"/,
  ],
  [
    'an application that is not there',
    { a: { applications: { web: { destination: '/w' } } } },
    '/containers/a/applications/web',
    /no application/,
  ],
  [
    'a published port that is not listed',
    { a: { publish: [{ port: 80 }] } },
    '/containers/a/publish/0/port',
    /"ports" does not list it/,
  ],
  [
    'a user name twice',
    {
      a: {
        accounts: {
          users: [
            { name: 'u', uid: 1, gid: 1 },
            { name: 'u', uid: 2, gid: 1 },
          ],
        },
      },
    },
    '/containers/a/accounts/users/1/name',
    /"u" is taken/,
  ],
  [
    'the uid of root',
    { a: { accounts: { users: [{ name: 'u', uid: 0, gid: 1 }] } } },
    '/containers/a/accounts/users/0/uid',
    /"0" is taken/,
  ],
  [
    'two things at one path',
    { a: { files: [{ source: 'x', destination: '/x' }], links: [{ path: '/x', target: 'y' }] } },
    '/containers/a/files/0/destination',
    /"\/x" is taken/,
  ],
  [
    'a line break in /etc/passwd',
    { a: { accounts: { users: [{ name: 'u', uid: 1, gid: 1, home: '/x:\nroot2:x:0:0' }] } } },
    '/containers/a/accounts/users/0/home',
    /without ":" and line breaks/,
  ],
  ['a CI name twice', { a: { ci_name: 'b-ci' }, b: {} }, '/containers/b', /CI name/],
];
for (const [title, containers, pointer, message] of semantic) {
  test(`${title} is refused`, () => {
    const [problem] = problemsOf(withContainers(containers));
    assert.equal(problem?.pointer, pointer);
    assert.match(problem?.message ?? '', message);
  });
}

const texts: readonly [string, string, RegExp][] = [
  ['a key that stands twice', '{"a": 1,\n "a": 2}', /"a" stands here twice/],
  ['text after the end', '{} x', /unexpected "x"/],
  ['a nesting without end', '['.repeat(100_000), /nested deeper than 32/],
  ['a trailing comma', '{"a": 1,}', /expected a key/],
  ['half of a surrogate pair', '{"a": "\\ud800"}', /not valid Unicode/],
  ['a prototype', '{"__proto__": {}}', /"__proto__" is not allowed/],
  ['an empty file', '', /the end of the file/],
  ['more than 1 MiB', `"${'a'.repeat(1024 * 1024)}"`, /at most 1048576/],
];
for (const [title, text, message] of texts) {
  test(`${title} is refused`, () => {
    assert.match(problemsOf(text)[0]?.message ?? '', message);
  });
}

test('the JSON Schema lets defaults be left out and refuses unknown keys', () => {
  const schema = manifestJsonSchema() as { required: string[]; additionalProperties: unknown };
  assert.deepEqual(schema.required, ['manifest_version', 'project', 'containers']);
  assert.equal(schema.additionalProperties, false);
});
