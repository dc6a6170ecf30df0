// That the example is real: locked against the mirror, built twice alike, pulled by an engine of its own, and answering.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, utimes } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { openDockerEngine } from '#container-ci/docker';
import { carryOut, planRun, planStop } from '#cookbooks';
import {
  type BlobStore,
  type Build,
  buildImages,
  type Digest,
  lockManifest,
  manifestDigest,
  openBlobStore,
  parseManifest,
} from '#manifests';
import { answerDistribution, openRepositories, openUploads } from '#manifests/distribution';
import { openAptPackageSource } from '../../daemon/apt.ts';
import { eventually } from '../support/deadline.ts';
import { engineWanted, startPrivateEngine } from '../support/private-engine.ts';
import { openFolder } from './folder.ts';

const example = path.join(import.meta.dirname, '../../examples/shop');
const skip = engineWanted() ? false : 'HERMESH_TEST_ENGINE=none';
const signal = AbortSignal.timeout(600_000);

test('the shop is built alike in two places, and runs', { skip, timeout: 600_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await openFolder());
  const manifest = parseManifest(await readFile(path.join(example, 'manifest.json'), 'utf8'), {
    file: 'manifest.json',
  });
  const packages = openAptPackageSource({ directory: path.join(folder.path, 'apt') });
  const lock = await lockManifest(manifest, packages, { signal, report: () => {} });

  const build = async (directory: string, blobs: BlobStore): Promise<Build> =>
    await buildImages({ manifest, lock, directory, blobs, packages, report: () => {}, signal, useCache: true });
  const blobs = await openBlobStore(path.join(folder.path, 'one'));
  const built = await build(example, blobs);

  const umask = process.umask(0o077);
  const zone = process.env['TZ'];
  stack.defer(() => {
    process.umask(umask);
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  process.env['TZ'] = 'Asia/Tokyo';
  const copy = path.join(folder.path, 'copy');
  await cp(example, copy, { recursive: true });
  await utimes(path.join(copy, 'api/main.py'), 1, 1);
  const again = await build(copy, await openBlobStore(path.join(folder.path, 'two')));
  process.umask(umask);
  assert.deepEqual(again, built);

  for (const { digest } of built.images) {
    const { layers } = JSON.parse(Buffer.from(await blobs.bytes(digest, { maxBytes: 100_000 })).toString()) as {
      layers: { digest: Digest }[];
    };
    for (const layer of layers) await assertGnuTar(layer.digest, blobs, folder.path);
  }

  const registry = await serve(
    stack,
    blobs,
    built.images.map(({ digest }) => digest),
  );
  const { socket } = stack.use(await startPrivateEngine({ name: 'shop' }));
  const engine = stack.use(await openDockerEngine({ endpoint: socket }));
  const login = () => ({ username: 'any', password: 'any' });
  const parts = { engine, login, putSecrets: async () => undefined, now: Date.now };
  const engineThings = { volumes: [], adopted: new Set<string>() };
  const plan = planRun({
    manifest,
    manifestDigest: manifestDigest(manifest),
    images: built.images,
    ...engineThings,
    running: [],
    networks: [],
    drifted: new Set(),
    platform: 'linux/amd64',
    secretsFolder: '/nowhere',
    stack: 'test',
    registryAddress: registry,
  });
  await carryOut(plan, parts, { signal });
  for (const image of built.images) {
    const state = await engine.inspect(`shop-${image.container}`, { signal });
    assert.equal(state?.imageId, image.configDigest);
  }
  const frontend = await engine.inspect('shop-frontend', { signal });
  const origin = `http://127.0.0.1:${frontend?.published[0]?.hostPort}`;
  const get = async (where: string) => await fetch(`${origin}${where}`, { signal });
  await eventually('the shop is healthy', async () => (await get('/api/health')).ok, { timeoutMs: 30_000 });
  assert.match(await (await get('/')).text(), /<title>Shop<\/title>/);
  const added = await fetch(`${origin}/api/items`, { method: 'POST', body: '{"name": "tea"}', signal });
  assert.deepEqual([added.status, await added.json()], [201, { id: 1, name: 'tea' }]);
  assert.deepEqual(await (await get('/api/items')).json(), { items: [{ id: 1, name: 'tea' }], visits: 1 });
  const wrong = await fetch(`${origin}/api/items`, { method: 'POST', body: '{"name": 3}', signal });
  assert.equal(wrong.status, 400);

  await engine.stopContainer('shop-redis', { graceSeconds: 5, signal });
  const sick = await eventually('the api says what is wrong', async () => {
    const answer = await get('/api/health');
    return answer.status === 503 && ((await answer.json()) as { error: string });
  });
  assert.match(sick.error, /^redis: /);
  await eventually('its log says so too', async () => {
    const lines = await engine.logs('shop-api', { tail: 1000, signal });
    return lines.some(({ text }) => /"status": 503, "reason": "redis: /.test(text));
  });
  await engine.startContainer('shop-redis', { signal });
  await eventually('the shop is healthy again', async () => (await get('/api/health')).ok, { timeoutMs: 30_000 });
  for (const { container } of built.images) {
    await engine.stopContainer(`shop-${container}`, { graceSeconds: 8, signal });
    const state = await engine.inspect(`shop-${container}`, { signal });
    assert.equal(state?.exitCode, 0, 'it ends when it is asked to');
  }
  const running = await engine.containers({ signal });
  await carryOut(
    planStop({ ...engineThings, networks: [], project: 'shop', running, stack: 'test', withVolumes: false }),
    parts,
    { signal },
  );
  assert.deepEqual(await engine.containers({ signal }), []);
});

/** Anybody can make a layer again with GNU tar from what is in it. */
async function assertGnuTar(digest: Digest, blobs: BlobStore, folder: string): Promise<void> {
  const root = await mkdtemp(path.join(folder, 'layer-'));
  // tar stops reading at the end of the archive; the rest is drained, so that the pipe isn't closed on its writer.
  const unpack = 'tar -xpf - --same-owner --numeric-owner -C "$1" && cat > /dev/null';
  const command = `cd "$1" && ls -A | LC_ALL=C sort | LC_ALL=C tar -cf - --sort=name --mtime=@0 --numeric-owner --hard-dereference --format=ustar -b1 --verbatim-files-from -T - | sha256sum`;
  const unpacking = spawn('bash', ['-c', unpack, 'bash', root], { stdio: ['pipe', 'ignore', 'inherit'] });
  const unpacked = once(unpacking, 'exit');
  await pipeline(blobs.read(digest), unpacking.stdin);
  assert.deepEqual(await unpacked, [0, null]);
  const { stdout } = spawnSync('bash', ['-c', command, 'bash', root], { encoding: 'utf8' });
  assert.equal(`sha256:${stdout.slice(0, 64)}`, digest);
}

/** A registry on loopback in front of a store: HOST:PORT. */
async function serve(stack: AsyncDisposableStack, blobs: BlobStore, images: readonly Digest[]): Promise<string> {
  const context = {
    blobs,
    repositories: openRepositories(blobs),
    uploads: openUploads(blobs.directory),
    may: () => true,
    imagesOf: () => images,
  };
  const server = http.createServer(async ({ method = '', url = '', headers }, response) => {
    const range = headers.range;
    const answer = await answerDistribution({ method, path: url, headers: { range } }, context);
    response.writeHead(answer.status, answer.headers);
    if (answer.body === undefined || answer.body instanceof Uint8Array) response.end(answer.body);
    else Readable.from(answer.body).pipe(response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
