// What engines and clients get of this registry, by the tables of the distribution specification.
import assert from 'node:assert/strict';
import { rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { digestOf, mediaTypes, openBlobStore } from '#manifests';
import { answerDistribution, type DistributionAction, openRepositories, openUploads } from '#manifests/distribution';
import { gather, openFolder, pieces } from '../folder.ts';

const layer = Buffer.from('0123456789');
const config = Buffer.from('{"os":"linux","architecture":"amd64"}');
const named = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
const makeManifest = (more: object = {}): Buffer =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: named(mediaTypes.config, config),
      layers: [named(mediaTypes.layer, layer)],
      ...more,
    }),
  );
const manifest = makeManifest();

interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | AsyncGenerator<Uint8Array>;
}

type Rights = (repository: string, action: DistributionAction) => boolean;

async function openRegistry({ may = () => true }: { may?: Rights } = {}) {
  const folder = await openFolder();
  const open = async (rights = may) => {
    const blobs = await openBlobStore(folder.path);
    return { blobs, repositories: openRepositories(blobs), uploads: openUploads(folder.path), may: rights };
  };
  let context = await open();
  const ask = async (place: string, { method = 'GET', headers = {}, body }: Ask = {}) => {
    const [target = '', query = ''] = place.split('?');
    const length = Buffer.isBuffer(body) ? { 'content-length': String(body.length) } : {};
    const answer = await answerDistribution(
      {
        method,
        path: target,
        query,
        headers: { ...length, ...headers },
        body: Buffer.isBuffer(body)
          ? pieces(body, body.length > 10_000 ? 65_536 : 7)
          : (body ?? pieces(Buffer.alloc(0))),
      },
      context,
    );
    const got =
      answer.body instanceof Uint8Array ? Buffer.from(answer.body) : answer.body && (await gather(answer.body));
    const text = got?.toString();
    return { status: answer.status, headers: answer.headers, text, code: codeOf(text) };
  };
  const pushBlob = async (repository: string, bytes: Buffer) => {
    const begun = await ask(`/v2/${repository}/blobs/uploads/`, { method: 'POST' });
    const put = await ask(`${begun.headers['location']}?digest=${digestOf(bytes)}`, { method: 'PUT', body: bytes });
    assert.equal(put.status, 201, put.text);
  };
  const pushManifest = (repository: string, reference: string, bytes: Buffer, type: string = mediaTypes.manifest) =>
    ask(`/v2/${repository}/manifests/${reference}`, { method: 'PUT', body: bytes, headers: { 'content-type': type } });
  return {
    ask,
    pushBlob,
    pushManifest,
    directory: folder.path,
    blobs: () => context.blobs,
    async pushImage(repository: string, reference: string, bytes = manifest) {
      for (const blob of [layer, config]) await pushBlob(repository, blob);
      const put = await pushManifest(repository, reference, bytes);
      assert.equal(put.status, 201, put.text);
    },
    restart: async (rights?: Rights) => {
      context = await open(rights);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function codeOf(text: string | undefined): string | undefined {
  try {
    return (JSON.parse(text ?? '{}') as { errors?: { code: string }[] }).errors?.[0]?.code;
  } catch {
    return undefined;
  }
}

test('the registry says that it is one', async () => {
  await using registry = await openRegistry();
  const answer = await registry.ask('/v2/');
  assert.deepEqual([answer.status, answer.headers['docker-distribution-api-version']], [200, 'registry/2.0']);
});

test('what is pushed is pulled as it was, by tag and by digest, also after a restart', async () => {
  await using registry = await openRegistry();
  await registry.pushImage('shop/api', '1.0');
  await registry.restart();
  for (const reference of ['1.0', digestOf(manifest)]) {
    const got = await registry.ask(`/v2/shop/api/manifests/${reference}`);
    assert.deepEqual([got.status, got.text], [200, manifest.toString()]);
    assert.equal(got.headers['docker-content-digest'], digestOf(manifest));
    assert.equal(got.headers['content-type'], mediaTypes.manifest);
    const head = await registry.ask(`/v2/shop/api/manifests/${reference}`, { method: 'HEAD' });
    assert.deepEqual(
      [head.status, head.text, head.headers['content-length']],
      [200, undefined, String(manifest.length)],
    );
  }
});

test('a blob is given whole or in the range that is asked for', async () => {
  await using registry = await openRegistry();
  await registry.pushImage('shop/api', 'a');
  const place = `/v2/shop/api/blobs/${digestOf(layer)}`;
  assert.equal((await registry.ask(place)).text, '0123456789');
  for (const [range, text, contentRange] of [
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=0-99', '0123456789', 'bytes 0-9/10'],
  ] as const) {
    const part = await registry.ask(place, { headers: { range } });
    assert.deepEqual([part.status, part.text, part.headers['content-range']], [206, text, contentRange]);
    assert.equal(part.headers['content-length'], String(text.length));
  }
  const beyond = await registry.ask(place, { headers: { range: 'bytes=10-' } });
  assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */10']);
  for (const range of ['bytes=4-2', 'bytes=-', 'lines=1-2', 'bytes=0-1,3-4'])
    assert.equal((await registry.ask(place, { headers: { range } })).status, 200);
});

test('a blob is read only through a repository that names it, and mounted only from one that its caller may read', async () => {
  await using registry = await openRegistry();
  await registry.pushImage('shop/api', 'a');
  const digest = digestOf(layer);
  assert.equal((await registry.ask(`/v2/other/api/blobs/${digest}`)).code, 'BLOB_UNKNOWN');
  assert.equal((await registry.ask(`/v2/other/api/manifests/${digestOf(manifest)}`)).code, 'MANIFEST_UNKNOWN');
  assert.equal((await registry.pushManifest('other/api', 'x', manifest)).code, 'MANIFEST_BLOB_UNKNOWN');
  const mount = (from: string) =>
    registry.ask(`/v2/other/api/blobs/uploads/?mount=${digest}&from=${from}`, { method: 'POST' });
  assert.equal((await mount('nowhere')).status, 202, 'what cannot be mounted is uploaded');
  await registry.restart((repository, action) => repository !== 'shop/api' || action !== 'pull');
  assert.equal((await mount('shop/api')).status, 202);
  await registry.restart();
  const mounted = await mount('shop/api');
  assert.deepEqual([mounted.status, mounted.headers['location']], [201, `/v2/other/api/blobs/${digest}`]);
  assert.equal((await registry.ask(`/v2/other/api/blobs/${digest}`)).status, 200);
});

test('an upload in pieces says how far it is, refuses a gap, and goes on after a cut and a restart', async () => {
  await using registry = await openRegistry();
  const begun = await registry.ask('/v2/p/blobs/uploads/', { method: 'POST' });
  assert.equal(begun.status, 202);
  const place = begun.headers['location'] ?? '';
  const patch = (range: string, body: Ask['body'] & object) =>
    registry.ask(place, { method: 'PATCH', headers: { 'content-range': range }, body });
  const first = await patch('0-3', layer.subarray(0, 4));
  assert.deepEqual([first.status, first.headers['range']], [202, '0-3']);
  const gap = await patch('5-9', layer.subarray(5));
  assert.deepEqual([gap.status, gap.headers['range'], gap.code], [416, '0-3', 'BLOB_UPLOAD_INVALID']);
  assert.equal((await patch('4-5', layer.subarray(4, 9))).code, 'SIZE_INVALID');
  const cut = async function* (): AsyncGenerator<Uint8Array> {
    yield layer.subarray(4, 6);
    throw new Error('cut');
  };
  await assert.rejects(patch('4-9', cut()), /cut/);
  await registry.restart();
  const status = await registry.ask(place);
  assert.deepEqual([status.status, status.headers['range']], [204, '0-5']);
  assert.equal((await registry.ask(place.replace('/v2/p/', '/v2/q/'))).code, 'BLOB_UPLOAD_UNKNOWN');
  assert.equal((await patch('6-9', layer.subarray(6))).status, 202);
  const put = await registry.ask(`${place}?digest=${digestOf(layer)}`, { method: 'PUT' });
  assert.deepEqual([put.status, put.headers['docker-content-digest']], [201, digestOf(layer)]);
  assert.equal((await registry.ask(`/v2/p/blobs/${digestOf(layer)}`)).text, layer.toString());
  assert.equal((await registry.ask(place)).status, 404);
});

test('a blob comes whole with POST, and one with another digest is gone', async () => {
  await using registry = await openRegistry();
  const post = (digest: string) =>
    registry.ask(`/v2/p/blobs/uploads/?digest=${digest}`, { method: 'POST', body: layer });
  assert.equal((await post(digestOf('other'))).code, 'DIGEST_INVALID');
  assert.equal((await post('sha256:short')).code, 'DIGEST_INVALID');
  assert.equal((await registry.ask(`/v2/p/blobs/${digestOf(layer)}`)).status, 404);
  assert.equal((await post(digestOf(layer))).status, 201);
  const begun = await registry.ask('/v2/p/blobs/uploads/', { method: 'POST' });
  assert.equal((await registry.ask(begun.headers['location'] ?? '', { method: 'DELETE' })).status, 204);
  assert.equal((await registry.ask(begun.headers['location'] ?? '', { method: 'DELETE' })).status, 404);
});

test('a manifest stands only where all that it names stands, as it says', async () => {
  await using registry = await openRegistry();
  const put = (bytes: Buffer, reference: string = digestOf(bytes), type?: string) =>
    registry.pushManifest('p', reference, bytes, type);
  assert.equal((await put(manifest)).code, 'MANIFEST_BLOB_UNKNOWN');
  for (const blob of [layer, config]) await registry.pushBlob('p', blob);
  const wrongSize = makeManifest({ layers: [{ ...named(mediaTypes.layer, layer), size: 9 }] });
  for (const [bytes, reference, type, code] of [
    [wrongSize, undefined, undefined, 'MANIFEST_INVALID'],
    [manifest, digestOf('x'), undefined, 'DIGEST_INVALID'],
    [manifest, '.tag', undefined, 'NAME_INVALID'],
    [manifest, 'a', mediaTypes.index, 'MANIFEST_INVALID'],
    [makeManifest({ manifests: [] }), 'a', undefined, 'MANIFEST_INVALID'],
    [makeManifest({ schemaVersion: 1 }), 'a', undefined, 'MANIFEST_INVALID'],
    [Buffer.from('{'), 'a', undefined, 'MANIFEST_INVALID'],
    [Buffer.alloc(4 * 1024 * 1024 + 1, 0x20), 'a', undefined, 'SIZE_INVALID'],
  ] as const)
    assert.equal((await put(bytes, reference, type)).code, code);
  assert.equal((await put(manifest, 'a')).status, 201);
});

test('an index of several platforms is taken once its manifests are there, and they stay as long as it does', async () => {
  await using registry = await openRegistry();
  const arm = makeManifest({ annotations: { platform: 'arm64' } });
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [named(mediaTypes.manifest, manifest), named(mediaTypes.manifest, arm)],
    }),
  );
  await registry.pushImage('p', digestOf(manifest));
  assert.equal((await registry.pushManifest('p', 'all', index, mediaTypes.index)).code, 'MANIFEST_BLOB_UNKNOWN');
  await registry.pushImage('p', digestOf(arm), arm);
  assert.equal((await registry.pushManifest('p', 'all', index, mediaTypes.index)).status, 201);
  const got = await registry.ask('/v2/p/manifests/all');
  assert.deepEqual([got.text, got.headers['content-type']], [index.toString(), mediaTypes.index]);
  const remove = (reference: string) => registry.ask(`/v2/p/manifests/${reference}`, { method: 'DELETE' });
  assert.equal((await remove(digestOf(arm))).status, 409);
  assert.deepEqual([(await remove('all')).status, (await remove('all')).status], [202, 404]);
  assert.equal((await remove(digestOf(index))).status, 202);
  assert.equal((await remove(digestOf(arm))).status, 202);
  assert.equal((await registry.ask(`/v2/p/manifests/${digestOf(arm)}`)).code, 'MANIFEST_UNKNOWN');
});

