// Where two results of one step differ: which files, and in what.
import { createHash } from 'node:crypto';
import { readTar } from '#manifests/debian';
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';

/** One path of two results that is not the same in both. */
export interface ResultDifference {
  readonly path: string;
  /** What differs: it is in one only, is another kind of thing, or has another mode, content or target. */
  readonly what: 'only once' | 'kind' | 'mode' | 'content' | 'target';
}

/** What differs between two canonical tars of the store, in the order of the first, then what only the second has. */
export async function compareResults(blobs: BlobStore, one: Digest, other: Digest): Promise<ResultDifference[]> {
  if (one === other) return [];
  const left = await contentsOf(blobs, one);
  const right = await contentsOf(blobs, other);
  const differences: ResultDifference[] = [];
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const what = differenceOf(left.get(path), right.get(path));
    if (what !== undefined) differences.push({ path, what });
  }
  return differences;
}

interface Content {
  readonly type: string;
  readonly mode: number;
  readonly target: string;
  readonly sha256: string;
}

function differenceOf(left: Content | undefined, right: Content | undefined): ResultDifference['what'] | undefined {
  if (left === undefined || right === undefined) return 'only once';
  if (left.type !== right.type) return 'kind';
  if (left.sha256 !== right.sha256) return 'content';
  if (left.target !== right.target) return 'target';
  return left.mode === right.mode ? undefined : 'mode';
}

async function contentsOf(blobs: BlobStore, digest: Digest): Promise<Map<string, Content>> {
  const contents = new Map<string, Content>();
  for await (const { path, type, mode, target, content } of readTar(blobs.read(digest))) {
    const hash = createHash('sha256');
    for await (const chunk of content) hash.update(chunk);
    contents.set(path, { type, mode, target, sha256: hash.digest('hex') });
  }
  return contents;
}
