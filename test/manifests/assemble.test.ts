// That steps, platforms, layers and the time of an image are as the manifest says, and that a build tells what changed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, link, lutimes, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import {
  type BlobStore,
  type BuildStepRun,
  type BuildSteps,
  buildImages,
  type Digest,
  lockManifest,
  openBlobStore,
  parseManifest,
} from '#manifests';
import { makeMemoryPackageSource, readTar } from '#manifests/debian';
import { type TarEntry, writeTar } from '../../manifests/tar.ts';
import { gather, openFolder, pieces } from './folder.ts';

const signal = AbortSignal.timeout(120_000);
const root = { uid: 0, gid: 0 };

function file(name: string, text: string, mode = 0o644): TarEntry {
  const bytes = Buffer.from(text);
  return { path: name, type: 'file', size: bytes.length, content: () => pieces(bytes), mode, ...root };
}

const packages = await makeMemoryPackageSource([
  { name: 'tool', version: '1.0', entries: [file('usr/bin/tool', 'tool')] },
  { name: 'compiler', version: '2.0', entries: [file('usr/bin/cc', 'cc')] },
]);

const text = {
  manifest_version: '1.0',
  project: { name: 'p' },
  applications: {
    app: {
      source: { path: 'app' },
      lockfiles: [{ path: 'deps.lock', kind: 'npm' }],
      build: {
        steps: [
          { name: 'deps', inputs: ['deps.lock'], caches: ['npm'], run: ['get'], layer: 'dependencies' },
          { name: 'compile', debian: ['compiler'], needs: ['deps'], run: ['cc main'], environment: { OPT: '2' } },
        ],
      },
      start: 'exec ./main',
      ports: [8080],
    },
  },
  containers: {
    web: {
      debian: ['tool'],
      applications: { app: { destination: '/srv/app', owner: { uid: 7, gid: 7 }, content: ['deps', 'compile'] } },
      files: [{ source: 'conf', destination: '/etc/conf' }],
    },
  },
};
const sources = { 'app/main.c': 'main', 'app/deps.lock': '{}', conf: 'conf' };

/** A runner that says in its result what it was given, and counts. */
function makeRunner(blobs: BlobStore): { steps: BuildSteps; ran: BuildStepRun[] } {
  const ran: BuildStepRun[] = [];
  const run: BuildSteps['run'] = async (one, options) => {
    ran.push(one);
    const seen = await Array.fromAsync(readTar(blobs.read(one.sourceLayer)), (entry) => entry.path);
    const said = [...seen, ...one.results.map(({ name }) => name)].sort().join();
    const out = [file(`${one.step.name}/out`, said, 0o755)];
    return (await blobs.write(writeTar(out), { maxBytes: 1 << 20, signal: options.signal })).digest;
  };
  return { steps: { remembered: async () => undefined, run }, ran };
}

