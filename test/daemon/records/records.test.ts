// Records of manifests and builds over several stacks: found from any, followed back, superseded, checked, and removed only when nothing needs them.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Daemons, type Stack } from '../../support/daemons.ts';
import { eventually } from '../../support/deadline.ts';

/** Builds a manifest of one file whose text is `content`. */
async function build(stack: Stack, content: string, more: object = {}) {
  const folder = path.join(stack.home, `project-${content}`);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'page.html'), content);
  const manifest = {
    manifest_version: '1.0',
    project: { name: 'shop', license: 'MIT' },
    containers: {
      web: {
        files: [{ source: 'page.html', destination: '/page.html' }],
        command: ['/none'],
        labels: { content },
        ...more,
      },
    },
  };
  const file = path.join(folder, 'manifest.json');
  await writeFile(file, JSON.stringify(manifest));
  const { status, body } = await stack.ask('POST', '/api/builds', { file });
  assert.equal(status, 200, JSON.stringify(body));
  return {
    manifest: body.manifestDigest as string,
    ...(body.images[0] as { buildKey: string; digest: string; configDigest: string }),
  };
}
const get = async (stack: Stack, record: string) =>
  stack.ask('GET', `/api/record?record=${encodeURIComponent(record)}`);

test('a build is found from any stack by manifest digest, build key or image digest, whole or by 12 characters', async () => {
  await using daemons = new Daemons();
  const [berlin, paris, rome] = await daemons.mesh('berlin', 'paris', 'rome');
  assert.ok(berlin && paris && rome);
  const made = await build(berlin, 'one');
  for (const stack of [paris, rome]) {
    await eventually('the build arrived', async () => (await get(stack, `build/${made.buildKey}`)).status === 200);
    for (const [wanted, kind] of [
      [made.manifest, 'manifest'],
      [made.manifest.slice(7, 19), 'manifest'],
      [made.buildKey.slice(7, 30), 'build'],
      [made.digest, 'build'],
      [`build/${made.configDigest.slice(0, 24)}`, 'build'],
      [`build/${made.manifest.slice(7, 25)}`, undefined],
    ] as const) {
      const { status, body } = await get(stack, wanted);
      assert.equal(status, kind === undefined ? 404 : 200, wanted);
      if (kind) assert.deepEqual([body.kind, body.stackName, body.claimants.length], [kind, 'berlin', 1]);
    }
  }
  assert.equal((await get(paris, made.digest.slice(7, 18))).status, 404, '11 characters are too few');
  daemons.hub.cut(berlin.node.context.registry.stack, paris.node.context.registry.stack);
  daemons.hub.cut(berlin.node.context.registry.stack, rome.node.context.registry.stack);
  await eventually('berlin is away', async () => (await get(paris, 'ci/berlin')).status === 404);
  assert.equal((await get(paris, made.manifest)).status, 200, 'what was built stays true');
});

test('a new manifest supersedes the one before, which stays as it was, and the lineage leads back', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const first = await build(stack, 'one');
  const before = (await get(stack, first.manifest)).body;
  const second = await build(stack, 'two');
  const third = await build(stack, 'three');
  await build(stack, 'one');
  assert.deepEqual((await get(stack, first.manifest)).body, before);
  assert.equal((await get(stack, second.manifest)).body.body.supersedes, first.manifest);
  assert.equal((await get(stack, third.buildKey)).body.body.supersedes, second.buildKey);
  const { body } = await stack.ask('GET', `/api/lineage/${third.buildKey.slice(7, 19)}`);
  assert.equal(body.isCut, false);
  const at = (depth: number) => body.nodes.filter((one: { depth: number }) => one.depth === depth);
  assert.deepEqual(
    at(1)
      .map((one: { name: string }) => one.name)
      .sort(),
    [second.buildKey, third.manifest].sort(),
  );
  assert.ok(
    body.nodes.some((one: { name: string; kind: string }) => one.kind === 'manifest' && one.name === first.manifest),
  );
  const { body: page } = await stack.ask(
    'GET',
    `/api/records?kind=manifest&where=${encodeURIComponent('body.project == "shop"')}`,
  );
  assert.equal(page.records.length, 3);
});

