// Which roots of a mesh stand: each is made by enough admins of the one before; and who was an admin of the root until when.
import type { StackId } from '../network.ts';
import { type Root, rootHash } from './statement.ts';

/** A root and those who signed it with the right to; times are milliseconds since 1970. */
export interface SignedRoot {
  /** SHA-256 of what it says, in hex. */
  readonly hash: string;
  readonly root: Root;
  readonly signers: readonly StackId[];
}

/** Roots that one admin may propose to follow the same one: slips are many fewer, and each stays in the set for ever. */
const maxProposals = 16;

interface Known {
  readonly root: Root;
  readonly signers: Set<StackId>;
}

/** Pure: roots that are added in the order of their versions come to the same chain, in whatever order within a version. */
export class Roots {
  readonly #known = new Map<string, Known>();
  /** Hashes of the roots that were proposed to follow one. */
  readonly #next = new Map<string, string[]>();
  #chain: readonly SignedRoot[] | undefined;

  /** Whether that stack may sign this root: an admin of the one before, which stands. */
  allow(root: Root, signer: StackId): boolean {
    if (root.version === 1) return root.admins.includes(signer);
    const before = this.#known.get(root.previous ?? '');
    if (!before || before.root.version + 1 !== root.version || root.createdAt < before.root.createdAt) return false;
    return before.root.admins.includes(signer) && this.#stands(root.previous ?? '');
  }

  /** Whether the signature is new, and not one of too many proposals of its signer. */
  isNews(root: Root, signer: StackId): boolean {
    const hash = rootHash(root);
    if (this.#known.get(hash)?.signers.has(signer)) return false;
    const rivals = this.#next.get(root.previous ?? '') ?? [];
    return rivals.filter((each) => this.#known.get(each)?.signers.has(signer)).length < maxProposals;
  }

  /** Counts a signature in, where its signer had the right. */
  add(root: Root, signer: StackId): void {
    if (!this.allow(root, signer) || !this.isNews(root, signer)) return;
    const hash = rootHash(root);
    const known = this.#known.get(hash);
    if (known) known.signers.add(signer);
    else {
      this.#known.set(hash, { root, signers: new Set([signer]) });
      const previous = root.previous ?? '';
      this.#next.set(previous, [...(this.#next.get(previous) ?? []), hash]);
    }
    this.#chain = undefined;
  }

  /**
   * The roots that stand, the oldest first. Of two that follow the same one, both signed by enough, it is the one with more
   * roots behind it, and then the one with the lower hash: the same everywhere, and a mesh that went on isn't set back.
   */
  chain(): readonly SignedRoot[] {
    if (this.#chain) return this.#chain;
    const chain: SignedRoot[] = [];
    for (let hash = this.#first(); hash !== undefined; hash = this.#following(hash)[0]) chain.push(this.#signed(hash));
    this.#chain = chain;
    return chain;
  }

  /** Roots that stand beside one of the chain: admins that agreed on two things at once. */
  forks(): readonly SignedRoot[] {
    return this.chain().flatMap(({ hash }) =>
      this.#following(hash)
        .slice(1)
        .map((each) => this.#signed(each)),
    );
  }

  /** Roots that would follow the newest and wait for signatures. */
  proposals(): readonly SignedRoot[] {
    const newest = this.chain().at(-1)?.hash ?? '';
    return (this.#next.get(newest) ?? []).filter((hash) => !this.#stands(hash)).map((hash) => this.#signed(hash));
  }

  /** Until when a stack was an admin of the root: for ever where it is one of the newest, undefined where it never was. */
  founderUntil(stack: StackId): number | undefined {
    const chain = this.chain();
    const last = chain.findLastIndex(({ root }) => root.admins.includes(stack));
    if (last < 0) return undefined;
    return chain[last + 1]?.root.createdAt ?? Number.POSITIVE_INFINITY;
  }

  #first(): string | undefined {
    return (this.#next.get('') ?? [])[0];
  }

  /** What follows a root and stands, the best first. */
  #following(hash: string): string[] {
    const standing = (this.#next.get(hash) ?? []).filter((each) => this.#stands(each));
    if (standing.length < 2) return standing;
    return standing
      .map((each) => ({ each, length: this.#lengthFrom(each) }))
      .sort((a, b) => b.length - a.length || (a.each < b.each ? -1 : 1))
      .map(({ each }) => each);
  }

  #lengthFrom(hash: string): number {
    const lengths = (this.#next.get(hash) ?? [])
      .filter((each) => this.#stands(each))
      .map((each) => this.#lengthFrom(each));
    return 1 + Math.max(0, ...lengths);
  }

  #stands(hash: string): boolean {
    const known = this.#known.get(hash);
    if (!known) return false;
    // One that is known was signed by admins of the one before, which stood.
    const before = this.#known.get(known.root.previous ?? '');
    return known.root.version === 1 || known.signers.size >= (before?.root.threshold ?? Number.POSITIVE_INFINITY);
  }

  #signed(hash: string): SignedRoot {
    const { root, signers } = this.#known.get(hash) as Known;
    return { hash, root, signers: [...signers].sort() };
  }
}
