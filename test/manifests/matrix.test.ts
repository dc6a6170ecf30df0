// The matrix of determinism, the part that needs no engine: a checkout, a process or a stack that differs builds the same digests.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { Daemons } from '../support/daemons.ts';
import { openFolder } from './folder.ts';
import { checkOut, perturbations } from './matrix-perturbations.ts';
import { buildProject, digestsOf, sources, type World, ways, writeRest } from './matrix-project.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const [fakeTime] = globSync('/usr/lib/*/faketime/libfaketime.so.1');

process.umask(0o022);
const closing = new AsyncDisposableStack();
after(() => closing.disposeAsync());
const place = closing.use(await openFolder()).path;
const usual = path.join(place, 'usual');
await mkdir(usual);
await checkOut(usual, sources);
await writeRest(usual);
const store = path.join(place, 'store');
const expected = digestsOf(await buildProject(usual, store));

test('each of the ways gives an image of its own', () => {
  assert.deepEqual(Object.keys(expected).sort(), [...ways].sort());
  assert.equal(new Set(Object.values(expected).map(([, digest]) => digest)).size, ways.length);
});

test('a rebuild without what the store knows has the same digests', async () => {
  const built = await buildProject(usual, store, { useCache: false });
  assert.ok(built.images.every(({ cached }) => !cached));
  assert.deepEqual(digestsOf(built), expected);
});

for (const perturbation of perturbations) {
  const { name, needsRoot, show } = perturbation;
  test(`${name}: the same digests`, { skip: needsRoot && !isRoot && 'only root may' }, async () => {
    await using other = await openFolder();
    const directory = path.join(other.path, 'checkout');
    await mkdir(directory);
    await checkOut(directory, sources, perturbation);
    await writeRest(directory);
    assert.notDeepEqual(await show(directory, sources), await show(usual, sources), 'it changes something');
    assert.deepEqual(digestsOf(await buildProject(directory, path.join(other.path, 'store'))), expected);
  });
}

test('another byte in a source is another image of those that hold it, so the matrix can tell', async () => {
  await using other = await openFolder();
  await cp(usual, other.path, { recursive: true });
  await checkOut(other.path, [['app/index.html', '<P>']]);
  const changed = digestsOf(await buildProject(other.path, path.join(other.path, 'store')));
  for (const way of ways) assert.notDeepEqual(changed[way], expected[way], way);
});

async function elsewhere(environment: NodeJS.ProcessEnv, directory = usual): Promise<World> {
  await using other = await openFolder();
  const program = path.join(import.meta.dirname, 'matrix-project.ts');
  const words = [program, directory, path.join(other.path, 'store')];
  const { stdout } = await run(process.execPath, words, { env: { ...process.env, ...environment } });
  return JSON.parse(stdout) as World;
}

test('another locale, time zone and directory, in a process of its own: the same digests', async () => {
  await using other = await openFolder();
  const directory = path.join(other.path, 'ein ganz anderer Ort');
  await cp(usual, directory, { recursive: true, preserveTimestamps: true });
  const world = await elsewhere({ LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8', TZ: 'Pacific/Apia' }, directory);
  const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions();
  assert.equal(world.locale, 'tr-TR');
  assert.equal(world.zone, 'Pacific/Apia');
  assert.notDeepEqual([world.locale, world.zone], [locale, timeZone]);
  assert.deepEqual(world.digests, expected);
});

test('a clock of another year, told to the whole process: the same digests', {
  skip: fakeTime === undefined && 'needs libfaketime (apt-get install faketime)',
}, async () => {
  const world = await elsewhere({
    LD_PRELOAD: fakeTime,
    FAKETIME: '@2039-02-03 04:05:06',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  });
  assert.equal(world.year, 2039);
  assert.deepEqual(world.digests, expected);
});

test('another stack, with a home, a key and a clock of its own, builds and records the same images', async () => {
  await using other = await openFolder();
  const directory = path.join(other.path, 'checkout');
  await checkOut(path.join(directory), sources);
  await writeRest(directory);
  await using daemons = new Daemons();
  const later = Date.UTC(2041, 5, 6) - Date.now();
  const one = await daemons.open('one');
  const two = await daemons.open('two', { now: () => Date.now() + later });
  assert.notEqual(one.node.context.registry.stack, two.node.context.registry.stack);
  // Without an engine there are no steps, and a daemon's packages are those of its mirror.
  const file = await withoutSteps(directory);
  const [first, second] = [
    await one.ask('POST', '/api/builds', { file }),
    await two.ask('POST', '/api/builds', { file }),
  ];
  assert.deepEqual([first.status, second.status], [200, 200], JSON.stringify([first.body, second.body]));
  assert.deepEqual(second.body.images, first.body.images);
  for (const image of first.body.images) assert.equal(image.digest, expected[image.container]?.[1], image.container);
  assert.equal(first.body.images.length, 3);
});

/** The manifest without the containers that need packages or an engine: its file. */
async function withoutSteps(directory: string): Promise<string> {
  const file = path.join(directory, 'manifest.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  delete manifest.containers.packages;
  delete manifest.containers.compiled;
  delete manifest.applications.program;
  await writeFile(file, JSON.stringify(manifest));
  return file;
}
