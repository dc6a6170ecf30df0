// That a lock pins what was resolved, and is found out where it doesn't fit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLock, lockManifest, parseLock, parseManifest } from '#manifests';
import { makeMemoryPackageSource } from '#manifests/debian';
import { lockedPackages, lockedToolchain } from '../../manifests/lock.ts';

const signal = AbortSignal.timeout(60_000);
const manifestOf = (debian: string[]) =>
  parseManifest(
    JSON.stringify({ manifest_version: '1.0', project: { name: 'p' }, containers: { a: { debian }, b: {} } }),
    { file: 'manifest.json' },
  );
const packages = await makeMemoryPackageSource([
  { name: 'tool', version: '1.0', depends: ['libtool'], entries: [] },
  { name: 'libtool', version: '2.0', entries: [] },
]);
const lock = await lockManifest(manifestOf(['tool', 'libtool']), packages, { signal, report: () => {} });

test('a lock is written with the same bytes however it was made, and read back', () => {
  const text = formatLock(lock);
  assert.equal(formatLock(parseLock(text, { file: 'l' })), text);
  assert.ok(!text.includes('://'), 'no address of a mirror');
  assert.deepEqual(Object.keys(lock.containers), ['a']);
});

test('a lock fits the same names in any order, and no others', () => {
  const names = (debian: string[], container = 'a') =>
    lockedPackages(manifestOf(debian), lock, container, 'linux/amd64').map(({ name }) => name);
  assert.deepEqual(names(['libtool', 'tool']), ['libtool', 'tool']);
  assert.deepEqual(names(['tool'], 'b'), []);
  assert.throws(() => names(['tool']), {
    code: 'lock-mismatch',
    message: /other names of packages; run "hermesh manifest lock/,
  });
  assert.throws(() => lockedPackages(manifestOf(['tool']), undefined, 'a', 'linux/amd64'), { code: 'lock-mismatch' });
  assert.throws(() => lockedPackages(manifestOf(['tool', 'libtool']), lock, 'a', 'linux/arm64'), {
    code: 'lock-mismatch',
  });
});

test('a lock with an address, a path that leads out or a short hash is refused with its place', () => {
  for (const [key, value] of [
    ['pool_path', 'http://mirror/pool/main/t/tool/tool.deb'],
    ['pool_path', 'pool/../../etc/passwd.deb'],
    ['sha256', 'abc'],
    ['url', 'http://mirror'],
  ] as const) {
    const changed = structuredClone(lock);
    Object.assign(changed.containers['a']?.['linux/amd64']?.packages[0] ?? {}, { [key]: value });
    assert.throws(() => parseLock(JSON.stringify(changed), { file: 'l' }), {
      code: 'invalid-lock',
      message: new RegExp(`/containers/a/linux~1amd64/packages/0/${key}`),
    });
  }
});

test('a lock holds the toolchain of each step for each platform of its users, and no step is built with another', async () => {
  const of = (debian: string[]) =>
    parseManifest(
      JSON.stringify({
        manifest_version: '1.0',
        project: { name: 'p' },
        applications: {
          app: {
            runtime: { debian: ['libtool'] },
            build: { steps: [{ name: 'make', debian, run: ['make'] }] },
          },
        },
        containers: { a: { applications: ['app'], platforms: ['linux/arm64', 'linux/amd64'] } },
      }),
      { file: 'manifest.json' },
    );
  const made = await lockManifest(of(['tool']), packages, { signal, report: () => {} });
  assert.deepEqual(Object.keys(made.steps['app']?.['make'] ?? {}).sort(), ['linux/amd64', 'linux/arm64']);
  const place = { application: 'app', step: 'make' };
  const names = lockedToolchain(of(['tool']), made, place, 'linux/arm64').map(({ name }) => name);
  assert.deepEqual(names, ['libtool', 'tool']);
  assert.equal(formatLock(parseLock(formatLock(made), { file: 'l' })), formatLock(made));
  assert.throws(() => lockedToolchain(of([]), made, place, 'linux/amd64'), {
    code: 'lock-mismatch',
    message: /step "make" of "app"/,
  });
});

test('a lock of before there were steps and bases is still read', () => {
  const old = parseLock('{"lock_version": "1.0", "containers": {}}', { file: 'l' });
  assert.deepEqual(old, { lock_version: '1.0', containers: {}, steps: {}, bases: {} });
});
