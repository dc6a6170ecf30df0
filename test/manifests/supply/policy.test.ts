// That licences and advisories are judged as their specifications say, and versions compared as their own tools compare them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareDebian } from '#manifests/debian';
import {
  type Advisory,
  billedComponents,
  comparePython,
  isAffected,
  licenseFindings,
  parseAdvisory,
  vulnerabilityFindings,
} from '#manifests/supply/policy';

const bill = (name: string, version: string, license?: string, ecosystem = 'npm') =>
  billedComponents({
    components: [
      {
        purl: `pkg:${ecosystem}/${name}@${version}`,
        name,
        version,
        ...(license && { licenses: [{ license: { name: license } }] }),
      },
    ],
  });
const policy = { allow: ['MIT', 'Apache-2.0'], deny: [] as string[], unknown: 'allow' as const };

test('a licence is allowed where some choice of it is, and denied where none is', () => {
  const weights = (license: string | undefined, more: Partial<typeof policy> = {}) =>
    licenseFindings(bill('a', '1.0.0', license), { ...policy, ...more }).map(({ weight }) => weight);
  assert.deepEqual(weights('MIT'), []);
  assert.deepEqual(weights('(GPL-3.0-only OR MIT)'), []);
  assert.deepEqual(weights('GPL-3.0-only AND MIT'), ['refuse']);
  assert.deepEqual(weights('SEE LICENSE IN x'), ['tell']);
  assert.deepEqual(weights(undefined), ['tell']);
  assert.deepEqual(
    licenseFindings(bill('a', '1.0.0'), { ...policy, unknown: 'deny' }).map(({ weight }) => weight),
    ['refuse'],
  );
  assert.deepEqual(weights('GPL-3.0-only', { allow: [], deny: ['GPL-3.0-only'] }), ['refuse']);
  assert.deepEqual(weights('GPL-3.0-only OR ISC', { allow: [], deny: ['GPL-3.0-only'] }), []);
});

test('an expression made to multiply is unknown, and ends at once', () => {
  const bomb = Array.from({ length: 60 }, () => '(MIT OR ISC)').join(' AND ');
  assert.deepEqual(
    licenseFindings(bill('a', '1', bomb), policy).map(({ weight }) => weight),
    ['tell'],
  );
});

const part = fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', 'z', '.', '+', '~'), minLength: 0, maxLength: 6 });
const debianVersion = fc
  .tuple(fc.constantFrom('', '0:', '1:'), part, fc.option(part))
  .map(([epoch, upstream, revision]) => `${epoch}1${upstream}${revision ? `-${revision}` : ''}`);

test('versions of Debian are compared as dpkg compares them', {
  skip: spawnSync('dpkg', ['--version']).error && 'no dpkg here',
}, () => {
  fc.assert(
    fc.property(debianVersion, debianVersion, (first, second) => {
      const is = (word: string): boolean => spawnSync('dpkg', ['--compare-versions', first, word, second]).status === 0;
      const mine = Math.sign(compareDebian(first, second));
      assert.ok(is(mine < 0 ? 'lt' : mine > 0 ? 'gt' : 'eq'), `${first} and ${second}: ${mine}`);
    }),
    { numRuns: 100 },
  );
});

test('versions of Python are in the order of PEP 440', () => {
  const ordered = [
    '1.0.dev1',
    '1.0a1.dev1',
    '1.0a1',
    '1.0b2',
    '1.0rc1',
    '1.0',
    '1.0+local',
    '1.0.post1.dev1',
    '1.0.post1',
    '1.0.1',
    '1.1.dev0',
    '1.10',
    '1!0.5',
  ];
  for (const [at, first] of ordered.entries())
    for (const [other, second] of ordered.entries())
      assert.equal(
        Math.sign(comparePython(first, second) ?? Number.NaN),
        Math.sign(at - other),
        `${first} and ${second}`,
      );
  assert.equal(comparePython('1.0', '1.0.0'), 0);
  assert.equal(comparePython('1.0-1', '1.0.post1'), 0);
  assert.equal(comparePython('what', '1'), undefined);
});

const advisory = (more: object): Advisory =>
  parseAdvisory(
    JSON.stringify({
      id: 'X-1',
      affected: [
        {
          package: { ecosystem: 'npm', name: 'a' },
          ranges: [{ type: 'SEMVER', events: [{ introduced: '1.0.0' }, { fixed: '1.2.0' }] }],
        },
      ],
      ...more,
    }),
  ) ?? assert.fail();

test('a component is affected by listed versions first, then by ranges in the order of their events', () => {
  const one = advisory({}).affected[0] ?? assert.fail();
  const at = (version: string): boolean => isAffected({ ecosystem: 'npm', version }, one);
  assert.deepEqual(['0.9.0', '1.0.0', '1.2.0-rc.1', '1.2.0', '2.0.0'].map(at), [false, true, true, false, false]);
  assert.ok(isAffected({ ecosystem: 'npm', version: '9.9.9' }, { ...one, versions: ['9.9.9'] }));
  const last = { ...one, ranges: [{ type: 'ECOSYSTEM', events: [{ last_affected: '2.0' }, { introduced: '0' }] }] };
  assert.deepEqual(
    ['1.0', '2.0', '2.0.1'].map((version) => isAffected({ ecosystem: 'pypi', version }, last)),
    [true, true, false],
  );
  const debian = { ...one, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '1:2.0~rc1-1' }] }] };
  assert.deepEqual(
    ['9', '1:1.9', '1:2.0-1'].map((version) => isAffected({ ecosystem: 'deb', version }, debian)),
    [true, true, false],
  );
  assert.ok(isAffected({ ecosystem: 'golang', version: 'v1.1.0' }, one));
});

test('an advisory refuses from its severity on, unless it is withdrawn or ignored for now; an old database is told', () => {
  const now = Date.parse('2026-01-31T00:00:00Z');
  const weights = (one: Advisory, more: object = {}, madeAt = now) => {
    const settings = { refuse: 'high' as const, max_database_age_days: 30, ignore: [], ...more };
    return vulnerabilityFindings(bill('a', '1.1.0'), { advisories: [one], madeAt }, { policy: settings, now }).map(
      ({ weight }) => weight,
    );
  };
  const severe = advisory({ database_specific: { severity: 'HIGH' } });
  assert.deepEqual(weights(severe), ['refuse']);
  assert.deepEqual(weights(advisory({ database_specific: { severity: 'MODERATE' } })), ['tell']);
  assert.deepEqual(weights(advisory({})), ['refuse']);
  assert.deepEqual(weights(advisory({ withdrawn: '2025-01-01T00:00:00Z' })), []);
  assert.deepEqual(weights(severe, { ignore: [{ id: 'X-1', reason: 'r', until: '2026-02-01T00:00:00Z' }] }), ['tell']);
  assert.deepEqual(weights(severe, { ignore: [{ id: 'X-1', reason: 'r', until: '2026-01-01T00:00:00Z' }] }), [
    'refuse',
  ]);
  assert.deepEqual(weights(advisory({ withdrawn: 'x' }), {}, now - 40 * 86_400_000), ['refuse']);
});
