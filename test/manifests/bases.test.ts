// That a base stays what it is: layers as they are, owners, setuid and capabilities kept, and the same bytes from any folder.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, link, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import {
  type BlobStore,
  buildImages,
  type Digest,
  digestOf,
  lockManifest,
  openBlobStore,
  parseManifest,
} from '#manifests';
import { type BaseSource, makeMemoryBaseSource } from '#manifests/bases';
import { makeMemoryPackageSource, readTar } from '#manifests/debian';
import { makeBaseSource } from '../../daemon/bases.ts';
import { type TarEntry, writeTar } from '../../manifests/tar.ts';
import { gather, openFolder, pieces } from './folder.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const signal = AbortSignal.timeout(120_000);
const root = { uid: 0, gid: 0 };
/** The capability net_bind_service, effective and permitted, as Linux keeps it (revision 2). */
const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');

function file(name: string, text: string, mode = 0o644): TarEntry {
  const bytes = Buffer.from(text);
  return { path: name, type: 'file', size: bytes.length, content: () => pieces(bytes), mode, ...root };
}
const folder = (name: string, mode = 0o755): TarEntry => ({ path: name, type: 'directory', mode, ...root });

const images = [
  {
    platform: 'linux/amd64' as const,
    tag: 'debian:12',
    layers: [
      [
        folder('etc'),
        file('etc/passwd', 'root'),
        file('bin/su', 'su', 0o4755),
        folder('srv', 0o700),
        file('old/x', 'x'),
      ],
      [
        file('etc/.wh.gone', ''),
        file('.wh.old', ''),
        { path: 'lib', type: 'symlink', target: 'usr/lib', mode: 0o777, ...root },
      ],
    ] as TarEntry[][],
    config: { Env: ['PATH=/base/bin', 'LANG=C'], Cmd: ['/bin/su'], Labels: { from: 'base' } },
  },
];

async function build(
  container: object,
  {
    bases,
    blobs,
    directory = '/',
    packaging = {},
  }: { bases: BaseSource; blobs: BlobStore; directory?: string; packaging?: object },
) {
  const text = { manifest_version: '1.0', project: { name: 'p' }, containers: { a: container }, packaging };
  const manifest = parseManifest(JSON.stringify(text), { file: 'm' });
  const packages = await makeMemoryPackageSource([]);
  const lock = await lockManifest(manifest, packages, { signal, report: () => {}, bases });
  const options = { manifest, lock, directory, blobs, packages, bases, report: () => {}, signal, useCache: true };
  const { images: built } = await buildImages(options);
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of an image, of which each test looks at another part
  const json = async (digest: Digest): Promise<any> =>
    JSON.parse(Buffer.from(await blobs.bytes(digest, { maxBytes: 1_000_000 })).toString());
  const image = built[0];
  assert.ok(image);
  const { layers } = (await json(image.digest)) as { layers: { digest: Digest }[] };
  return { image, layers: layers.map(({ digest }) => digest), config: await json(image.configDigest), lock };
}

test('layers of a base stay as they are, its variables and its command are inherited', async () => {
  await using store = await openFolder();
  const blobs = await openBlobStore(store.path);
  const bases = await makeMemoryBaseSource(images);
  const base = { kind: 'engine', image: bases.digests[0] };
  const made = await build({ base, environment: { LANG: 'de' }, directories: [{ path: '/srv/x' }] }, { bases, blobs });
  const expected = await Promise.all(
    (images[0]?.layers ?? []).map(async (one) => digestOf(await gather(writeTar(one)))),
  );
  assert.deepEqual(made.layers.slice(0, 2), expected);
  assert.equal(made.layers.length, 3);
  assert.deepEqual(made.config.config.Env, ['LANG=de', 'PATH=/base/bin']);
  assert.deepEqual(made.config.config.Cmd, ['/bin/su']);
  assert.deepEqual(made.config.config.Labels, { from: 'base' });
  const own = await Array.fromAsync(readTar(blobs.read(made.layers[2] as Digest)), ({ path: at, mode }) => [at, mode]);
  assert.deepEqual(
    own,
    [
      ['srv', 0o700],
      ['srv/x', 0o755],
    ],
    'a parent stays as the base made it, and its accounts stay',
  );
  const other = await build({ base, command: ['mine'], links: [{ path: '/old', target: 'srv' }] }, { bases, blobs });
  assert.deepEqual(other.config.config.Cmd, ['mine'], 'what was whited out is free');
});