test('tags come in the order of their bytes, in pages that lead to one another', async () => {
  await using registry = await openRegistry();
  assert.equal((await registry.ask('/v2/p/tags/list')).code, 'NAME_UNKNOWN');
  for (const tag of ['b', 'A', 'c', 'a']) await registry.pushImage('p', tag);
  const list = async (query: string) => {
    const { text, headers } = await registry.ask(`/v2/p/tags/list${query}`);
    return [(JSON.parse(text ?? '') as { tags: string[] }).tags.join(), headers['link']];
  };
  assert.deepEqual(await list(''), ['A,a,b,c', undefined]);
  assert.deepEqual(await list('?n=2'), ['A,a', '</v2/p/tags/list?n=2&last=a>; rel="next"']);
  assert.deepEqual(await list('?n=2&last=a'), ['b,c', undefined]);
  assert.deepEqual(await list('?n=0'), ['', undefined]);
  assert.equal((await registry.ask('/v2/p/tags/list?n=x')).status, 400);
});

test('referrers of an image are listed by artifact type, and under the tag of older clients', async () => {
  await using registry = await openRegistry();
  await registry.pushImage('p', 'a');
  const subject = named(mediaTypes.manifest, manifest);
  const sbom = makeManifest({ subject, artifactType: 'application/sbom', annotations: { of: 'a' } });
  const plain = makeManifest({ subject });
  const put = await registry.pushManifest('p', digestOf(sbom), sbom);
  assert.equal(put.headers['oci-subject'], subject.digest);
  await registry.pushManifest('p', digestOf(plain), plain);
  const types = async (place: string) => {
    const { text, headers } = await registry.ask(`/v2/p/${place}`);
    const { manifests } = JSON.parse(text ?? '') as { manifests: { artifactType: string; digest: string }[] };
    assert.equal(headers['content-type'], mediaTypes.index);
    return [manifests.map((one) => one.artifactType).sort(), headers['oci-filters-applied']];
  };
  const both = ['application/sbom', mediaTypes.config].sort();
  assert.deepEqual(await types(`referrers/${subject.digest}`), [both, undefined]);
  assert.deepEqual(await types(`referrers/${subject.digest}?artifactType=application/sbom`), [
    ['application/sbom'],
    'artifactType',
  ]);
  assert.deepEqual(await types(`referrers/${digestOf('nobody')}`), [[], undefined]);
  assert.deepEqual(await types(`manifests/${subject.digest.replace(':', '-')}`), [both, undefined]);
  assert.equal((await registry.ask('/v2/p/referrers/latest')).code, 'DIGEST_INVALID');
});

