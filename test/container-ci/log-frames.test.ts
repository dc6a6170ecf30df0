// The output of a container is cut into lines whatever the frames and chunks it comes in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeLogDecoder } from '../../container-ci/docker/log-frames.ts';
import { startProcessorTime } from '../support/processor-time.ts';

const stamp = '2026-01-01T12:00:00.123456789Z';
function frame(stream: 1 | 2, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

test('any chunking of the same frames gives the same lines', () => {
  const bytes = Buffer.concat([
    frame(1, `${stamp} ready – ünïcode\n`),
    frame(2, `${stamp} oh `),
    frame(1, `${stamp} second\r\n${stamp} third\n`),
    frame(2, 'no\n'),
    frame(1, `${stamp} open end`),
  ]);
  const expected = [
    ['stdout', 'ready – ünïcode'],
    ['stdout', 'second'],
    ['stdout', 'third'],
    ['stderr', 'oh no'],
    ['stdout', 'open end'],
  ];
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
      const decoder = makeLogDecoder(true);
      const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const lines = places.slice(1).flatMap((end, index) => decoder.push(bytes.subarray(places[index], end)));
      lines.push(...decoder.end());
      assert.deepEqual(
        lines.map(({ stream, text }) => [stream, text]),
        expected,
      );
      assert.ok(lines.every(({ at }) => at?.toISOString() === '2026-01-01T12:00:00.123Z'));
    }),
  );
});

test('a terminal has no frames, a line without a time keeps its text, and an endless line is cut', () => {
  const raw = makeLogDecoder(false);
  assert.deepEqual(raw.push(Buffer.from('hello\nwor')), [{ at: undefined, stream: 'stdout', text: 'hello' }]);
  assert.deepEqual(raw.end(), [{ at: undefined, stream: 'stdout', text: 'wor' }]);
  const endless = makeLogDecoder(false);
  for (let index = 0; index < 100; index += 1) endless.push(Buffer.alloc(10_000, 'x'));
  assert.equal(endless.end()[0]?.text.length, 16_384);
});

test('a frame of 100 MB with one line of garbage costs a line, and what follows is read', () => {
  const decoder = makeLogDecoder(true);
  const part = Buffer.alloc(1 << 20, 0xfe);
  const head = Buffer.alloc(8);
  head[0] = 2;
  head.writeUInt32BE(100 * part.length + 1, 4);
  const spentMs = startProcessorTime();
  const before = process.memoryUsage().rss;
  decoder.push(head);
  for (let index = 0; index < 100; index += 1) assert.deepEqual(decoder.push(part), []);
  const lines = [...decoder.push(Buffer.from('\n')), ...decoder.push(frame(1, `${stamp} after\n`))];
  assert.deepEqual(
    lines.map(({ stream, text }) => [stream, text.length > 100 ? text.length : text]),
    [
      ['stderr', 16_384],
      ['stdout', 'after'],
    ],
  );
  assert.ok(process.memoryUsage().rss - before < 100 << 20);
  // Processor time: a third of a second; looking at each piece again and again would take minutes.
  assert.ok(spentMs() < 5_000);
});
