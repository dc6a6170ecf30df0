// The bytes that stacks exchange are those of test/vectors/registry.json: a change to them is a change of the protocol.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { registryVectors } from './make-vectors.ts';

test('keys, tries, heads, proofs, statements, invites and messages have the bytes of the vectors', async () => {
  const file = path.join(import.meta.dirname, '..', 'vectors', 'registry.json');
  const written = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const made = JSON.parse(JSON.stringify(await registryVectors())) as Record<string, unknown>;
  assert.deepEqual(Object.keys(made), Object.keys(written));
  for (const [name, value] of Object.entries(made)) assert.deepEqual(value, written[name], name);
});
