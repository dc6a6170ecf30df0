// What lock files name, in which form steps find it, and which locks are refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open as openFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ManifestError } from '#manifests';
import type { LockText } from '../../../manifests/steps/artifact.ts';
import { lockReaders } from '../../../manifests/steps/lock-readers.ts';
import { rankOf } from '../../../manifests/steps/python-locks.ts';
import { hashOfGoMod, hashOfZip } from '../../../manifests/steps/zip.ts';
import { openFolder } from '../folder.ts';

type Kind = keyof typeof lockReaders;

function lockOf(kind: Kind, text: string, others: Record<string, string> = {}): LockText {
  const refuse: LockText['refuse'] = (where, state, mend) => {
    throw new ManifestError('lock-mismatch', `${where}: ${state}; ${mend}`);
  };
  return { kind, path: 'lock', text, read: (name) => others[name], refuse };
}

function read(kind: Kind, text: string, others: Record<string, string> = {}) {
  return lockReaders[kind]?.read(lockOf(kind, text, others), 'linux/amd64') ?? [];
}

const hex = 'ab'.repeat(32);
const sha512 = createHash('sha512').update('x');
const integrity = `sha512-${sha512.digest('base64')}`;
const npm = (packages: object, root: object = {}): string =>
  JSON.stringify({ lockfileVersion: 3, packages: { '': root, ...packages } });

test('a package-lock names what is installed on the platform, once more for each place', () => {
  const one = { version: '1.0.0', integrity };
  const found = read(
    'npm',
    npm({
      'node_modules/@a/b': one,
      'node_modules/c/node_modules/d': one,
      'node_modules/alias': { ...one, name: 'real', resolved: 'https://example.org/real.tgz' },
      'node_modules/bundled': { ...one, inBundle: true },
      'node_modules/work': { link: true, resolved: 'work' },
      work: { version: '1.0.0' },
      'node_modules/mac': { ...one, optional: true, os: ['darwin'] },
      'node_modules/arm': { ...one, optional: true, cpu: ['arm64'] },
      'node_modules/musl': { ...one, optional: true, libc: ['musl'] },
      'node_modules/linux': { ...one, optional: true, os: ['!win32'], cpu: ['x64'], libc: ['glibc'] },
    }),
  );
  assert.deepEqual(
    found.map(({ name, file, url }) => [name, file, url]),
    [
      ['@a/b', 'b-1.0.0.tgz', undefined],
      ['d', 'd-1.0.0.tgz', undefined],
      ['real', 'real-1.0.0.tgz', 'https://example.org/real.tgz'],
      ['linux', 'linux-1.0.0.tgz', undefined],
    ],
  );
});

test('a package-lock that cannot be trusted, or that the project has outgrown, is refused with its place', () => {
  const refused: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['{', {}, /^\/: it can't be read/],
    ['{"lockfileVersion": 1}', {}, /lockfileVersion.*npm 7/],
    [npm({ 'node_modules/a': { version: '1.0.0' } }), {}, /node_modules~1a: "a" has no integrity/],
    [npm({ 'node_modules/a': { version: '1.0.0', integrity: 'sha1-abcd' } }), {}, /hash that can be forged/],
    [npm({ 'node_modules/a': { version: '1.0.0', resolved: 'git+ssh://x' } }), {}, /which no hash fixes/],
    [
      npm({}, { dependencies: { a: '^1' } }),
      { 'package.json': '{"dependencies": {"a": "^2"}}' },
      /asks for "a" \^2, and the lock was made for "\^1"/,
    ],
    [npm({}), { 'package.json': '{"devDependencies": {"a": "^2"}}' }, /does not hold it/],
    [npm({}, { dependencies: { a: '1' } }), { 'package.json': '{}' }, /does not ask for "a"/],
  ];
  for (const [text, others, message] of refused)
    assert.throws(() => read('npm', text, others), { code: 'lock-mismatch', message }, text);
});

test('yarn.lock names archives as its mirror has them', () => {
  const text = [
    '# yarn lockfile v1',
    '',
    '',
    '"@a/b@^1.0.0", "@a/b@^1.1.0":',
    '  version "1.2.3"',
    '  resolved "https://registry.yarnpkg.com/@a/b/-/b-1.2.3.tgz#0123"',
    `  integrity ${integrity}`,
    '',
    'c@2:',
    '  version "2.0.0"',
    '  resolved "https://registry.yarnpkg.com/c/-/c-2.0.0.tgz#0123"',
    `  integrity ${integrity}`,
    '  dependencies:',
    '    "@a/b" "^1"',
    '',
  ].join('\n');
  assert.deepEqual(
    read('yarn', text).map(({ name, version, place }) => [name, version, place]),
    [
      ['@a/b', '1.2.3', '@a-b-1.2.3.tgz'],
      ['c', '2.0.0', 'c-2.0.0.tgz'],
    ],
  );
  assert.throws(() => read('yarn', text.replaceAll(`  integrity ${integrity}\n`, '')), { message: /no integrity/ });
  assert.throws(() => read('yarn', '__metadata:\n  version: 8\n'), { message: /vendor/ });
});

