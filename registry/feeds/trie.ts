// The persistent Merkle trie over a feed's live records: one root for one set, whatever order it came in.
import { sameBytes, sha256 } from '../wire.ts';

/** A trie of 32-byte keys to 32-byte values; undefined is the empty one. Tries share what they have in common. */
export type Trie = Leaf | Branch | undefined;

/** A leaf stands as high as no other key shares its way. */
export interface Leaf {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  hash: Uint8Array | undefined;
}

export interface Branch {
  /** Sixteen places, by the next four bits of the key; at least two keys are below. */
  readonly children: readonly Trie[];
  hash: Uint8Array | undefined;
}

/** The root of the empty trie. */
export const emptyRoot: Uint8Array = new Uint8Array(32);

/** The root, 32 bytes; hashes are computed once a node. Leaf and branch are told apart by a prefix (RFC 6962, 2.1). */
export function rootOf(trie: Trie): Uint8Array {
  if (!trie) return emptyRoot;
  trie.hash ??= 'key' in trie ? hashLeaf(trie.key, trie.value) : hashBranch(trie.children.map(rootOf));
  return trie.hash;
}

/** The trie in which the key has the value; O(log n), the one given stays as it is. */
export function put(trie: Trie, key: Uint8Array, value: Uint8Array): Trie {
  return putAt(trie, { key, value, hash: undefined }, 0);
}

/** The trie without the key; the same one where it isn't in it. */
export function remove(trie: Trie, key: Uint8Array): Trie {
  return removeAt(trie, key, 0);
}

/** The value of the key, where it is in it. */
export function find(trie: Trie, key: Uint8Array): Uint8Array | undefined {
  let node = trie;
  for (let depth = 0; node && !('key' in node); depth += 1) node = node.children[nibble(key, depth)];
  return node && sameBytes(node.key, key) ? node.value : undefined;
}

/** The trie of these keys, each once and in ascending order: much faster than putting one after the other. */
export function trieOf(entries: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]): Trie {
  return build(entries, 0, entries.length, 0);
}

/** What hangs at the path, given in nibbles: a leaf stands at each path that its key begins with. */
export function below(trie: Trie, path: Uint8Array): Trie {
  let node = trie;
  for (let depth = 0; node && depth < path.byteLength; depth += 1) node = step(node, depth, path[depth] ?? 0);
  return node;
}

/** The part of a trie that is `depth` nibbles down in which the next nibble is `place`. */
export function step(node: Leaf | Branch, depth: number, place: number): Trie {
  if (!('key' in node)) return node.children[place];
  return nibble(node.key, depth) === place ? node : undefined;
}

/** All leaves, in the order of their keys. */
export function* leavesOf(trie: Trie): Generator<Leaf, void> {
  if (!trie) return;
  if ('key' in trie) yield trie;
  else for (const child of trie.children) yield* leavesOf(child);
}

/** The hash of a leaf. */
export function hashLeaf(key: Uint8Array, value: Uint8Array): Uint8Array {
  leafBytes.set(key, 1);
  leafBytes.set(value, 33);
  return sha256(leafBytes);
}

/** The hash of a branch over the hashes of its sixteen places. */
export function hashBranch(children: readonly Uint8Array[]): Uint8Array {
  for (const [place, child] of children.entries()) branchBytes.set(child, 1 + 32 * place);
  return sha256(branchBytes);
}

/** The four bits of a key that choose the place in a branch so deep. */
export function nibble(key: Uint8Array, depth: number): number {
  const byte = key[depth >> 1] ?? 0;
  return depth % 2 === 0 ? byte >> 4 : byte & 15;
}

/** What is hashed, put together in one place: tries of 100,000 keys would make as many short-lived arrays. */
const leafBytes = new Uint8Array(1 + 2 * 32);
const branchBytes = new Uint8Array(1 + 16 * 32).fill(1, 0, 1);

function build(
  entries: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[],
  from: number,
  to: number,
  depth: number,
): Trie {
  const first = entries[from];
  if (!first || from >= to) return undefined;
  if (to - from === 1) return { key: first.key, value: first.value, hash: undefined };
  const children = new Array<Trie>(16).fill(undefined);
  let at = from;
  for (let place = 0; place < 16; place += 1) {
    const start = at;
    for (let entry = entries[at]; at < to && entry && nibble(entry.key, depth) === place; entry = entries[at]) at += 1;
    children[place] = build(entries, start, at, depth + 1);
  }
  return { children, hash: undefined };
}

function putAt(trie: Trie, leaf: Leaf, depth: number): Leaf | Branch {
  if (!trie) return leaf;
  if ('key' in trie) {
    if (sameBytes(trie.key, leaf.key)) return leaf;
    return putAt(withChild(undefined, nibble(trie.key, depth), trie), leaf, depth);
  }
  const place = nibble(leaf.key, depth);
  return withChild(trie, place, putAt(trie.children[place], leaf, depth + 1));
}

function removeAt(trie: Trie, key: Uint8Array, depth: number): Trie {
  if (!trie) return trie;
  if ('key' in trie) return sameBytes(trie.key, key) ? undefined : trie;
  const place = nibble(key, depth);
  const old = trie.children[place];
  const kept = removeAt(old, key, depth + 1);
  if (kept === old) return trie;
  const left = trie.children.filter((child, at) => (at === place ? kept : child) !== undefined);
  const only = left.length === 1 ? (kept ?? left[0]) : undefined;
  // A branch over one leaf becomes that leaf, so that the shape tells nothing about what was removed.
  return only && 'key' in only ? only : withChild(trie, place, kept);
}

function withChild(branch: Branch | undefined, place: number, child: Trie): Branch {
  const children = branch ? [...branch.children] : new Array<Trie>(16).fill(undefined);
  children[place] = child;
  return { children, hash: undefined };
}
