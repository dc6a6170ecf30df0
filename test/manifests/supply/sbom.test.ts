// That a bill of materials is valid, tells what the layers hold together, and is the same whenever it is made.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import type { BlobStore, Digest } from '#manifests';
import { makeSbom } from '#manifests/supply';
import { type Catalogue, catalogueImage, purlOf, readBuildInfo, type SourceLock } from '#manifests/supply/catalogue';
import { openFolder } from '../folder.ts';
import { layerOf, openStore, signal } from './layers.ts';

const locked = {
  name: 'libc6',
  version: '2.36-9+deb12u4',
  architecture: 'amd64' as const,
  sha256: 'a'.repeat(64),
  size_bytes: 1,
  pool_path: 'pool/main/g/glibc/libc6.deb',
};
const subject = { name: 'shop/web', digest: `sha256:${'1'.repeat(64)}` as const };

async function catalogue(
  blobs: BlobStore,
  layers: readonly Digest[],
  more: { packages?: (typeof locked)[]; sources?: SourceLock[] } = {},
): Promise<Catalogue> {
  const scanned = layers.map((digest) => ({ digest, compression: 'none' as const }));
  return await catalogueImage({ layers: scanned, packages: more.packages ?? [], sources: more.sources ?? [] }, blobs, {
    signal,
  });
}

const copyright =
  'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: LGPL-2.1+\n\nFiles: x\nLicense: GPL-2 or Expat\n';
const packageJson = (name: string, version: string, license = 'MIT'): string =>
  JSON.stringify({ name, version, license });

test('a bill is valid against the strict schema of CycloneDX 1.6, whatever words stand for licences', async () => {
  await using store = await openStore();
  const layer = await layerOf(store.blobs, {
    'usr/share/doc/libc6/copyright': copyright,
    'app/node_modules/a/package.json': packageJson('a', '1.0.0', 'SEE LICENSE IN x'),
    'app/node_modules/b/package.json': packageJson('b', '1.0.0', '(MIT OR Apache-2.0)'),
    'app/node_modules/c/package.json': packageJson('c', '1.0.0', 'mit'),
    'app/node_modules/broken/package.json': '{',
    'app/Cargo.lock': `[[package]]\nname = "serde"\nversion = "1.0.0"\nsource = "r"\nchecksum = "${'b'.repeat(64)}"\n`,
  });
  const found = await catalogue(store.blobs, [layer], { packages: [locked] });
  const bom = JSON.stringify(makeSbom(subject, found));
  assert.equal(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(bom), null);
  const { components, metadata, serialNumber } = JSON.parse(bom) as {
    components: { purl: string; licenses?: unknown }[];
    metadata: { timestamp?: string; component: { properties: { value: string }[] } };
    serialNumber?: string;
  };
  assert.equal(serialNumber ?? metadata.timestamp, undefined);
  assert.equal(components.length, 5);
  const libc = components.find(({ purl }) => purl === 'pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64');
  assert.deepEqual(libc?.licenses, [{ expression: '(GPL-2.0-only OR MIT) AND LGPL-2.1-or-later' }]);
  assert.match(metadata.component.properties[0]?.value ?? '', /^app\/node_modules\/broken\/package.json: /);
});

test('a bill is the same whatever the order of packages, and whether its layers were scanned before', async () => {
  await using store = await openStore();
  const layer = await layerOf(store.blobs, { 'app/requirements.txt': 'six==1.16.0\nflask==3.0.0\n' });
  const other = { ...locked, name: 'zlib1g' };
  const first = makeSbom(subject, await catalogue(store.blobs, [layer], { packages: [locked, other] }));
  const second = makeSbom(subject, await catalogue(store.blobs, [layer], { packages: [other, locked] }));
  assert.equal(JSON.stringify(first), JSON.stringify(second));
});

test('what an upper layer replaces or removes is not counted', async () => {
  await using store = await openStore();
  const base = await layerOf(store.blobs, {
    'app/node_modules/a/package.json': packageJson('a', '1.0.0'),
    'app/node_modules/b/package.json': packageJson('b', '1.0.0'),
    'opt/node_modules/c/package.json': packageJson('c', '1.0.0'),
  });
  const top = await layerOf(store.blobs, {
    'app/node_modules/a/package.json': packageJson('a', '2.0.0'),
    'app/node_modules/.wh.b': '',
    'opt/.wh..wh..opq': '',
  });
  const { components } = await catalogue(store.blobs, [base, top]);
  assert.deepEqual(components.map(purlOf), ['pkg:npm/a@2.0.0']);
});

