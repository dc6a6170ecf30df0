// Blobs that are here in part: kept over a crash, whole or not at all, and refused before the disk is full.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { type Digest, openBlobStore, openPartialStore } from '#manifests';

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
