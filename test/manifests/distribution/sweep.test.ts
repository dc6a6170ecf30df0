// What a store lets go when it is above its limit, and what it keeps whatever happens beside it.
import assert from 'node:assert/strict';
import { utimes } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { type Digest, digestOf, mediaTypes, openBlobStore } from '#manifests';
import { openRepositories, planSweep } from '#manifests/distribution';
import { openFolder } from '../folder.ts';

const { signal } = new AbortController();
const day = 24 * 60 * 60_000;
const now = 100 * day;

async function openStore() {
  const folder = await openFolder();
  const blobs = await openBlobStore(folder.path, { now: () => now });
  const repositories = openRepositories(blobs);
  const age = async (digest: Digest, days: number) => {
    const hex = digest.slice('sha256:'.length);
    const at = (now - days * day) / 1000;
    await utimes(path.join(folder.path, 'sha256', hex.slice(0, 2), hex), at, at);
  };
  const write = async (text: string, days: number): Promise<Digest> => {
    const { digest } = await blobs.write([Buffer.from(text)], { maxBytes: 1e6, signal });
    await age(digest, days);
    return digest;
  };
  const image = async (name: string, days: number, subject?: Digest) => {
    const config = `config of ${name}`;
    const layer = `layer of ${name}`.padEnd(1000);
    const of = (mediaType: string, text: string) => ({ mediaType, digest: digestOf(text), size: text.length });
    const parts = [await write(config, days), await write(layer, days)];
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: of(mediaTypes.config, config),
      layers: [of(mediaTypes.layer, layer)],
      ...(subject && { subject: { mediaType: mediaTypes.manifest, digest: subject, size: 1 } }),
    });
    return { digest: await write(manifest, days), parts };
  };
  const plan = (roots: Digest[], limitBytes: number) =>
    planSweep(blobs, { repositories, roots: async () => roots, limitBytes, usedSinceMs: now - day });
  return { blobs, repositories, age, write, image, plan, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test('below its limit a store keeps all; above it the longest unused goes first, and no more than must', async () => {
  await using store = await openStore();
  const [young, old, oldest] = [
    await store.write('a'.repeat(100), 2),
    await store.write('b'.repeat(100), 5),
    await store.write('c'.repeat(100), 9),
  ];
  const gone = async (limit: number) => (await store.plan([], limit)).remove.map(({ digest }) => digest);
  assert.deepEqual(await gone(300), []);
  assert.deepEqual(await gone(299), [oldest]);
  assert.deepEqual(await gone(150), [oldest, old]);
  assert.deepEqual(await gone(0), [oldest, old, young]);
  assert.ok(await store.blobs.has(old));
  assert.deepEqual(await gone(0), [oldest, young], 'what was just asked for is in use');
});

test('what runs, what stands in a repository, and what refers to either stays whole', async () => {
  await using store = await openStore();
  const running = await store.image('running', 50);
  const pushed = await store.image('pushed', 50);
  const sbom = await store.image('sbom', 50, running.digest);
  const garbage = await store.image('garbage', 50);
  await store.repositories.add('p', pushed.digest);
  for (const one of [running, pushed, sbom, garbage])
    for (const digest of [one.digest, ...one.parts]) await store.age(digest, 50);
  const { remove, neededBytes, sizeBytes } = await store.plan([running.digest], 0);
  assert.deepEqual(remove.map(({ digest }) => digest).sort(), [garbage.digest, ...garbage.parts].sort());
  assert.ok(neededBytes > 0 && neededBytes < sizeBytes);
});

test('a blob that is asked for while it is removed is there whole or gone, and one that was used meanwhile stays', async () => {
  await using store = await openStore();
  const digest = await store.write('text', 50);
  await store.blobs.writeNote(`chunks/${digest.slice('sha256:'.length)}`, 'index');
  assert.equal(await store.blobs.remove(digest, { usedSinceMs: now - 60 * day }), false);
  const removing = store.blobs.remove(digest, { usedSinceMs: now - day });
  const isThere = await store.blobs.has(digest);
  assert.notEqual(await removing, isThere);
  const again = await store.write('text', 50);
  assert.ok(await store.blobs.has(again));
  assert.equal(await store.blobs.remove(again, { usedSinceMs: now - day }), false);
  await store.age(again, 50);
  assert.equal(await store.blobs.remove(again, { usedSinceMs: now - day }), true);
  assert.equal(await store.blobs.readNote(`chunks/${digest.slice('sha256:'.length)}`), undefined);
  assert.equal(await store.blobs.remove(again, { usedSinceMs: now }), false);
});
