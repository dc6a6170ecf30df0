// What fuzzing found, each as the input that showed it; none of it comes again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { fromBytes, toBytes } from '../../registry/wire.ts';
import { besiege, refusalOf } from './besieged.ts';

test('bytes in place of a mark are refused as a request that cannot be read, and do not break the server of zones (failure mode 1)', async () => {
  await using besieged = await besiege(1);
  for (const have of [[new Uint8Array(4)], [{ 0: 'x' }], new Uint8Array(3)]) {
    const request = toBytes({ have, summaries: [] });
    assert.equal(await refusalOf(besieged.ask('/hermesh/zone/1.0.0', request)), 'refused');
  }
});

test('bytes that a schema stumbles over are of another shape (failure mode 1)', () => {
  const schema = z.strictObject({ list: z.array(z.number()).readonly() });
  assert.deepEqual(fromBytes(schema, toBytes({ list: [1] }), 100), { list: [1] });
  assert.equal(fromBytes(schema, toBytes({ list: Uint8Array.of(1) }), 100), undefined);
});

test('a request of another form is refused under a code by every server of a registry', async () => {
  await using besieged = await besiege(2);
  for (const word of ['heads', 'evidence', 'roster', 'feed', 'trie', 'beats', 'zone', 'record']) {
    await besieged.connect();
    const request = toBytes({ none: word });
    assert.equal(await refusalOf(besieged.ask(`/hermesh/${word}/1.0.0`, request)), 'refused', word);
  }
});
