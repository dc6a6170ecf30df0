// Lines and events, whatever pieces their bytes arrive in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventsOf, linesOf, tooLong } from '../../mcp/lines.ts';

async function* piecesOf(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('lines are the same whatever pieces they arrive in', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'ü', '🙂', ' ', '"') });
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 9 }), async (lines, size) => {
      const text = lines.map((one) => `${one}\r\n`).join('');
      assert.deepEqual(await Array.fromAsync(linesOf(piecesOf(text, size), 1000)), lines);
    }),
    { numRuns: 200, seed: 1 },
  );
});

test('a line above the bound is said once and passed over', async () => {
  const text = `ok\n${'x'.repeat(50)}\nagain\n${'y'.repeat(50)}`;
  for (const size of [1, 7, 200]) {
    assert.deepEqual(await Array.fromAsync(linesOf(piecesOf(text, size), 10)), ['ok', tooLong, 'again', tooLong]);
  }
});

test('an event is its data lines joined; comments, other fields and an unfinished event are passed over', async () => {
  const text = ': alive\n\nevent: message\nid: 1\ndata: {"a":\ndata: 1}\n\ndata:2\r\n\r\n\ndata: unfinished';
  assert.deepEqual(await Array.fromAsync(eventsOf(piecesOf(text, 3), 100)), ['{"a":\n1}', '2']);
});
