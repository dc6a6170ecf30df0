// That full disks, rotten files, aborts and kills cost a build time, never a wrong or half image.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type BlobStore, type Build, buildImages, type Digest, openBlobStore } from '#manifests';
import { answerDistribution, openRepositories, openUploads } from '#manifests/distribution';
import { gather, openFolder } from './folder.ts';
import { makeShopLike } from './shop-like.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

function fileOf(blobs: BlobStore, digest: string): string {
  const hex = digest.slice('sha256:'.length);
  return path.join(blobs.directory, 'sha256', hex.slice(0, 2), hex);
}

async function flip(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

const digestsOf = (build: Build): string[] => build.images.map(({ digest }) => digest);

test('a build that is given up at any moment, then repeated, has the same digests and leaves nothing else', async () => {
  await using source = await openFolder();
  await using whole = await openFolder();
  const request = await makeShopLike(source.path);
  const wholeBlobs = await openBlobStore(whole.path);
  let moments = 0;
  const expected = digestsOf(
    await buildImages({
      ...request,
      blobs: wholeBlobs,
      signal,
      report: () => {
        moments += 1;
      },
    }),
  );
  assert.ok(moments > 6);
  for (let moment = 1; moment <= moments; moment += 1) {
    await using folder = await openFolder();
    const blobs = await openBlobStore(folder.path);
    const given = new AbortController();
    let count = 0;
    const report = (): void => {
      count += 1;
      if (count === moment) given.abort(new Error('given up'));
    };
    await buildImages({ ...request, blobs, signal: given.signal, report }).catch((error: Error) =>
      assert.equal(error.message, 'given up'),
    );
    assert.deepEqual(await readdir(path.join(folder.path, 'tmp')), []);
    const again = await buildImages({ ...request, blobs, signal, report: () => {} });
    assert.deepEqual(digestsOf(again), expected);
    assert.deepEqual(await filesIn(folder.path), await filesIn(whole.path), `given up at ${moment}`);
  }
});

test('a build whose process is killed, then repeated, has the same digests, and the store holds nothing else', async () => {
  await using source = await openFolder();
  await using whole = await openFolder();
  const request = await makeShopLike(source.path);
  const expected = digestsOf(
    await buildImages({ ...request, blobs: await openBlobStore(whole.path), signal, report: () => {} }),
  );
  for (const lines of [2, 4, 7]) {
    await using folder = await openFolder();
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'shop-like.ts'), source.path, folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said.split('\n').length > lines) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    const blobs = await openBlobStore(folder.path);
    for (const name of (await filesIn(folder.path)).filter((file) => file.startsWith('sha256/')))
      await gather(blobs.read(`sha256:${path.basename(name)}`));
    const again = await buildImages({ ...request, blobs, signal, report: () => {} });
    assert.deepEqual(digestsOf(again), expected);
    assert.deepEqual(await filesIn(folder.path), await filesIn(whole.path));
  }
});

test('a blob that rots on the disk is not handed out whole, and the next build makes it anew', async () => {
  await using source = await openFolder();
  await using folder = await openFolder();
  const request = { ...(await makeShopLike(source.path)), signal, report: () => {} };
  const blobs = await openBlobStore(folder.path);
  const first = await buildImages({ ...request, blobs });
  const image = first.images[0]?.digest as Digest;
  const { layers, config } = JSON.parse(
    Buffer.from(await blobs.bytes(image, { maxBytes: 100_000 })).toString(),
  ) as Record<'layers', { digest: Digest; size: number }[]> & { config: { digest: Digest } };
  const registry = {
    blobs,
    repositories: openRepositories(blobs),
    uploads: openUploads(blobs.directory),
    may: () => true,
    imagesOf: () => [image],
  };
  const get = (digest: Digest, kind = 'blobs') =>
    answerDistribution({ method: 'GET', path: `/v2/p/web/${kind}/${digest}`, headers: {} }, registry);
  for (const { digest } of [...layers, config]) {
    const { size = 0 } = layers.find((layer) => layer.digest === digest) ?? {};
    await flip(fileOf(blobs, digest));
    let got = 0;
    const { body } = await get(digest);
    await assert.rejects(
      async () => {
        for await (const chunk of body as AsyncIterable<Uint8Array>) got += chunk.length;
      },
      { code: 'digest-mismatch' },
    );
    assert.ok(size === 0 || got < size);
    assert.equal((await get(digest)).status, 404);
    assert.deepEqual(digestsOf(await buildImages({ ...request, blobs })), digestsOf(first));
    assert.ok(await blobs.has(digest));
  }
  await flip(fileOf(blobs, image));
  assert.equal((await get(image, 'manifests')).status, 404);
  assert.deepEqual(digestsOf(await buildImages({ ...request, blobs })), digestsOf(first));
});

test('a note that rots on the disk is passed over', async () => {
  await using source = await openFolder();
  await using folder = await openFolder();
  const request = { ...(await makeShopLike(source.path)), signal, report: () => {} };
  const blobs = await openBlobStore(folder.path);
  const first = await buildImages({ ...request, blobs });
  for (const spoil of [flip, (file: string) => writeFile(file, ''), (file: string) => writeFile(file, '{')]) {
    const notes = (await filesIn(folder.path)).filter((file) => file.endsWith('.json'));
    for (const name of notes) await spoil(path.join(folder.path, name));
    const again = await buildImages({ ...request, blobs });
    assert.deepEqual(digestsOf(again), digestsOf(first));
    assert.ok(again.images.every(({ cached }) => !cached));
  }
});

test('a disk that is full is told as such wherever it fills, nothing half stays, and with space it works again', {
  skip: !isRoot && 'only root may mount',
}, async () => {
  await using source = await openFolder();
  await using folder = await openFolder();
  const request = { ...(await makeShopLike(source.path, { padBytes: 300_000 })), signal, report: () => {} };
  const mount = path.join(folder.path, 'small');
  await mkdir(mount);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'tmpfs', mount]);
  try {
    const ballast = path.join(mount, 'ballast');
    const blobs = await openBlobStore(path.join(mount, 'blobs'));
    const failures = new Set<string>();
    // With more and more room the build gets further and fills the disk elsewhere.
    for (let room = 4096; room < 6 << 20; room += 360_000) {
      await rm(path.join(mount, 'blobs/sha256'), { recursive: true, force: true });
      await writeFile(ballast, Buffer.alloc((8 << 20) - room - 65_536));
      await buildImages({ ...request, blobs }).then(
        () => failures.add('built'),
        (error: { code?: string; mayRetry?: boolean; message: string }) => {
          assert.equal(error.code, 'no-space', error.message);
          assert.equal(error.mayRetry, true);
          failures.add('full');
        },
      );
      assert.deepEqual(await readdir(path.join(mount, 'blobs/tmp')), []);
      for (const name of (await filesIn(mount)).filter((file) => file.includes('/sha256/')))
        await gather(blobs.read(`sha256:${path.basename(name)}`));
    }
    assert.deepEqual([...failures], ['full', 'built']);
    await rm(ballast);
    assert.equal((await buildImages({ ...request, blobs, useCache: false })).images.length, 2);
  } finally {
    await run('umount', [mount]);
  }
});
