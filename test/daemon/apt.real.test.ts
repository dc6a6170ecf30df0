// That the machine's apt keeps what every source of packages keeps, and that its packages are read as dpkg-deb reads them.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { type ReadEntry, readDeb, readTar } from '#manifests/debian';
import { openAptPackageSource } from '../../daemon/apt.ts';
import { debianKeyring, openMirrorPackageSource, parseMirror } from '../../daemon/mirror.ts';
import { gather, openFolder, pieces } from '../manifests/folder.ts';
import { packageSourceContract } from '../manifests/package-source.contract.ts';

const skip = spawnSync('apt-get', ['--version']).status === 0 ? false : 'needs apt and a mirror';
const signal = AbortSignal.timeout(300_000);
const folder = await openFolder();
after(() => folder[Symbol.asyncDispose]());
const warnings: string[] = [];
const source = openAptPackageSource({ directory: folder.path, warn: (message) => warnings.push(message) });

packageSourceContract(
  'apt',
  async () => source,
  { name: 'hello', needs: 'libc6', unknown: 'hermesh-no-such-package' },
  { skip },
);

test('packages of apt are read as dpkg-deb reads them', { skip }, async () => {
  const facts = async (read: AsyncIterable<ReadEntry>): Promise<unknown[]> =>
    await Array.fromAsync(read, async ({ content, ...rest }) => [rest, (await gather(content)).length]);
  for (const locked of await source.resolve(['hello', 'perl-base'], 'linux/amd64', { signal })) {
    const deb = await gather(await source.fetch(locked, { signal }));
    await using place = await openFolder();
    const file = path.join(place.path, 'one.deb');
    await writeFile(file, deb);
    const { stdout } = await promisify(execFile)('dpkg-deb', ['--fsys-tarfile', file], {
      encoding: 'buffer',
      maxBuffer: 1 << 28,
    });
    assert.deepEqual(
      await facts(readDeb(pieces(deb, 50_000))),
      await facts(readTar(pieces(stdout, 50_000))),
      locked.name,
    );
  }
});

test('a name is no pattern and no virtual package', { skip }, async () => {
  for (const name of ['zlib1.', 'awk', 'mail-transport-agent', 'hello-']) {
    await assert.rejects(source.resolve([name], 'linux/amd64', { signal }), { code: 'package-unknown' }, name);
  }
});

test('the lists are fetched once an hour, and nothing of the machine is touched', { skip }, async () => {
  const stamp = statSync(path.join(folder.path, 'amd64', 'updated')).mtimeMs;
  const machine = statSync('/var/lib/apt/lists').mtimeMs;
  await source.resolve(['hello'], 'linux/amd64', { signal });
  assert.equal(statSync(path.join(folder.path, 'amd64', 'updated')).mtimeMs, stamp);
  const later = openAptPackageSource({ directory: folder.path, now: () => Date.now() + 3_700_000 });
  await later.resolve(['hello'], 'linux/amd64', { signal });
  assert.notEqual(statSync(path.join(folder.path, 'amd64', 'updated')).mtimeMs, stamp);
  assert.equal(statSync('/var/lib/apt/lists').mtimeMs, machine);
  assert.deepEqual(await readdir(path.join(folder.path, 'amd64', 'download')), []);
});

test('a disk that is full is told as such, not as a version that no mirror holds', {
  skip: skip || (process.getuid?.() !== 0 && 'only root may mount'),
}, async () => {
  const [locked] = (await source.resolve(['hello'], 'linux/amd64', { signal })).filter(({ name }) => name === 'hello');
  assert.ok(locked);
  const download = path.join(folder.path, 'amd64', 'download');
  const run = promisify(execFile);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', download]);
  try {
    await assert.rejects(source.fetch(locked, { signal }), { code: 'no-space', mayRetry: true });
  } finally {
    await run('umount', [download]);
  }
  assert.ok((await gather(await source.fetch(locked, { signal }))).length > 0);
});

test('without apt, the same mirrors give the same packages', { skip }, async () => {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)';
  const { stdout } = await promisify(execFile)('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const lines = stdout.split('\n').filter((line) => line !== '');
  const mirror = openMirrorPackageSource({
    mirrors: [...new Set(lines)].map(parseMirror),
    keyring: debianKeyring,
    directory: path.join(folder.path, 'mirror'),
  });
  const sets = [
    ['dash', 'coreutils', 'usr-is-merged'],
    ['python3-django', 'python3-psycopg2'],
    ['nodejs', 'npm'],
    ['exim4'],
  ];
  for (const names of sets)
    assert.deepEqual(
      await mirror.resolve(names, 'linux/amd64', { signal }),
      await source.resolve(names, 'linux/amd64', { signal }),
      names.join(),
    );
});