test('Cargo.lock names crates by their checksum, and what Cargo.toml asks beyond it is refused', () => {
  const crate = (more: string) =>
    `version = 3\n[[package]]\nname = "own"\nversion = "0.1.0"\n\n[[package]]\nname = "serde"\nversion = "1.0.1"\n${more}`;
  const source = 'source = "registry+https://github.com/rust-lang/crates.io-index"\n';
  const good = crate(`${source}checksum = "${hex}"\n`);
  const toml = '[dependencies]\nserde = "1"\nlocal = { path = "x" }\n';
  assert.deepEqual(
    read('cargo', good, { 'Cargo.toml': toml }).map(({ file, hashes }) => [file, hashes]),
    [['serde-1.0.1.crate', [{ algorithm: 'sha256', hex }]]],
  );
  assert.throws(() => read('cargo', crate(source)), { message: /no checksum/ });
  assert.throws(() => read('cargo', crate('source = "git+https://example.org"\n')), { message: /no hash fixes/ });
  assert.throws(() => read('cargo', good, { 'Cargo.toml': '[dependencies]\nrand = "1"\n' }), { message: /"rand"/ });
});

test('go.sum names modules as a proxy has them, and what go.mod requires beyond it is refused', () => {
  const sum = Buffer.from(hex, 'hex').toString('base64');
  const text = `github.com/BurntSushi/toml v1.0.0 h1:${sum}\ngithub.com/BurntSushi/toml v1.0.0/go.mod h1:${sum}\n`;
  assert.deepEqual(
    read('go', text, { 'go.mod': 'module x\nrequire (\n\tgithub.com/BurntSushi/toml v1.0.0\n)\n' }).map(
      ({ place, hashes }) => [place, hashes[0]?.algorithm],
    ),
    [
      ['github.com/!burnt!sushi/toml/@v/v1.0.0.zip', 'h1'],
      ['github.com/!burnt!sushi/toml/@v/v1.0.0.mod', 'h1-mod'],
    ],
  );
  assert.throws(() => read('go', text, { 'go.mod': 'module x\nrequire example.org/y v1.0.0\n' }), {
    message: /example.org\/y/,
  });
  assert.throws(() => read('go', 'nonsense\n'), { message: /line 1/ });
});

test('of the files of a Python package the wheel that fits best is taken, else its source', () => {
  const wheel = (name: string) => `{ url = "https://files.example.org/a/${name}", hash = "sha256:${hex}" }`;
  const names = [
    'a-1-cp312-cp312-manylinux_2_17_x86_64.whl',
    'a-1-cp311-cp311-manylinux_2_17_aarch64.whl',
    'a-1-cp38-abi3-manylinux_2_28_x86_64.whl',
    'a-1-py3-none-any.whl',
  ];
  const uv = `version = 1\n[[package]]\nname = "a"\nversion = "1"\nsource = { registry = "https://pypi.org/simple" }\nsdist = ${wheel('a-1.tar.gz')}\nwheels = [${names.map(wheel).join(', ')}]\n\n[[package]]\nname = "own"\nversion = "1"\nsource = { virtual = "." }\n`;
  assert.deepEqual(
    read('uv', uv).map(({ place, url }) => [place, url]),
    [[names[2], `https://files.example.org/a/${names[2]}`]],
  );
  assert.equal(rankOf('a-1-cp311-cp311-manylinux_2_37_x86_64.whl', 'linux/amd64'), 0, 'for a newer C library');
  assert.equal(rankOf('a-1-cp311-cp311-musllinux_1_1_x86_64.whl', 'linux/amd64'), 0);
  assert.equal(rankOf('a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', 'linux/amd64'), 4);
  const poetry = `[[package]]\nname = "a"\nversion = "1"\nfiles = [{file = "a-1.tar.gz", hash = "sha256:${hex}"}]\n`;
  assert.deepEqual(
    read('poetry', poetry).map(({ file }) => file),
    ['packages/source/a/a/a-1.tar.gz'],
  );
  assert.throws(() => read('poetry', poetry.replace('sha256:', 'md5:')), { message: /no SHA-256/ });
});

test("Go's hash of a zip is that of the names and contents in it, whatever packed it", async () => {
  await using folder = await openFolder({ 'm@v1/b.go': 'package b\n', 'm@v1/go.mod': 'module m\n' });
  const sums = ['m@v1/b.go', 'm@v1/go.mod'].map(
    (name) =>
      `${createHash('sha256')
        .update(name.endsWith('mod') ? 'module m\n' : 'package b\n')
        .digest('hex')}  ${name}\n`,
  );
  const expected = createHash('sha256').update(sums.join('')).digest('hex');
  for (const method of ['ZIP_STORED', 'ZIP_DEFLATED']) {
    const script = `import zipfile\nz = zipfile.ZipFile("z.zip", "w", zipfile.${method})\nfor n in ["m@v1/go.mod", "m@v1/b.go"]: z.write(n)\nz.close()`;
    execFileSync('python3', ['-c', script], { cwd: folder.path });
    const file = path.join(folder.path, 'z.zip');
    const { length } = await readFile(file);
    await using handle = await openFile(file);
    assert.equal(await hashOfZip(handle, length), expected, method);
    await writeFile(path.join(folder.path, 'cut.zip'), (await readFile(file)).subarray(0, length - 30));
    await using cut = await openFile(path.join(folder.path, 'cut.zip'));
    await assert.rejects(hashOfZip(cut, length - 30), { code: 'invalid-package' });
    // A file that is packed in fewer bytes than it needs.
    const short = await readFile(file);
    const at = short.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
    short.writeUInt32LE(method === 'ZIP_STORED' ? 0 : 3, at + 20);
    await writeFile(path.join(folder.path, 'short.zip'), short);
    await using shortened = await openFile(path.join(folder.path, 'short.zip'));
    if (method === 'ZIP_DEFLATED')
      await assert.rejects(hashOfZip(shortened, length), { code: 'invalid-package', message: /damaged "m@v1/ });
  }
  assert.equal(
    hashOfGoMod(Buffer.from('module m\n')),
    createHash('sha256')
      .update(`${createHash('sha256').update('module m\n').digest('hex')}  go.mod\n`)
      .digest('hex'),
  );
});
