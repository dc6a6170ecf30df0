// The language of filters: expressions put together from words of CEL that belong to it and some that don't.
import assert from 'node:assert/strict';
import { RegistryError } from '#registry';
import { maxFilterLength, parseFilter } from '#registry/directory';
import type { Target } from './fuzz.ts';
import { below, oneOf } from './mutate.ts';

const words = [
  ...['kind', 'name', 'stack', 'labels', 'body', 'capabilities', 'state', 'health', 's', '__proto__', 'constructor'],
  ...[
    '"ci"',
    "'x'",
    '1',
    '-1',
    '1.5',
    '1e309',
    'true',
    'null',
    '[]',
    '{}',
    'b"x"',
    'r"\\"',
    '9223372036854775808',
    '0x',
    '"\\u{110000}"',
  ],
  ...[
    '==',
    '!=',
    '<',
    '>=',
    '&&',
    '||',
    '!',
    '+',
    '-',
    '*',
    '/',
    '%',
    '?',
    ':',
    'in',
    '.',
    ',',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
  ],
  ...[
    '.exists(s, ',
    '.all(',
    '.map(',
    '.startsWith("',
    '.matches(',
    'has(',
    'size(',
    'timestamp(',
    'duration("1',
    'cel.bind(',
    '.trim()',
    '.size()',
  ],
];
const filters = [
  'kind == "ci" && labels.tier == "edge"',
  'body.services.exists(s, s.port == 6379)',
  'has(body.container) || !("gpu" in capabilities)',
  'size(name) > 3 ? state == "up" : health != "healthy"',
  'labels.all(l, l.startsWith("a"))',
  'body.a.b[0].c == 1.5 && timestamp(body.at) < timestamp("2026-01-01T00:00:00Z")',
];
const facts = {
  ...{ kind: 'ci', name: 'echo', stack: 'berlin', stackId: 'x', site: 's', region: '', health: 'healthy', state: 'up' },
  ...{
    labels: { tier: 'edge' },
    capabilities: ['gpu'],
    body: { services: [{ port: 6379 }], a: { b: [{ c: 1.5 }] }, at: 'never' },
  },
};

export const filter: Target = {
  name: 'a filter',
  valid: (chance) => Buffer.from(oneOf(chance, filters)),
  resigned: (chance) => {
    const parts = oneOf(chance, filters).split(/(?<=\W)|(?=\W)/);
    for (let count = 1 + below(chance, 6); count > 0; count -= 1)
      parts.splice(below(chance, parts.length + 1), below(chance, 2), oneOf(chance, words));
    return Buffer.from(parts.join(chance() < 0.5 ? '' : ' '));
  },
  decodes: (bytes) => Buffer.from(bytes).toString('utf8').trim() !== '' && bytes.byteLength <= maxFilterLength,
  take(bytes) {
    try {
      assert.equal(typeof parseFilter(Buffer.from(bytes).toString('utf8')).matches(facts), 'boolean');
      return 'taken';
    } catch (error) {
      assert.ok(error instanceof RegistryError && error.code === 'bad-filter', String(error));
      return 'refused';
    }
  },
  least: { refused: 0.2, taken: 0.02 },
};
