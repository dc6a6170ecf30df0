// What a proof shows is so under its root, and nothing else can be shown by it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeDelta, recordHash, recordKey } from '../../registry/feeds/feed.ts';
import { type Proof, proofSchema, prove, verifyProof } from '../../registry/feeds/proof.ts';
import { makeProvenRecord, maxProvenBytes, verifyProvenRecord } from '../../registry/feeds/proven.ts';
import { emptyRoot, put, rootOf, type Trie, trieOf } from '../../registry/feeds/trie.ts';
import { fromBytes, toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';

const hashOf = (at: number): Uint8Array => new Uint8Array(createHash('sha256').update(`${at}`).digest());
/** Keys that share long prefixes too, which hashes alone would hardly show. */
const keyOf = (at: number): Uint8Array => {
  if (at % 2 === 0) return hashOf(at);
  const key = new Uint8Array(32);
  key[31] = at & 255;
  key[at % 31] = at >> 4;
  return key;
};
const sets = fc.uniqueArray(fc.nat(400), { maxLength: 60 });
const setOf = (all: readonly number[]): Trie => {
  const entries = new Map(all.map((at) => [Buffer.from(keyOf(at)).toString('hex'), at]));
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  return trieOf(sorted.map(([, at]) => ({ key: keyOf(at), value: hashOf(at) })));
};

test('a trie built at once is the one that comes of putting key after key', () => {
  fc.assert(
    fc.property(sets, (all) => {
      let one: Trie;
      for (const at of all) one = put(one, keyOf(at), hashOf(at));
      assert.deepEqual(rootOf(setOf(all)), rootOf(one));
    }),
    { numRuns: 100 },
  );
});

test('of any set and any key it is proven that the key is in it with its value, or that it is not', () => {
  fc.assert(
    fc.property(sets, fc.nat(400), (all, at) => {
      const trie = setOf(all);
      const key = keyOf(at);
      const proof = fromBytes(proofSchema, toBytes(prove(trie, key)), maxProvenBytes);
      assert.ok(proof);
      const isThere = all.some((each) => Buffer.compare(keyOf(each), key) === 0);
      const holder = all.findLast((each) => Buffer.compare(keyOf(each), key) === 0) ?? at;
      assert.equal(verifyProof(rootOf(trie), key, hashOf(holder), proof), isThere);
      assert.equal(verifyProof(rootOf(trie), key, undefined, proof), !isThere);
      assert.equal(verifyProof(rootOf(trie), key, hashOf(1_000), proof), false);
      assert.equal(verifyProof(hashOf(1), key, isThere ? hashOf(holder) : undefined, proof), false);
    }),
    { numRuns: 200 },
  );
});

test('a proof in which one bit is changed shows nothing', () => {
  const all = Array.from({ length: 40 }, (_, at) => at);
  const trie = setOf(all);
  for (const [at, value] of [
    [7, hashOf(7)],
    [8, hashOf(8)],
    [401, undefined],
    [402, undefined],
  ] as const) {
    const wire = toBytes(prove(trie, keyOf(at)));
    assert.ok(verifyProof(rootOf(trie), keyOf(at), value, prove(trie, keyOf(at))));
    for (let bit = 0; bit < wire.byteLength * 8; bit += 5) {
      const bent = new Uint8Array(wire);
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const proof = fromBytes(proofSchema, bent, maxProvenBytes);
      assert.ok(!proof || !verifyProof(rootOf(trie), keyOf(at), value, proof), `key ${at}, bit ${bit}`);
    }
  }
});

test('the leaf of another way, or a way that goes on below its own place, shows no absence', () => {
  const trie = setOf([2, 4, 6, 8, 10, 12, 14, 16]);
  const [branches] = prove(trie, keyOf(2));
  const stray: Proof = [branches, [keyOf(4), hashOf(4)]];
  assert.equal(verifyProof(rootOf(trie), keyOf(2), undefined, stray), false);
  const own = branches.map(([mask, hashes]): [number, Uint8Array[]] => [mask | 0xffff, hashes]);
  assert.equal(verifyProof(rootOf(trie), keyOf(2), undefined, [own, null]), false);
  assert.equal(verifyProof(rootOf(trie), keyOf(2), undefined, [[], null]), false);
  assert.ok(verifyProof(emptyRoot, keyOf(2), undefined, [[], null]));
});

test('a record travels alone: it is read by the signature of its owner, and with any byte changed it is refused', () => {
  const owner = identityOf('owner');
  const mesh = 'a'.repeat(64);
  const bodies = Array.from({ length: 30 }, (_, at) => ({ kind: 'note', name: `n${at}`, body: toBytes({ at }) }));
  let trie: Trie;
  for (const { kind, name, body } of bodies) trie = put(trie, recordKey(kind, name), recordHash(body));
  const epoch = { counter: 1, nonce: new Uint8Array(16) };
  const place = { mesh, feed: owner.stack, epoch, sequence: 1, count: 30, root: rootOf(trie), previous: emptyRoot };
  const { bytes, signature } = makeDelta(place, bodies, (message) => owner.sign(message));
  const there = bodies[7];
  assert.ok(there);
  for (const change of [there, { kind: 'note', name: 'gone', body: null }]) {
    const wire = makeProvenRecord([bytes, signature], change, prove(trie, recordKey(change.kind, change.name)));
    const read = verifyProvenRecord(wire, mesh);
    assert.ok(typeof read !== 'string');
    assert.deepEqual(
      [read.kind, read.name, read.body && [...read.body]],
      [change.kind, change.name, change.body && [...change.body]],
    );
    assert.equal(read.head.head.feed, owner.stack);
    assert.equal(verifyProvenRecord(wire, 'b'.repeat(64)), 'mesh');
    for (let at = 0; at < wire.byteLength; at += 1) {
      const bent = new Uint8Array(wire);
      bent[at] = (bent[at] ?? 0) ^ (1 << (at % 8));
      assert.equal(typeof verifyProvenRecord(bent, mesh), 'string', `byte ${at}`);
    }
  }
  const moved = makeProvenRecord([bytes, signature], { ...there, name: 'n8' }, prove(trie, recordKey('note', 'n8')));
  assert.equal(verifyProvenRecord(moved, mesh), 'proof');
});
