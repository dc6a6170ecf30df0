// Proofs that a trie of a known root holds a key with a value, or doesn't hold it; pure.
import { z } from 'zod';
import { bytesSchema, sameBytes } from '../wire.ts';
import { emptyRoot, hashBranch, hashLeaf, nibble, rootOf, step, type Trie } from './trie.ts';

/** As deep as a trie of 32-byte keys can be. */
const maxDepth = 64;
const hash = bytesSchema(32);

/**
 * The branches from the root down, each as the places that hold something beside the way (bit 0 is place 0) with their
 * hashes in that order; and the leaf that the way ends at, key and value, or null where it ends at an empty place.
 */
export const proofSchema = z.tuple([
  z.array(z.tuple([z.int().min(0).max(0xffff), z.array(hash).max(15)])).max(maxDepth),
  z.tuple([hash, hash]).nullable(),
]);
export type Proof = z.infer<typeof proofSchema>;

/** Shows what the trie holds at the key: at most 33 KB, about 2 KB with 10,000 keys. */
export function prove(trie: Trie, key: Uint8Array): Proof {
  const branches: Proof[0] = [];
  let node = trie;
  for (let depth = 0; node && !('key' in node); depth += 1) {
    const way = nibble(key, depth);
    const beside = node.children.flatMap((child, place) => (child && place !== way ? [{ place, child }] : []));
    const mask = beside.reduce((sum, { place }) => sum | (1 << place), 0);
    branches.push([mask, beside.map(({ child }) => rootOf(child))]);
    node = step(node, depth, way);
  }
  return [branches, node ? [node.key, node.value] : null];
}

/** Whether the proof shows that the trie of that root holds the key with that value or, with undefined, not at all. */
export function verifyProof(root: Uint8Array, key: Uint8Array, value: Uint8Array | undefined, proof: Proof): boolean {
  const [branches, end] = proof;
  const isThere = end !== null && sameBytes(end[0], key);
  if (isThere ? value === undefined || !sameBytes(end[1], value) : value !== undefined) return false;
  // The leaf of another key shows an absence only where it stands on the way of this one.
  if (end && branches.some((_, depth) => nibble(end[0], depth) !== nibble(key, depth))) return false;
  let up: Uint8Array = end ? hashLeaf(...end) : emptyRoot;
  for (let depth = branches.length - 1; depth >= 0; depth -= 1) {
    const [mask, hashes] = branches[depth] ?? [0, []];
    const places = Array.from({ length: 16 }, (_, place) => place).filter((place) => mask & (1 << place));
    const way = nibble(key, depth);
    if (places.length !== hashes.length || places.includes(way)) return false;
    const children = new Array<Uint8Array>(16).fill(emptyRoot);
    for (const [at, place] of places.entries()) children[place] = hashes[at] ?? emptyRoot;
    children[way] = up;
    up = hashBranch(children);
  }
  return sameBytes(up, root);
}