test('an installed package has the hash of its lock, and what was locked for development alone is not there', async () => {
  await using store = await openStore();
  const integrity = `sha512-${Buffer.alloc(64, 1).toString('base64')}`;
  const lock = JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': {},
      'node_modules/a': { version: '1.0.0', integrity },
      'node_modules/dev': { version: '1.0.0', dev: true },
    },
  });
  const layer = await layerOf(store.blobs, {
    'app/node_modules/a/package.json': packageJson('a', '1.0.0'),
    'app/package-lock.json': lock,
  });
  const { components } = await catalogue(store.blobs, [layer]);
  assert.deepEqual(components.map(purlOf), ['pkg:npm/a@1.0.0']);
  assert.equal(components[0]?.hashes['SHA-512'], Buffer.alloc(64, 1).toString('hex'));
  const source = { path: 'package-lock.json', text: () => Promise.resolve(lock) };
  const empty = await layerOf(store.blobs, { 'bundle.js': '' });
  const bundled = (await catalogue(store.blobs, [empty], { sources: [source] })).components;
  assert.deepEqual(
    bundled.map((one) => [one.name, one.scope]),
    [
      ['a', undefined],
      ['dev', 'excluded'],
    ],
  );
});

test('libraries that are there as source count for what was compiled with them; the compiler and its like do not', async () => {
  await using store = await openStore();
  const layer = await layerOf(store.blobs, { 'srv/app/program': 'x' });
  const names = ['gcc-12', 'golang-1.19-go', 'golang-1.19-src', 'golang-github-go-chi-chi-dev', 'librust-serde-dev'];
  const toolchains = names.map((name) => ({ ...locked, name }));
  const layers = [{ digest: layer, compression: 'none' as const }];
  const { components } = await catalogueImage({ layers, packages: [], toolchains, sources: [] }, store.blobs, {
    signal,
  });
  assert.deepEqual(
    components.map(({ name, scope, hashes }) => [name, scope, Object.keys(hashes)]),
    names.slice(2).map((name) => [name, 'optional', ['SHA-256']]),
  );
});

test('a Debian package that shares the documentation of another has its licences', async () => {
  await using store = await openStore();
  await using folder = await openFolder({ 'usr/share/doc/base/copyright': copyright });
  execFileSync('ln', ['-s', 'base', path.join(folder.path, 'usr/share/doc/libc6')]);
  const layer = await layerOf(store.blobs, folder.path);
  const { components } = await catalogue(store.blobs, [layer], { packages: [locked] });
  assert.deepEqual(components[0]?.licenses, ['GPL-2.0-only OR MIT', 'LGPL-2.1-or-later']);
});

const goProgram = ['/usr/bin/containerd', '/usr/bin/runc', '/usr/bin/skopeo', '/usr/bin/gh'].find((file) =>
  existsSync(file),
);

test('the modules of a Go program are found in it', {
  skip: goProgram === undefined && 'no Go program here',
}, async () => {
  await using store = await openStore();
  await using folder = await openFolder();
  const copy = path.join(folder.path, 'program');
  await cp(goProgram ?? '', copy);
  await chmod(copy, 0o755);
  const { components } = await catalogue(store.blobs, [await layerOf(store.blobs, folder.path)]);
  assert.match(components.map(purlOf).join(), /pkg:golang\/stdlib@1\.\d+/);
});

test('the build information of a Go program names its modules, and what stands for a replaced one', () => {
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.from([(value.length & 0x7f) | 0x80, value.length >> 7]), Buffer.from(value)]);
  const modules =
    'path\tme\nmod\tme\t(devel)\t\ndep\tgithub.com/a/b\tv1.2.3\th1:x=\ndep\tx.org/old\tv1.0.0\n=>\tx.org/new\tv1.1.0\th1:y=\n';
  const head = Buffer.alloc(32);
  head.write('\xff Go buildinf:', 'latin1');
  head[14] = 8;
  head[15] = 2;
  const found = readBuildInfo(Buffer.concat([head, text('go1.22.1'), text(modules)]));
  assert.deepEqual(found.map(purlOf), [
    'pkg:golang/stdlib@1.22.1',
    'pkg:golang/github.com/a/b@v1.2.3',
    'pkg:golang/x.org/new@v1.1.0',
  ]);
});
