// That a manifest made to hurt costs little and is refused with its place: long keys, many faults, deep circles, costly patterns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManifestError, parseLock, parseManifest } from '#manifests';
import { makeMatcher } from '../../manifests/glob.ts';
import { startProcessorTime } from '../support/processor-time.ts';

const where = { file: 'manifest.json' };

function refused(text: string): ManifestError {
  try {
    parseManifest(text, where);
  } catch (error) {
    assert.ok(error instanceof ManifestError, String(error));
    return error;
  }
  throw new Error('it was taken');
}

test('a key of half a megabyte above many values is refused at once', () => {
  const spentMs = startProcessorTime();
  const error = refused(`{"${'k'.repeat(500_000)}": [${'0,'.repeat(250_000)}0]}`);
  assert.match(error.message, /key of 500000 characters/);
  assert.ok(error.message.length < 10_000);
  assert.ok(spentMs() < 2000);
});

test('nested keys as long as they may be, with many values below, take little memory', () => {
  const depth = 20;
  const keys = Array.from({ length: depth }, (_, index) => `x-${String(index).padEnd(200, 'k')}`);
  const inner = `[${'0,'.repeat(400_000)}0]`;
  const spentMs = startProcessorTime();
  const error = refused(`${keys.map((key) => `{"${key}":`).join('')}${inner}${'}'.repeat(depth)}`);
  assert.match(error.message, /manifest_version/);
  assert.ok(spentMs() < 4000);
});

test('of very many faults the first are told, and how many there are', () => {
  const keys = Array.from({ length: 40_000 }, (_, index) => `"bad${index}": 1`);
  const error = refused(
    `{"manifest_version":"1.0","project":{"name":"p"},"containers":{"a":{}},\n${keys.join(',\n')}}`,
  );
  assert.ok(error.problems.length <= 100);
  assert.match(error.message, /40000 problems/);
  assert.match(error.message, /line 2/);
  assert.ok(error.message.length < 20_000);
});

test('a chain of dependencies that is too long is refused, not followed to the end of the stack', () => {
  const containers = Array.from({ length: 20_000 }, (_, index) => `"a${index}":{"depends_on":{"a${index + 1}":{}}}`);
  const error = refused(`{"manifest_version":"1.0","project":{"name":"p"},"containers":{${containers.join(',')}}}`);
  assert.equal(error.code, 'invalid-manifest');
  assert.match(error.message, /at most 500/);
});

test('names that every object has by itself are names like others', () => {
  const manifest = parseManifest(
    JSON.stringify({
      manifest_version: '1.0',
      project: { name: 'constructor' },
      applications: { constructor: { source: { path: '.' } } },
      containers: { constructor: { applications: { constructor: { destination: '/a' } } } },
    }),
    where,
  );
  assert.equal(manifest.containers['constructor']?.applications['constructor']?.destination, '/a');
  const error = refused(
    '{"manifest_version":"1.0","project":{"name":"p"},"containers":{"a":{"depends_on":{"constructor":{}}}}}',
  );
  assert.match(error.message, /there is no container "constructor"/);
});

test('a byte order mark is named, with how to take it away', () => {
  const error = refused('\ufeff{"manifest_version":"1.0"}');
  assert.match(error.message, /byte order mark/);
});

test('a lock of many containers with many packages is read, though it has more than a megabyte', () => {
  const packages = Array.from({ length: 500 }, (_, index) => ({
    name: `package-${String(index).padStart(4, '0')}`,
    version: '1:1.2.3-4+deb12u5',
    architecture: 'amd64',
    sha256: 'a'.repeat(64),
    size_bytes: 1000,
    pool_path: `pool/main/p/package/package-${index}_1.2.3-4+deb12u5_amd64.deb`,
  }));
  const one = { 'linux/amd64': { asked: `sha256:${'b'.repeat(64)}`, packages } };
  const containers = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`c${index}`, one]));
  const text = JSON.stringify({ lock_version: '1.0', containers }, undefined, 2);
  assert.ok(text.length > 2 * 1024 * 1024);
  assert.equal(Object.keys(parseLock(text, { file: 'manifest.lock.json' }).containers).length, 20);
});

test('a pattern that would make a backtracking matcher explode answers at once', () => {
  const long = Array.from({ length: 60 }, () => 'a').join('/');
  const spentMs = startProcessorTime();
  assert.equal(makeMatcher([`${'**/'.repeat(30)}b`])(long), false);
  assert.equal(makeMatcher([`${'*a'.repeat(40)}b`])('a'.repeat(250)), false);
  assert.equal(makeMatcher([`${'**/*a*/'.repeat(20)}**/c`])(long), false);
  assert.ok(spentMs() < 500);
});

test('patterns take what they say', () => {
  const takes = (glob: string, path: string): boolean => makeMatcher([glob])(path);
  for (const [glob, path] of [
    ['**', 'a'],
    ['**', 'a/b/.c'],
    ['*', '.a'],
    ['a/**', 'a/b'],
    ['**/b', 'b'],
    ['**/b', 'a/a/b'],
    ['a/**/b', 'a/b'],
    ['a/**/b', 'a/x/y/b'],
    ['a**b', 'axxb'],
    ['?', '😀'],
    ['a.b', 'a.b'],
    ['**/a/**/b/*', 'x/a/y/a/b/z'],
    ['*\n', 'a\n'],
  ] as const)
    assert.ok(takes(glob, path), `${glob} takes ${path}`);
  for (const [glob, path] of [
    ['a/**', 'a'],
    ['*', 'a/b'],
    ['a.b', 'axb'],
    ['a**b', 'a/b'],
    ['**/b', 'ab'],
    ['?', 'ab'],
    ['a/**/b', 'ab'],
    ['A', 'a'],
  ] as const)
    assert.ok(!takes(glob, path), `${glob} does not take ${path}`);
});
