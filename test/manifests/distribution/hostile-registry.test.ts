// Registries that lie, over real HTTP: each is refused with what it lied in, in little time and memory, and nothing of it is kept.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { createGzip, zstdCompressSync } from 'node:zlib';
import { digestOf, ManifestError, mediaTypes, openBlobStore } from '#manifests';
import { decompress } from '#manifests/debian';
import { openRegistryClient, pullImage, type RegistryParts } from '#manifests/distribution';
import { makeRegistryParts } from '../../../daemon/registries.ts';
import { gather, openFolder } from '../folder.ts';

const signal = AbortSignal.timeout(60_000);
const layer = Buffer.alloc(200_000, 'layer');
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
const honest = makeManifest();

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(answer: Answer) {
  const requests: { readonly place: string; readonly authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    requests.push({ place: request.url ?? '', authorization: request.headers.authorization });
    response.on('error', () => undefined);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What an honest registry with one image answers. */
const tellTruth: Answer = (request, response) => {
  const place = request.url ?? '';
  if (place.includes('/manifests/')) response.writeHead(200, { 'content-type': mediaTypes.manifest }).end(honest);
  else if (place.endsWith(digestOf(layer))) response.end(layer);
  else if (place.endsWith(digestOf(config))) response.end(config);
  else response.writeHead(404).end();
};

/** An answer to what has this in its path, and the truth to all else. */
const lyingAt =
  (part: string, lie: Answer): Answer =>
  (request, response) =>
    request.url?.includes(part) ? lie(request, response) : tellTruth(request, response);
const atLayer = (lie: Answer): Answer => lyingAt(digestOf(layer), lie);
const atManifest = (lie: Answer): Answer => lyingAt('/manifests/', lie);
const manifestOf =
  (bytes: Buffer, type: string = mediaTypes.manifest): Answer =>
  (_, response) =>
    response.writeHead(200, { 'content-type': type }).end(bytes);

/** Writes until the other side has enough. */
const endless: Answer = (_, response) => {
  const piece = Buffer.alloc(64 * 1024, ' ');
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
};

const impatient: RegistryParts = { ...makeRegistryParts({ loginFiles: [] }, () => 0), pause: async () => undefined };

async function pullFrom(answer: Answer, reference = 'latest') {
  await using folder = await openFolder();
  await using registry = await serve(answer);
  const blobs = await openBlobStore(folder.path);
  const before = process.memoryUsage().rss;
  let peak = before;
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 20);
  try {
    const client = openRegistryClient(registry.address, 'shop', impatient);
    const error = await pullImage(client, reference, blobs, { signal }).then(
      () => undefined,
      (fault: unknown) => fault,
    );
    const kept = [];
    for await (const { digest } of blobs.list()) {
      kept.push(digest);
      await gather(blobs.read(digest));
    }
    const scratch = await readdir(path.join(folder.path, 'tmp'));
    return { error, kept, scratch, requests: registry.requests.length, grownBytes: peak - before };
  } finally {
    clearInterval(sampling);
  }
}

test('an honest registry is believed', async () => {
  const { error, kept } = await pullFrom(tellTruth);
  assert.deepEqual([error, kept.length], [undefined, 3]);
});

const many = Array.from({ length: 1_000 }, () => named(mediaTypes.manifest, honest));
const lies: readonly [string, Answer, RegExp, string?][] = [
  [
    'bytes of another digest',
    atLayer((_, response) => response.end(Buffer.alloc(layer.length, 'x'))),
    /gives bytes with sha256:/,
  ],
  [
    'a layer that is cut short',
    atLayer((_, response) => response.end(layer.subarray(0, 1000))),
    /gives 1000 of the 200000 bytes/,
  ],
  [
    'a layer that is shorter than its Content-Length says',
    atLayer((_, response) => {
      response.writeHead(200, { 'content-length': layer.length });
      response.write(layer.subarray(0, 1000));
      setImmediate(() => response.destroy());
    }),
    /gives \d+ of the 200000 bytes|Cannot reach the registry/,
  ],
  ['a layer without an end', atLayer(endless), /more than the 200000 bytes/],
  ['a manifest without an end', atManifest(endless), /more than 4194304 bytes/],
  [
    'a manifest of another digest',
    atManifest(manifestOf(makeManifest({ annotations: { a: 'b' } }))),
    /gives a manifest with sha256:/,
    digestOf(honest),
  ],
  ['a manifest that is no JSON', atManifest(manifestOf(Buffer.from('<html>'))), /is no image/],
  [
    'a manifest with a media type that it does not say',
    atManifest(manifestOf(honest, mediaTypes.index)),
    /is no image/,
  ],
  ['a page instead of a manifest', atManifest(manifestOf(honest, 'text/html')), /is no image/],
  ['a manifest that is an index too', atManifest(manifestOf(makeManifest({ manifests: [] }))), /is no image/],
  [
    'a layer of more bytes than any has',
    atManifest(manifestOf(makeManifest({ layers: [{ ...named(mediaTypes.layer, layer), size: 2 ** 50 }] }))),
    /at most 17179869184/,
  ],
  [
    'an index that leads to itself',
    atManifest(
      manifestOf(
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: many })),
        mediaTypes.index,
      ),
    ),
    /gives a manifest with sha256:/,
  ],
  [
    'a redirect in a circle',
    atLayer(({ url }, response) => response.writeHead(307, { location: url }).end()),
    /leads on more than 5 times/,
  ],
  [
    'a redirect to a file',
    atLayer((_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end()),
    /it leads to "file:/,
  ],
  [
    'a redirect without TLS',
    atLayer((_, response) => response.writeHead(302, { location: 'http://192.0.2.1/x' }).end()),
    /without TLS/,
  ],
  ['a redirect to nowhere', atLayer((_, response) => response.writeHead(307).end()), /leads to "nowhere"/],
  ['a status that nobody knows', atLayer((_, response) => response.writeHead(299).end(layer)), /answers 299/],
];

