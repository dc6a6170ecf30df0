// What a sweep of a whole stack leaves alone: what its records, its engine and its journal stand on, and what goes with the rest.
import assert from 'node:assert/strict';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { makeMemoryEngine } from '#container-ci';
import { openJournal } from '#daemon/deploy';
import { keepSwept, openUses, rootsOf } from '#daemon/sweep';
import { digestOf } from '#manifests';
import { Daemons, type Stack } from '../../support/daemons.ts';
import { eventually } from '../../support/deadline.ts';

const { signal } = new AbortController();
const day = 24 * 60 * 60_000;

/** Builds a manifest of one file. */
async function build(stack: Stack, content: string) {
  const folder = path.join(stack.home, `project-${content}`);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'page.html'), content);
  const file = path.join(folder, 'manifest.json');
  const web = { files: [{ source: 'page.html', destination: '/page.html' }], command: ['/none'] };
  await writeFile(file, JSON.stringify({ manifest_version: '1.0', project: { name: content }, containers: { web } }));
  const { status, body } = await stack.ask('POST', '/api/builds', { file });
  assert.equal(status, 200, JSON.stringify(body));
  return { file, digest: body.images[0].digest as string, buildKey: body.images[0].buildKey as string };
}

async function blobsOf(stack: Stack): Promise<string[]> {
  const all = await readdir(path.join(stack.home, 'blobs/sha256'), { recursive: true });
  return all.filter((name) => name.includes('/')).map((name) => path.join(stack.home, 'blobs/sha256', name));
}

/** As if nobody had used anything for 50 days. */
async function age(stack: Stack): Promise<void> {
  const at = new Date(Date.now() - 50 * day);
  for (const file of await blobsOf(stack)) await utimes(file, at, at);
}

async function prune(stack: Stack, more: object = {}) {
  const { status, body } = await stack.ask('POST', '/api/prunes', { limitGib: 0, ...more });
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

test('what a stack built stays with its attestations, a dry run tells what would go, and a build whose record is gone goes', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const [kept, dropped] = [await build(stack, 'kept'), await build(stack, 'dropped')];
  await age(stack);
  assert.deepEqual([(await prune(stack)).removed, (await prune(stack)).neededBytes > 0], [0, true]);
  const { registry } = stack.node.context;
  const own = registry.directory.list<{ project?: string }>({ stack: registry.stack });
  registry.write(
    own
      .filter(({ kind, body }) => ['build', 'manifest'].includes(kind) && body.project === 'dropped')
      .map(({ kind, name }) => ({ kind, name, body: undefined })),
  );
  const files = await blobsOf(stack);
  const dry = await prune(stack, { dryRun: true });
  // This stack alone says that it holds it, with its manifest: nobody else could give it back.
  assert.equal(dry.removed, 0);
  registry.write([{ kind: 'blob-holding', name: dropped.digest, body: undefined }]);
  const wet = await prune(stack, { dryRun: true });
  assert.ok(wet.removed > 3 && wet.dryRun);
  assert.deepEqual(await blobsOf(stack), files);
  const swept = await prune(stack);
  assert.deepEqual([swept.removed, swept.removedBytes, swept.dryRun], [wet.removed, wet.removedBytes, false]);
  assert.equal((await blobsOf(stack)).length, files.length - swept.removed);
  assert.ok(swept.blobs.some((one: { digest: string }) => one.digest === dropped.digest));
  const verified = await stack.ask('POST', '/api/verifications', { target: kept.digest });
  assert.equal(verified.body.allowed, true, JSON.stringify(verified.body));
  assert.equal((await build(stack, 'dropped')).digest, dropped.digest);
});

test('what was pulled goes once it is old and another stack has it, and then no record says that it is here', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  const { digest } = await build(berlin, 'shop');
  const holders = (at: Stack) =>
    at.node.context.registry.directory.list({ kind: 'blob-holding', name: digest }).map(({ stackName }) => stackName);
  await eventually('the holding arrived', () => holders(paris).length === 1);
  const pulled = await paris.ask('POST', '/api/pulls', { digest });
  assert.equal(pulled.status, 200, JSON.stringify(pulled.body));
  await eventually('both hold it', () => holders(berlin).length === 2);
  assert.equal((await prune(paris)).removed, 0, 'it was used just now');
  for (const stack of [berlin, paris]) await age(stack);
  assert.equal((await prune(berlin)).removed, 0, 'it is its own');
  assert.ok((await prune(paris)).removed >= 3);
  await eventually('it is said no longer', () => assert.deepEqual(holders(berlin), ['berlin']) === undefined);
});

