// That advisories are imported whole, from a folder or a zip, are found by package, and mean the versions that they should.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { importAdvisories, openAdvisories } from '#manifests/supply/advisories';
import { billedComponents, componentKey, cvssScore, vulnerabilityFindings } from '#manifests/supply/policy';
import { openFolder } from '../folder.ts';

const signal = AbortSignal.timeout(60_000);
const record = (id: string, ecosystem: string, name: string, events: object[], more: object = {}) =>
  JSON.stringify({
    id,
    modified: '2026-01-30T00:00:00Z',
    summary: `what is wrong with ${name}`,
    affected: [{ package: { ecosystem, name }, ranges: [{ type: 'ECOSYSTEM', events }] }],
    ...more,
  });
const fixtures = {
  'in/npm/A-1.json': record('A-1', 'npm', '@shop/tea', [{ introduced: '1.0.0' }, { fixed: '1.2.0' }]),
  'in/npm/A-2.json': record('A-2', 'npm', 'gone', [{ introduced: '0' }], { withdrawn: '2026-01-01T00:00:00Z' }),
  'in/deb/D-1.json': record('D-1', 'Debian:12', 'kettle', [{ introduced: '0' }, { fixed: '2.0-1+deb12u2' }], {
    severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
  }),
  'in/deb/D-2.json': record('D-2', 'Debian:13', 'kettle', [{ introduced: '0' }, { fixed: '9.0-1' }]),
  'in/py/P-1.json': record('P-1', 'PyPI', 'Tea.Pot', [{ introduced: '0' }, { last_affected: '1.0rc1' }]),
  'in/other/X-1.json': record('X-1', 'Unheard', 'x', [{ introduced: '0' }]),
  'in/other/broken.json': '{"id": 3}',
  'in/other/readme.txt': 'no record',
};
const bill = (...purls: [purl: string, name: string, version: string, more?: object][]) =>
  billedComponents({ components: purls.map(([purl, name, version, more]) => ({ purl, name, version, ...more })) });
const image = bill(
  ['pkg:npm/%40shop/tea@1.1.0', 'tea', '1.1.0', { group: '@shop' }],
  ['pkg:npm/gone@1.0.0', 'gone', '1.0.0'],
  ['pkg:deb/debian/base-files@12.4?arch=amd64', 'base-files', '12.4'],
  [
    'pkg:deb/debian/libkettle1@2.0-1%2Bdeb12u1',
    'libkettle1',
    '2.0-1+deb12u1+b1',
    {
      properties: [{ name: 'hermesh:source', value: 'kettle@2.0-1+deb12u1' }],
    },
  ],
  ['pkg:pypi/tea-pot@1.0b2', 'tea_pot', '1.0b2'],
);
const policy = { refuse: 'high' as const, max_database_age_days: 30, ignore: [] };
const now = Date.parse('2026-02-01T00:00:00Z');

async function findingsIn(directory: string) {
  const database = await openAdvisories(directory);
  const known = {
    advisories: await database.of(image.map(componentKey)),
    madeAt: Math.min(...database.parts.map(({ madeAt }) => madeAt)),
    ecosystems: database.parts.flatMap(({ ecosystems }) => ecosystems),
  };
  return vulnerabilityFindings(image, known, { policy, now });
}

test('advisories of a folder are found by package: scopes, source packages of the release, and any spelling of PyPI', async () => {
  await using folder = await openFolder(fixtures);
  const directory = path.join(folder.path, 'advisories');
  const part = await importAdvisories(directory, path.join(folder.path, 'in'), { name: 'all', signal });
  assert.deepEqual(part, {
    name: 'all',
    madeAt: Date.parse('2026-01-30T00:00:00Z'),
    records: 6,
    passedOver: 1,
    ecosystems: ['deb', 'npm', 'pypi'],
  });
  const findings = await findingsIn(directory);
  assert.deepEqual(
    findings.map(({ subject, message }) => [subject, message.split(':')[0]]),
    [
      ['pkg:npm/%40shop/tea@1.1.0', 'A-1 (no severity told)'],
      ['pkg:deb/debian/libkettle1@2.0-1%2Bdeb12u1', 'D-1 (critical)'],
      ['pkg:pypi/tea-pot@1.0b2', 'P-1 (no severity told)'],
    ],
  );
});

test('a zip gives what its folder gives, an import takes the place of its name alone, and nothing of the one before stays', {
  skip: await promisify(execFile)('python3', ['--version']).then(
    () => false,
    () => 'needs python3',
  ),
}, async () => {
  await using folder = await openFolder(fixtures);
  const directory = path.join(folder.path, 'advisories');
  const source = path.join(folder.path, 'in');
  const zip = path.join(folder.path, 'all.zip');
  await promisify(execFile)('python3', ['-m', 'zipfile', '-c', zip, '.'], { cwd: source });
  await importAdvisories(directory, source, { name: 'all', signal });
  const before = await findingsIn(directory);
  await importAdvisories(directory, zip, { name: 'all', signal });
  assert.deepEqual(await findingsIn(directory), before);
  assert.equal((await readdir(directory)).length, 2, 'the index and one part');
  const own = path.join(folder.path, 'own.json');
  await writeFile(own, record('O-1', 'npm', 'gone', [{ introduced: '0' }]));
  await importAdvisories(directory, own, { name: 'own', signal });
  assert.equal((await findingsIn(directory)).length, before.length + 1);
});

test('what is no zip, is cut off or holds no record changes nothing, and says why', async () => {
  await using folder = await openFolder({ ...fixtures, 'a.zip': 'PK no zip', 'empty/a.txt': '' });
  const directory = path.join(folder.path, 'advisories');
  await importAdvisories(directory, path.join(folder.path, 'in'), { name: 'all', signal });
  const before = await findingsIn(directory);
  for (const name of ['a.zip', 'empty', 'nowhere'])
    await assert.rejects(importAdvisories(directory, path.join(folder.path, name), { name: 'all', signal }), {
      message: /^Cannot (read|import) "/,
    });
  assert.deepEqual(await findingsIn(directory), before);
  assert.equal((await readdir(directory)).length, 2);
});

test('a database without an ecosystem of the image refuses with it, since its silence means nothing', () => {
  const [finding] = vulnerabilityFindings(image, { advisories: [], madeAt: now, ecosystems: ['npm'] }, { policy, now });
  assert.deepEqual([finding?.weight, finding?.message], ['refuse', 'it has nothing of deb, pypi']);
});

test('scores of CVSS 3 are those of its specification', () => {
  assert.equal(cvssScore('CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'), 9.8);
  assert.equal(cvssScore('CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N'), 6.1);
  assert.equal(cvssScore('CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N'), 0);
  assert.equal(cvssScore('CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H'), 9.9);
  for (const wrong of ['CVSS:4.0/AV:N', 'CVSS:3.1/AV:N', '7.5', '']) assert.equal(cvssScore(wrong), undefined);
});
