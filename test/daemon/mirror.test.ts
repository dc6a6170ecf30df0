// That packages come straight from a mirror as they come from apt, and that nothing counts which the archive's key didn't sign.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { lockManifest, parseManifest } from '#manifests';
import { openMirrorPackageSource, parseMirror } from '../../daemon/mirror.ts';
import { gather, openFolder, pieces } from '../manifests/folder.ts';
import { packageSourceContract } from '../manifests/package-source.contract.ts';
import { type ArchivedPackage, makeSigningKey, TestArchive } from './archive.ts';

const signal = AbortSignal.timeout(120_000);
const entry = (name: string) =>
  ({
    path: `usr/bin/${name}`,
    type: 'file',
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: name.length,
    content: () => pieces(Buffer.from(name)),
  }) as const;
const one = (name: string, more: Partial<ArchivedPackage> = {}): ArchivedPackage => ({
  name,
  version: '1.0-1',
  entries: [entry(name)],
  ...more,
});

async function open(packages: readonly ArchivedPackage[] = [one('tool')]) {
  const closing = new AsyncDisposableStack();
  const archive = closing.use(await TestArchive.open());
  const folder = closing.use(await openFolder());
  const keyring = path.join(folder.path, 'keys.gpg');
  await writeFile(keyring, archive.key.publicKey);
  await archive.publish('stable', packages);
  let now = Date.now();
  const mirrorOf = (more: { readonly suites?: string; readonly keyring?: string } = {}) =>
    openMirrorPackageSource({
      mirrors: [parseMirror(`${archive.url} ${more.suites ?? 'stable'}`)],
      keyring: more.keyring ?? keyring,
      directory: path.join(folder.path, 'state'),
      now: () => now,
    });
  const names = async (...wanted: string[]): Promise<string[]> =>
    (await mirrorOf().resolve(wanted, 'linux/amd64', { signal })).map(({ name, version }) => `${name} ${version}`);
  const later = (ms: number): void => {
    now += ms;
  };
  return { archive, folder, mirrorOf, names, later, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}

const shared = await open([one('hello', { depends: ['libone (>= 1.0)'] }), one('libone')]);
after(() => shared[Symbol.asyncDispose]());
packageSourceContract('a mirror', async () => shared.mirrorOf(), {
  name: 'hello',
  needs: 'libone',
  unknown: 'hermesh-no-such-package',
});

test('alternatives, providers and versions are chosen as apt chooses them', async () => {
  await using trial = await open([
    one('app', { depends: ['missing | second | third', 'virtual', 'lib:any (>> 1.0~rc1)'] }),
    one('second'),
    one('third'),
    one('provider', { relations: { Provides: 'virtual (= 2)' } }),
    one('lib', { version: '1.0' }),
    one('taken', { depends: ['first | third'] }),
    one('first'),
    one('needy', { depends: ['lib (>= 2)'] }),
    one('strict', { depends: ['virtual (>= 3)'] }),
    one('enemy', { relations: { Breaks: 'lib (<< 2)' }, depends: ['lib'] }),
    one('circle', { depends: ['back'] }),
    one('back', { relations: { 'Pre-Depends': 'circle' } }),
  ]);
  assert.deepEqual(await trial.names('app'), ['app 1.0-1', 'lib 1.0', 'provider 1.0-1', 'second 1.0-1']);
  assert.deepEqual(await trial.names('taken', 'third'), ['taken 1.0-1', 'third 1.0-1'], 'one that is there is enough');
  assert.deepEqual(await trial.names('circle'), ['back 1.0-1', 'circle 1.0-1']);
  await assert.rejects(trial.names('needy'), {
    code: 'package-conflict',
    message: /"needy" needs "lib" \(>= 2\).*name its other suites/,
  });
  await assert.rejects(trial.names('strict'), { code: 'package-conflict', message: /"virtual" \(>= 3\)/ });
  await assert.rejects(trial.names('enemy'), { code: 'package-conflict', message: /"enemy" can't be beside "lib"/ });
});

test('of several suites the latest version counts', async () => {
  await using trial = await open([one('tool', { version: '1.0-1' })]);
  await trial.archive.publish('stable-security', [one('tool', { version: '1.0-1+deb12u1' })]);
  const source = trial.mirrorOf({ suites: 'stable,stable-security' });
  const [locked] = await source.resolve(['tool'], 'linux/amd64', { signal });
  assert.equal(locked?.version, '1.0-1+deb12u1');
});

test('lists are asked for once an hour, and an index that has not changed is not asked for again', async () => {
  await using trial = await open();
  await trial.names('tool');
  const { asked } = trial.archive;
  const before = [...asked];
  assert.equal(before.length, 2);
  await trial.names('tool');
  assert.deepEqual(asked, before);
  trial.later(3_600_001);
  await trial.names('tool');
  assert.deepEqual(asked.slice(before.length), ['dists/stable/InRelease']);
  await using plain = await open();
  await plain.archive.publish('stable', [one('tool')], { isByHash: false });
  await plain.names('tool');
  assert.deepEqual(plain.archive.asked, ['dists/stable/InRelease', 'dists/stable/main/binary-amd64/Packages.gz']);
});

test('a release that the keyring did not sign, or that was changed, is refused', async () => {
  await using trial = await open();
  const untrusted = { code: 'mirror-untrusted', message: /"stable" of 127\.0\.0\.1:\d+: its release is not signed/ };
  await trial.archive.publish('stable', [one('tool')], { by: await makeSigningKey() });
  await assert.rejects(trial.names('tool'), untrusted);
  await trial.archive.publish('stable', [one('tool')]);
  const { files } = trial.archive;
  const place = 'dists/stable/InRelease';
  const good = Buffer.from(files.get(place) ?? []).toString();
  for (const bad of [
    good.replace(/ [0-9a-f]{64} /, ` ${'0'.repeat(64)} `),
    good.replace('SHA256:', 'SHA256:\n forged'),
    good.slice(good.indexOf('Suite')),
    '',
    'no release at all',
  ]) {
    files.set(place, Buffer.from(bad));
    await assert.rejects(trial.names('tool'), untrusted);
  }
  // What stands before the signed text is nobody's word.
  files.set(place, Buffer.from(`Suite: other\n${good}`));
  await trial.names('tool').catch((error: { code?: string }) => assert.equal(error.code, 'mirror-untrusted'));
});

test('a release that is over, of the future, or older than one that was seen, is refused', async () => {
  await using trial = await open();
  const day = 24 * 3_600_000;
  const at = (ms: number): Date => new Date(Date.now() + ms);
  await trial.names('tool');
  trial.later(3_600_001);
  await trial.archive.publish('stable', [one('tool')], { date: at(-day) });
  await assert.rejects(trial.names('tool'), { code: 'mirror-untrusted', message: /older than one that was seen/ });
  await trial.archive.publish('stable', [one('tool')], { date: at(0), validUntil: at(-1_000) });
  await assert.rejects(trial.names('tool'), { code: 'mirror-untrusted', message: /was good until/ });
  await trial.archive.publish('stable', [one('tool')], { date: at(10 * day) });
  await assert.rejects(trial.names('tool'), { code: 'mirror-untrusted', message: /set this machine's clock/ });
});

test('an index that is not the one of the release is refused, and asked for again', async () => {
  await using trial = await open();
  const { files } = trial.archive;
  const place = [...files.keys()].find((name) => name.includes('by-hash')) ?? '';
  const good = files.get(place) ?? Buffer.alloc(0);
  for (const bad of [good.subarray(0, -1), Buffer.concat([good, Buffer.alloc(1 << 20)]), Buffer.alloc(good.length)]) {
    files.set(place, bad);
    await assert.rejects(trial.names('tool'), { code: 'mirror-untrusted', message: /it is being updated, or it lies/ });
  }
  files.set(place, good);
  assert.deepEqual(await trial.names('tool'), ['tool 1.0-1']);
});

test('a keyring, a suite, a component and a mirror that are not there are told with the mend', async () => {
  await using trial = await open();
  const resolve = (source: ReturnType<typeof trial.mirrorOf>) => source.resolve(['tool'], 'linux/amd64', { signal });
  await assert.rejects(resolve(trial.mirrorOf({ keyring: '/nowhere.gpg' })), {
    message: /\/nowhere.gpg/,
    code: 'not-found',
  });
  await assert.rejects(resolve(trial.mirrorOf({ suites: 'other' })), { message: /no such suite/, code: 'not-found' });
  await assert.rejects(resolve(trial.mirrorOf({ suites: 'stable contrib' })), { message: /no index of "contrib"/ });
  await assert.rejects(trial.mirrorOf().resolve(['tool'], 'linux/arm64', { signal }), { message: /for arm64/ });
  for (const bad of ['', 'ftp://x/debian', 'http://x/debian a b c', 'http://x/debian ../a', 'http://x a,,b'])
    assert.throws(() => parseMirror(bad), { code: 'bad-input' });
});

test('a lock whose files are gone is told, and mended by asking anew', async () => {
  await using trial = await open([one('tool', { version: '1.0-1' })]);
  const text = { manifest_version: '1.0', project: { name: 'web' }, containers: { web: { debian: ['tool'] } } };
  const manifest = parseManifest(JSON.stringify(text), { file: 'manifest.json' });
  const lock = () => lockManifest(manifest, trial.mirrorOf(), { signal, report: () => {} });
  const old = await lock();
  await trial.archive.publish('stable', [one('tool', { version: '1.0-2' })]);
  const [gone] = old.containers['web']?.['linux/amd64']?.packages ?? [];
  assert.ok(gone);
  await assert.rejects(trial.mirrorOf().fetch(gone, { signal }), {
    code: 'package-unavailable',
    message: /lock FILE --refresh/,
  });
  trial.later(3_600_001);
  const [fresh] = (await lock()).containers['web']?.['linux/amd64']?.packages ?? [];
  assert.equal(fresh?.version, '1.0-2');
  assert.ok(fresh);
  assert.equal((await gather(await trial.mirrorOf().fetch(fresh, { signal }))).length, fresh.size_bytes);
});
