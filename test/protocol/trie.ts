// This room alone knows the trie over keys and hashes, its nodes and its proofs (docs/protocol.md, section 2).
import { decode, type Encodable, encode } from './cbor.ts';
import { hex, sha256 } from './identity.ts';
import { insist } from './refusal.ts';
import { bytes, integer, list, type Of, orNull, type Shape, tuple } from './shape.ts';

/** A key (32 bytes) with the hash (32 bytes) that stands under it. */
export interface Entry {
  readonly key: Uint8Array;
  readonly hash: Uint8Array;
}

/** The root of an empty set, and the value of an id in a roster. */
export const zeros: Uint8Array = new Uint8Array(32);

const leafShape = tuple(bytes(32), bytes(32));
/** A path: nibbles, a byte each, at most 63. */
export const path: Shape<Uint8Array> = (value, where) => {
  const nibbles = bytes({ most: 63 })(value, where);
  insist(
    nibbles.every((nibble) => nibble < 16),
    'shape',
    `${where} is no path`,
  );
  return nibbles;
};
/** A node as it travels: nothing, a leaf of two places, or a branch of sixteen. */
export type Node = null | [Uint8Array, Uint8Array] | Place[];
/** A place of a branch: nothing, the hash of a branch, or a leaf. */
export type Place = null | Uint8Array | [Uint8Array, Uint8Array];
/** The shape of a node. */
export const node: Shape<Node> = (value, where) => {
  if (value === null) return null;
  if (Array.isArray(value) && value.length === 2) return leafShape(value, where);
  const place: Shape<Place> = (inner, at) =>
    inner instanceof Uint8Array ? bytes(32)(inner, at) : orNull(leafShape)(inner, at);
  return list(place, 16, 16)(value, where);
};
/** A proof: the branches from the root down, and the leaf that the way ends at. */
export const proof = tuple(list(tuple(integer(0, 0xffff), list(bytes(32), 15)), 64), orNull(leafShape));
/** What the shape of a proof gives. */
export type Proof = Of<typeof proof>;

/** The key of a record. */
export function keyOf(kind: string, name: string): Uint8Array {
  return sha256(encode([kind, name]));
}

/** The nibble of a key at that depth, the high half of each byte first. */
export function nibbleOf(key: Uint8Array, depth: number): number {
  const byte = key[depth >> 1] ?? 0;
  return depth % 2 === 0 ? byte >> 4 : byte & 15;
}

/** The root of a set of entries with distinct keys. */
export function rootOf(entries: readonly Entry[], depth = 0): Uint8Array {
  const [first] = entries;
  if (!first) return zeros;
  if (entries.length === 1) return leafHash(first.key, first.hash);
  return sha256(Uint8Array.of(1), ...childrenOf(entries, depth).map((child) => rootOf(child, depth + 1)));
}

/** The node at a path of the trie over these entries. */
export function nodeAt(entries: readonly Entry[], nibbles: Uint8Array): Node {
  let below = entries;
  for (const [depth, nibble] of nibbles.entries()) below = below.filter(({ key }) => nibbleOf(key, depth) === nibble);
  const [first] = below;
  if (!first) return null;
  if (below.length === 1) return [first.key, first.hash];
  return childrenOf(below, nibbles.length).map((child) => {
    const [only] = child;
    if (!only) return null;
    return child.length === 1 ? [only.key, only.hash] : rootOf(child, nibbles.length + 1);
  });
}

/** The hash of a node that travelled, to hold against the hash above it. */
export function hashOfNode(given: Node): Uint8Array {
  if (given === null) return zeros;
  if (isLeaf(given)) return leafHash(given[0], given[1]);
  return sha256(Uint8Array.of(1), ...given.map(hashOfPlace));
}

/** The hash of what stands at a place of a branch. */
export function hashOfPlace(place: Place): Uint8Array {
  if (place === null) return zeros;
  return place instanceof Uint8Array ? place : leafHash(place[0], place[1]);
}

/** The proof of whether the key is among the entries. */
export function proofOf(entries: readonly Entry[], key: Uint8Array): Proof {
  const branches: Proof[0] = [];
  let below = entries;
  for (let depth = 0; below.length > 1; depth++) {
    const children = childrenOf(below, depth);
    const way = nibbleOf(key, depth);
    const others = [...children.keys()].filter((place) => place !== way && (children[place] ?? []).length > 0);
    const mask = others.reduce((bits, place) => bits | (1 << place), 0);
    branches.push([mask, others.map((place) => rootOf(children[place] ?? [], depth + 1))]);
    below = children[way] ?? [];
  }
  const [end] = below;
  return [branches, end ? [end.key, end.hash] : null];
}

/** Refuses a proof that doesn't show that `hash` stands under the key in the trie of that root; `null` for its absence. */
export function insistProven(given: Proof, root: Uint8Array, key: Uint8Array, hash: Uint8Array | null): void {
  const [branches, leaf] = given;
  let sum = leaf ? leafHash(leaf[0], leaf[1]) : zeros;
  for (const [depth, [mask, hashes]] of [...branches.entries()].reverse()) {
    const way = nibbleOf(key, depth);
    insist((mask & (1 << way)) === 0, 'proof', 'a branch tells the place on the way');
    const places = Array.from({ length: 16 }, (_, place) => place).filter((place) => mask & (1 << place));
    insist(places.length === hashes.length, 'proof', 'a branch has other hashes than places');
    const children = Array.from({ length: 16 }, () => zeros);
    for (const [index, place] of places.entries()) children[place] = hashes[index] ?? zeros;
    children[way] = sum;
    sum = sha256(Uint8Array.of(1), ...children);
  }
  insist(hex(sum) === hex(root), 'proof', 'another root comes out');
  if (hash) {
    insist(!!leaf && hex(leaf[0]) === hex(key) && hex(leaf[1]) === hex(hash), 'proof', 'the leaf is another');
  } else if (leaf) {
    insist(hex(leaf[0]) !== hex(key), 'proof', 'the key is there');
    const isOnTheWay = branches.every((_, depth) => nibbleOf(leaf[0], depth) === nibbleOf(key, depth));
    insist(isOnTheWay, 'proof', 'the leaf is not on the way of the key');
  }
}

/** Reads a proof from its bytes. */
export function readProof(wire: Uint8Array): Proof {
  return proof(decode(wire), 'proof');
}

/** The bytes of a node or a proof. */
export function writePart(part: Node | Proof): Uint8Array {
  return encode(part as Encodable);
}

function isLeaf(given: NonNullable<Node>): given is [Uint8Array, Uint8Array] {
  return given.length === 2;
}

function leafHash(key: Uint8Array, hash: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(0), key, hash);
}

function childrenOf(entries: readonly Entry[], depth: number): Entry[][] {
  const children: Entry[][] = Array.from({ length: 16 }, () => []);
  for (const entry of entries) children[nibbleOf(entry.key, depth)]?.push(entry);
  return children;
}
