// That `hermesh build --check` runs each step twice through a real daemon and engine, and names each file that differs.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openFolder } from '../../manifests/folder.ts';
import { startDaemon } from '../../support/daemon-process.ts';
import { engineWanted, startPrivateEngine } from '../../support/private-engine.ts';

const manifest = (run: readonly string[]) =>
  JSON.stringify({
    manifest_version: '1.0',
    project: { name: 'impure' },
    applications: {
      app: {
        source: { path: 'app' },
        build: { steps: [{ name: 'build', debian: ['coreutils', 'dash', 'usr-is-merged'], run }] },
      },
    },
    containers: { web: { applications: { app: { destination: '/srv', content: ['build'] } }, command: ['/x'] } },
  });
const impure = [
  'cp given /out/same',
  'date +%s%N > /out/date',
  'mkdir /out/sub',
  'head -c 8 /dev/urandom > /out/sub/noise',
];

test('a step that lets in the time and chance is built, and refused by --check with its files', {
  skip: engineWanted() ? false : 'HERMESH_TEST_ENGINE=none',
  timeout: 300_000,
}, async () => {
  await using closing = new AsyncDisposableStack();
  const folder = closing.use(await openFolder({ 'app/given': 'given\n' }));
  const engine = closing.use(await startPrivateEngine({ name: 'check' }));
  const environment = { DOCKER_HOST: `unix://${engine.socket}` };
  const daemon = closing.use(await startDaemon('check', { flags: ['--engine', 'docker'], environment }));
  const file = path.join(folder.path, 'manifest.json');
  await writeFile(file, manifest(impure));
  await daemon.json('hermesh', 'manifest', 'lock', file);
  const built = await daemon.json<{ images: { cached: boolean }[] }>('hermesh', 'build', file);
  assert.equal(built.images[0]?.cached, false);
  const checked = await daemon.run('hermesh', ['build', file, '--check']);
  assert.equal(checked.code, 1);
  const said = `${checked.stdout}${checked.stderr}`;
  assert.match(said, /step "build" of "app" \(\/applications\/app\/build\/steps\/0\)/);
  assert.match(said, /\/out\/date: content/);
  assert.match(said, /\/out\/sub\/noise: content/);
  assert.doesNotMatch(said, /\/out\/same/);
});
