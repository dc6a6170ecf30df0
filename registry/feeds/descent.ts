// Finding what differs between a trie that is here and one of a known root elsewhere, level by level; pure, and each node is checked.
import { sameBytes, toHex } from '../wire.ts';
import { maxFeedRecords } from './feed.ts';
import type { WireLeaf, WireNode } from './served.ts';
import { emptyRoot, hashBranch, hashLeaf, leavesOf, nibble, rootOf, step, type Trie } from './trie.ts';

/** Nodes in one question: an answer of as many branches has 570 KB at most. */
export const maxPaths = 512;
/** A trie of 10,000 leaves that are spread evenly has 4,600 branches; one that was made to be deep is given up. */
const nodesALeaf = 4;
const maxDepth = 64;

interface Open {
  readonly path: Uint8Array;
  readonly hash: Uint8Array;
  /** What is here at that path. */
  readonly own: Trie;
}

/** Asks for the nodes that `wanted` names and is given them by `take`, until it wants no more. */
export class Descent {
  /** Keys and hashes of the records that are other ones there, by key in hex. */
  readonly differing = new Map<string, { readonly key: Uint8Array; readonly hash: Uint8Array }>();
  /** Keys that aren't there. */
  readonly removed: Uint8Array[] = [];
  #open: readonly Open[];
  #nodes = 0;

  readonly #maxLeaves: number;

  /** `root` is that of the other trie, which may have so many leaves. */
  constructor(own: Trie, root: Uint8Array, maxLeaves = maxFeedRecords) {
    this.#maxLeaves = maxLeaves;
    const isSame = sameBytes(rootOf(own), root);
    if (sameBytes(root, emptyRoot)) this.#gone(own);
    this.#open = isSame || sameBytes(root, emptyRoot) ? [] : [{ path: new Uint8Array(), hash: root, own }];
  }

  /** Paths, in nibbles, of the nodes to ask for next; none where all is found. */
  wanted(): Uint8Array[] {
    return this.#open.slice(0, maxPaths).map(({ path }) => path);
  }

  /** The nodes at the paths that were wanted, in their order; false where one isn't what the root says, or there are too many. */
  take(nodes: readonly (WireNode | null)[]): boolean {
    const asked = this.#open.slice(0, maxPaths);
    const next: Open[] = [];
    this.#nodes += asked.length;
    if (nodes.length !== asked.length || this.#nodes > nodesALeaf * this.#maxLeaves) return false;
    for (const [at, { path, hash, own }] of asked.entries()) {
      const node = nodes[at];
      if (!node || path.byteLength >= maxDepth) return false;
      if (isLeaf(node)) {
        if (!sameBytes(hashLeaf(...node), hash) || !this.#leaf(node, path, own)) return false;
        continue;
      }
      const hashes = node.map((child) => (child === null ? emptyRoot : isBytes(child) ? child : hashLeaf(...child)));
      if (!sameBytes(hashBranch(hashes), hash)) return false;
      for (const [place, child] of node.entries()) {
        const below = own && step(own, path.byteLength, place);
        const way = Uint8Array.of(...path, place);
        if (child === null) this.#gone(below);
        else if (!isBytes(child)) {
          if (!this.#leaf(child, way, below)) return false;
        } else if (!sameBytes(child, rootOf(below))) next.push({ path: way, hash: child, own: below });
      }
    }
    this.#open = [...this.#open.slice(asked.length), ...next];
    return this.differing.size <= this.#maxLeaves;
  }

  #leaf([key, hash]: WireLeaf, path: Uint8Array, own: Trie): boolean {
    if (path.some((place, depth) => nibble(key, depth) !== place)) return false;
    let isSame = false;
    for (const leaf of leavesOf(own)) {
      if (!sameBytes(leaf.key, key)) this.removed.push(leaf.key);
      else isSame = sameBytes(leaf.value, hash);
    }
    if (!isSame) this.differing.set(toHex(key), { key, hash });
    return true;
  }

  #gone(own: Trie): void {
    for (const { key } of leavesOf(own)) this.removed.push(key);
  }
}

function isLeaf(node: WireNode): node is WireLeaf {
  return node.length === 2;
}

function isBytes(child: Uint8Array | WireLeaf): child is Uint8Array {
  return child instanceof Uint8Array;
}
