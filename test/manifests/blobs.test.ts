// That a blob is in the store whole or not at all.
import assert from 'node:assert/strict';
import { open, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { digestOf, openBlobStore } from '#manifests';
import { writeAll } from '../../manifests/blobs.ts';
import { gather, openFolder, pieces } from './folder.ts';

const { signal } = new AbortController();
const maxBytes = 1024 * 1024;
const content = Buffer.from('content of a blob');
const digest = digestOf(content);

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

test('what was written is read back by its digest, whole and in parts', async () => {
  await using folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  assert.deepEqual(await blobs.write(pieces(content, 3), { maxBytes, signal }), { digest, sizeBytes: 17 });
  assert.ok(await blobs.has(digest));
  assert.equal(await blobs.size(digest), 17);
  assert.deepEqual(await gather(blobs.read(digest)), content);
  assert.equal((await gather(blobs.read(digest, { offset: 8, length: 2 }))).toString(), 'of');
  assert.deepEqual(await gather(blobs.read(digest, { offset: 8, length: 0 })), Buffer.alloc(0));
  assert.deepEqual(Buffer.from(await blobs.bytes(digest, { maxBytes: 17 })), content);
  await assert.rejects(blobs.bytes(digest, { maxBytes: 16 }), { code: 'too-large' });
});

test('what is not there is missing', async () => {
  await using folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  assert.equal(await blobs.has(digest), false);
  await assert.rejects(gather(blobs.read(digest)), { code: 'missing-blob' });
  await assert.rejects(blobs.bytes(digest, { maxBytes }), { code: 'missing-blob' });
  const outside = 'sha256:../../../../etc/passwd' as const;
  await assert.rejects(blobs.has(outside), TypeError);
});

test('a stream that is wrong, too long, broken or given up leaves nothing', async () => {
  await using folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  const expected = digestOf('other');
  await assert.rejects(blobs.write(pieces(content), { expected, maxBytes, signal }), { code: 'digest-mismatch' });
  await assert.rejects(blobs.write(pieces(content, 5), { maxBytes: 16, signal }), { code: 'too-large' });
  const broken = async function* () {
    yield content;
    throw new Error('the line broke');
  };
  await assert.rejects(blobs.write(broken(), { maxBytes, signal }), /the line broke/);
  const aborted = AbortSignal.abort(new Error('given up'));
  await assert.rejects(blobs.write(pieces(content), { maxBytes, signal: aborted }), /given up/);
  assert.deepEqual(await filesIn(folder.path), []);
});

test('the leftovers of a crash are gone when the store opens again', async () => {
  await using folder = await openFolder();
  const first = await openBlobStore(folder.path);
  await first.write([content], { maxBytes, signal });
  await writeFile(path.join(folder.path, 'tmp', 'half'), 'hal');
  const blobs = await openBlobStore(folder.path);
  assert.deepEqual(await filesIn(folder.path), [digest.slice(7)]);
  assert.ok(await blobs.has(digest));
});

test('many writers of one content at once agree', async () => {
  await using folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  const written = await Promise.all(
    Array.from({ length: 20 }, () => blobs.write(pieces(content, 1), { maxBytes, signal })),
  );
  assert.ok(written.every((one) => one.digest === digest));
  assert.deepEqual(await filesIn(folder.path), [digest.slice(7)]);
});

test('a full disk is said as such, and may be retried', {
  skip: process.platform !== 'linux',
}, async () => {
  // Writing to /dev/full gives the error that a full disk gives.
  await using full = await open('/dev/full', 'w');
  await assert.rejects(writeAll(full, content), { code: 'no-space', mayRetry: true });
});

test('a note is replaced whole', async () => {
  await using folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  assert.equal(await blobs.readNote('images/a.json'), undefined);
  await blobs.writeNote('images/a.json', 'one');
  await blobs.writeNote('images/a.json', 'two');
  assert.equal(await blobs.readNote('images/a.json'), 'two');
});

test('small and large pieces in any order are kept as they came', async () => {
  await using folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  const sizes = [1, 300_000, 0, 700_000, 10, 200_000, 200_000, 200_000, 200_000, 200_000, 2_000_000, 3];
  const all = sizes.map((size, index) => Buffer.alloc(size, index + 1));
  const whole = Buffer.concat(all);
  // Whoever gives pieces may use their memory again for the next.
  const given = function* () {
    for (const one of all) {
      const piece = Buffer.from(one);
      yield piece;
      piece.fill(0xff);
    }
  };
  const { digest, sizeBytes } = await blobs.write(given(), { maxBytes: whole.length, signal });
  assert.deepEqual([digest, sizeBytes], [digestOf(whole), whole.length]);
  assert.deepEqual(await gather(blobs.read(digest)), whole);
});
