// Drift is what the engine has and the manifest doesn't say: each kind is told with what was expected and what was found.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContainerSettings, type ContainerSpec, makeLabels, settingsOfSpec } from '#container-ci';
import { driftOf, type Found, isOfMaking } from '#cookbooks';

const identity = { stack: 's', manifestDigest: 'm', ci: 'c', buildKey: 'b', specDigest: 'd', dependsOn: '' };
const labels = makeLabels({ ...identity, project: 'shop', container: 'api' });
const spec: ContainerSpec = {
  name: 'shop-api',
  image: '127.0.0.1:8001/shop/api@sha256:aa',
  labels,
  network: { name: 'hermesh-shop', aliases: ['api'] },
  publish: [{ port: 80, hostPort: 8080 }],
  restart: 'always',
  memoryBytes: 64 << 20,
};
const at = Date.parse('2026-01-01T12:00:00Z');
const up = { status: 'running', exitCode: undefined, startedAt: new Date(at), restartCount: 0 } as const;
const look = (settings: Partial<ContainerSettings> = {}, state: Partial<Found['state']> = {}, completes = false) =>
  driftOf({
    project: 'shop',
    wanted: [
      {
        spec,
        found: { settings: { ...settingsOfSpec(spec), ...settings }, state: { ...up, ...state } },
        completes,
        startedAt: at,
      },
    ],
    running: [],
  });

test('a container that is as its spec says has no drift, whatever port the registry had', () => {
  assert.deepEqual(look(), []);
  assert.deepEqual(look({ image: '127.0.0.1:9999/shop/api@sha256:aa' }), []);
});

test('each thing that differs is told with what was expected and what was found', () => {
  const cases: [Partial<ContainerSettings>, string, RegExp, RegExp][] = [
    [{ image: 'x@sha256:bb' }, 'image', /sha256:aa/, /sha256:bb/],
    [{ changedEnvironment: ['DEBUG'] }, 'environment', /as in the image/, /DEBUG/],
    [{ changedCommand: true }, 'command', /image/, /another/],
    [
      { mounts: [{ kind: 'host', source: '/etc', path: '/x', readOnly: true }] },
      'mounts',
      /none/,
      /\/x from host \/etc/,
    ],
    [{ publish: [{ port: 80, hostPort: 9 }] }, 'ports', /80 at 8080/, /80 at 9/],
    [{ networks: ['hermesh-shop', 'other'] }, 'networks', /hermesh-shop/, /other/],
    [{ memoryBytes: 1 << 30 }, 'limits', /memoryBytes 67108864/, /memoryBytes 1073741824/],
    [{ restart: 'no' }, 'restart-policy', /always/, /no/],
    [{ security: { ...settingsOfSpec(spec).security, privileged: true } }, 'security', /none/, /privileged true/],
  ];
  for (const [settings, what, expected, actual] of cases) {
    const [drift, ...more] = look(settings);
    assert.ok(drift);
    assert.deepEqual([drift.what, more.length, isOfMaking(drift)], [what, 0, true]);
    assert.match(drift.expected, expected);
    assert.match(drift.actual, actual);
  }
});

test('one that stopped, was restarted by hand, is missing or too many is told, and work that is done is none of these', () => {
  assert.equal(look({}, { status: 'exited', exitCode: 1 })[0]?.actual, 'exited, exit code 1');
  assert.deepEqual(look({}, { status: 'exited', exitCode: 0 }, true), []);
  const [restarted] = look({}, { startedAt: new Date(at + 60_000) });
  assert.deepEqual([restarted?.what, restarted && isOfMaking(restarted)], ['restarted', false]);
  assert.deepEqual(look({}, { startedAt: new Date(at + 60_000), restartCount: 1 }), [], 'its policy restarted it');
  const extra = { id: 'e', name: 'shop-old', image: 'i', state: 'running' as const };
  const old = makeLabels({ ...identity, project: 'shop', container: 'old' });
  const all = driftOf({
    project: 'shop',
    wanted: [{ spec, found: undefined, completes: false }],
    running: [
      { ...extra, labels: old },
      { ...extra, name: 'stranger', labels: {} },
    ],
  });
  assert.deepEqual(
    all.map(({ name, what }) => `${name} ${what}`),
    ['shop-api missing', 'shop-old extra'],
  );
});
