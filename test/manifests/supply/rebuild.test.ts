// That a second builder either signs for the same image or names the files that differ, and that a seal is what public tools compute.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { compareImages, gatherFacts, rebuildImage, sealImage, threeHashes } from '#manifests/supply';
import { openFolder } from '../folder.ts';
import { imageOf, layerOf, openStore, signal } from './layers.ts';
import { makeStack, trustIn } from './stack.ts';

const osaka = makeStack('osaka');

test('a rebuild that differs names each file, and what of it', async () => {
  await using one = await openStore();
  await using two = await openStore();
  await using folder = await openFolder({ 'bin/a': 'same', 'bin/b': 'text', 'bin/c': 'mode', gone: 'x' });
  const first = await imageOf(one.blobs, [await layerOf(one.blobs, folder.path)]);
  await writeFile(path.join(folder.path, 'bin/b'), 'other');
  await chmod(path.join(folder.path, 'bin/c'), 0o755);
  execFileSync('mv', [path.join(folder.path, 'gone'), path.join(folder.path, 'new')]);
  const second = await imageOf(two.blobs, [await layerOf(two.blobs, folder.path)]);
  const { isSame, differences } = await compareImages(
    { digest: first, blobs: one.blobs },
    { digest: second, blobs: two.blobs },
    { signal },
  );
  assert.equal(isSame, false);
  assert.deepEqual(
    differences.map(({ path: at, what }) => [at, ...what]),
    [
      ['bin/b', 'size', 'content'],
      ['bin/c', 'mode'],
      ['gone', 'only in the first'],
      ['new', 'only in the second'],
    ],
  );
});

test('a rebuild that is the same is signed for, and one that differs is not', async () => {
  await using one = await openStore();
  await using two = await openStore();
  const digest = await imageOf(one.blobs, [await layerOf(one.blobs, { a: 'a' })]);
  const image = { name: 'p/c', digest, configDigest: await configOf(one.blobs, digest) };
  const again = async (text: string) => {
    const built = await imageOf(two.blobs, [await layerOf(two.blobs, { a: text })]);
    return await rebuildImage(image, {
      blobs: one.blobs,
      build: async () => ({ digest: built, blobs: two.blobs }),
      signer: osaka,
      signal,
    });
  };
  const facts = () => gatherFacts(digest, { blobs: one.blobs, trust: trustIn([osaka]), depth: 'whole', signal });
  const other = await again('b');
  assert.equal(other.attestation, undefined);
  assert.deepEqual((await facts()).rebuilders, []);
  const same = await again('a');
  assert.ok(same.isSame && same.attestation);
  assert.deepEqual(
    (await facts()).rebuilders.map(({ stack }) => stack),
    ['osaka'],
  );
});

async function configOf(blobs: Parameters<typeof imageOf>[0], digest: Parameters<typeof compareImages>[0]['digest']) {
  const { readImageParts } = await import('#manifests/supply');
  return (await readImageParts(digest, blobs)).config;
}

const bytes = Buffer.alloc(1_000_003, 'what is sealed');

test('the hashes of a seal are those of openssl and sha256sum', async () => {
  const { sha256, sha3_512 } = await threeHashes([bytes.subarray(0, 10), bytes.subarray(10)], signal);
  const openssl = execFileSync('openssl', ['dgst', '-sha3-512', '-r'], { input: bytes, encoding: 'utf8' });
  assert.equal(openssl.split(' ')[0], sha3_512);
  assert.equal(execFileSync('sha256sum', { input: bytes, encoding: 'utf8' }).split(' ')[0], sha256);
});

test('BLAKE3 of a seal is as b3sum computes it', {
  skip: spawnSync('b3sum', ['--version']).error && 'apt-get install b3sum',
}, async () => {
  const { blake3 } = await threeHashes([bytes], signal);
  assert.equal(execFileSync('b3sum', { input: bytes, encoding: 'utf8' }).split(' ')[0], blake3);
});

test('BLAKE3 is as its authors give it for no bytes', async () => {
  const { blake3 } = await threeHashes([], signal);
  assert.equal(blake3, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
});

test('a seal is the same whenever it is made, and another after a change of what it is over', async () => {
  await using store = await openStore();
  const digest = await imageOf(store.blobs, [await layerOf(store.blobs, { a: 'a' })]);
  const of = { manifestDigest: digest, buildKey: digest };
  const first = await sealImage(digest, of, store.blobs, { signal });
  assert.deepEqual(await sealImage(digest, of, store.blobs, { signal }), first);
  const { content } = JSON.parse(first.text) as { content: { what: string; sha3_512: string }[] };
  assert.deepEqual(
    content.map(({ what }) => what),
    ['manifest', 'config', 'layer'],
  );
  const other = { ...of, buildKey: `sha256:${'0'.repeat(64)}` as const };
  assert.notEqual((await sealImage(digest, other, store.blobs, { signal })).hashes.blake3, first.hashes.blake3);
});
