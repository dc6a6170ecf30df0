// A store whose process is killed at any moment of builds, pushes, pulls, fetches and sweeps: all that is seen afterwards is whole.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Digest, digestOf, openBlobStore, openPartialStore } from '#manifests';
import { openRepositories, openUploads } from '#manifests/distribution';
import { seededRandom } from '../support/seeded-random.ts';
import { uploadBytes } from './crash-content.ts';
import { gather, pieces } from './folder.ts';

const rounds = 52;
/** Two stores side by side: while one is looked at, the process of the other starts. */
const lanes = 2;
/** A process lives for so many acts at most, and a moment into the next ones. */
const maxActs = 10;
const maxMomentMs = 30;
const seed = 20_261_121;

/** In memory where that can be: what a process wrote outlives it there as on a disk, and nobody waits for one. */
async function openFolder() {
  const folder = await mkdtemp(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'hermesh-crash-'));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

interface Seen {
  readonly uploads: string[];
  /** Resolves once so many acts are done. */
  did(acts: number): Promise<void>;
  end(): Promise<void>;
}

function start(folder: string, project: string, lap: number): Seen {
  const child: ChildProcess = spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'crash-process.ts'), folder, project, String(lap)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_COMPILE_CACHE: path.join(tmpdir(), 'hermesh-compile-cache') },
    },
  );
  const ended = once(child, 'exit');
  const uploads: string[] = [];
  const news = new EventEmitter();
  let acts = -1;
  createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> }).on('line', (line) => {
    if (line.startsWith('upload ')) uploads.push(line.slice('upload '.length));
    else acts += 1;
    news.emit('act');
  });
  ended.then(() => news.emit('error', new Error('it ended by itself'))).catch(() => undefined);
  return {
    uploads,
    async did(wanted) {
      while (acts < wanted) await once(news, 'act');
    },
    async end() {
      assert.equal(child.exitCode, null, 'it still works');
      news.on('error', () => undefined);
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Opens the store as the next process does, and reads all of it. */
async function check(folder: string, uploadId: string | undefined, counts: Record<string, number>): Promise<void> {
  const count = (what: string, by = 1): void => {
    counts[what] = (counts[what] ?? 0) + by;
  };
  count('leftovers', (await readdir(path.join(folder, 'tmp'))).length);
  const blobs = await openBlobStore(folder, { now: Date.now });
  assert.deepEqual(await readdir(path.join(folder, 'tmp')), []);
  assert.deepEqual(await readdir(path.join(folder, 'removing')).catch(() => []), []);
  for await (const { digest, sizeBytes } of blobs.list()) {
    // A whole read throws where the bytes aren't those of the digest.
    assert.equal((await gather(blobs.read(digest))).length, sizeBytes);
    count('blobs');
  }
  const repositories = openRepositories(blobs);
  for (const name of await repositories.names()) {
    const held = await repositories.read(name);
    assert.ok(held, `the repository "${name}" is readable`);
    for (const [digest, { blobs: named }] of Object.entries(held.manifests)) {
      for (const one of [digest as Digest, ...named]) assert.ok(await blobs.has(one), `${name}: ${digest} is whole`);
      count(name);
    }
  }
  await openPartialStore(folder);
  const uploads = openUploads(folder);
  const size = uploadId === undefined ? undefined : await uploads.size('left', uploadId);
  if (uploadId === undefined || size === undefined) return;
  count('uploads');
  assert.equal(
    await uploads.append('left', uploadId, pieces(uploadBytes.subarray(size), 65_536), size),
    uploadBytes.length,
  );
  const done = await uploads.finish('left', uploadId, digestOf(uploadBytes));
  assert.equal(done?.sizeBytes, uploadBytes.length);
}

test(`a store whose process is killed ${rounds} times holds only whole blobs and images, and what was begun is gone on with`, {
  timeout: 900_000,
}, async (context) => {
  const random = seededRandom(seed);
  const counts: Record<string, number> = {};
  const lane = async (first: number): Promise<void> => {
    await using store = await openFolder();
    await using project = await openFolder();
    for (let round = first; round < rounds; round += lanes) {
      const killed = start(store.path, project.path, round);
      await killed.did(Math.floor(random() * maxActs));
      await pause(random() * maxMomentMs);
      await killed.end();
      await check(store.path, killed.uploads.at(-1), counts);
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, first) => lane(first)));
  context.diagnostic(JSON.stringify(counts));
  // Else nothing was tested: each kind of act was done, and some were cut.
  for (const what of ['leftovers', 'blobs', 'built/web', 'pushed', 'pulled', 'uploads'])
    assert.ok((counts[what] ?? 0) > 0, `no ${what}: ${JSON.stringify(counts)}`);
});
