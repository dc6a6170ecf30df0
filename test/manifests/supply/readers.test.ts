// That each cataloguer reads its ecosystem's files as their own tools write them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { type Component, purlOf, readCopyright, readDpkgStatus, readerOf } from '#manifests/supply/catalogue';
import { openFolder } from '../folder.ts';

/** dpkg's own placeholders. */
const listFormat = ['Package', 'Version', 'Architecture', 'db:Status-Status']
  .map((key) => `$\{${key}}`)
  .join(' ')
  .concat('\\n');
const root = path.join(import.meta.dirname, '../../..');

function read(file: string, text: string): Component[] {
  return readerOf(file)?.read(text) ?? assert.fail(`nobody reads ${file}`);
}

function purls(file: string, text: string): string[] {
  return read(file, text).map(purlOf);
}

test('dpkg status is read as dpkg-query reports it, and a package that was removed is not there', async () => {
  await using folder = await openFolder();
  const stanza = (name: string, version: string, status: string, more = ''): string =>
    `Package: ${name}\nStatus: ${status}\nMaintainer: A <a@b.c>\nArchitecture: amd64\n${more}Version: ${version}\nDescription: ${name}\n long\n .\n text: here\n`;
  const status = [
    stanza('one', '1:2.0~rc1+dfsg-3', 'install ok installed', 'Multi-Arch: same\n'),
    stanza('two', '3', 'install ok unpacked'),
    stanza('gone', '4', 'deinstall ok config-files'),
  ].join('\n');
  await writeFile(path.join(folder.path, 'status'), status);
  const listed = execFileSync('dpkg-query', [`--admindir=${folder.path}`, '-W', '-f', listFormat], {
    encoding: 'utf8',
  });
  const expected = listed
    .trim()
    .split('\n')
    .filter((line) => !line.endsWith('config-files'));
  const found = readDpkgStatus(status).map((one) => `${one.name} ${one.version} ${one.qualifiers?.['arch']}`);
  assert.deepEqual(
    found,
    expected.map((line) => line.split(' ').slice(0, 3).join(' ')),
  );
  assert.equal(purlOf(readDpkgStatus(status)[0] as Component), 'pkg:deb/debian/one@1:2.0~rc1%2Bdfsg-3?arch=amd64');
});

test('all packages of this machine are read as dpkg-query lists them', {
  skip: !existsSync('/var/lib/dpkg/status') && 'no dpkg here',
}, async () => {
  const text = await readFile('/var/lib/dpkg/status', 'utf8');
  const listed = execFileSync('dpkg-query', ['-W', '-f', listFormat], {
    encoding: 'utf8',
  });
  const expected = listed
    .trim()
    .split('\n')
    .filter((line) => !/ (config-files|not-installed)$/.test(line));
  const found = readDpkgStatus(text).map((one) => `${one.name} ${one.version} ${one.qualifiers?.['arch']}`);
  assert.deepEqual(found.sort(), expected.map((line) => line.split(' ').slice(0, 3).join(' ')).sort());
  assert.ok(found.length > 50);
});

