// How results of steps are remembered, checked, fetched for and told of, without an engine.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type BlobStore, buildImages, digestOf, lockManifest, openBlobStore, parseManifest } from '#manifests';
import { makeMemoryPackageSource, readTar } from '#manifests/debian';
import {
  makeMemoryArtifacts,
  makeMemoryStepRunner,
  openSteps,
  type SharedResults,
  type StepRun,
  type StepRunner,
} from '#manifests/steps';
import { writeTar } from '../../../manifests/tar.ts';
import { gather, openFolder, pieces } from '../folder.ts';

const signal = AbortSignal.timeout(60_000);
const archive = Buffer.from('an archive');
const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
const lock = (packages: object): string => JSON.stringify({ lockfileVersion: 3, packages: { '': {}, ...packages } });
const good = lock({ 'node_modules/dep': { version: '1.0.0', integrity } });
const shell = {
  path: 'bin/sh',
  type: 'file',
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 2,
  content: () => pieces(Buffer.from('sh')),
} as const;
const packages = await makeMemoryPackageSource([{ name: 'dash', version: '1', entries: [shell] }]);

interface Trial {
  readonly sources?: Record<string, string>;
  readonly step?: object;
  readonly check?: boolean;
  readonly useCache?: boolean;
  readonly contents?: ReadonlyMap<string, Uint8Array>;
  readonly runner?: (blobs: BlobStore) => StepRunner;
  readonly shared?: (blobs: BlobStore) => SharedResults;
}

