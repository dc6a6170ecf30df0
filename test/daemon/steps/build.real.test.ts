// That applications are compiled from their manifests: fetched by their locks, built offline in an engine, twice to the same digest.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { type BlobStore, type Build, buildImages, lockManifest, openBlobStore, parseManifest } from '#manifests';
import { readTar } from '#manifests/debian';
import { type ArtifactSource, openSteps } from '#manifests/steps';
import { openAptPackageSource } from '../../../daemon/apt.ts';
import { openRegistries } from '../../../daemon/steps/index.ts';
import { openFolder } from '../../manifests/folder.ts';
import { engineWanted } from '../../support/private-engine.ts';
import { type EngineTrial, openTrial } from './engines.ts';

const skip: string | false = engineWanted() ? false : 'HERMESH_TEST_ENGINE=none';
const options = { skip, timeout: 600_000 };
const signal = AbortSignal.timeout(1_200_000);
const registries = openRegistries();

let shared: Promise<EngineTrial> | undefined;
const open = (): Promise<EngineTrial> => {
  shared ??= openTrial([]);
  return shared;
};
after(async () => void (await (await shared)?.[Symbol.asyncDispose]()));

const shell = ['coreutils', 'dash', 'usr-is-merged'];
const copied = ['mkdir -p /tmp/build', 'cp -R /src/. /tmp/build/', 'cd /tmp/build'];

interface Work {
  readonly application: object;
  readonly directory: string;
  readonly blobs?: BlobStore;
  readonly artifacts?: ArtifactSource;
  readonly check?: boolean;
}

/** Locks and builds one application that a container takes the result of. */
async function build({ application, directory, ...work }: Work): Promise<Build & { readonly said: string[] }> {
  const trial = await open();
  const blobs = work.blobs ?? trial.blobs;
  const packages = openAptPackageSource({ directory: path.join(trial.folder, 'apt') });
  const text = {
    manifest_version: '1.0',
    project: { name: 'steps' },
    applications: { app: application },
    containers: { web: { applications: { app: { destination: '/srv/app', content: ['build'] } } } },
  };
  const manifest = parseManifest(JSON.stringify(text), { file: 'manifest.json' });
  const lock = await lockManifest(manifest, packages, { signal, report: () => {}, nodes: registries.nodes });
  const said: string[] = [];
  const parts = { manifest, blobs, runner: trial.runnerOver(blobs), check: work.check ?? false };
  const output = ({ text: line }: { text: string }): void => void said.push(line);
  const artifacts = work.artifacts ?? registries.artifacts;
  const steps = openSteps({ ...parts, artifacts, output });
  const request = { manifest, lock, directory, blobs, packages, nodes: registries.nodes, steps };
  try {
    return { ...(await buildImages({ ...request, report: () => {}, signal, useCache: true })), said };
  } catch (error) {
    throw Object.assign(error as Error, { said });
  }
}

async function filesOf({ images }: Build, blobs: BlobStore): Promise<string[]> {
  const { layers } = JSON.parse(
    Buffer.from(await blobs.bytes(images[0]?.digest as 'sha256:', { maxBytes: 1 << 20 })).toString(),
  );
  const lists = await Promise.all(
    layers.map((layer: { digest: 'sha256:' }) =>
      Array.fromAsync(readTar(blobs.read(layer.digest)), (entry) => entry.path),
    ),
  );
  return lists.flat();
}

const typescript = {
  runtime: { node: '24.21.0' },
  lockfiles: [{ path: 'package-lock.json', kind: 'npm' }],
  build: {
    steps: [
      {
        name: 'build',
        debian: [...shell, 'libstdc++6'],
        caches: ['npm'],
        run: [
          ...copied,
          'npm ci',
          'npm run build',
          'npm prune --omit=dev',
          'cp -R dist node_modules package.json /out/',
        ],
      },
    ],
  },
  start: ['node', 'dist/main.js'],
};