test('a lineage of hundreds ends at its bound, and one that runs in a circle ends where it began', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}`;
  const record = (n: number, supersedes: number) => ({
    kind: 'manifest',
    name: digest(n),
    body: { digest: digest(n), project: 'p', containers: [], sizeBytes: 1, supersedes: digest(supersedes) },
  });
  stack.node.context.registry.write(Array.from({ length: 300 }, (_, n) => record(n + 1, n)));
  const long = await stack.ask('GET', `/api/lineage/${digest(300)}`);
  assert.deepEqual([long.body.nodes.length, long.body.isCut], [200, true]);
  stack.node.context.registry.write([record(1, 5)]);
  const round = await stack.ask('GET', `/api/lineage/${digest(5)}`);
  assert.deepEqual([round.body.nodes.length, round.body.isCut], [5, false]);
  const short = await get(stack, `manifest/${digest(300).slice(7, 30)}`);
  assert.deepEqual([short.status, short.body.error.code], [409, 'ambiguous']);
});

test('what a manifest lacks of the standards stands in a record of its own, with evidence and mend', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const poor = await build(stack, 'poor', { ports: [80] });
  const rich = await build(stack, 'rich', {
    user: '1000',
    security: { read_only: true },
    resources: { memory_mib: 32, processes: 10 },
  });
  const check = async (digest: string) => (await stack.ask('POST', '/api/checks', { digest })).body;
  const found = await check(poor.manifest);
  const missing = found.checks.filter((one: { isMet: boolean }) => !one.isMet);
  assert.deepEqual(
    missing.map((one: { check: string }) => one.check),
    ['health-path', 'non-root', 'read-only-root', 'limits'],
  );
  assert.match(missing[0].evidence, /^\/containers\/web\/health is missing/);
  assert.ok(missing.every((one: { mend: string }) => one.mend.length > 0));
  assert.equal((await check(rich.manifest.slice(7, 25))).meetsStandards, true);
  const where = encodeURIComponent('kind == "check" && body.meetsStandards');
  const { body } = await stack.ask('GET', `/api/records?where=${where}`);
  assert.deepEqual(
    body.records.map((one: { body: { manifestDigest: string } }) => one.body.manifestDigest),
    [rich.manifest],
  );
});

test('a record that another comes from or a run names is kept, on any stack; one that nothing needs leaves a tombstone', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  const first = await build(berlin, 'one');
  const second = await build(berlin, 'two');
  const remove = (stack: Stack, digest: string) => stack.ask('DELETE', `/api/lineage/${digest}`);
  const refused = await remove(berlin, first.buildKey);
  assert.deepEqual([refused.status, refused.body.error.code], [409, 'in-use']);
  assert.match(refused.body.error.message, /build\/sha256:[0-9a-f]+@berlin supersedes it/);
  assert.match((await remove(berlin, second.manifest)).body.error.message, /was built from it/);
  await eventually('it arrived', async () => (await get(paris, second.buildKey)).status === 200);
  assert.equal((await remove(paris, second.buildKey)).body.error.code, 'forbidden');
  const run = {
    project: 'shop',
    manifestDigest: second.manifest,
    containers: [{ name: 'shop-web', container: 'web', id: 'x', digest: second.digest }],
  };
  paris.node.context.registry.write([{ kind: 'run', name: 'shop', body: run }]);
  await eventually('the run arrived', async () => (await get(berlin, 'run/shop')).status === 200);
  assert.match((await remove(berlin, second.buildKey)).body.error.message, /run\/shop@paris runs it/);
  paris.node.context.registry.write([{ kind: 'run', name: 'shop', body: undefined }]);
  await eventually('the run ended', async () => (await get(berlin, 'run/shop')).status === 404);
  assert.equal((await remove(berlin, second.buildKey)).status, 200);
  assert.equal((await remove(berlin, second.manifest)).status, 200);
  await eventually(
    'paris knows',
    async () => (await get(paris, `tombstone/manifest/${second.manifest}`)).status === 200,
  );
  assert.equal((await get(paris, second.manifest)).status, 404);
  await build(berlin, 'two');
  assert.equal((await get(berlin, second.manifest)).status, 200);
  assert.equal(
    (await get(berlin, `tombstone/manifest/${second.manifest}`)).status,
    404,
    'what is built again is there again',
  );
});