async function open() {
  const closing = new AsyncDisposableStack();
  const store = closing.use(await openFolder());
  const blobs = await openBlobStore(store.path);
  const ran: StepRun[] = [];
  const build = async (trial: Trial = {}) => {
    await using source = await openFolder({ 'package-lock.json': good, 'package.json': '{}', ...trial.sources });
    const step = {
      name: 'build',
      debian: ['dash'],
      caches: ['npm'],
      run: ['cp /src/package.json /out/copy'],
      ...trial.step,
    };
    const application = { lockfiles: [{ path: 'package-lock.json', kind: 'npm' }], build: { steps: [step] } };
    const text = {
      manifest_version: '1.0',
      project: { name: 'steps' },
      applications: { app: application },
      containers: { web: { applications: { app: { destination: '/srv/app', content: ['build'] } } } },
    };
    const manifest = parseManifest(JSON.stringify(text), { file: 'manifest.json' });
    const locked = await lockManifest(manifest, packages, { signal, report: () => {} });
    const artifacts = makeMemoryArtifacts(trial.contents ?? new Map([['dep@1.0.0', archive]]));
    const inner = (trial.runner ?? makeMemoryStepRunner)(blobs);
    const runner: StepRunner = {
      run: async (one, options) => {
        ran.push(one);
        return await inner.run(one, options);
      },
    };
    const said: string[] = [];
    const shared = trial.shared?.(blobs);
    const steps = openSteps({ manifest, blobs, runner, artifacts, check: trial.check ?? false, shared });
    const request = { manifest, lock: locked, directory: source.path, blobs, packages, steps, signal };
    const built = await buildImages({
      ...request,
      report: ({ message }) => said.push(message),
      useCache: trial.useCache ?? true,
    });
    return { ...built, said, fetched: artifacts.fetched };
  };
  return { blobs, ran, build, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}

test('a step is run once for what goes into it, and anew where that changed or it is asked for', async () => {
  await using trial = await open();
  const first = await trial.build();
  assert.deepEqual([trial.ran.length, first.fetched], [1, ['dep@1.0.0']]);
  const same = await trial.build();
  assert.deepEqual([trial.ran.length, same.images[0]?.digest], [1, first.images[0]?.digest]);
  const anew = await trial.build({ useCache: false });
  assert.deepEqual([trial.ran.length, anew.images[0]?.digest, anew.fetched], [2, first.images[0]?.digest, []]);
  const changed = await trial.build({ sources: { 'package.json': '{ }' } });
  assert.notEqual(changed.images[0]?.digest, first.images[0]?.digest);
  await trial.build({ step: { environment: { MODE: 'other' } } });
  assert.equal(trial.ran.length, 4);
});

test('a step finds its artifacts by their hashes, in an environment that is the same everywhere', async () => {
  await using trial = await open();
  await trial.build({ step: { environment: { TZ: 'Asia/Tokyo' } } });
  const [run] = trial.ran;
  assert.ok(run);
  const cache = run.mounts.find((mount) => mount.path === '/cache/npm');
  assert.ok(cache);
  const paths = await Array.fromAsync(readTar(trial.blobs.read(cache.layer)), (entry) => entry.path);
  const hex = createHash('sha512').update(archive).digest('hex');
  assert.ok(paths.includes(`_cacache/content-v2/sha512/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex.slice(4)}`));
  const { HOME, LC_ALL, SOURCE_DATE_EPOCH, TZ, PYTHONHASHSEED } = run.environment;
  assert.deepEqual(
    [HOME, LC_ALL, SOURCE_DATE_EPOCH, TZ, PYTHONHASHSEED],
    ['/tmp/home', 'C.UTF-8', '0', 'Asia/Tokyo', '0'],
  );
  const system = await Array.fromAsync(readTar(trial.blobs.read(run.root.at(-1) as 'sha256:')), (entry) => [
    entry.path,
    entry.mode,
  ]);
  assert.deepEqual(
    system.filter(([path]) => path === 'tmp' || path === 'etc/passwd'),
    [
      ['etc/passwd', 0o644],
      ['tmp', 0o1777],
    ],
  );
});

test('an artifact that is not what its lock says is refused, and so is a lock that a checkout changed', async () => {
  await using trial = await open();
  const other = new Map([['dep@1.0.0', Buffer.from('another')]]);
  await assert.rejects(trial.build({ contents: other }), { code: 'digest-mismatch', message: /"dep" 1.0.0/ });
  await assert.rejects(trial.build({ contents: new Map() }), { code: 'artifact-unavailable' });
  const crlf = JSON.stringify(JSON.parse(good), undefined, 1).replaceAll('\n', '\r\n');
  await assert.rejects(trial.build({ sources: { 'package-lock.json': crlf } }), {
    code: 'lock-mismatch',
    message: /"package-lock.json": line 1: it ends with CR and LF.*eol=lf/,
  });
  await assert.rejects(trial.build({ sources: { 'package.json': '{"dependencies":{"new":"1"}}' } }), {
    code: 'lock-mismatch',
  });
  assert.equal(trial.ran.length, 0);
});

test('a step that fails is told with its place, its last lines and the mend', async () => {
  await using trial = await open();
  await assert.rejects(trial.build({ step: { run: ['echo one', 'missing-tool'] } }), {
    code: 'step-failed',
    message:
      /step "build" \(\/applications\/app\/build\/steps\/0\): it ended with exit code 127; name the package.*\n {2}\| one\n {2}\| sh: missing-tool: not found$/,
    problems: [
      {
        pointer: '/applications/app/build/steps/0',
        line: undefined,
        message: 'it ended with exit code 127',
        mend: 'name the package that has this program in the step\'s "debian"',
      },
    ],
  });
});

test('--check runs a step twice though its result is known, and names the files that differ', async () => {
  await using trial = await open();
  await trial.build();
  await trial.build({ check: true, useCache: false });
  assert.equal(trial.ran.length, 3);
  let count = 0;
  const impure = (blobs: BlobStore): StepRunner => ({
    run: (step, options) => {
      count += 1;
      return makeMemoryStepRunner(blobs).run(
        { ...step, run: [`echo ${count} > /out/count`, 'echo same > /out/same'] },
        options,
      );
    },
  });
  await assert.rejects(trial.build({ check: true, useCache: false, runner: impure }), {
    code: 'not-reproducible',
    message: /1 path.*\n {2}\/out\/count: content$/,
  });
});

/** A mesh in which a builder claims these bytes as the result of any step; what was told to it is in `made`. */
function meshThatClaims(content: Uint8Array, made: string[], bring?: () => Promise<void>) {
  return (blobs: BlobStore): SharedResults => ({
    claims: () => [
      {
        stack: 'builder',
        stackName: 'builder',
        isBuilder: true,
        operator: undefined,
        layer: digestOf(content),
        sizeBytes: content.byteLength,
      },
    ],
    bring: bring ?? (async () => void (await blobs.write([content], { maxBytes: 1 << 20, signal }))),
    made: (key, layer) => void made.push(`${key} ${layer.digest}`),
  });
}

test('what a builder got is taken with nothing run or fetched, and remembered', async () => {
  await using maker = await open();
  const made: string[] = [];
  const nobody = {
    claims: () => [],
    bring: async () => {},
    made: (key: string, layer: { digest: string }) => void made.push(`${key} ${layer.digest}`),
  };
  const expected = await maker.build({ shared: () => nobody });
  const [, layer = ''] = made[0]?.split(' ') ?? [];
  const content = await maker.blobs.bytes(layer as 'sha256:', { maxBytes: 1 << 20 });

  await using taker = await open();
  const told: string[] = [];
  const taken = await taker.build({ shared: meshThatClaims(content, told) });
  assert.deepEqual([taker.ran.length, taken.fetched, told], [0, [], []], 'what it did not make it does not vouch for');
  assert.deepEqual(taken.images, expected.images);
  assert.ok(taken.said.some((line) => line.includes('taking what builder got')));
  assert.deepEqual((await taker.build()).images[0]?.digest, expected.images[0]?.digest);
  await taker.build({ shared: meshThatClaims(content, told), useCache: false });
  await taker.build({ shared: meshThatClaims(content, told), useCache: false, check: true });
  assert.equal(taker.ran.length, 3, 'without a cache, and to check, it is run');
  assert.deepEqual(told, [made[0], made[0]]);
});

test('a claimed result that does not come, or is none, is passed over: the step is run', async () => {
  const device = await gather(
    writeTar([{ path: 'a', type: 'symlink', target: '/etc/passwd', mode: 0o777, uid: 0, gid: 0 }], { epochSeconds: 0 }),
  );
  const untidy = await gather(writeTar([{ ...shell, path: 'a', mode: 0o777, uid: 7 }], { epochSeconds: 0 }));
  for (const [content, why] of [
    [Buffer.from('no tar at all'), 'no result of a step'],
    [device, 'no result of a step'],
    [untidy, 'no result of a step'],
  ] as const) {
    await using trial = await open();
    const told: string[] = [];
    const built = await trial.build({ shared: meshThatClaims(content, told) });
    assert.deepEqual([trial.ran.length, told.length], [1, 1]);
    assert.ok(
      built.said.some((line) => line.includes(why)),
      built.said.join('\n'),
    );
  }
  await using trial = await open();
  const gone = async (): Promise<void> => {
    throw new Error('nobody gives it');
  };
  const built = await trial.build({ shared: meshThatClaims(device, [], gone) });
  assert.equal(trial.ran.length, 1);
  assert.ok(built.said.some((line) => line.includes('it did not come (nobody gives it); running it')));
});
