// That our tar is the tar of GNU tar, byte for byte, and that the reader understands both.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmod, lutimes, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { readTar } from '#manifests/debian';
import { type TarEntry, writeTar } from '../../manifests/tar.ts';
import { gather, openFolder, pieces } from './folder.ts';

const hasGnuTar = /GNU tar/.test(execFileSync('tar', ['--version'], { encoding: 'utf8' }));
const skip = hasGnuTar ? false : 'needs GNU tar';
const owner = { uid: 0, gid: 0 };

/** What GNU tar writes of all that is in a folder. */
async function gnuTar(folder: string): Promise<Buffer> {
  const command =
    'cd "$1" && ls -A | LC_ALL=C sort | LC_ALL=C tar -cf - --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -b1 --verbatim-files-from -T -';
  const { stdout } = await promisify(execFile)('bash', ['-c', command, 'bash', folder], {
    encoding: 'buffer',
    maxBuffer: 1 << 28,
  });
  return stdout;
}

async function put(folder: string, entry: TarEntry): Promise<void> {
  const file = path.join(folder, entry.path);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
  if (entry.type === 'symlink') await symlink(entry.target, file);
  else if (entry.type === 'directory') await mkdir(file, { recursive: true });
  else await writeFile(file, await gather(entry.content()));
  if (entry.type !== 'symlink') await chmod(file, entry.mode);
  else await lutimes(file, 5, 5);
}

function file(name: string, text: string, mode = 0o644): TarEntry {
  const bytes = Buffer.from(text);
  return { path: name, type: 'file', size: bytes.length, content: () => pieces(bytes), mode, ...owner };
}

const part = fc.stringMatching(/^[a-zA-Z0-9 _.,+é-]{1,60}$/).filter((name) => name !== '.' && name !== '..');
const trees = fc.dictionary(
  fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
  fc.oneof(
    fc.record({ text: fc.string({ maxLength: 2000 }), mode: fc.constantFrom(0o644, 0o755, 0o4755, 0o600) }),
    fc.record({ target: fc.stringMatching(/^[a-z./]{1,100}$/) }),
    fc.record({ folder: fc.constantFrom(0o755, 0o1777, 0o700) }),
  ),
  { maxKeys: 12 },
);

test('a tree has the bytes that GNU tar writes', { skip }, async () => {
  await fc.assert(
    fc.asyncProperty(trees, async (tree) => {
      const names = Object.keys(tree);
      // A thing can't be below a file; paths that ustar can't hold have a test of their own.
      const kept = names.filter(
        (name) =>
          !names.some((other) => name.startsWith(`${other}/`) && !('folder' in (tree[other] ?? {}))) &&
          Buffer.byteLength(name) < 99,
      );
      const entries = kept.map((name): TarEntry => {
        const what = tree[name];
        if (what && 'text' in what) return file(name, what.text, what.mode);
        if (what && 'target' in what)
          return { path: name, type: 'symlink', target: what.target, mode: 0o777, ...owner };
        return { path: name, type: 'directory', mode: what?.folder ?? 0o755, ...owner };
      });
      await using folder = await openFolder();
      const inOrder = [...entries].sort((left, right) => left.path.length - right.path.length);
      for (const entry of inOrder) await put(folder.path, entry);
      const ours = await gather(writeTar(entries));
      assert.ok(ours.equals(await gnuTar(folder.path)), kept.join('\n'));
    }),
    { numRuns: 60 },
  );
});

test('long names are cut as GNU tar cuts them', { skip }, async () => {
  const names = [
    `${'a'.repeat(99)}`,
    `${'a'.repeat(100)}`,
    `${'d'.repeat(50)}/${'e'.repeat(100)}`,
    `${'d'.repeat(80)}/${'e'.repeat(74)}/${'f'.repeat(100)}`,
    `${'g'.repeat(99)}/x/${'h'.repeat(60)}`,
    `${'i'.repeat(50)}/${'j'.repeat(50)}/${'k'.repeat(50)}/${'l'.repeat(50)}`,
  ];
  const entries = names.map((name) => file(name, name));
  await using folder = await openFolder();
  for (const entry of entries) await put(folder.path, entry);
  assert.ok((await gather(writeTar(entries))).equals(await gnuTar(folder.path)));
});

test('what ustar cannot hold is written as pax, and GNU tar and our reader read it back', { skip }, async () => {
  const long = `${'x'.repeat(120)}/${'y'.repeat(200)}`;
  const entries: TarEntry[] = [
    file(long, 'content'),
    { path: 'link', type: 'symlink', target: 't'.repeat(150), mode: 0o777, ...owner },
    { ...file('owned', 'mine', 0o4750), uid: 3_000_000, gid: 12 },
  ];
  const bytes = await gather(writeTar(entries));
  await using folder = await openFolder();
  await writeFile(path.join(folder.path, 'a.tar'), bytes);
  const { stdout } = await promisify(execFile)('tar', ['-tvf', path.join(folder.path, 'a.tar'), '--numeric-owner']);
  assert.ok(stdout.includes(long));
  assert.ok(stdout.includes(`link -> ${'t'.repeat(150)}`));
  assert.ok(/-rwsr-x--- 3000000\/12 .* owned/.test(stdout));
  const read = await Array.fromAsync(readTar(pieces(bytes, 77)), async (entry) => ({
    path: entry.path,
    mode: entry.mode,
    uid: entry.uid,
    target: entry.target,
    text: (await gather(entry.content)).toString(),
  }));
  assert.deepEqual(
    read.map(({ path: name }) => name),
    ['link', 'owned', 'x'.repeat(120), long],
  );
  assert.equal(read[0]?.target, 't'.repeat(150));
  assert.deepEqual([read[1]?.uid, read[1]?.mode], [3_000_000, 0o4750]);
  assert.equal(read[3]?.text, 'content');
});

test('the reader understands GNU long names, and passes over what is not read', { skip }, async () => {
  const long = `${'x'.repeat(120)}/${'y'.repeat(200)}`;
  await using folder = await openFolder({ [long]: 'content', b: 'b'.repeat(5000) });
  await symlink('t'.repeat(150), path.join(folder.path, 'link'));
  const { stdout } = await promisify(execFile)('tar', ['-cf', '-', '--format=gnu', '-C', folder.path, '.'], {
    encoding: 'buffer',
  });
  const paths: string[] = [];
  for await (const entry of readTar(pieces(stdout))) {
    paths.push(entry.path);
    if (entry.path === 'b') for await (const _ of entry.content) break;
    if (entry.path === 'link') assert.equal(entry.target, 't'.repeat(150));
  }
  assert.deepEqual(paths.sort(), ['', 'b', 'link', 'x'.repeat(120), long]);
});

test('a file whose long name is cut after a slash is a file', { skip }, async () => {
  const long = `${'x'.repeat(99)}/${'y'.repeat(20)}`;
  // With "./" before it, the first 100 bytes end in the slash.
  const cut = long.slice(2);
  await using folder = await openFolder({ [cut]: 'c'.repeat(5000) });
  const gnu = ['-cf', '-', '--format=gnu', '-C', folder.path, `./${cut}`];
  const { stdout } = await promisify(execFile)('tar', gnu, { encoding: 'buffer' });
  const read = await Array.fromAsync(readTar(pieces(stdout)), ({ path: name, type, size }) => [name, type, size]);
  assert.deepEqual(read, [[cut, 'file', 5000]]);
});

test('a content that is not as long as announced is refused', async () => {
  const entry = { ...file('a', 'text'), size: 3 } as TarEntry;
  await assert.rejects(gather(writeTar([entry])), { code: 'source-changed', mayRetry: true });
});
