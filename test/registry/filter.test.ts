// Filters: what they say of records, what is refused with its place, and that no record or filter takes for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineKind, parseFilter, RegistryError } from '#registry';
import { Constellation, converge, join } from '../support/constellation.ts';
import { startProcessorTime } from '../support/processor-time.ts';

const facts = {
  kind: 'ci',
  name: 'redis-ci',
  stack: 'berlin',
  stackId: '12D3',
  site: 'fra-1',
  region: 'eu',
  labels: { tier: 'edge' },
  health: 'healthy',
  capabilities: ['gpu'],
  state: 'up',
  body: { port: 6379, services: [{ name: 'redis', port: 6379 }], at: '2026-02-01T00:00:00Z', ratio: 0.5 },
};

test('a filter speaks of kind, name, owner, labels, health, capabilities, presence and body', () => {
  for (const text of [
    'kind == "ci" && name.startsWith("redis")',
    'stack == "berlin" && stackId == "12D3" && state == "up"',
    'site == "fra-1" && region in ["eu", "us"]',
    'labels.tier == "edge" || labels["tier"] == "core"',
    'health != "unhealthy" && "gpu" in capabilities && size(capabilities) == 1',
    'body.port == 6379 && body.ratio < 0.6',
    'body.services.exists(s, s.name == "redis" && s.port > 6000)',
    'body.services.all(s, s.port > 1024 && stack == "berlin")',
    'timestamp(body.at) > timestamp("2026-01-01T00:00:00Z")',
    'has(body.port) && !has(body.other)',
    'body.missing == 1 || kind == "ci"',
  ]) {
    assert.equal(parseFilter(text).matches(facts), true, text);
  }
});

test('a missing field and one of another type match nothing, and nothing is thrown', () => {
  for (const text of [
    'body.missing == 1',
    'body.missing != 1',
    'body.services.port == 1',
    'labels.other == "x"',
    'body.port > "x"',
    'body.port.startsWith("6")',
    'body.at',
  ]) {
    assert.equal(parseFilter(text).matches(facts), false, text);
    for (const body of [null, 5, 'text', [], new Uint8Array(3)]) {
      assert.equal(parseFilter(text).matches({ ...facts, body }), false, `${text} of ${body}`);
    }
  }
});

test('a filter that is wrong is refused with the place', () => {
  for (const [text, at, why] of [
    ['kind ==', 8, /EOF/],
    ['kinds == "ci"', 1, /Unknown variable: kinds/],
    ['kind == "ci" && name > 3', 17, /no such overload/],
    ['kind', 1, /gives a string/],
    ['', 1, /empty/],
    ['kind == "ci" && body.name.matches("(a+)+$")', 17, /no method "matches"/],
    ['body.a.exists(x, body.a.exists(y, x == y))', 18, /inside of another/],
    ['body.a.exists(x, x in body.a)', 23, /"body" can't be named/],
    ['cel.bind(a, body.a, a == a)', 1, /no method "bind"/],
    [`kind == "${'x'.repeat(1000)}"`, 1, /may have 1000/],
    [`${'('.repeat(40)}true${')'.repeat(40)}`, 25, /maxDepth/],
    [Array.from({ length: 110 }, () => 'true').join(' && '), undefined, /maxDepth|maxAstNodes/],
  ] as const) {
    assert.throws(
      () => parseFilter(text),
      (error) => {
        assert.ok(error instanceof RegistryError && error.code === 'bad-filter', String(error));
        assert.match(error.message, why, text);
        if (at !== undefined) assert.match(error.message, new RegExp(`at character ${at}:`), text);
        assert.match(error.message, /such as: kind ==/);
        return true;
      },
    );
  }
});

test('the costliest filter over the largest record ends within a moment', () => {
  const body = { a: Array.from({ length: 8_000 }, (_, at) => `${at % 10}`), long: 'a'.repeat(8_000) };
  const loop = 'body.a.all(x, x != "y" && !x.contains("z") && size(x) < 9)';
  const text = Array.from({ length: 8 }, () => loop).join(' && ');
  const spentMs = startProcessorTime();
  assert.equal(parseFilter(text).matches({ ...facts, body }), true);
  assert.ok(spentMs() < 2_000);
});

test('a list keeps to its filter, owners’ labels included, and a stack that changes its labels is judged by the new ones', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const describe = (tier: string) =>
    two.registry.write([
      { kind: 'stack', name: 'two', body: { name: 'two', labels: { tier }, addresses: [...two.network.addresses()] } },
    ]);
  describe('edge');
  for (const node of [one, two]) node.registry.write([{ kind: 'note', name: node.name, body: { text: node.name } }]);
  await converge([one], ['one=one@one', 'two=two@two']);
  const names = (where: string) =>
    one.registry.directory.list({ kind: 'note', where: parseFilter(where) }).map(({ name }) => name);
  assert.deepEqual(names('labels.tier == "edge"'), ['two']);
  assert.deepEqual(names('!has(labels.tier)'), ['one']);
  assert.deepEqual(names('body.text == stack'), ['one', 'two']);
  describe('core');
  await converge([one], ['one=one@one', 'two=two@two']);
  const end = AbortSignal.timeout(5_000);
  for await (const change of one.registry.directory.follow({ from: 0, signal: end })) {
    if (change.kind === 'stack' && names('labels.tier == "core"').length === 1) break;
  }
  assert.deepEqual(names('labels.tier == "edge"'), []);
});

