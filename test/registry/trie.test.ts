// The root of a trie tells what is in it, and nothing of how it came there.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyRoot, find, put, remove, rootOf, type Trie } from '../../registry/feeds/trie.ts';

const keyOf = (at: number): Uint8Array => createHash('sha256').update(`key ${at}`).digest();
/** Keys that share long prefixes too, which hashes alone would hardly show. */
const nearKey = (at: number): Uint8Array => {
  const key = new Uint8Array(32);
  key[31] = at & 255;
  key[(at * 7) % 31] = at >> 8;
  return key;
};
const steps = fc.array(fc.record({ at: fc.nat(600), near: fc.boolean(), value: fc.option(fc.nat(5)) }), {
  maxLength: 120,
});
type Step = { at: number; near: boolean; value: number | null };
const apply = (trie: Trie, { at, near, value }: Step): Trie => {
  const key = near ? nearKey(at) : keyOf(at);
  return value === null ? remove(trie, key) : put(trie, key, keyOf(value));
};

test('the same contents have the same root, in whatever order and by whatever detours they came', () => {
  fc.assert(
    fc.property(steps, (all) => {
      let trie: Trie;
      const model = new Map<string, { key: Uint8Array; value: Uint8Array }>();
      for (const step of all) {
        trie = apply(trie, step);
        const key = step.near ? nearKey(step.at) : keyOf(step.at);
        const name = Buffer.from(key).toString('hex');
        if (step.value === null) model.delete(name);
        else model.set(name, { key, value: keyOf(step.value) });
      }
      let rebuilt: Trie;
      for (const { key, value } of [...model.values()].reverse()) rebuilt = put(rebuilt, key, value);
      assert.deepEqual(rootOf(trie), rootOf(rebuilt));
      for (const { key, value } of model.values()) assert.deepEqual(find(trie, key), value);
      if (model.size === 0) assert.deepEqual(rootOf(trie), emptyRoot);
    }),
    { numRuns: 150 },
  );
});

test('another value, one more or one fewer gives another root', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(500), { minLength: 1, maxLength: 40 }), fc.nat(), (all, pick) => {
      let trie: Trie;
      for (const at of all) trie = put(trie, keyOf(at), keyOf(at));
      const at = all[pick % all.length] ?? 0;
      const roots = [
        rootOf(trie),
        rootOf(put(trie, keyOf(at), keyOf(at + 1))),
        rootOf(put(trie, keyOf(1_000), keyOf(1))),
        rootOf(remove(trie, keyOf(at))),
      ].map((root) => Buffer.from(root).toString('hex'));
      assert.equal(new Set(roots).size, 4);
    }),
    { numRuns: 100 },
  );
});

test('a trie stays as it was when another is made from it', () => {
  let trie: Trie;
  for (let at = 0; at < 50; at += 1) trie = put(trie, keyOf(at), keyOf(at));
  const before = rootOf(trie);
  for (let at = 0; at < 50; at += 1) remove(put(trie, keyOf(at), keyOf(99)), keyOf(at + 1));
  assert.deepEqual(rootOf(trie), before);
  let again: Trie;
  for (let at = 49; at >= 0; at -= 1) again = put(again, keyOf(at), keyOf(at));
  assert.deepEqual(rootOf(again), before);
});
