// Content cut by what it holds: the same cuts everywhere, and an edit moves only those beside it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  type Chunk,
  compareChunks,
  cutChunks,
  formatChunkIndex,
  maxChunkBytes,
  minChunkBytes,
  parseChunkIndex,
} from '#manifests/chunks';

const noise = (sizeBytes: number, seed: string): Buffer =>
  createHash('shake256', { outputLength: sizeBytes }).update(seed).digest();
const cut = (content: Uint8Array): Promise<Chunk[]> => Array.fromAsync(cutChunks([content]));

interface Vector {
  readonly content: { readonly seed?: string; readonly zeros?: boolean; readonly sizeBytes: number };
  readonly lengths: readonly number[];
  readonly indexSha256: string;
}

test('the cuts of fixed contents are those of the vectors', async () => {
  const file = path.join(import.meta.dirname, '../vectors/chunks.json');
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as readonly Vector[];
  assert.ok(vectors.length >= 4);
  for (const { content, lengths, indexSha256 } of vectors) {
    const bytes = content.seed === undefined ? Buffer.alloc(content.sizeBytes) : noise(content.sizeBytes, content.seed);
    const chunks = await cut(bytes);
    assert.deepEqual(
      chunks.map(({ length }) => length),
      lengths,
    );
    assert.equal(createHash('sha256').update(formatChunkIndex(chunks)).digest('hex'), indexSha256);
  }
});

test('content is cut alike however it comes in pieces, within the bounds, and about 16 KiB apart', async () => {
  const content = noise(4_000_000, 'pieces');
  const whole = await cut(content);
  for (const size of [1_000, 4_096, 65_536, 99_999]) {
    const pieces = Array.from({ length: Math.ceil(content.length / size) }, (_, at) =>
      content.subarray(at * size, (at + 1) * size),
    );
    assert.deepEqual(await Array.fromAsync(cutChunks(pieces)), whole);
  }
  const lengths = whole.slice(0, -1).map(({ length }) => length);
  assert.ok(lengths.every((length) => length >= minChunkBytes && length <= maxChunkBytes));
  const mean = content.length / whole.length;
  assert.ok(mean > 12_000 && mean < 24_000, `the mean is ${mean}`);
  for (const { offset, length, sha256 } of whole) {
    assert.ok(
      createHash('sha256')
        .update(content.subarray(offset, offset + length))
        .digest()
        .equals(sha256),
    );
  }
});

test('an insertion leaves all but the chunks beside it, and copies and missing spans cover the whole once', async () => {
  const base = noise(4_000_000, 'insertion');
  const wanted = Buffer.concat([base.subarray(0, 2_000_000), Buffer.from('inserted'), base.subarray(2_000_000)]);
  const { copies, missing } = compareChunks(await cut(wanted), await cut(base));
  const missingBytes = missing.reduce((sum, { length }) => sum + length, 0);
  assert.ok(missingBytes > 0 && missingBytes < 200_000, `${missingBytes} bytes are missing`);
  const all = Buffer.alloc(wanted.length);
  for (const { offset, length, from } of copies) base.copy(all, offset, from, from + length);
  for (const { offset, length } of missing) wanted.copy(all, offset, offset, offset + length);
  assert.ok(all.equals(wanted));
});

test('an index is read back as it was, and what is none is refused', async () => {
  const chunks = await cut(noise(300_000, 'index'));
  const index = formatChunkIndex(chunks);
  assert.deepEqual(
    parseChunkIndex(index, 300_000)?.map(({ offset, length }) => [offset, length]),
    chunks.map(({ offset, length }) => [offset, length]),
  );
  assert.equal(parseChunkIndex(index, 300_001), undefined);
  assert.equal(parseChunkIndex(index.subarray(0, -1), 300_000), undefined);
  assert.equal(parseChunkIndex(Buffer.from('nothing of the sort'), 0), undefined);
});
