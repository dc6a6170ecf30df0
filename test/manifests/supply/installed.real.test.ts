// That bills equal what npm and dpkg report of packages that they installed themselves. Needs npm's registry and dpkg.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { catalogueImage, purlOf } from '#manifests/supply/catalogue';
import { openFolder } from '../folder.ts';
import { layerOf, openStore, signal } from './layers.ts';

interface Tree {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, Tree>>;
}

async function billOf(folder: string, packages: Parameters<typeof catalogueImage>[0]['packages'] = []) {
  await using store = await openStore();
  const digest = await layerOf(store.blobs, folder);
  return await catalogueImage({ layers: [{ digest, compression: 'none' }], packages, sources: [] }, store.blobs, {
    signal,
  });
}

test('an installed project has in its bill what npm lists', async (context) => {
  await using folder = await openFolder({
    'app/package.json': JSON.stringify({
      name: 'app',
      version: '1.0.0',
      dependencies: { express: '4.21.2', debug: '4.4.0' },
    }),
  });
  const cwd = path.join(folder.path, 'app');
  const installed = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd,
    encoding: 'utf8',
  });
  if (installed.status !== 0) return context.skip(`npm's registry is not reached: ${installed.stderr.slice(0, 200)}`);
  const listed = new Set<string>();
  const walk = ({ dependencies = {} }: Tree): void => {
    for (const [name, one] of Object.entries(dependencies)) {
      if (one.version !== undefined) listed.add(`${name}@${one.version}`);
      walk(one);
    }
  };
  walk(
    JSON.parse(execFileSync('npm', ['ls', '--all', '--json'], { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 })) as Tree,
  );
  const { components } = await billOf(folder.path);
  assert.deepEqual(
    components.map(({ namespace, name, version }) => `${namespace ? `${namespace}/` : ''}${name}@${version}`).sort(),
    [...listed].sort(),
  );
  assert.ok(listed.size >= 20, `${listed.size} packages`);
  assert.ok(components.every(({ hashes, licenses }) => hashes['SHA-512'] && licenses.length > 0));
});

test('packages that dpkg unpacked have in the bill what dpkg-query lists, from its status and from a lock alike', {
  skip: spawnSync('dpkg-deb', ['--version']).error && 'no dpkg here',
}, async () => {
  await using work = await openFolder();
  const root = path.join(work.path, 'root');
  for (const folder of ['root/var/lib/dpkg/info', 'root/var/lib/dpkg/updates', 'root/var/lib/dpkg/triggers', 'debs'])
    await mkdir(path.join(work.path, folder), { recursive: true });
  await writeFile(path.join(root, 'var/lib/dpkg/status'), '');
  for (const [name, version, architecture] of [
    ['one', '1:2.0+dfsg-3~deb12u1', 'all'],
    ['two', '0.1', 'amd64'],
    ['three-data', '3-1', 'all'],
  ] as const) {
    const folder = path.join(work.path, name);
    await mkdir(path.join(folder, 'DEBIAN'), { recursive: true });
    await writeFile(path.join(folder, name), name);
    await writeFile(
      path.join(folder, 'DEBIAN/control'),
      `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nMaintainer: A <a@b.c>\nDescription: d\n`,
    );
    execFileSync('dpkg-deb', ['--root-owner-group', '-b', folder, path.join(work.path, 'debs', `${name}.deb`)]);
  }
  const debs = (await readdir(path.join(work.path, 'debs'))).map((name) => path.join(work.path, 'debs', name));
  execFileSync(
    'dpkg',
    ['--force-not-root', '--force-architecture', `--root=${root}`, `--log=${work.path}/log`, '--unpack', ...debs],
    { stdio: 'pipe' },
  );
  const format = ['Package', 'Version', 'Architecture']
    .map((key) => `$\{${key}}`)
    .join(' ')
    .concat('\n');
  const listed = execFileSync('dpkg-query', [`--admindir=${root}/var/lib/dpkg`, '-W', '-f', format], {
    encoding: 'utf8',
  });
  const locked = listed
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', version = '', architecture = ''] = line.split(' ');
      return {
        name,
        version,
        architecture: architecture as 'all',
        sha256: 'a'.repeat(64),
        size_bytes: 1,
        pool_path: `pool/main/x/${name}.deb`,
      };
    });
  const spelled = (components: Awaited<ReturnType<typeof billOf>>['components']) =>
    components.map((one) => `${one.name} ${one.version} ${one.qualifiers?.['arch']}`).sort();
  const fromStatus = (await billOf(root)).components;
  assert.deepEqual(spelled(fromStatus), listed.trim().split('\n').sort());
  await using empty = await openFolder({ file: '' });
  const fromLock = (await billOf(empty.path, locked)).components;
  assert.deepEqual(fromLock.map(purlOf), fromStatus.map(purlOf));
  assert.match(await readFile(path.join(root, 'var/lib/dpkg/status'), 'utf8'), /install ok unpacked/);
});