test('a tag is taken as the lock pins it, and refused with the mend where it does not', async () => {
  await using store = await openFolder();
  const blobs = await openBlobStore(store.path);
  const bases = await makeMemoryBaseSource(images);
  const { lock, image } = await build({ base_image: 'debian:12' }, { bases, blobs });
  assert.equal(lock.bases['a']?.['linux/amd64']?.digest, bases.digests[0]);
  const pinned = await build({ base: { kind: 'registry', reference: `debian@${bases.digests[0]}` } }, { bases, blobs });
  assert.equal(pinned.image.digest, image.digest);
  const manifest = parseManifest(
    JSON.stringify({
      manifest_version: '1.0',
      project: { name: 'p' },
      containers: { a: { base_image: 'python:3.11-slim' } },
    }),
    { file: 'm' },
  );
  const packages = await makeMemoryPackageSource([]);
  await assert.rejects(
    buildImages({
      manifest,
      lock: undefined,
      directory: '/',
      blobs,
      packages,
      bases,
      report: () => {},
      signal,
      useCache: true,
    }),
    { code: 'lock-mismatch', message: /"python:3.11-slim" is a tag.*NAME@sha256/ },
  );
});

test('an OCI layout is read by digest, compressed or not, and what is not what its digest says is refused', async () => {
  await using store = await openFolder();
  await using layout = await openFolder();
  const blobs = await openBlobStore(store.path);
  await mkdir(path.join(layout.path, 'base/blobs/sha256'), { recursive: true });
  const put = async (bytes: Buffer): Promise<{ digest: Digest; size: number }> => {
    const digest = digestOf(bytes);
    await writeFile(path.join(layout.path, 'base/blobs/sha256', digest.slice(7)), bytes);
    return { digest, size: bytes.length };
  };
  const tar = await gather(writeTar([file('bin/su', 'su', 0o4755)]));
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...(await put(gzipSync(tar))) };
  const config = await put(
    Buffer.from(
      JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [digestOf(tar)] } }),
    ),
  );
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = await put(
    Buffer.from(JSON.stringify({ config: { mediaType: 'config', ...config }, layers: [layer] })),
  );
  const platform = { os: 'linux', architecture: 'amd64' };
  const index = await put(Buffer.from(JSON.stringify({ manifests: [{ mediaType, ...manifest, platform }] })));
  const bases = makeBaseSource({});
  const work = { bases, blobs, directory: layout.path };
  const kind = 'oci-layout';
  const byManifest = await build({ base: { kind, path: 'base', digest: manifest.digest } }, work);
  const byIndex = await build({ base: { kind, path: 'base', digest: index.digest } }, work);
  assert.equal(byManifest.layers[0], digestOf(tar));
  assert.equal(byIndex.image.digest, byManifest.image.digest);
  const arm = { base: { kind, path: 'base', digest: index.digest }, platforms: ['linux/arm64'] };
  await assert.rejects(build(arm, work), { code: 'invalid-base', message: /nothing for linux\/arm64/ });
  await rm(store.path, { recursive: true });
  const fresh = { ...work, blobs: await openBlobStore(store.path) };
  await writeFile(
    path.join(layout.path, 'base/blobs/sha256', layer.digest.slice(7)),
    gzipSync(Buffer.concat([tar, tar])),
  );
  const again = build({ base: { kind, path: 'base', digest: manifest.digest } }, fresh);
  await assert.rejects(again, { code: 'digest-mismatch' });
  await writeFile(path.join(layout.path, 'base/blobs/sha256', config.digest.slice(7)), '{}');
  const spoiled = build({ base: { kind, path: 'base', digest: manifest.digest } }, fresh);
  await assert.rejects(spoiled, { code: 'invalid-base', message: /another digest/ });
});

