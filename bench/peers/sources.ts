// Made-up projects of a given size, other in each round, so that no builder has seen them: half text, half noise.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Bytes of about which a third is saved by compressing. */
function contentOf(seed: string, sizeBytes: number): Buffer {
  const noise = createHash('shake256', { outputLength: Math.ceil(sizeBytes / 3) })
    .update(seed)
    .digest();
  const bytes = Buffer.alloc(sizeBytes, `${seed} the quick brown fox jumps over the lazy dog\n`);
  noise.copy(bytes);
  return bytes;
}

/** Writes `count` files of about `totalBytes` together below `folder`, a hundred in each of its folders. */
export async function writeSources(folder: string, count: number, totalBytes: number): Promise<void> {
  const seed = randomBytes(8).toString('hex');
  // Sizes from a fifth to nine fifths of the middle one.
  const middle = totalBytes / count;
  for (let index = 0; index < count; index += 1) {
    const below = path.join(folder, `part-${Math.floor(index / 100)}`);
    if (index % 100 === 0) await mkdir(below, { recursive: true });
    const sizeBytes = Math.round(middle * (0.2 + 1.6 * ((index * 7919) % 1000) * 1e-3));
    await writeFile(path.join(below, `file-${index}.txt`), contentOf(`${seed} ${index}`, sizeBytes));
  }
}
