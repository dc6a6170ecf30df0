// What an engine gets when it asks for an image.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerDistribution, type BlobStore, digestOf, mediaTypes, openBlobStore } from '#manifests';
import { gather, openFolder } from './folder.ts';

const { signal } = new AbortController();
const layer = Buffer.from('0123456789');
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest }));

async function openStore() {
  const folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  for (const bytes of [layer, manifest]) await blobs.write([bytes], { maxBytes: 1000, signal });
  return { blobs, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

async function ask(
  blobs: BlobStore,
  path: string,
  { method = 'GET', range }: { method?: string; range?: string } = {},
) {
  const answer = await answerDistribution(
    { method, path, headers: { range } },
    { blobs, mayRead: (repository) => repository.startsWith('shop/') },
  );
  const body =
    answer.body instanceof Uint8Array ? Buffer.from(answer.body) : answer.body && (await gather(answer.body));
  return { ...answer, text: body?.toString() };
}

test('the registry says that it is one', async () => {
  await using store = await openStore();
  assert.equal((await ask(store.blobs, '/v2/')).status, 200);
});

test('a manifest is given by its digest, to HEAD without its bytes', async () => {
  await using store = await openStore();
  const digest = digestOf(manifest);
  const got = await ask(store.blobs, `/v2/shop/api/manifests/${digest}`);
  assert.deepEqual([got.status, got.text], [200, manifest.toString()]);
  assert.equal(got.headers['docker-content-digest'], digest);
  assert.equal(got.headers['content-type'], mediaTypes.manifest);
  const head = await ask(store.blobs, `/v2/shop/api/manifests/${digest}`, { method: 'HEAD' });
  assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, undefined, String(manifest.length)]);
});

test('a blob is given whole or in the range that is asked for', async () => {
  await using store = await openStore();
  const path = `/v2/shop/api/blobs/${digestOf(layer)}`;
  assert.equal((await ask(store.blobs, path)).text, '0123456789');
  for (const [range, text, contentRange] of [
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=0-99', '0123456789', 'bytes 0-9/10'],
  ] as const) {
    const part = await ask(store.blobs, path, { range });
    assert.deepEqual([part.status, part.text, part.headers['content-range']], [206, text, contentRange]);
    assert.equal(part.headers['content-length'], String(text.length));
  }
  const beyond = await ask(store.blobs, path, { range: 'bytes=10-' });
  assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */10']);
  for (const range of ['bytes=4-2', 'bytes=-', 'lines=1-2', 'bytes=0-1,3-4']) {
    assert.equal((await ask(store.blobs, path, { range })).status, 200);
  }
});

test('what is refused is refused in the form of the specification', async () => {
  await using store = await openStore();
  const unknown = digestOf('nothing');
  for (const [path, method, status, code] of [
    [`/v2/shop/api/manifests/${unknown}`, 'GET', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/shop/api/manifests/latest`, 'GET', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/shop/api/manifests/${digestOf(layer)}`, 'GET', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/shop/api/blobs/${unknown}`, 'GET', 404, 'BLOB_UNKNOWN'],
    ['/v2/shop/api/blobs/sha256:..%2f..%2fetc', 'GET', 400, 'DIGEST_INVALID'],
    [`/v2/other/api/blobs/${digestOf(layer)}`, 'GET', 403, 'DENIED'],
    ['/v2/_catalog', 'GET', 404, 'NAME_UNKNOWN'],
    ['/v2/shop/api/blobs/uploads/', 'POST', 405, 'UNSUPPORTED'],
  ] as const) {
    const answer = await ask(store.blobs, path, { method });
    const { errors } = JSON.parse(answer.text ?? '{}') as { errors: { code: string; message: string }[] };
    assert.deepEqual([answer.status, errors[0]?.code], [status, code], path);
    assert.ok(errors[0]?.message);
    if (method === 'GET') {
      const head = await ask(store.blobs, path, { method: 'HEAD' });
      assert.deepEqual([head.status, head.text], [status, undefined]);
    }
  }
});
