// `hermesh manifest init` and `dockerfile`, as a person types them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openFolder } from '../manifests/folder.ts';
import { type Ran, runCommand } from '../support/daemon-process.ts';

const files = {
  'package.json':
    '{"name":"shop","scripts":{"start":"node server.js"},"dependencies":{"express":"4.19.2"},"engines":{"node":"22"}}',
  'package-lock.json': '{}',
  'server.js': "app.get('/health', ok);\napp.listen(3000);\n",
};

const hermesh = (home: string, ...words: string[]): Promise<Ran> =>
  runCommand('hermesh', ['--home', path.join(home, '.home'), 'manifest', ...words], { timeoutMs: 30_000 });

test('init writes a manifest that check finds right, and says which file decided what', async () => {
  await using folder = await openFolder(files);
  const ran = await hermesh(folder.path, 'init', folder.path);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^Wrote .*manifest\.json: shop\n$/);
  assert.match(ran.stderr, /port +3000 \[medium\] <- server\.js: line 2 listens on 3000/);
  const file = path.join(folder.path, 'manifest.json');
  assert.equal((await hermesh(folder.path, 'check', file)).code, 0);

  const first = await readFile(file, 'utf8');
  const again = await hermesh(folder.path, 'init', folder.path);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /Cannot write ".*manifest\.json": it is there already; --force writes over it/);
  assert.equal((await hermesh(folder.path, 'init', folder.path, '--force', '--quiet')).stderr, '');
  assert.equal(await readFile(file, 'utf8'), first);
});

test('init with --json prints the plan alone, with evidence', async () => {
  await using folder = await openFolder(files);
  const ran = await hermesh(folder.path, 'init', folder.path, '--json', '--quiet');
  const { plan } = JSON.parse(ran.stdout);
  assert.equal(plan.applications[0].health.value, '/health');
  assert.deepEqual(plan.applications[0].health.from, { file: 'server.js', what: 'line 1 answers /health' });
});

test('init of a folder without an application writes nothing and says why', async () => {
  await using folder = await openFolder({ 'package.json': '{"name":' });
  const ran = await hermesh(folder.path, 'init', folder.path);
  assert.equal(ran.code, 2, ran.stderr);
  assert.match(ran.stderr, /nothing to deploy was found[\s\S]*package\.json: is not JSON/);
  await assert.rejects(readFile(path.join(folder.path, 'manifest.json')), { code: 'ENOENT' });
  assert.equal((await hermesh(folder.path, 'init', path.join(folder.path, 'no'))).code, 2);
});

test('dockerfile writes again what nobody touched, and not what a hand edited: it shows the difference', async () => {
  await using folder = await openFolder(files);
  const [manifest, dockerfile] = [path.join(folder.path, 'manifest.json'), path.join(folder.path, 'Dockerfile')];
  assert.equal((await hermesh(folder.path, 'init', folder.path)).code, 0);
  assert.equal((await hermesh(folder.path, 'dockerfile', manifest)).code, 0);
  const first = await readFile(dockerfile, 'utf8');
  assert.match(first, /^# hermesh: sha256:[0-9a-f]{64}\n/);
  assert.match(first, /^EXPOSE 3000$/m);
  assert.match((await hermesh(folder.path, 'dockerfile', manifest)).stdout, /are as the manifest says/);

  const changed = (await readFile(manifest, 'utf8')).replaceAll('3000', '3001');
  await writeFile(manifest, changed);
  assert.equal((await hermesh(folder.path, 'dockerfile', manifest)).code, 0, 'nobody touched it');
  const second = await readFile(dockerfile, 'utf8');
  assert.match(second, /^EXPOSE 3001$/m);

  await appendFile(dockerfile, 'LABEL mine=1\n');
  const refused = await hermesh(folder.path, 'dockerfile', manifest);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /edited by hand; --force writes over it/);
  assert.match(refused.stderr, /^-LABEL mine=1$/m);
  const forced = await hermesh(folder.path, 'dockerfile', manifest, '--force');
  assert.equal(forced.code, 0);
  assert.equal(await readFile(dockerfile, 'utf8'), second);
});

test('the difference is one that git applies', async () => {
  await using folder = await openFolder(files);
  const [manifest, dockerfile] = [path.join(folder.path, 'manifest.json'), path.join(folder.path, 'Dockerfile')];
  await hermesh(folder.path, 'init', folder.path);
  await hermesh(folder.path, 'dockerfile', manifest);
  const wanted = await readFile(dockerfile, 'utf8');
  const edited = wanted.split('\n').filter((_, line) => line % 9 !== 3);
  await writeFile(dockerfile, ['# mine', ...edited, 'LABEL a=b', ''].join('\n'));
  const { stderr } = await hermesh(folder.path, 'dockerfile', manifest);
  const diff = stderr
    .slice(stderr.indexOf('--- '))
    .replace(/^--- .*$/m, '--- a/Dockerfile')
    .replace(/^\+\+\+ .*$/m, '+++ b/Dockerfile');
  await writeFile(path.join(folder.path, 'x.diff'), diff.replace(/\n+$/, '\n'));
  execFileSync('git', ['apply', '--unidiff-zero', 'x.diff'], { cwd: folder.path });
  assert.equal(await readFile(dockerfile, 'utf8'), wanted);
});

test('a Dockerfile that was there before decides of the manifest, and is not written over', async () => {
  await using folder = await openFolder({
    ...files,
    Dockerfile: 'FROM node:22\nEXPOSE 8123\nCMD ["node","server.js"]\n',
  });
  const manifest = path.join(folder.path, 'manifest.json');
  await hermesh(folder.path, 'init', folder.path);
  assert.match(await readFile(manifest, 'utf8'), /8123/);
  assert.equal((await hermesh(folder.path, 'dockerfile', manifest)).code, 1);
  await copyFile(path.join(folder.path, 'Dockerfile'), path.join(folder.path, 'Dockerfile.old'));
  await rm(path.join(folder.path, 'Dockerfile'));
  assert.equal((await hermesh(folder.path, 'dockerfile', manifest)).code, 0);
});