const odd = defineKind({ name: 'odd', schema: z.unknown(), maxBytes: 16_000, writer: 'any-member' });
const touchy = defineKind({
  name: 'touchy',
  schema: z.unknown().refine((value) => {
    if (value !== 'fine') throw new TypeError('this schema cannot stand it');
    return true;
  }),
  maxBytes: 16_000,
  writer: 'any-member',
});

test('a body of odd values breaks no list, lookup, filter or follower of any stack (failure mode 1)', async () => {
  await using sky = new Constellation({ kinds: [odd, touchy] });
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const nested = (depth: number): unknown => (depth === 0 ? 'end' : [nested(depth - 1)]);
  const bodies = [
    null,
    0,
    -1.5,
    '',
    '\u001b[2J',
    [],
    {},
    [null],
    { health: 5, capabilities: 'x', services: {} },
    nested(30),
  ];
  two.registry.write(bodies.map((body, at) => ({ kind: 'odd', name: `odd-${at}`, body })));
  two.registry.write([
    { kind: 'odd', name: 'proto', body: JSON.parse('{"__proto__": {"health": "x"}, "constructor": 1}') },
  ]);
  for (const body of [nested(40), 2n ** 60n]) {
    assert.throws(() => two.registry.write([{ kind: 'odd', name: 'no', body }]), { code: 'invalid-record' });
  }
  assert.throws(() => two.registry.write([{ kind: 'touchy', name: 'no', body: 'x' }]));
  // What a stack with other code signs is taken, kept hidden, and told.
  await using other = await sky.open('other', {
    kinds: [odd, defineKind({ name: 'touchy', schema: z.unknown(), maxBytes: 16_000, writer: 'any-member' })],
  });
  await join(other, one);
  other.registry.write([{ kind: 'touchy', name: 'poison', body: 'x' }]);
  other.registry.write([{ kind: 'odd', name: 'last', body: 'x' }]);
  const directory = one.registry.directory;
  for await (const change of directory.follow({
    from: 0,
    where: parseFilter('body.health == "x" || name == "last"'),
    signal: AbortSignal.timeout(5_000),
  })) {
    JSON.stringify(change);
    if (change.entry?.name === 'last') break;
  }
  const listed = directory.list({ kind: 'odd' });
  assert.equal(listed.length, bodies.length + 2);
  assert.doesNotThrow(() => JSON.stringify(listed));
  for (const { name } of listed) assert.ok(directory.get('odd', name), name);
  for (const where of ['body.health == "x"', 'health == "x"', 'body.exists(x, x == 1)', '"x" in capabilities']) {
    assert.deepEqual(directory.list({ where: parseFilter(where) }), [], where);
  }
  assert.equal(directory.get('touchy', 'poison'), undefined);
  assert.deepEqual(
    directory.hidden().map(({ name, why }) => [name, /can't be read/.test(why)]),
    [['poison', true]],
  );
});
