// What bytes keep alive besides themselves: a view of a larger buffer holds all of it for as long as it is kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shortName } from '../../registry/liveness/claims.ts';
import { makeStatement, verifyStatement } from '../../registry/roster/statement.ts';
import { readValue, sha256, toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';

test('a hash that is kept keeps a few others with it, and nothing of the messages between them (failure mode 32)', () => {
  const kept = Array.from({ length: 50 }, (_, at) => {
    const hash = sha256(Buffer.from(`record ${at}`));
    // What a message or two takes meanwhile.
    for (let hashes = 0; hashes < 10; hashes += 1) sha256(toBytes({ at, hashes, text: 'x'.repeat(300) }));
    return hash;
  });
  assert.equal(new Set(kept.map((hash) => Buffer.from(hash).toString('hex'))).size, 50);
  const heldBytes = [...new Set(kept.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert.ok(heldBytes <= (50 * 11 + 2 * 128) * 32, `${heldBytes} bytes`);
});

test('a statement that is kept, and the short name of a claim, keep no more than their own bytes (failure mode 32)', () => {
  const identity = identityOf('admin');
  const made = makeStatement({ type: 'leave', mesh: '0'.repeat(64), certificates: [], at: 1 }, identity);
  assert.equal(made.wire.buffer.byteLength, made.wire.byteLength);
  // As it comes: one of several in a message.
  const [message] = readValue(toBytes([toBytes([made.wire])])) as [Uint8Array];
  const [wire] = readValue(message) as [Uint8Array];
  const read = verifyStatement(wire);
  assert.deepEqual(read?.wire, made.wire);
  assert.equal(read?.wire.buffer.byteLength, made.wire.byteLength);
  assert.equal(shortName('beat of somebody').buffer.byteLength, 8);
});
