// The wire form of feeds: what was signed is read back as it was, and whatever else comes is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeDelta, recordHash, recordKey, relate, verifyDelta } from '../../registry/feeds/feed.ts';
import { emptyRoot, put, rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { readRoster } from '../../registry/roster/roster.ts';
import {
  makeStatement,
  type Root,
  rootHash,
  type Statement,
  verifyStatement,
} from '../../registry/roster/statement.ts';
import { identityOf } from '../support/constellation.ts';

const owner = identityOf('owner');
const mesh = 'a'.repeat(64);
const changes = fc.array(
  fc.record({
    kind: fc.constantFrom('note', 'law'),
    name: fc.string({ minLength: 1, maxLength: 50 }),
    body: fc.option(fc.uint8Array({ maxLength: 300 })),
  }),
  { maxLength: 20 },
);

function deltaOf(list: { kind: string; name: string; body: Uint8Array | null }[]) {
  let trie: Trie;
  for (const { kind, name, body } of list) if (body) trie = put(trie, recordKey(kind, name), recordHash(body));
  const epoch = { counter: 1, nonce: new Uint8Array(16) };
  const head = { mesh, feed: owner.stack, epoch, sequence: 1, count: 0, root: rootOf(trie), previous: emptyRoot };
  return makeDelta(head, list, (message) => owner.sign(message));
}

test('a delta is read back as it was signed, with the bytes that came', () => {
  fc.assert(
    fc.property(changes, (list) => {
      const made = deltaOf(list);
      const read = verifyDelta(made.wire, mesh);
      assert.ok(typeof read !== 'string');
      assert.deepEqual(
        read.changes.map(({ kind, name, body }) => ({ kind, name, body: body && [...body] })),
        list.map(({ kind, name, body }) => ({ kind, name, body: body && [...body] })),
      );
      assert.deepEqual(read.hash, made.hash);
      assert.equal(read.wire, made.wire);
    }),
    { numRuns: 50 },
  );
});

test('one flipped bit anywhere in a delta is refused', () => {
  const { wire } = deltaOf([{ kind: 'note', name: 'n', body: Uint8Array.of(1, 2, 3) }]);
  for (let at = 0; at < wire.byteLength; at += 1) {
    const bent = new Uint8Array(wire);
    bent[at] = (bent[at] ?? 0) ^ (1 << (at % 8));
    assert.equal(typeof verifyDelta(bent, mesh), 'string', `byte ${at}`);
  }
});

test('bytes of any kind are refused without harm', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
      assert.equal(typeof verifyDelta(bytes, mesh), 'string');
      assert.equal(verifyStatement(bytes), undefined);
    }),
    { numRuns: 300 },
  );
  assert.equal(verifyDelta(new Uint8Array(200_000).fill(0x81), mesh), 'shape');
});

test('of two positions one is judged by epoch counter, then sequence', () => {
  const at = (counter: number, sequence: number, hash = 0, nonce = 0) => ({
    feed: owner.stack,
    epoch: { counter, nonce: new Uint8Array(16).fill(nonce) },
    sequence,
    hash: new Uint8Array(32).fill(hash),
  });
  const stored = at(2, 5, 1);
  assert.equal(relate(stored, at(2, 5, 1)), 'same');
  assert.equal(relate(stored, at(2, 5, 2)), 'equivocation');
  assert.equal(relate(stored, at(2, 4)), 'behind');
  assert.equal(relate(stored, at(1, 99)), 'behind');
  assert.equal(relate(stored, at(2, 6), stored.hash), 'next');
  assert.equal(relate(stored, at(2, 6), new Uint8Array(32)), 'ahead');
  assert.equal(relate(stored, at(2, 7)), 'ahead');
  assert.equal(relate(stored, at(3, 1), emptyRoot), 'next');
  assert.equal(relate(stored, at(3, 2)), 'ahead');
  assert.equal(relate(stored, at(2, 9, 1, 1)), 'other-epoch');
  assert.equal(relate(undefined, at(1, 1), emptyRoot), 'next');
});

test('a set of statements gives one roster in whatever order it came, and deny wins', () => {
  const [founder, admin, member] = [identityOf('founder'), identityOf('admin'), identityOf('member')];
  const root: Root = {
    type: 'root',
    version: 1,
    admins: [founder.stack],
    threshold: 1,
    nonce: new Uint8Array(16),
    createdAt: 0,
  };
  const of = rootHash(root);
  const certify = (stack: string, name: string, role: 'member' | 'admin', by: typeof founder, notAfter = 1_000) =>
    makeStatement(
      { type: 'certificate', mesh: of, stack, name, role, x25519: new Uint8Array(32), notBefore: 0, notAfter },
      by,
    );
  const revoke = (stack: string, by: typeof founder) =>
    makeStatement({ type: 'revocation', mesh: of, stack, at: 1, survivors: [] }, by);
  const all: Statement[] = [
    makeStatement(root, founder),
    certify(founder.stack, 'founder', 'admin', founder),
    certify(admin.stack, 'admin', 'admin', founder),
    certify(member.stack, 'member', 'member', admin),
    certify(member.stack, 'made-up', 'admin', member),
    revoke(member.stack, admin),
    certify(member.stack, 'back', 'member', founder, 9_000),
    revoke(founder.stack, member),
  ];
  const view = (statements: readonly Statement[]) =>
    [...readRoster(of, statements).memberships.values()]
      .map(({ name, role, state }) => `${name} ${role} ${state}`)
      .sort();
  assert.deepEqual(view(all), ['admin admin valid', 'back member revoked', 'founder admin valid']);
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (shuffled) => {
      assert.deepEqual(view(shuffled), view(all));
    }),
    { numRuns: 50 },
  );
});
