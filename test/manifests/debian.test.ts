// How packages are read: every compression, as dpkg-deb reads them, and what is refused.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  type Compression,
  makeDeb,
  makeMemoryPackageSource,
  type ReadEntry,
  readDeb,
  readTar,
} from '#manifests/debian';
import type { TarEntry } from '../../manifests/tar.ts';
import { gather, openFolder, pieces } from './folder.ts';
import { packageSourceContract } from './package-source.contract.ts';

const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0;
const owner = { uid: 0, gid: 0 };
const compressions: readonly Compression[] = ['none', 'gz', 'xz', 'zst'];

function file(name: string, content: Uint8Array | string, mode = 0o644): TarEntry {
  const bytes = Buffer.from(content);
  return { path: name, type: 'file', size: bytes.length, content: () => pieces(bytes, 70_000), mode, ...owner };
}

const entries: readonly TarEntry[] = [
  file('usr/bin/tool', 'tool', 0o4755),
  file('usr/share/big', Buffer.alloc(3_000_000, 'abcdefghi')),
  { path: 'usr/bin/alias', type: 'symlink', target: 'tool', mode: 0o777, ...owner },
  { path: 'var/spool', type: 'directory', mode: 0o1777, uid: 5, gid: 6 },
];

async function factsOf(read: AsyncIterable<ReadEntry>): Promise<unknown[]> {
  return await Array.fromAsync(read, async ({ content, ...facts }) => [
    facts,
    (await gather(content)).toString('base64'),
  ]);
}

for (const compression of compressions) {
  test(`a package with ${compression} data is read as dpkg-deb reads it`, {
    skip: hasDpkg ? false : 'needs dpkg-deb',
  }, async () => {
    const deb = await makeDeb({ name: 'tool', version: '1.0', entries, compression });
    await using folder = await openFolder();
    await writeFile(path.join(folder.path, 'tool.deb'), deb);
    const { stdout } = await promisify(execFile)('dpkg-deb', ['--fsys-tarfile', path.join(folder.path, 'tool.deb')], {
      encoding: 'buffer',
      maxBuffer: 1 << 26,
    });
    const ours = await factsOf(readDeb(pieces(deb, 4096)));
    assert.equal(ours.length, 8);
    assert.deepEqual(ours, await factsOf(readTar(pieces(stdout, 5000))));
  });

  test(`a bomb in ${compression} costs no more than the bound`, async () => {
    const bomb = await makeDeb({
      name: 'bomb',
      version: '1',
      entries: [file('b', Buffer.alloc(20_000_000))],
      compression,
    });
    let most = 0;
    const reading = async (): Promise<void> => {
      for await (const entry of readDeb(pieces(bomb), { maxBytes: 1_000_000 })) {
        for await (const chunk of entry.content) most += chunk.length;
      }
    };
    await assert.rejects(reading(), { code: 'too-large' });
    assert.ok(most <= 1_000_000);
  });

  test(`a package with ${compression} data that was cut or changed is refused`, async () => {
    const deb = Buffer.from(await makeDeb({ name: 'tool', version: '1', entries, compression }));
    await assert.rejects(factsOf(readDeb(pieces(deb.subarray(0, -600)))), { code: 'invalid-package' });
    if (compression === 'none') return;
    const changed = Buffer.from(deb);
    changed.writeUInt8((changed.at(-400) ?? 0) ^ 0xff, changed.length - 400);
    await assert.rejects(factsOf(readDeb(pieces(changed))), { code: 'invalid-package' });
  });
}

test('reading many packages halfway holds no memory of the decompressor', async () => {
  const deb = await makeDeb({ name: 'tool', version: '1', entries, compression: 'xz' });
  for (let count = 0; count < 300; count += 1) {
    for await (const _ of readDeb(pieces(deb))) break;
  }
});

test('paths that lead out, devices and a wrong checksum are refused', async () => {
  for (const name of ['../etc/passwd', 'usr/../../etc/passwd']) {
    const deb = await makeDeb({ name: 'bad', version: '1', entries: [file(name, 'x')] });
    await assert.rejects(factsOf(readDeb(pieces(deb))), { code: 'invalid-package', message: /leads out/ });
  }
  const tar = Buffer.concat(
    await Array.fromAsync((await import('../../manifests/tar.ts')).writeTar([file('dev', 'x')])),
  );
  const device = Buffer.from(tar);
  device.write('3', 156);
  device.write('        ', 148);
  const sum = device.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  device.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  await assert.rejects(factsOf(readTar(pieces(device))), { message: /neither a file, a folder nor a link/ });
  tar.write('9', 110);
  await assert.rejects(factsOf(readTar(pieces(tar))), { code: 'invalid-package' });
});

test('sparse files and pax numbers that are none are refused, and a pax size is of its own entry only', async () => {
  const { writeTar } = await import('../../manifests/tar.ts');
  const long = 'l'.repeat(150);
  const tar = async (records: string): Promise<Buffer> => {
    // A path of 150 bytes in one part gets a pax header, whose records are replaced by others of the same length.
    const bytes = await gather(writeTar([file(long, 'content')]));
    const length = Number.parseInt(bytes.toString('latin1', 124, 135), 8);
    const rest = length - Buffer.byteLength(records);
    const padding = `${rest} comment=`.padEnd(rest - 1, 'c');
    bytes.write(`${records}${padding}\n`, 512, 'latin1');
    return bytes;
  };
  const read = async (records: string): Promise<unknown[]> => factsOf(readTar(pieces(await tar(records))));
  assert.equal((await read('10 size=7\n')).length, 1);
  for (const [records, message] of [
    ['22 GNU.sparse.major=1\n', /sparse/],
    ['12 size=0x7\n', /no number/],
    ['9 uid=-1\n', /no number/],
    ['8 size=\n', /no number/],
    ['99 size=7\n', /not well formed/],
  ] as const)
    await assert.rejects(read(records), { code: 'invalid-package', message });
});

test('what is no package is refused', async () => {
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('<html>'),
    Buffer.from('!<arch>\n'),
    Buffer.alloc(2000, '!<arch>\n'),
  ]) {
    await assert.rejects(factsOf(readDeb(pieces(bytes))), { code: 'invalid-package' });
  }
});

packageSourceContract(
  'in memory',
  () =>
    makeMemoryPackageSource([
      { name: 'tool', version: '1.0', depends: ['libtool'], entries },
      { name: 'libtool', version: '2:1.0-3', architecture: 'amd64', depends: ['tool'], entries: [file('lib/l', 'l')] },
    ]),
  { name: 'tool', needs: 'libtool', unknown: 'tol' },
);