async function open(files: Record<string, string> = sources) {
  const stack = new AsyncDisposableStack();
  const source = stack.use(await openFolder(files));
  const store = stack.use(await openFolder());
  const blobs = await openBlobStore(store.path);
  return { directory: source.path, blobs, ...makeRunner(blobs), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Trial = Awaited<ReturnType<typeof open>>;

async function build(
  trial: Pick<Trial, 'directory' | 'blobs'> & { steps?: BuildSteps },
  changes: object = {},
  useCache = true,
) {
  const manifest = parseManifest(JSON.stringify({ ...text, ...changes }), { file: 'manifest.json' });
  const lock = await lockManifest(manifest, packages, { signal, report: () => {} });
  return await buildImages({ ...trial, manifest, lock, packages, report: () => {}, signal, useCache });
}

// biome-ignore lint/suspicious/noExplicitAny: the JSON of an image, of which each test looks at another part
async function json(blobs: BlobStore, digest: Digest): Promise<any> {
  return JSON.parse(Buffer.from(await blobs.bytes(digest, { maxBytes: 1_000_000 })).toString());
}

async function pathsOf(blobs: BlobStore, digest: Digest): Promise<string[][]> {
  const { layers } = (await json(blobs, digest)) as { layers: { digest: Digest }[] };
  return await Promise.all(
    layers.map((layer) => Array.fromAsync(readTar(blobs.read(layer.digest)), (entry) => entry.path)),
  );
}

test('results of steps stand where the application does, in their layers, above what changes less', async () => {
  await using trial = await open();
  const { images } = await build(trial);
  const image = images[0];
  assert.ok(image);
  assert.deepEqual(await pathsOf(trial.blobs, image.digest), [
    ['usr', 'usr/bin', 'usr/bin/tool'],
    ['etc', 'etc/group', 'etc/passwd'],
    ['srv', 'srv/app', 'srv/app/deps', 'srv/app/deps/out'],
    ['etc', 'etc/conf', 'srv', 'srv/app', 'srv/app/compile', 'srv/app/compile/out'],
  ]);
  const { config } = await json(trial.blobs, image.configDigest);
  assert.deepEqual(config.Cmd, ['/bin/sh', '-c', 'exec ./main']);
  assert.deepEqual([config.WorkingDir, config.ExposedPorts], ['/srv/app', { '8080/tcp': {} }]);
});

test('a source may say its layer: what lies there is left alone when the rest changes', async () => {
  await using folder = await openFolder({ 'vendor/lib': 'a library', 'app/main': 'first' });
  await using store = await openFolder();
  const trial = { directory: folder.path, blobs: await openBlobStore(store.path) };
  const split = {
    applications: {
      app: { source: { path: 'app' } },
      vendor: { source: { path: 'vendor', layer: 'dependencies' } },
    },
    containers: {
      web: { applications: { app: { destination: '/srv/app' }, vendor: { destination: '/srv/vendor' } } },
    },
  };
  const layersOf = async (): Promise<string[]> => {
    const { images } = await build(trial, split);
    return (await json(trial.blobs, images[0]?.digest as Digest)).layers.map((one: { digest: string }) => one.digest);
  };
  const [, before, main] = await layersOf();
  await writeFile(path.join(folder.path, 'app/main'), 'second');
  const [, after, changed] = await layersOf();
  assert.equal(after, before);
  assert.notEqual(changed, main);
});

test('a step sees its inputs, its toolchain and what it needs, and nothing else', async () => {
  await using trial = await open();
  await build(trial);
  const [deps, compile] = trial.ran;
  assert.ok(deps && compile);
  assert.deepEqual(
    deps.source.entries.map((entry) => entry.path),
    ['deps.lock'],
  );
  assert.deepEqual(
    deps.lockfiles.map(({ kind, file: { path: at } }) => [kind, at]),
    [['npm', 'deps.lock']],
  );
  assert.deepEqual([deps.root, compile.root.length], [[], 1]);
  assert.deepEqual(
    compile.results.map(({ name }) => name),
    ['deps'],
  );
  assert.deepEqual(
    compile.toolchain.map(({ name }) => name),
    ['compiler'],
  );
});

test('one step that two containers and two platforms take is run once for each platform', async () => {
  await using trial = await open();
  const containers = { web: text.containers.web, other: { ...text.containers.web, debian: [] } };
  const { images, indexes } = await build(trial, {
    containers,
    packaging: { platforms: ['linux/amd64', 'linux/arm64'] },
  });
  assert.deepEqual(
    images.map(({ container, platform }) => [container, platform]),
    ['other', 'web'].flatMap((name) => [
      [name, 'linux/amd64'],
      [name, 'linux/arm64'],
    ]),
  );
  assert.equal(trial.ran.length, 4);
  const index = await json(trial.blobs, indexes['web'] as Digest);
  assert.deepEqual(
    index.manifests.map(({ digest, platform }: { digest: Digest; platform: object }) => [digest, platform]),
    images.slice(2).map(({ digest, platform }) => [digest, { os: 'linux', architecture: platform.slice(6) }]),
  );
  const architectures = await Promise.all(
    images.map(async (one) => (await json(trial.blobs, one.configDigest)).architecture),
  );
  assert.deepEqual(architectures, ['amd64', 'arm64', 'amd64', 'arm64']);
});

test('steps without a runner are refused with the mend, and a lock file that the source lacks is told by its place', async () => {
  await using trial = await open();
  const { directory, blobs } = trial;
  await assert.rejects(build({ directory, blobs }), { code: 'no-runner', message: /start a stack with an engine/ });
  await rm(path.join(directory, 'app/deps.lock'));
  await assert.rejects(build(trial), { code: 'missing-source', message: /"\/applications\/app\/lockfiles\/0\/path"/ });
});

test('beyond the layer budget the lowest layers become one, and the files stay the same', async () => {
  await using trial = await open();
  const paths = async (layer_budget: number): Promise<string[][]> => {
    const { images } = await build(trial, { packaging: { layer_budget } });
    return await pathsOf(trial.blobs, images[0]?.digest as Digest);
  };
  const four = await paths(4);
  const two = await paths(2);
  const one = await paths(1);
  assert.deepEqual([four.length, two.length, one.length], [4, 2, 1]);
  assert.deepEqual(two[1], four[3], 'what changes most stays apart');
  assert.deepEqual(one.flat(), [...new Set(four.flat())].sort());
});

test('the epoch is the time of everything, and is a part of the key', async () => {
  await using trial = await open();
  const at = async (epoch: number) => {
    const image = (await build(trial, { packaging: { epoch } })).images[0];
    assert.ok(image);
    const { created, history } = await json(trial.blobs, image.configDigest);
    const { layers } = await json(trial.blobs, image.digest);
    const header = (await gather(trial.blobs.read(layers.at(-1).digest))).subarray(136, 147).toString();
    return { created, history: history[0].created, header: Number.parseInt(header, 8), key: image.buildKey };
  };
  const zero = await at(0);
  const later = await at(1_700_000_000);
  assert.deepEqual([zero.created, zero.header], ['1970-01-01T00:00:00Z', 0]);
  assert.deepEqual(
    [later.created, later.history, later.header],
    ['2023-11-14T22:13:20Z', '2023-11-14T22:13:20Z', 1_700_000_000],
  );
  assert.notEqual(zero.key, later.key);
});

test('a build tells which inputs changed since the last one', async () => {
  await using trial = await open();
  const changesOf = async (changes: object = {}) =>
    (await build(trial, changes)).images[0]?.changes?.map(({ input }) => input);
  assert.equal(await changesOf(), undefined, 'there was none before');
  assert.deepEqual(await changesOf(), []);
  await writeFile(path.join(trial.directory, 'app/main.c'), 'other');
  assert.deepEqual(await changesOf(), ['content/app/compile', 'steps/app/compile/source']);
  const web = { ...text.containers.web, debian: [], environment: { PORT: '1' } };
  assert.deepEqual(await changesOf({ containers: { web } }), ['environment/PORT', 'package tool']);
  assert.deepEqual(await changesOf({ containers: { web }, lifecycle: { stages: ['dev'] } }), []);
});

test('times, owners, modes, hard links, links and the order of files change no digest', async () => {
  await using one = await open();
  const expected = await build(one);
  await using two = await open(Object.fromEntries(Object.entries(sources).reverse()));
  const main = path.join(two.directory, 'app/main.c');
  await utimes(main, 5, 5);
  await lutimes(path.join(two.directory, 'conf'), 9, 9);
  await chmod(main, 0o600);
  await link(main, path.join(two.directory, 'hard'));
  const other = await build(two);
  const facts = ({ images }: typeof other) =>
    images.map(({ buildKey, digest, configDigest }) => [buildKey, digest, configDigest]);
  assert.deepEqual(facts(other), facts(expected));
  assert.deepEqual(facts(await build(two, {}, false)), facts(expected), 'without a cache too');
});

test('locale, time zone, umask and the place on the disk change no digest', async () => {
  const program = path.join(import.meta.dirname, 'shop-like.ts');
  const builtIn = async (variables: Record<string, string>, umask: string): Promise<string[]> => {
    await using source = await openFolder();
    await using store = await openFolder();
    const script = `umask ${umask}; exec "$@"`;
    const command = ['-c', script, 'sh', process.execPath, program, source.path, store.path];
    const { stdout } = await promisify(execFile)('sh', command, { env: { ...process.env, ...variables } });
    return stdout.match(/built sha256:[0-9a-f]{64}/g)?.sort() ?? [];
  };
  const plain = await builtIn({ LC_ALL: 'C', TZ: 'UTC' }, '022');
  assert.equal(plain.length, 2);
  assert.deepEqual(await builtIn({ LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8', TZ: 'Asia/Tokyo' }, '077'), plain);
  assert.deepEqual(await builtIn({ LC_ALL: 'C.UTF-8', TZ: 'Pacific/Chatham', HOME: '/nonexistent' }, '002'), plain);
});

test('an exact Node is pinned, checked, and stands in what is started and in its steps, not in a page that it only built', async () => {
  await using trial = await open();
  const archive = gzipSync(await gather(writeTar([file('package/bin/node', 'node'), file('package/README.md', 'r')])));
  const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
  const nodes = { resolve: async () => ({ integrity }), fetch: async () => pieces(archive) };
  const page = { ...text.applications.app, runtime: { node: '24.21.0' }, start: [] };
  const applications = { app: { ...text.applications.app, runtime: { node: '24.21.0' } }, page };
  const containers = { web: text.containers.web, still: { applications: { page: { destination: '/page' } } } };
  const manifest = parseManifest(JSON.stringify({ ...text, applications, containers }), { file: 'm' });
  const report = () => {};
  const lock = await lockManifest(manifest, packages, { signal, report, nodes });
  const request = { ...trial, manifest, packages, report, signal, useCache: true };
  await assert.rejects(buildImages({ ...request, lock: { ...lock, nodes: {} } }), {
    code: 'lock-mismatch',
    message: /Node 24.21.0/,
  });
  const lying = { ...nodes, fetch: async () => pieces(gzipSync('other')) };
  await assert.rejects(buildImages({ ...request, lock, nodes: lying }), { code: 'digest-mismatch' });
  const { images } = await buildImages({ ...request, lock, nodes });
  const paths = await Promise.all(images.map(async ({ digest }) => (await pathsOf(trial.blobs, digest)).flat()));
  assert.deepEqual(
    images.map(({ container }) => container),
    ['still', 'web'],
  );
  assert.deepEqual(
    paths.map((all) => all.includes('usr/local/bin/node')),
    [false, true],
  );
  const withToolchain = trial.ran.filter(({ root: layers }) => layers.length > 0);
  assert.equal(withToolchain.length, trial.ran.length);
});
