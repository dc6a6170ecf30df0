// Blobs that are here in part: kept over a crash, whole or not at all, and refused before the disk is full.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { type Digest, openBlobStore, openPartialStore } from '#manifests';
import { openSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';

const mib = 1024 * 1024;

const content = createHash('shake256', { outputLength: 100_000 }).update('partial').digest();
const digest: Digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;

async function folderOf() {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-partial-'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

test('what was written stays when the store is opened anew, and the whole appears under its digest', async () => {
  await using at = await folderOf();
  {
    await using file = await (await openPartialStore(at.folder)).open(digest, content.length);
    assert.equal(file.isResumed, false);
    await file.write(50_000, content.subarray(50_000));
    assert.equal(await file.finish(), false);
  }
  const blobs = await openBlobStore(at.folder);
  assert.equal(await blobs.has(digest), false);
  await using file = await (await openPartialStore(at.folder)).open(digest, content.length);
  assert.equal(file.isResumed, true);
  assert.ok(content.subarray(50_000).equals(await file.read(50_000, 50_000)));
  await file.write(0, content.subarray(0, 50_000));
  assert.equal(await file.finish(), true);
  assert.ok(content.equals(await blobs.bytes(digest, { maxBytes: 1e6 })));
});

test('a disk that cannot hold what is to come is told before anything is written', async () => {
  await using at = await folderOf();
  const store = await openPartialStore(at.folder);
  const open = store.open(digest, 16 * 1024 ** 3);
  const { bavail, bsize } = await (await import('node:fs/promises')).statfs(at.folder);
  if (bavail * bsize > 16 * 1024 ** 3) await (await open)[Symbol.asyncDispose]();
  else await assert.rejects(open, { code: 'no-space' });
  await assert.rejects(store.open(digest, 16 * 1024 ** 3 + 1), { code: 'too-large' });
});

test('what came of a blob is not counted twice against the disk, and many are refused before the first is begun', {
  skip: whyNoSmallDisk(),
}, async () => {
  using disk = openSmallDisk(200 * mib);
  const store = await openPartialStore(disk.directory);
  const named = (name: string, sizeMib: number) => ({
    digest: `sha256:${name.repeat(64)}` as Digest,
    sizeBytes: sizeMib * mib,
  });
  await assert.rejects(store.requireSpace([named('a', 80), named('b', 80)]), { code: 'no-space', message: /prune/ });
  await store.requireSpace([named('a', 100)]);
  await using file = await store.open(named('a', 100).digest, 100 * mib);
  const piece = new Uint8Array(10 * mib);
  for (let at = 0; at < 90; at += 10) await file.write(at * mib, piece);
  // 110 MiB are free; 10 are to come of the first, 30 of the second, and 64 stay.
  await using second = await store.open(named('b', 30).digest, 30 * mib);
  assert.equal(second.isResumed, false);
});