test('roots are what the engine runs by reference, id or label, what the journal is in the middle of, and what records name', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const { digest, buildKey } = await build(stack, 'shop');
  const { registry } = stack.node.context;
  const [byReference, byId, byLabel, before, planned] = ['a', 'b', 'c', 'd', 'e'].map((text) => digestOf(text));
  assert.ok(byReference && byId && byLabel && before && planned);
  const { engine, controls } = makeMemoryEngine();
  await engine.createNetwork('n', {}, { signal });
  for (const [index, image] of [`127.0.0.1:8001/shop/web@${byReference}`, byId].entries()) {
    controls.addImage(image);
    await engine.createContainer(
      {
        name: `one-${index}`,
        image,
        labels: { 'io.hermesh.manifest': byLabel },
        network: { name: 'n', aliases: [] },
        publish: [],
        restart: 'no',
      },
      { signal },
    );
  }
  const rows = new Map<string, string>();
  const journal = openJournal({
    list: () => [...rows].map(([project, body]) => ({ project, body })),
    put: (project, body) => void rows.set(project, body),
    remove: (project) => void rows.delete(project),
  });
  journal.begin('shop', {
    act: 'run',
    plan: {
      project: 'shop',
      kept: [],
      adopted: [],
      tiers: [],
      steps: [{ do: 'pull', container: 'web', reference: `127.0.0.1:8001/shop/web@${planned}`, after: [] }],
    },
    isEnding: false,
    manifestDigest: undefined,
    digests: { web: before },
    entry: { principal: 'p', operation: 'run', inputDigest: '', rule: '' },
  });
  const ask = () => rootsOf({ registry, engine, journal }, { blobs: [], pulledSinceMs: 0, signal });
  const roots = await ask();
  for (const one of [byReference, byId, byLabel, before, planned, digest, buildKey])
    assert.ok(roots.has(one as typeof before), one);
  journal.end('shop');
  assert.equal((await ask()).has(planned), false);
});

test('an engine that does not answer keeps everything', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const { registry } = stack.node.context;
  const { engine, controls } = makeMemoryEngine();
  controls.lose();
  await assert.rejects(
    rootsOf({ registry, engine, journal: { texts: () => [] } }, { blobs: [], pulledSinceMs: 0, signal }),
    { code: 'engine-unreachable' },
  );
});

test('what goes on counts from when the oldest began, also where it fails', async () => {
  let now = 100;
  const uses = openUses(() => now);
  const [first, second] = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
  assert.equal(uses.since(), undefined);
  const one = uses.during((gate: Promise<number>) => gate);
  const running = [one(first.promise)];
  now = 200;
  running.push(one(second.promise));
  assert.equal(uses.since(), 100);
  first.reject(new Error('broken off'));
  await assert.rejects(running[0] ?? Promise.resolve(), /broken off/);
  assert.equal(uses.since(), 200);
  second.resolve(7);
  assert.equal(await running[1], 7);
  assert.equal(uses.since(), undefined);
});

test('the store is swept again and again, after a fault too, until it is told to end', async () => {
  const swept: number[] = [];
  const faults: unknown[] = [];
  let turns = 0;
  const third = Promise.withResolvers<void>();
  {
    await using _sweeping = keepSwept(
      async () => {
        turns += 1;
        if (turns === 2) throw new Error('the engine is away');
        return { sizeBytes: 0, neededBytes: 0, removed: turns, removedBytes: 0, blobs: [] };
      },
      {
        everyMs: 1,
        onSwept: ({ removed }) => {
          swept.push(removed);
          if (removed === 3) third.resolve();
        },
        onFault: (error) => faults.push(error),
      },
    );
    const alive = setInterval(() => undefined, 1_000);
    await third.promise.finally(() => clearInterval(alive));
  }
  const ended = turns;
  await turn();
  assert.deepEqual([swept.slice(0, 2), faults.length, turns], [[1, 3], 1, ended]);
});
