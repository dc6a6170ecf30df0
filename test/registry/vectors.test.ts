// The bytes that stacks exchange are those of test/vectors/registry.json: a change to them is a change of the protocol.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { registryVectors } from './make-vectors.ts';
import { parsers } from './vectors-refused.ts';

test('keys, tries, heads, proofs, statements, invites and messages have the bytes of the vectors', async () => {
  const file = path.join(import.meta.dirname, '..', 'vectors', 'registry.json');
  const written = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const made = JSON.parse(JSON.stringify(await registryVectors())) as Record<string, unknown>;
  assert.deepEqual(Object.keys(made), Object.keys(written));
  for (const [name, value] of Object.entries(made)) assert.deepEqual(value, written[name], name);
});

test('each parser takes the wires of its suite, and refuses those that are wrong', async () => {
  const { parsers: suites } = (await registryVectors()) as { parsers: Record<string, Suite | string> };
  const { mesh } = suites;
  assert.ok(typeof mesh === 'string');
  for (const [name, accepts] of Object.entries(parsers)) {
    const suite = suites[name];
    assert.ok(suite && typeof suite !== 'string', name);
    for (const { why, wire } of suite.accepted) assert.equal(accepts(fromHex(wire), mesh), true, `${name}: ${why}`);
    for (const { why, wire } of suite.refused) assert.equal(accepts(fromHex(wire), mesh), false, `${name}: ${why}`);
  }
});

interface Suite {
  readonly accepted: readonly { readonly why: string; readonly wire: string }[];
  readonly refused: readonly { readonly why: string; readonly wire: string }[];
}

const fromHex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));