/** A root as debootstrap would leave it, small: setuid, sticky, owners, a capability, a hard link. */
async function makeRoot(at: string): Promise<void> {
  for (const name of ['bin', 'tmp', 'etc']) await mkdir(path.join(at, name), { recursive: true });
  await writeFile(path.join(at, 'bin/su'), 'su');
  await writeFile(path.join(at, 'bin/ping'), 'ping');
  await writeFile(path.join(at, 'etc/shadow'), 'secret');
  await link(path.join(at, 'bin/su'), path.join(at, 'bin/other'));
  await symlink('bin', path.join(at, 'sbin'));
  await chown(path.join(at, 'etc/shadow'), 0, 42);
  await chmod(path.join(at, 'bin/su'), 0o4755);
  await chmod(path.join(at, 'etc/shadow'), 0o640);
  await chmod(path.join(at, 'tmp'), 0o1777);
  for (const name of ['bin', 'etc', '.']) await chmod(path.join(at, name), 0o755);
  await chmod(path.join(at, 'bin/ping'), 0o755);
  await run('setcap', ['cap_net_bind_service=ep', path.join(at, 'bin/ping')]);
}

test('a folder keeps owners, setuid and capabilities, byte for byte as GNU tar writes them', {
  skip: !isRoot && 'only root may give owners and capabilities',
}, async () => {
  await using store = await openFolder();
  await using one = await openFolder();
  await using two = await openFolder();
  const blobs = await openBlobStore(store.path);
  await makeRoot(path.join(one.path, 'root'));
  await makeRoot(path.join(two.path, 'root'));
  await utimes(path.join(two.path, 'root/bin/su'), 5, 5);
  const bases = makeBaseSource({});
  const base = { kind: 'rootfs', path: 'root' };
  const first = await build({ base }, { bases, blobs, directory: one.path });
  const second = await build({ base }, { bases, blobs, directory: two.path });
  assert.equal(first.image.digest, second.image.digest);
  assert.equal(first.image.buildKey, second.image.buildKey);
  const layer = first.layers[0] as Digest;
  const entries = new Map(
    await Array.fromAsync(readTar(blobs.read(layer)), ({ content: _, ...entry }) => [entry.path, entry] as const),
  );
  assert.equal(entries.get('bin/su')?.mode, 0o4755);
  assert.equal(entries.get('tmp')?.mode, 0o1777);
  assert.deepEqual([entries.get('etc/shadow')?.gid, entries.get('etc/shadow')?.mode], [42, 0o640]);
  assert.deepEqual(entries.get('bin/ping')?.capability, capability);
  // GNU tar says what it takes for a header of its own; hard links are told as files, as we tell them.
  const command =
    'cd "$1" && ls -A | LC_ALL=C sort | LC_ALL=C tar -cf - --sort=name --mtime=@0 --numeric-owner --hard-dereference --format=posix --pax-option=exthdr.name=././@PaxHeader,exthdr.mtime=0,delete=atime,delete=ctime --xattrs --xattrs-include=security.capability -b1 --verbatim-files-from -T -';
  const { stdout } = await run('bash', ['-c', command, 'bash', path.join(one.path, 'root')], { encoding: 'buffer' });
  assert.equal(layer, `sha256:${createHash('sha256').update(stdout).digest('hex')}`);
  await writeFile(path.join(two.path, 'root/bin/su'), 'so');
  const changed = await build({ base }, { bases, blobs, directory: two.path });
  assert.notEqual(changed.image.buildKey, first.image.buildKey);
});