for (const [what, answer, message, reference] of lies) {
  test(`${what} is refused, soon and in little memory, and nothing of it is kept`, async () => {
    const before = performance.now();
    const { error, kept, scratch, requests, grownBytes } = await pullFrom(answer, reference);
    assert.ok(error instanceof ManifestError, String(error ?? 'it was believed'));
    assert.match(error.message, message);
    assert.ok(
      !kept.includes(digestOf(layer)) && !kept.includes(digestOf(honest)),
      'what is kept is whole, and no image',
    );
    assert.deepEqual(scratch, []);
    assert.ok(requests < 30, `${requests} requests`);
    assert.ok(grownBytes < 100 * 1024 ** 2, `${grownBytes} bytes`);
    assert.ok(performance.now() - before < 20_000);
  });
}

test('a registry that drips is given up, in its headers, in a manifest and in a layer', async () => {
  const drips: { end(): void }[] = [];
  const drip =
    (bytes: Buffer): Answer =>
    (_, response) => {
      let at = 0;
      const timer = setInterval(() => response.write(bytes.subarray(at++, at)), 50);
      drips.push({ end: () => clearInterval(timer) });
    };
  const silent: Answer = () => undefined;
  for (const answer of [atManifest(silent), atManifest(drip(honest)), atLayer(drip(layer))]) {
    await using folder = await openFolder();
    await using registry = await serve(answer);
    const blobs = await openBlobStore(folder.path);
    const parts = { ...makeRegistryParts({ loginFiles: [], slowMs: 300 }, () => 0), pause: async () => undefined };
    const client = openRegistryClient(registry.address, 'shop', parts);
    await assert.rejects(pullImage(client, 'latest', blobs, { signal }), {
      code: 'registry-unreachable',
      message: /too slow|aborted|reset|hang up/,
    });
    for (const one of drips) one.end();
  }
});

const login = (address: string) =>
  JSON.stringify({ auths: { [address]: { auth: Buffer.from('anna:secret').toString('base64') } } });
async function asAnna(address: string, folder: string): Promise<RegistryParts> {
  const file = path.join(folder, 'config.json');
  await writeFile(file, login(address));
  return { ...makeRegistryParts({ loginFiles: [file] }, () => 0), pause: async () => undefined };
}

