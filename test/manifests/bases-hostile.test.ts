// That a base made to hurt is refused with its place, costs little, and leaves nothing in the store.
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { buildImages, digestOf, openBlobStore, parseManifest } from '#manifests';
import { makeMemoryPackageSource } from '#manifests/debian';
import { makeBaseSource } from '../../daemon/bases.ts';
import { type TarEntry, writeTar } from '../../manifests/tar.ts';
import { gather, openFolder, pieces } from './folder.ts';

const signal = AbortSignal.timeout(120_000);
const owner = { mode: 0o644, uid: 0, gid: 0 };

function file(name: string, text = 'x'): TarEntry {
  const bytes = Buffer.from(text);
  return { path: name, type: 'file', size: bytes.length, content: () => pieces(bytes), ...owner };
}

/** The tar of one entry with other bytes in its header, whose sum is mended. */
async function spoiled(spoil: (header: Buffer) => void): Promise<Buffer> {
  const tar = await gather(writeTar([file('etc-passwd-and-more', 'x')]));
  const header = tar.subarray(0, 512);
  spoil(header);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return tar;
}

/** Builds on an OCI layout with one layer: what the build is refused with, and what lies in its store then. */
async function refused(layer: Buffer, { type = 'tar', diffId = digestOf(layer) } = {}) {
  await using folder = await openFolder();
  const blobs = path.join(folder.path, 'base/blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const put = async (bytes: Buffer, mediaType: string) => {
    await writeFile(path.join(blobs, digestOf(bytes).slice('sha256:'.length)), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const layers = [await put(layer, `application/vnd.oci.image.layer.v1.${type}`)];
  const told = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [diffId] } };
  const config = await put(Buffer.from(JSON.stringify(told)), 'application/vnd.oci.image.config.v1+json');
  const { digest } = await put(Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers })), 'manifest');
  const base = { kind: 'oci-layout', path: 'base', digest };
  const text = { manifest_version: '1.0', project: { name: 'p' }, containers: { a: { base, command: ['/x'] } } };
  const manifest = parseManifest(JSON.stringify(text), { file: 'manifest.json' });
  const store = await openBlobStore(path.join(folder.path, 'store'));
  const parts = { manifest, lock: undefined, directory: folder.path, blobs: store, bases: makeBaseSource({}) };
  const request = { ...parts, packages: await makeMemoryPackageSource([]), report: () => {}, signal, useCache: true };
  const error = await buildImages(request).then(
    () => undefined,
    (fault: Error & { code?: string }) => fault,
  );
  assert.deepEqual(await readdir(path.join(store.directory, 'tmp')), [], 'nothing half stays');
  return { code: error?.code, message: error?.message ?? 'it was taken' };
}

test('a layer of a base whose paths lead out, or whose names are not UTF-8, is refused with the place and the mend', async () => {
  for (const [spoil, message] of [
    [(header: Buffer) => header.write('../../etc/passwd\0\0\0', 0), /base".*leads out.*another base/],
    [(header: Buffer) => header.write('a/../../etc/passwd\0', 0), /base".*leads out.*another base/],
    [(header: Buffer) => header.set([0xff, 0xfe], 0), /base".*UTF-8.*another base/],
    [(header: Buffer) => header.write('Z', 156), /base".*unknown type "Z".*another base/],
  ] as const) {
    const { code, message: told } = await refused(await spoiled(spoil));
    assert.equal(code, 'invalid-base', told);
    assert.match(told, message);
  }
});

test('an absolute path of a layer is one below its root', async () => {
  const tar = await spoiled((header) => header.write('/etc/motd\0\0\0\0\0\0\0\0\0\0\0', 0));
  assert.equal((await refused(tar)).message, 'it was taken');
});

test('a layer of a base that is cut, or that is not what its image says, is refused', async () => {
  const tar = await gather(writeTar([file('a', 'x'.repeat(100_000))]));
  const packed = gzipSync(tar);
  const cut = await refused(packed.subarray(0, packed.length - 20), { type: 'tar+gzip', diffId: digestOf(tar) });
  assert.equal(cut.code, 'invalid-base');
  assert.match(cut.message, /base".*gz data is damaged.*fetch it again/);
  const short = tar.subarray(0, tar.length - 2048);
  assert.equal((await refused(short)).code, 'invalid-base');
  assert.equal((await refused(tar, { diffId: digestOf('another') })).code, 'digest-mismatch');
});

test('a bomb in a layer of a base is refused long before it is unpacked', async () => {
  const zeros = Buffer.alloc(16 * 1024 ** 2);
  for (const [type, member] of [
    ['tar+gzip', gzipSync(zeros)],
    ['tar+zstd', zstdCompressSync(zeros)],
  ] as const) {
    // Members follow one another: of 16 GB unpacked these are some megabytes, or less.
    const bomb = Buffer.concat(Array.from({ length: 1000 }, () => member));
    const { code, message } = await refused(bomb, { type, diffId: digestOf('never reached') });
    assert.equal(code, 'too-large', message);
    assert.match(message, /base" \(sha256:[0-9a-f]{64}\).*unpack to 2\d{8} and more.*another base/);
  }
});