test('a package-lock is read as npm lists it', async () => {
  await using folder = await openFolder();
  for (const name of ['package.json', 'package-lock.json'])
    await copyFile(path.join(root, name), path.join(folder.path, name));
  const out = execFileSync('npm', ['ls', '--all', '--json', '--package-lock-only'], {
    cwd: folder.path,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const listed = new Set<string>();
  type Tree = {
    readonly version?: string;
    readonly name?: string;
    readonly dependencies?: Readonly<Record<string, Tree>>;
  };
  const walk = ({ dependencies = {} }: Tree): void => {
    for (const [name, one] of Object.entries(dependencies)) {
      // Optional packages that the lock doesn't hold have no version.
      if (one.version !== undefined) listed.add(`${name}@${one.version}`);
      walk(one);
    }
  };
  walk(JSON.parse(out) as Tree);
  const found = read('package-lock.json', await readFile(path.join(root, 'package-lock.json'), 'utf8')).map(
    ({ namespace, name, version }) => `${namespace === undefined ? '' : `${namespace}/`}${name}@${version}`,
  );
  assert.deepEqual([...new Set(found)].sort(), [...listed].sort());
  assert.ok(listed.size >= 100);
});

test('npm locks of version 1, pnpm and yarn locks name what they pin, with its hash', () => {
  const integrity = `sha512-${Buffer.alloc(64, 7).toString('base64')}`;
  const hex = Buffer.alloc(64, 7).toString('hex');
  const v1 = {
    lockfileVersion: 1,
    dependencies: { a: { version: '1.0.0', integrity, dependencies: { '@s/b': { version: '2.0.0', dev: true } } } },
  };
  const [a, b] = read('package-lock.json', JSON.stringify(v1));
  assert.equal(a?.hashes['SHA-512'], hex);
  assert.equal(b?.scope, 'excluded');
  assert.equal(purlOf(b as Component), 'pkg:npm/%40s/b@2.0.0');
  const pnpm9 = `lockfileVersion: '9.0'\npackages:\n  '@s/b@2.0.0':\n    resolution: {integrity: ${integrity}}\n  a@1.0.0:\n    resolution: {integrity: ${integrity}}\n`;
  assert.deepEqual(purls('pnpm-lock.yaml', pnpm9), ['pkg:npm/%40s/b@2.0.0', 'pkg:npm/a@1.0.0']);
  const pnpm5 = `lockfileVersion: 5.4\npackages:\n  /@s/b/2.0.0_react@17.0.0:\n    resolution: {integrity: ${integrity}}\n  /a/1.0.0:\n    dev: true\n`;
  assert.deepEqual(purls('pnpm-lock.yaml', pnpm5), ['pkg:npm/%40s/b@2.0.0', 'pkg:npm/a@1.0.0']);
  const pnpm6 = `lockfileVersion: '6.0'\npackages:\n  /@s/b@2.0.0(react@17.0.0):\n    dev: false\n`;
  assert.deepEqual(purls('pnpm-lock.yaml', pnpm6), ['pkg:npm/%40s/b@2.0.0']);
  const yarn1 = `# yarn lockfile v1\n\n\n"@s/b@^2.0.0", "@s/b@~2.0.0":\n  version "2.0.0"\n  resolved "https://r/b.tgz#abc"\n  integrity ${integrity}\n\nalias@npm:a@^1.0.0:\n  version "1.0.0"\n  dependencies:\n    x "1"\n`;
  assert.deepEqual(purls('yarn.lock', yarn1), ['pkg:npm/%40s/b@2.0.0', 'pkg:npm/a@1.0.0']);
  const berry = `__metadata:\n  version: 8\n\n"@s/b@npm:^2.0.0":\n  version: 2.0.0\n  resolution: "@s/b@npm:2.0.0"\n  checksum: 10/abc\n\n"me@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "me@workspace:."\n`;
  assert.deepEqual(purls('yarn.lock', berry), ['pkg:npm/%40s/b@2.0.0']);
});

test('files of pip, Poetry, uv and Pipenv name what they pin', () => {
  const sum = 'a'.repeat(64);
  const metadata =
    'Metadata-Version: 2.1\nName: Flask_Login\nVersion: 0.6.3\nLicense: MIT\nClassifier: License :: OSI Approved :: MIT License\n\nName: not this\n';
  assert.deepEqual(purls('usr/lib/python3/dist-packages/Flask_Login-0.6.3.dist-info/METADATA', metadata), [
    'pkg:pypi/flask-login@0.6.3',
  ]);
  assert.deepEqual(read('a.dist-info/METADATA', metadata)[0]?.licenses, ['MIT']);
  const requirements = `# c\nDjango[argon2]==5.0.1 \\\n    --hash=sha256:${sum}\nflask>=2\nsix == 1.16.0 ; python_version > "3"\n-r other.txt\n`;
  assert.deepEqual(purls('requirements.txt', requirements), ['pkg:pypi/django@5.0.1', 'pkg:pypi/six@1.16.0']);
  assert.equal(read('requirements.txt', requirements)[0]?.hashes['SHA-256'], sum);
  const poetry = `[[package]]\nname = "six"\nversion = "1.16.0"\noptional = false\nfiles = [{file = "six.whl", hash = "sha256:${sum}"}]\n\n[[package]]\nname = "pytest"\nversion = "8.0"\ncategory = "dev"\n`;
  assert.deepEqual(
    read('poetry.lock', poetry).map(({ name, scope }) => [name, scope]),
    [
      ['six', undefined],
      ['pytest', 'excluded'],
    ],
  );
  const uv = `version = 1\n[[package]]\nname = "six"\nversion = "1.16.0"\nsource = { registry = "https://pypi.org/simple" }\nsdist = { url = "u", hash = "sha256:${sum}" }\n[[package]]\nname = "me"\nversion = "0.1"\nsource = { virtual = "." }\n`;
  assert.deepEqual(purls('uv.lock', uv), ['pkg:pypi/six@1.16.0']);
  assert.equal(read('uv.lock', uv)[0]?.hashes['SHA-256'], sum);
  const pipenv = JSON.stringify({
    default: { six: { version: '==1.16.0', hashes: [`sha256:${sum}`] } },
    develop: { black: { version: '==24.1' } },
  });
  assert.deepEqual(purls('Pipfile.lock', pipenv), ['pkg:pypi/six@1.16.0', 'pkg:pypi/black@24.1']);
});

test('lock files of Cargo, Go, Maven, Gradle, Composer, Bundler, Mix and NuGet name what they pin', () => {
  const sum = 'b'.repeat(64);
  const cargo = `version = 3\n[[package]]\nname = "me"\nversion = "0.1.0"\n[[package]]\nname = "serde"\nversion = "1.0.197"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "${sum}"\n`;
  assert.deepEqual(purls('Cargo.lock', cargo), ['pkg:cargo/serde@1.0.197']);
  assert.equal(read('Cargo.lock', cargo)[0]?.hashes['SHA-256'], sum);
  const goSum =
    'github.com/Foo/bar v1.2.3 h1:x=\ngithub.com/Foo/bar v1.2.3/go.mod h1:y=\nold.org/x v0.1.0/go.mod h1:z=\n';
  assert.deepEqual(purls('go.sum', goSum), ['pkg:golang/github.com/foo/bar@v1.2.3']);
  const goMod =
    'module me\n\ngo 1.22\n\nrequire (\n\tgithub.com/foo/bar v1.2.3\n\tx.org/y v0.1.0 // indirect\n)\n\nrequire z.org/z v1.0.0\n\nreplace z.org/z => ../z\n';
  assert.deepEqual(purls('go.mod', goMod), [
    'pkg:golang/github.com/foo/bar@v1.2.3',
    'pkg:golang/x.org/y@v0.1.0',
    'pkg:golang/z.org/z@v1.0.0',
  ]);
  const pom =
    '<project><version>9</version><properties><j.v>2.1</j.v></properties><dependencies><dependency><groupId>org.a</groupId><artifactId>b</artifactId><version>$' +
    '{j.v}</version></dependency><dependency><groupId>org.t</groupId><artifactId>t</artifactId><version>1</version><scope>test</scope></dependency><dependency><groupId>m</groupId><artifactId>managed</artifactId></dependency></dependencies></project>';
  assert.deepEqual(
    read('pom.xml', pom).map((one) => [purlOf(one), one.scope]),
    [
      ['pkg:maven/org.a/b@2.1', undefined],
      ['pkg:maven/org.t/t@1', 'excluded'],
    ],
  );
  assert.deepEqual(read('pom.xml', `<!DOCTYPE x [<!ENTITY a "b">]>${pom}`), []);
  const gradle =
    '# c\norg.a:b:1.0=compileClasspath,runtimeClasspath\norg.t:t:1=testCompileClasspath\nempty=annotationProcessor\n';
  assert.deepEqual(
    read('gradle.lockfile', gradle).map((one) => [purlOf(one), one.scope]),
    [
      ['pkg:maven/org.a/b@1.0', undefined],
      ['pkg:maven/org.t/t@1', 'excluded'],
    ],
  );
  const composer = JSON.stringify({
    packages: [{ name: 'Monolog/monolog', version: '3.5.0', license: ['MIT', 'GPL-2.0-only'] }],
    'packages-dev': [],
  });
  assert.deepEqual(read('composer.lock', composer)[0]?.licenses, ['(MIT OR GPL-2.0-only)']);
  assert.deepEqual(purls('composer.lock', composer), ['pkg:composer/monolog/monolog@3.5.0']);
  const gem =
    'GEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.3)\n\nPLATFORMS\n  ruby\n';
  assert.deepEqual(purls('Gemfile.lock', gem), ['pkg:gem/nokogiri@1.16.0?platform=x86_64-linux', 'pkg:gem/racc@1.7.3']);
  const mix = `%{\n  "plug": {:hex, :plug, "1.15.3", "${'c'.repeat(64)}", [:mix], [{:mime, "~> 1.0", [hex: :mime, repo: "hexpm", optional: false]}], "hexpm", "${sum}"},\n}\n`;
  assert.deepEqual(purls('mix.lock', mix), ['pkg:hex/plug@1.15.3']);
  assert.equal(read('mix.lock', mix)[0]?.hashes['SHA-256'], sum);
  const nuget = JSON.stringify({
    version: 1,
    dependencies: {
      'net8.0': {
        Serilog: { type: 'Direct', resolved: '3.1.1', contentHash: Buffer.alloc(64, 1).toString('base64') },
        me: { type: 'Project', resolved: '1' },
      },
    },
  });
  assert.deepEqual(purls('packages.lock.json', nuget), ['pkg:nuget/Serilog@3.1.1']);
});

test('licences of a machine-readable copyright come as SPDX spells them, and a free text gives none', () => {
  const text =
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: x\nLicense: GPL-2+ or Artistic\n\nFiles: a\nCopyright: x\nLicense: Expat\n Permission\n\nLicense: GPL-2+\n text\n';
  assert.deepEqual(readCopyright(text), ['GPL-2.0-or-later OR Artistic-1.0-Perl', 'MIT']);
  assert.deepEqual(readCopyright('This is free.\nLicense: GPL-2\n'), []);
});

test('a lock file within an installed package says nothing of the image', () => {
  assert.equal(readerOf('app/node_modules/x/package-lock.json'), undefined);
  assert.equal(readerOf('app/vendor/github.com/a/b/go.sum'), undefined);
  assert.equal(readerOf('app/node_modules/x/lib/package.json'), undefined);
});