test('a password goes to its registry alone: a redirect takes none along, whatever host it leads to', async () => {
  await using folder = await openFolder();
  await using elsewhere = await serve(tellTruth);
  await using registry = await serve(({ headers, url }, response) => {
    if (headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else response.writeHead(307, { location: `http://${elsewhere.address}${url}` }).end();
  });
  const blobs = await openBlobStore(path.join(folder.path, 'blobs'));
  const client = openRegistryClient(registry.address, 'shop', await asAnna(registry.address, folder.path));
  await pullImage(client, 'latest', blobs, { signal });
  assert.equal(elsewhere.requests.length, 3);
  assert.deepEqual(
    elsewhere.requests.filter(({ authorization }) => authorization !== undefined),
    [],
  );
  assert.ok(registry.requests.some(({ authorization }) => authorization?.startsWith('Basic ')));
});

test('another host that asks for a password gets none', async () => {
  await using folder = await openFolder();
  await using elsewhere = await serve((_, response) =>
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(),
  );
  await using registry = await serve(({ url }, response) =>
    response.writeHead(307, { location: `http://${elsewhere.address}${url}` }).end(),
  );
  const client = openRegistryClient(registry.address, 'shop', await asAnna(registry.address, folder.path));
  await assert.rejects(client.document('latest', { signal }), { code: 'registry-refused' });
  assert.ok(elsewhere.requests.every(({ authorization }) => authorization === undefined));
});

test('a registry elsewhere may not lead to what listens on this machine', async () => {
  const asked: string[] = [];
  for (const location of ['http://127.0.0.1:8001/api/stop', 'https://localhost/x', 'http://[::1]:8001/x']) {
    const parts: RegistryParts = {
      ...impatient,
      http: {
        async send({ url }) {
          asked.push(url.host);
          return { status: 307, headers: { location }, body: (async function* () {})() };
        },
      },
    };
    const client = openRegistryClient('registry.example', 'shop', parts);
    await assert.rejects(client.document('latest', { signal }), { code: 'registry-lied', message: /this machine/ });
  }
  assert.deepEqual(asked, ['registry.example', 'registry.example', 'registry.example']);
});

const tokenAnswers: readonly [string, Answer, RegExp][] = [
  ['no JSON', (_, response) => response.end('<html>'), /is no JSON object/],
  [
    'a token with a line break',
    (_, response) => response.end(JSON.stringify({ token: 'a\r\nx-evil: 1' })),
    /its token is none/,
  ],
  [
    'a token of a megabyte',
    (_, response) => response.end(JSON.stringify({ token: 'a'.repeat(1 << 20) })),
    /its token is none/,
  ],
  ['an answer without an end', endless, /more than 4194304 bytes/],
  ['a redirect', (_, response) => response.writeHead(307, { location: '/' }).end('{}'), /gives no token \(307\)/],
  ['a refusal', (_, response) => response.writeHead(403).end('{}'), /gives no token \(403\)/],
];
for (const [what, answer, message] of tokenAnswers) {
  test(`a token server that gives ${what} is refused`, async () => {
    await using tokens = await serve(answer);
    await using registry = await serve((_, response) =>
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${tokens.address}/",service="x"` }).end(),
    );
    const client = openRegistryClient(registry.address, 'shop', impatient);
    await assert.rejects(client.document('latest', { signal }), { name: 'ManifestError', message });
    assert.equal(tokens.requests.length, 1);
  });
}

test('a registry that takes no token that it gave is asked no further', async () => {
  await using tokens = await serve((_, response) => response.end('{"token":"abc"}'));
  await using registry = await serve((_, response) =>
    response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${tokens.address}/"` }).end(),
  );
  const client = openRegistryClient(registry.address, 'shop', impatient);
  await assert.rejects(client.document('latest', { signal }), { code: 'registry-refused' });
  assert.ok(registry.requests.length <= 2 && tokens.requests.length === 1);
});

test('a list without an end is given up, by its pages and by its bytes', async () => {
  const tags = (bytes: number): string => JSON.stringify({ tags: ['a'.repeat(bytes)] });
  for (const bytes of [10, 3 * 1024 ** 2]) {
    await using registry = await serve(({ url }, response) =>
      response.writeHead(200, { link: `<${url}>; rel="next"` }).end(tags(bytes)),
    );
    const client = openRegistryClient(registry.address, 'shop', impatient);
    const asking = client.tags({ signal });
    if (bytes === 10) assert.equal((await asking).length, 100);
    else await assert.rejects(asking, { code: 'registry-lied', message: /more than 16777216 bytes/ });
    assert.ok(registry.requests.length <= 100);
  }
});

test('layers that unpack to far more than they are stop at their bound and leave nothing', async () => {
  await using folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  const zeros = Buffer.alloc(1024 * 1024);
  const gzip = createGzip({ level: 1 });
  const feeding = (async () => {
    for (let at = 0; at < 70; at += 1)
      if (!gzip.write(zeros)) await new Promise((resolve) => gzip.once('drain', resolve));
    gzip.end();
  })();
  const packed = await gather(gzip);
  await feeding;
  const frames = Buffer.concat(Array.from({ length: 70 }, () => zstdCompressSync(zeros)));
  for (const [compression, bytes] of [
    ['gz', packed],
    ['zst', frames],
  ] as const) {
    assert.ok(bytes.length < 2 * 1024 ** 2);
    const content = decompress(
      (async function* () {
        yield bytes;
      })(),
      compression,
      { maxBytes: 50 * 1024 ** 2 },
    );
    await assert.rejects(blobs.write(content, { maxBytes: 1e9, signal }), (error: unknown) => {
      assert.ok(error instanceof ManifestError && ['too-large', 'invalid-base'].includes(error.code), String(error));
      return true;
    });
  }
  assert.deepEqual(await readdir(path.join(folder.path, 'tmp')), []);
});
