// A store on a disk that is soon full: it says so before, and where it is met all that was there stays whole.
import assert from 'node:assert/strict';
import { readdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { digestOf, mediaTypes, openBlobStore, openPartialStore } from '#manifests';
import { openRegistryClient, openUploads, pullImage, type RegistryParts } from '#manifests/distribution';
import { openSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { gather, pieces } from './folder.ts';

const skip = whyNoSmallDisk() ?? false;
const mebibyte = 1024 * 1024;
/** The reserve of 64 MiB, and room for 40. */
const diskBytes = 104 * mebibyte;
const signal = AbortSignal.timeout(60_000);

async function openStore() {
  const disk = openSmallDisk(diskBytes);
  const folder = path.join(disk.directory, 'blobs');
  const blobs = await openBlobStore(folder);
  return {
    disk,
    folder,
    blobs,
    free: async () => {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
    leftovers: async () => [
      ...(await readdir(path.join(folder, 'tmp'))),
      ...(await readdir(path.join(folder, 'partial')).catch(() => [])),
    ],
    [Symbol.dispose]: () => disk[Symbol.dispose](),
  };
}

let read = 0;
async function* zeros(mebibytes: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < mebibytes; at += 1) {
    read += 1;
    yield Buffer.alloc(mebibyte);
  }
}

test('what is known not to fit is refused before a byte of it is read, by each way into the store', {
  skip,
}, async () => {
  using store = await openStore();
  const { blobs, folder } = store;
  const full = { code: 'no-space', mayRetry: true, message: /stay free, of \d+ on the disk; free some space/ };
  const coming = { maxBytes: 1e9, comingBytes: 41 * mebibyte, signal };
  read = 0;
  await assert.rejects(blobs.write(zeros(41), coming), full);
  await assert.rejects(openUploads(folder).begin('shop', 41 * mebibyte), full);
  const partials = await openPartialStore(folder);
  await assert.rejects(partials.open(digestOf('x'), 41 * mebibyte), full);
  await using _first = await partials.open(digestOf('y'), 30 * mebibyte);
  await assert.rejects(partials.open(digestOf('z'), 30 * mebibyte), full, 'what is promised to another counts');

  const layer = (name: string) => ({ mediaType: mediaTypes.layer, digest: digestOf(name), size: 15 * mebibyte });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: layer('config'),
      layers: [layer('one'), layer('two')],
    }),
  );
  const asked: string[] = [];
  const parts: RegistryParts = {
    http: {
      async send({ url }) {
        asked.push(url.pathname);
        return { status: 200, headers: {}, body: pieces(manifest) };
      },
    },
    credentials: async () => undefined,
    pause: async () => undefined,
    random: () => 0,
  };
  await assert.rejects(pullImage(openRegistryClient('127.0.0.1:1', 'shop', parts), 'latest', blobs, { signal }), full);
  assert.deepEqual([read, asked], [0, ['/v2/shop/manifests/latest']]);
});

test('what nobody knows the size of stops at the reserve, which stays free for the database', { skip }, async () => {
  using store = await openStore();
  await assert.rejects(store.blobs.write(zeros(80), { maxBytes: 1e9, signal }), { code: 'no-space' });
  assert.deepEqual(await store.leftovers(), []);
  const uploads = openUploads(store.folder);
  const id = await uploads.begin('shop');
  await assert.rejects(uploads.append('shop', id, zeros(80)), { code: 'no-space' });
  assert.ok((await store.free()) > 40 * mebibyte, 'at most one look of 16 MiB into the reserve');
  const size = (await uploads.size('shop', id)) ?? 0;
  assert.ok(size >= 32 * mebibyte, 'what came stays, to be gone on with');
  assert.ok(await uploads.cancel('shop', id));
  assert.ok((await store.free()) > 100 * mebibyte);
});

test('a disk that is met full leaves the store whole, and what was refused goes through once there is room', {
  skip,
}, async () => {
  using store = await openStore();
  const { blobs, disk, folder } = store;
  const uploads = openUploads(folder);
  const partials = await openPartialStore(folder);
  const kept = await blobs.write([Buffer.from('kept')], { maxBytes: 100, signal });
  await blobs.writeNote('inputs/one.json', 'before');
  const id = await uploads.begin('shop');
  await using partial = await partials.open(digestOf(Buffer.alloc(mebibyte)), mebibyte);

  disk.fill();
  const full = { code: 'no-space', mayRetry: true };
  const bytes = Buffer.alloc(200_000, 'later');
  await assert.rejects(blobs.write(pieces(bytes), { maxBytes: 1e9, signal }), full);
  await assert.rejects(blobs.writeNote('inputs/one.json', 'after'.repeat(10_000)), full);
  await assert.rejects(uploads.append('shop', id, pieces(bytes)), full);
  await assert.rejects(partial.write(0, Buffer.alloc(mebibyte)), full);
  assert.equal(String(await gather(blobs.read(kept.digest))), 'kept');
  assert.equal(await blobs.readNote('inputs/one.json'), 'before');
  assert.equal(await blobs.has(digestOf(bytes)), false);
  assert.deepEqual(await readdir(path.join(folder, 'tmp')), []);

  disk.free();
  const size = (await uploads.size('shop', id)) ?? 0;
  await uploads.append('shop', id, pieces(bytes.subarray(size)), size);
  assert.equal((await uploads.finish('shop', id, digestOf(bytes)))?.sizeBytes, bytes.length);
  await partial.write(0, Buffer.alloc(mebibyte));
  assert.ok(await partial.finish());
  assert.equal((await blobs.write(pieces(bytes), { maxBytes: 1e9, signal })).digest, digestOf(bytes));
});
