// That a build is the same everywhere, changes with what it is made of alone, and leaves nothing half done.
import assert from 'node:assert/strict';
import { chmod, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import {
  type BlobStore,
  type Build,
  buildImages,
  type Digest,
  digestOf,
  type Lock,
  lockManifest,
  openBlobStore,
  parseManifest,
} from '#manifests';
import { makeMemoryPackageSource, type PackageSource, type ReadEntry, readTar } from '#manifests/debian';
import type { TarEntry } from '../../manifests/tar.ts';
import { gather, openFolder, pieces } from './folder.ts';

const signal = AbortSignal.timeout(120_000);
const owner = { uid: 0, gid: 0 };

function file(name: string, text: string, mode = 0o644): TarEntry {
  const bytes = Buffer.from(text);
  return { path: name, type: 'file', size: bytes.length, content: () => pieces(bytes), mode, ...owner };
}

const packages = await makeMemoryPackageSource([
  {
    name: 'tool',
    version: '1.0',
    depends: ['base'],
    entries: [file('usr/bin/tool', 'tool', 0o4755), file('lib/tool/data', 'data'), file('etc/tool.conf', 'default')],
  },
  {
    name: 'base',
    version: '1:1.0',
    compression: 'gz',
    entries: [
      { path: 'lib', type: 'symlink', target: 'usr/lib', mode: 0o777, ...owner },
      { path: 'var/tmp', type: 'directory', mode: 0o1777, ...owner },
      { path: 'srv', type: 'directory', mode: 0o750, uid: 7, gid: 8 },
      { path: 'run', type: 'directory', mode: 0o755, ...owner },
      { path: 'var/run', type: 'symlink', target: '/run', mode: 0o777, ...owner },
    ],
  },
  { name: 'rival', version: '1', entries: [file('usr/bin/tool', 'another')] },
]);

const text = {
  manifest_version: '1.0',
  project: { name: 'p' },
  applications: { app: { source: { path: 'app' } } },
  containers: {
    web: {
      debian: ['tool'],
      applications: { app: { destination: '/srv/app', owner: { uid: 10, gid: 20 } } },
      files: [{ source: 'tool.conf', destination: '/etc/tool.conf', mode: '0600' }],
      directories: [
        { path: '/tmp', mode: '1777' },
        { path: '/var/run/web', owner: { uid: 10, gid: 20 } },
      ],
      links: [{ path: '/usr/bin/alias', target: 'tool' }],
      accounts: { users: [{ name: 'web', uid: 10, gid: 20 }], groups: [{ name: 'web', gid: 20 }] },
      entrypoint: ['/usr/bin/tool'],
      environment: { B: '2', A: '1' },
      ports: [80],
      depends_on: { store: {} },
    },
    store: { command: ['x'] },
  },
};
const sources = { 'app/index.html': '<p>', 'app/sub/run.sh': 'run', 'tool.conf': 'mine' };

interface Trial {
  readonly directory: string;
  readonly blobs: BlobStore;
  readonly manifest?: object;
  readonly from?: PackageSource;
  readonly lock?: Lock;
  readonly useCache?: boolean;
  readonly signal?: AbortSignal;
}

async function build(trial: Trial): Promise<Build> {
  const manifest = parseManifest(JSON.stringify(trial.manifest ?? text), { file: 'manifest.json' });
  const lock = trial.lock ?? (await lockManifest(manifest, packages, { signal, report: () => {} }));
  const { directory, blobs, from = packages, useCache = true } = trial;
  return await buildImages({
    manifest,
    lock,
    directory,
    blobs,
    packages: from,
    report: () => {},
    signal: trial.signal ?? signal,
    useCache,
  });
}

async function open(files: Record<string, string> = sources) {
  const stack = new AsyncDisposableStack();
  const source = stack.use(await openFolder(files));
  const store = stack.use(await openFolder());
  return {
    directory: source.path,
    blobs: await openBlobStore(store.path),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the JSON of an image, of which each test looks at another part
async function json(blobs: BlobStore, digest: Digest): Promise<Record<string, any>> {
  return JSON.parse(Buffer.from(await blobs.bytes(digest, { maxBytes: 1_000_000 })).toString());
}

async function layersOf(
  blobs: BlobStore,
  digest: Digest,
): Promise<Map<string, Omit<ReadEntry, 'content'> & { text: string }>[]> {
  const manifest = await json(blobs, digest);
  return await Promise.all(
    manifest.layers.map(async (layer: { digest: Digest }) => {
      const entries = await Array.fromAsync(readTar(blobs.read(layer.digest)), async ({ content, ...facts }) => ({
        ...facts,
        text: (await gather(content)).toString(),
      }));
      return new Map(entries.map((entry) => [entry.path, entry]));
    }),
  );
}
const digests = (built: Build) =>
  built.images.map(({ container, buildKey, digest, configDigest }) => ({ container, buildKey, digest, configDigest }));

test('two builds in two places, with other times and modes, have the same digests', async () => {
  await using one = await open();
  await using two = await open(Object.fromEntries(Object.entries(sources).reverse()));
  await utimes(path.join(two.directory, 'app/index.html'), 1, 1);
  await chmod(path.join(two.directory, 'app/index.html'), 0o600);
  const first = await build(one);
  assert.deepEqual(
    first.images.map(({ container }) => container),
    ['store', 'web'],
  );
  assert.deepEqual(digests(await build(two)), digests(first));
  assert.deepEqual(digests(await build({ ...one, useCache: false })), digests(first));
});

test('one byte of a source changes the image, and only that of its container', async () => {
  await using trial = await open();
  const before = await build(trial);
  await writeFile(path.join(trial.directory, 'app/index.html'), '<P>');
  const after = await build(trial);
  assert.equal(after.images[0]?.digest, before.images[0]?.digest);
  assert.notEqual(after.images[1]?.digest, before.images[1]?.digest);
  const [old, now] = [
    await json(trial.blobs, before.images[1]?.digest ?? digestOf('')),
    await json(trial.blobs, after.images[1]?.digest ?? digestOf('')),
  ];
  assert.deepEqual(now.layers.slice(0, 2), old.layers.slice(0, 2));
});

test('what is built is not built again, unless a part of it is lost', async () => {
  await using trial = await open();
  const nothing: PackageSource = { ...packages, fetch: () => assert.fail('nothing is fetched') };
  const first = await build(trial);
  assert.ok(first.images.every(({ cached }) => !cached));
  const again = await build({ ...trial, from: nothing });
  assert.ok(again.images.every(({ cached }) => cached));
  const lost = first.images[1]?.configDigest.slice(7) ?? '';
  await rm(path.join(trial.blobs.directory, 'sha256', lost.slice(0, 2), lost));
  const mended = await build({ ...trial, from: nothing });
  assert.deepEqual(
    mended.images.map(({ cached }) => cached),
    [true, false],
  );
  assert.deepEqual(digests(mended), digests(first));
});

test('an edit of the lifecycle kind builds nothing', async () => {
  await using trial = await open();
  const first = await build(trial);
  const web = { ...text.containers.web, restart: 'no', publish: [{ port: 80 }] };
  const manifest = { ...text, containers: { ...text.containers, web } };
  const second = await build({ ...trial, manifest });
  assert.ok(second.images.every(({ cached }) => cached));
  assert.notEqual(second.manifestDigest, first.manifestDigest);
});

test('the layers hold packages, then what scripts would have made, then applications', async () => {
  await using trial = await open();
  const { images } = await build(trial);
  const layers = await layersOf(trial.blobs, images[1]?.digest ?? digestOf(''));
  const [first, second, third] = layers;
  assert.equal(layers.length, 3);
  assert.equal(first?.get('usr/bin/tool')?.mode, 0o4755);
  assert.equal(first?.get('usr/lib/tool/data')?.text, 'data', 'what is below a link lands where the link points');
  assert.equal(first?.get('lib')?.target, 'usr/lib');
  assert.equal(
    second?.get('etc/passwd')?.text,
    'root:x:0:0:root:/root:/bin/sh\nweb:x:10:20::/nonexistent:/usr/sbin/nologin\n',
  );
  assert.equal(second?.get('etc/group')?.text, 'root:x:0:\nweb:x:20:\n');
  assert.equal(second?.get('tmp')?.mode, 0o1777);
  assert.equal(second?.get('run/web')?.uid, 10, 'a folder goes through the link of a layer below');
  assert.equal(second?.get('var/run'), undefined);
  assert.equal(second?.get('usr/bin/alias')?.target, 'tool');
  const srv = third?.get('srv');
  assert.deepEqual([srv?.mode, srv?.uid, srv?.gid], [0o750, 7, 8], 'a parent stays as the layer below made it');
  const run = third?.get('srv/app/sub/run.sh');
  assert.deepEqual([run?.mode, run?.uid, run?.gid, run?.text], [0o644, 10, 20, 'run']);
  assert.deepEqual([third?.get('srv/app/sub')?.uid, third?.get('srv/app')?.uid], [10, 10]);
  assert.deepEqual([third?.get('etc/tool.conf')?.text, third?.get('etc/tool.conf')?.mode], ['mine', 0o600]);
});

test('the config says how it is run and nothing of the host', async () => {
  await using trial = await open();
  const { images } = await build(trial);
  const [store, web] = images;
  assert.ok(store && web);
  const manifest = await json(trial.blobs, web.digest);
  const config = await json(trial.blobs, web.configDigest);
  assert.equal(manifest.config.digest, web.configDigest);
  assert.deepEqual(
    config.rootfs.diff_ids,
    manifest.layers.map((layer: { digest: string }) => layer.digest),
  );
  assert.deepEqual(config.config, {
    Env: ['A=1', 'B=2', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    Entrypoint: ['/usr/bin/tool'],
    ExposedPorts: { '80/tcp': {} },
    User: '0:0',
    WorkingDir: '/',
  });
  assert.deepEqual([config.created, config.os, config.architecture], ['1970-01-01T00:00:00Z', 'linux', 'amd64']);
  const sizes = await Promise.all(
    [web.digest, ...[manifest.config, ...manifest.layers].map((part: { digest: Digest }) => part.digest)].map(
      (digest) => trial.blobs.size(digest),
    ),
  );
  assert.equal(
    web.sizeBytes,
    sizes.reduce((sum: number, size) => sum + (size ?? 0), 0),
  );
  assert.equal((await json(trial.blobs, store.digest)).layers.length, 1, 'an empty layer is left out');
});

test('a package that is not what the lock pins is refused, and the next build mends it', async () => {
  await using trial = await open();
  const lying: PackageSource = { ...packages, fetch: async () => pieces(Buffer.from('something else')) };
  await assert.rejects(build({ ...trial, from: lying }), { code: 'digest-mismatch', message: /lock FILE --refresh/ });
  const names = await readdir(trial.blobs.directory);
  assert.ok(!names.includes('images') || (await readdir(path.join(trial.blobs.directory, 'images'))).length === 1);
  assert.deepEqual(await readdir(path.join(trial.blobs.directory, 'tmp')), []);
  assert.equal((await build(trial)).images.length, 2);
});

test('a build that is given up ends with the reason and leaves no temporary file', async () => {
  await using trial = await open();
  const controller = new AbortController();
  const slow: PackageSource = {
    ...packages,
    fetch: async (locked, options) => {
      controller.abort(new Error('given up'));
      return await packages.fetch(locked, options);
    },
  };
  await assert.rejects(build({ ...trial, from: slow, signal: controller.signal }), /given up/);
  assert.deepEqual(await readdir(path.join(trial.blobs.directory, 'tmp')), []);
});

test('two parts that want one path are refused by both names', async () => {
  await using trial = await open();
  const changed = (web: object) => ({
    ...text,
    containers: { web: { ...text.containers.web, depends_on: {}, ...web } },
  });
  const cases: [object, RegExp][] = [
    [
      { debian: ['tool', 'rival'] },
      /"\/usr\/bin\/tool" into the image: both package "(rival|tool)" and package "(rival|tool)" want it/,
    ],
    [{ links: [{ path: '/usr', target: 'x' }] }, /"\/usr" .* a folder stands there/],
    [{ directories: [{ path: '/usr/bin/tool' }] }, /a file stands there/],
    [{ files: [{ source: 'tool.conf', destination: '/usr/bin/tool/x' }] }, /it is a file/],
    [
      {
        links: [
          { path: '/a', target: 'b' },
          { path: '/b', target: 'a' },
        ],
        directories: [{ path: '/a/x' }],
      },
      /circle/,
    ],
  ];
  for (const [web, message] of cases) {
    await assert.rejects(build({ ...trial, manifest: changed(web) }), { code: 'path-conflict', message });
  }
});

test('a source that is missing is told by its place in the manifest', async () => {
  await using trial = await open({ 'app/a': '' });
  await assert.rejects(build(trial), { code: 'missing-source', message: /"\/containers\/web\/files\/0\/source"/ });
});

test('builds at once in one store agree', async () => {
  await using trial = await open();
  const [one, two] = await Promise.all([build(trial), build(trial)]);
  assert.deepEqual(digests(one), digests(two));
});
