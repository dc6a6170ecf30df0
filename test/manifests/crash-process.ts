// A process that builds, is pushed to, pulls, fills and sweeps one store without end, to be killed in the middle.
// Arguments: the folder of the store, that of the project, and a number that makes its content its own.
import { utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildImages, digestOf, mediaTypes, openBlobStore, openPartialStore, parseManifest } from '#manifests';
import {
  answerDistribution,
  type Http,
  openRegistryClient,
  openRepositories,
  openUploads,
  pullImage,
} from '#manifests/distribution';
import { uploadBytes } from './crash-content.ts';

const [folder = '', project = '', lap = ''] = process.argv.slice(2);
const { signal } = new AbortController();
const blobs = await openBlobStore(folder, { now: Date.now });
const repositories = openRepositories(blobs);
const uploads = openUploads(folder);
const partials = await openPartialStore(folder);
const context = { blobs, repositories, uploads, may: () => true };
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const text = (name: string, at: number, bytes = 300_000): Buffer =>
  Buffer.alloc(bytes, `${name} ${at} of lap ${lap}. `);

async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function ask(method: string, place: string, body: Buffer, type?: string) {
  const [target = '', query = ''] = place.split('?');
  return await answerDistribution(
    { method, path: target, query, headers: { 'content-type': type }, body: inPieces(body) },
    context,
  );
}

function imageOf(layers: readonly Buffer[], config: Buffer): Buffer {
  const named = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: named(mediaTypes.config, config),
      layers: layers.map((bytes) => named(mediaTypes.layer, bytes)),
    }),
  );
}

async function build(at: number): Promise<void> {
  await writeFile(path.join(project, 'page.txt'), text('page', at));
  const manifest = parseManifest(
    JSON.stringify({
      manifest_version: '1.0',
      project: { name: 'shop' },
      containers: { web: { files: [{ source: 'page.txt', destination: '/page.txt' }], command: ['/none'] } },
    }),
    { file: 'manifest.json' },
  );
  const none = () => Promise.reject(new Error('nothing here has packages'));
  const { images } = await buildImages({
    manifest,
    lock: undefined,
    directory: project,
    blobs,
    packages: { resolve: none, fetch: none },
    report: () => undefined,
    signal,
    useCache: true,
  });
  const [image] = images;
  if (image) await repositories.add('built/web', image.digest, { tag: `lap-${lap}-${at}` });
}

async function push(at: number): Promise<void> {
  const [layer, config] = [text('pushed', at), text('config', at, 100)];
  for (const bytes of [layer, config]) {
    const begun = await ask('POST', '/v2/pushed/blobs/uploads/', Buffer.alloc(0));
    await ask('PUT', `${begun.headers['location']}?digest=${digestOf(bytes)}`, bytes);
  }
  const put = await ask('PUT', `/v2/pushed/manifests/lap-${lap}-${at}`, imageOf([layer], config), mediaTypes.manifest);
  if (put.status !== 201) throw new Error(`refused: ${put.status}`);
}

/** Left where it is when the process ends, and gone on with by the test. */
async function upload(): Promise<void> {
  const id = await uploads.begin('left');
  say(`upload ${id}`);
  await uploads.append('left', id, inPieces(uploadBytes));
  await uploads.finish('left', id, digestOf(uploadBytes));
}

async function pull(at: number): Promise<void> {
  const [layers, config] = [[text('one', at), text('two', at)], text('config', at, 50)];
  const manifest = imageOf(layers, config);
  const all = new Map([...layers, config, manifest].map((bytes) => [digestOf(bytes), bytes]));
  const http: Http = {
    async send({ url }) {
      const digest = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
      const bytes = all.get(digest as `sha256:${string}`) ?? manifest;
      return { status: 200, headers: {}, body: inPieces(bytes) };
    },
  };
  const parts = { http, credentials: async () => undefined, pause: async () => undefined, random: () => 0 };
  const { digest } = await pullImage(openRegistryClient('127.0.0.1:1', 'pulled', parts), 'latest', blobs, { signal });
  await repositories.add('pulled', digest, { tag: `lap-${lap}-${at}` });
}

async function fill(at: number): Promise<void> {
  const bytes = text('filled', at);
  await using partial = await partials.open(digestOf(bytes), bytes.length);
  for (let offset = 0; offset < bytes.length; offset += 65_536)
    await partial.write(offset, bytes.subarray(offset, offset + 65_536));
  await partial.finish();
}

async function remove(at: number): Promise<void> {
  const { digest } = await blobs.write([text('junk', at, 1000)], { maxBytes: 1e6, signal });
  const hex = digest.slice('sha256:'.length);
  await utimes(path.join(folder, 'sha256', hex.slice(0, 2), hex), 1, 1);
  await blobs.remove(digest, { usedSinceMs: 1_000_000 });
}

say('ready');
await Promise.all(
  [build, push, upload, pull, fill, remove].map(async (act) => {
    for (let at = 0; ; at += 1) {
      await act(at);
      say('done');
    }
  }),
);
