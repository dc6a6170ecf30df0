// That a folder is read alike everywhere, and what is refused.
import assert from 'node:assert/strict';
import { chmod, link, mkdir, rename, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { makeReadMemory, type ReadMemory, readContent } from '../../manifests/file-content.ts';
import { readSource, readSourceFile } from '../../manifests/sources.ts';
import { openFolder } from './folder.ts';

const { signal } = new AbortController();
const pointer = '/applications/app/source';
const all = { path: 'app', include: ['**'], exclude: [] as string[] };
const files = {
  'app/a.txt': 'a',
  'app/sub/b.sh': 'b',
  'app/sub/.hidden': 'c',
  'app/.git/HEAD': 'x',
  'app/sub/.git': 'y',
};

async function pathsOf(
  folder: string,
  source: { path: string; include: string[]; exclude: string[] },
): Promise<string[]> {
  return (await readSource(folder, source, { pointer, signal })).entries.map((entry) => entry.path);
}

test('the digest keeps through times, owners, umask, hard links and order, and changes with one byte', async () => {
  await using one = await openFolder(files);
  await using two = await openFolder(Object.fromEntries(Object.entries(files).reverse()));
  await chmod(path.join(one.path, 'app/sub/b.sh'), 0o700);
  await chmod(path.join(two.path, 'app/sub/b.sh'), 0o775);
  await chmod(path.join(two.path, 'app/a.txt'), 0o600);
  await utimes(path.join(two.path, 'app/a.txt'), 1, 1);
  await link(path.join(two.path, 'app/a.txt'), path.join(two.path, 'other'));
  await mkdir(path.join(two.path, 'app/empty'));
  const read = (folder: string) => readSource(folder, all, { pointer, signal });
  const { digest, entries } = await read(one.path);
  assert.equal((await read(two.path)).digest, digest);
  assert.deepEqual(
    entries.map((entry) => [entry.path, entry.type === 'file' && entry.mode]),
    [
      ['a.txt', 0o644],
      ['sub/.hidden', 0o644],
      ['sub/b.sh', 0o755],
    ],
  );
  await writeFile(path.join(two.path, 'app/a.txt'), 'b');
  assert.notEqual((await read(two.path)).digest, digest);
  await writeFile(path.join(two.path, 'app/a.txt'), 'a');
  await rename(path.join(two.path, 'app/a.txt'), path.join(two.path, 'app/a2.txt'));
  assert.notEqual((await read(two.path)).digest, digest);
});

test('patterns choose, and what git and the manifest are is never taken', async () => {
  await using folder = await openFolder({
    ...files,
    'manifest.json': '{}',
    'manifest.lock.json': '{}',
    'x/manifest.json': '',
  });
  assert.deepEqual(await pathsOf(folder.path, { ...all, exclude: ['**/.*'] }), ['a.txt', 'sub/b.sh']);
  assert.deepEqual(await pathsOf(folder.path, { ...all, include: ['sub/*'] }), ['sub/.hidden', 'sub/b.sh']);
  assert.deepEqual(await pathsOf(folder.path, { ...all, include: ['**/?.*'] }), ['a.txt', 'sub/b.sh']);
  assert.deepEqual(await pathsOf(folder.path, { ...all, exclude: ['sub'] }), ['a.txt']);
  assert.deepEqual(await pathsOf(folder.path, { ...all, path: '.', exclude: ['app/**'] }), ['x/manifest.json']);
});

test('links that stay inside are kept, and those that lead out are refused', async () => {
  await using folder = await openFolder(files);
  const place = path.join(folder.path, 'app/sub/link');
  await symlink('../a.txt', place);
  const { entries } = await readSource(folder.path, all, { pointer, signal });
  assert.deepEqual(entries.at(-1), { type: 'symlink', path: 'sub/link', target: '../a.txt' });
  for (const target of ['/etc/passwd', '../../outside', '..//../x']) {
    await rm(place);
    await symlink(target, place);
    await assert.rejects(readSource(folder.path, all, { pointer, signal }), { code: 'unsafe-source' });
  }
});

test('names that fall together, that are not UTF-8, and pipes are refused', {
  skip: process.platform !== 'linux',
}, async () => {
  for (const [first, second] of [
    ['Read.me', 'read.ME'],
    ['\u00e9', 'e\u0301'],
    ['Dir/a', 'dir/b'],
  ] as const) {
    await using folder = await openFolder({ [`app/${first}`]: '', [`app/${second}`]: '' });
    await assert.rejects(readSource(folder.path, all, { pointer, signal }), /falls together/);
  }
  await using folder = await openFolder(files);
  await writeFile(Buffer.concat([Buffer.from(path.join(folder.path, 'app/')), Buffer.from([0xff])]), '');
  await assert.rejects(readSource(folder.path, all, { pointer, signal }), /not UTF-8/);
  await using other = await openFolder(files);
  const { execFileSync } = await import('node:child_process');
  execFileSync('mkfifo', [path.join(other.path, 'app/pipe')]);
  await assert.rejects(readSource(other.path, all, { pointer, signal }), /neither a file/);
});

test('what is not there is missing, with the place in the manifest and the near name', async () => {
  await using folder = await openFolder(files);
  await assert.rejects(readSource(folder.path, { ...all, path: 'ap' }, { pointer, signal }), (error: Error) => {
    assert.ok('code' in error && 'problems' in error);
    assert.equal(error.code, 'missing-source');
    assert.deepEqual(error.problems, [
      { pointer: `${pointer}/path`, line: undefined, message: 'there is no "ap"', mend: 'did you mean "app"?' },
    ]);
    return true;
  });
  const place = { pointer: '/containers/a/files/0', signal };
  await assert.rejects(readSourceFile(folder.path, 'app', place), { code: 'missing-source' });
  await assert.rejects(readSource(folder.path, { ...all, exclude: ['**'] }, { pointer, signal }), {
    code: 'missing-source',
  });
  await symlink('/etc/passwd', path.join(folder.path, 'out'));
  await assert.rejects(readSourceFile(folder.path, 'out', place), { code: 'unsafe-source' });
});

test('a file that holds more than its size said, that is far too large, or that became a pipe is refused at once', {
  skip: process.platform !== 'linux',
}, async () => {
  const place = { pointer: '/containers/a/files/0', signal };
  // Files of /proc have a size of 0 and content, as a file has that grows while it is read.
  await assert.rejects(readSourceFile('/proc/self', 'status', place), { code: 'source-changed' });
  await using folder = await openFolder({ 'app/hole': '' });
  await truncate(path.join(folder.path, 'app/hole'), 9 * 1024 ** 3);
  await assert.rejects(readSource(folder.path, all, { pointer, signal }), { code: 'too-large' });
  const { execFileSync } = await import('node:child_process');
  execFileSync('mkfifo', [path.join(folder.path, 'pipe')]);
  const content = readContent(path.join(folder.path, 'pipe'), 'a'.repeat(64));
  await assert.rejects(Array.fromAsync(content), { code: 'source-changed', mayRetry: true });
  await assert.rejects(Array.fromAsync(readContent(path.join(folder.path, 'gone'), '')), { code: 'source-changed' });
});

test('reading a large file ends with its signal', async () => {
  await using folder = await openFolder({ 'app/hole': '' });
  await truncate(path.join(folder.path, 'app/hole'), 4 * 1024 ** 3);
  const given = new AbortController();
  const reading = readSource(folder.path, all, { pointer, signal: given.signal });
  given.abort(new Error('given up'));
  const began = performance.now();
  await assert.rejects(reading, /given up/);
  assert.ok(performance.now() - began < 1000);
});

test('a file that did not change since is remembered; one that may have changed without a trace is read', async () => {
  await using folder = await openFolder(files);
  let now = Date.now();
  let remembered = 0;
  let recalled = 0;
  const inner = makeReadMemory(() => now);
  const memory: ReadMemory = {
    recall(file, found) {
      const content = inner.recall(file, found);
      recalled += content ? 1 : 0;
      return content;
    },
    remember(file, found, content) {
      remembered += 1;
      return inner.remember(file, found, content);
    },
  };
  const read = async () => {
    recalled = 0;
    remembered = 0;
    const { digest } = await readSource(folder.path, all, { pointer, signal, memory });
    return { digest, read: remembered, recalled };
  };
  const first = await read();
  const { digest } = first;
  assert.deepEqual(first, { digest, read: 3, recalled: 0 });
  assert.deepEqual(await read(), { digest, read: 3, recalled: 0 }, 'written just now');
  now += 3_000;
  assert.deepEqual(await read(), { digest, read: 3, recalled: 0 });
  assert.deepEqual(await read(), { digest, read: 0, recalled: 3 });
  // As long as before, with its old time: the time of the change of its inode tells.
  const place = path.join(folder.path, 'app/a.txt');
  const { atime, mtime } = await stat(place);
  await writeFile(place, 'b');
  await utimes(place, atime, mtime);
  const changed = await read();
  assert.deepEqual([changed.read, changed.recalled], [1, 2]);
  assert.notEqual(changed.digest, digest);
  now += 3_000;
  await read();
  const { entries } = await readSource(folder.path, all, { pointer, signal, memory });
  for (const entry of entries) {
    assert.ok(entry.type === 'file' && entry.stamp !== undefined);
    const content = () => Array.fromAsync(readContent(entry.file, entry.sha256, entry.stamp));
    assert.equal(Buffer.concat(await content()).length, entry.size);
    await writeFile(entry.file, 'z');
    await assert.rejects(content(), { code: 'source-changed' }, 'what bears another stamp is summed');
  }
  await writeFile(place, 'b');
  const again = await read();
  await chmod(path.join(folder.path, 'app/sub/b.sh'), 0o755);
  assert.notEqual((await read()).digest, again.digest);
});

test('reading many files lets other work go on', async () => {
  const many = Object.fromEntries(Array.from({ length: 450 }, (_, index) => [`app/${index}`, `${index}`]));
  await using folder = await openFolder(many);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  let isDone = false;
  setImmediate(count);
  await readSource(folder.path, all, { pointer, signal });
  isDone = true;
  assert.ok(turns >= 4, `${turns} turns`);
});