test(
  'a program in TypeScript with 52 packages is built by npm offline, to one digest in two stores',
  options,
  async () => {
    await using folder = await openFolder();
    const trial = await open();
    const directory = path.join(import.meta.dirname, 'typescript-app');
    const built = await build({ application: typescript, directory });
    const files = await filesOf(built, trial.blobs);
    assert.ok(files.includes('srv/app/dist/main.js') && files.includes('srv/app/node_modules/fastify/package.json'));
    assert.ok(!files.includes('srv/app/node_modules/typescript'), 'what only the build needs is gone');
    // Elsewhere, and with a lock that says addresses: what the step leaves is the same, and so is the image.
    const copy = path.join(folder.path, 'copy');
    await cp(directory, copy, { recursive: true });
    const blobs = await openBlobStore(path.join(folder.path, 'blobs'));
    const again = await build({ application: typescript, directory: copy, blobs });
    assert.deepEqual(again.images, built.images);
    // Nothing runs again where nothing changed.
    const cached = await build({ application: typescript, directory });
    assert.deepEqual(
      [cached.images[0]?.digest, cached.images[0]?.cached, cached.said],
      [built.images[0]?.digest, true, []],
    );
  },
);

test('a lock that says addresses, as most do, is found in the cache too', options, async () => {
  await using folder = await openFolder();
  await cp(path.join(import.meta.dirname, 'typescript-app'), folder.path, { recursive: true });
  const registry = (await promisify(execFile)('npm', ['config', 'get', 'registry'])).stdout.trim().replace(/\/*$/, '/');
  const file = path.join(folder.path, 'package-lock.json');
  const lock = JSON.parse(await readFile(file, 'utf8')) as {
    packages: Record<string, { version: string; resolved: string }>;
  };
  for (const [key, one] of Object.entries(lock.packages)) {
    const name = key.slice(key.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (key !== '') one.resolved = `${registry}${name}/-/${path.posix.basename(name)}-${one.version}.tgz`;
  }
  await writeFile(file, JSON.stringify(lock));
  const built = await build({ application: typescript, directory: folder.path });
  assert.equal(built.images.length, 1);
});

test('a program in C is compiled to one digest', options, async () => {
  await using folder = await openFolder({
    'main.c': '#include <stdio.h>\nint main(void) { puts(__DATE__ " " __FILE__); }\n',
  });
  const steps = [
    { name: 'build', debian: [...shell, 'gcc', 'libc6-dev'], run: ['cc -g -O2 -o /out/main main.c', '/out/main'] },
  ];
  const built = await build({ application: { build: { steps } }, directory: folder.path, check: true });
  assert.deepEqual(built.said, ['Jan  1 1970 main.c', 'Jan  1 1970 main.c'], 'the time of the build is no input');
});

test('a step that gives something else each time is named by --check with its files', options, async () => {
  await using folder = await openFolder({ given: 'x' });
  const run = ['cat /dev/urandom | head -c 16 > /out/random', 'date +%N > /out/date', 'cp given /out/same'];
  const steps = [{ name: 'build', debian: shell, run }];
  const application = { build: { steps } };
  await assert.rejects(build({ application, directory: folder.path, check: true }), {
    code: 'not-reproducible',
    message:
      /step "build" of "app" \(\/applications\/app\/build\/steps\/0\).*2 paths.*\n {2}\/out\/date: content\n {2}\/out\/random: content$/,
  });
});

test('a step that reaches for the network is told how to fetch', options, async () => {
  await using folder = await openFolder({
    'ask.py': 'import urllib.request\nurllib.request.urlopen("https://example.org/")\n',
  });
  const steps = [{ name: 'build', debian: [...shell, 'python3'], run: ['python3 ask.py'] }];
  await assert.rejects(build({ application: { build: { steps } }, directory: folder.path }), {
    code: 'step-failed',
    message: /exit code 1.*has no network: name the lock file.*\n[\s\S]*URLError/,
  });
});