test('what is refused is refused in the form of the specification', async () => {
  await using registry = await openRegistry({ may: (repository) => repository.startsWith('shop/') });
  await registry.pushImage('shop/api', 'a');
  const unknown = digestOf('nothing');
  for (const [place, method, status, code] of [
    [`/v2/shop/api/manifests/${unknown}`, 'GET', 404, 'MANIFEST_UNKNOWN'],
    ['/v2/shop/api/manifests/latest', 'GET', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/shop/api/manifests/${digestOf(layer)}`, 'GET', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/shop/api/blobs/${unknown}`, 'GET', 404, 'BLOB_UNKNOWN'],
    ['/v2/shop/api/blobs/sha256:..%2f..%2fetc', 'GET', 400, 'DIGEST_INVALID'],
    [`/v2/other/api/blobs/${digestOf(layer)}`, 'GET', 403, 'DENIED'],
    ['/v2/Shop/api/tags/list', 'GET', 400, 'NAME_INVALID'],
    ['/v2/_catalog', 'GET', 404, 'NAME_UNKNOWN'],
    [`/v2/${'x'.repeat(600)}/tags/list`, 'GET', 414, 'NAME_INVALID'],
    [`/v2/shop/api/blobs/${digestOf(layer)}`, 'DELETE', 405, 'UNSUPPORTED'],
    ['/v2/shop/api/blobs/uploads/..%2f..%2fx', 'PATCH', 404, 'BLOB_UPLOAD_UNKNOWN'],
    ['/v2/other/api/blobs/uploads/', 'POST', 403, 'DENIED'],
  ] as const) {
    const answer = await registry.ask(place, { method });
    assert.deepEqual([answer.status, answer.code], [status, code], place);
  }
});

test('a file that the disk changed or lost under a repository is unknown, and the rest stays', async () => {
  await using registry = await openRegistry();
  await registry.pushImage('p', 'a');
  const hex = digestOf(config).slice('sha256:'.length);
  await rm(path.join(registry.directory, 'sha256', hex.slice(0, 2), hex));
  assert.equal((await registry.ask(`/v2/p/blobs/${digestOf(config)}`)).code, 'BLOB_UNKNOWN');
  const of = digestOf(manifest).slice('sha256:'.length);
  await truncate(path.join(registry.directory, 'sha256', of.slice(0, 2), of), 5);
  assert.equal((await registry.ask('/v2/p/manifests/a')).code, 'MANIFEST_UNKNOWN');
  assert.equal((await registry.ask(`/v2/p/blobs/${digestOf(layer)}`)).status, 200);
});
