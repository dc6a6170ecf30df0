// Parsed records by kind and name, so that a lookup costs no SQL: bounded in bytes, emptied by each change.
import type { StackId } from '../network.ts';

/** A record without what changes by itself: its owner's name and presence are asked for at each lookup. */
export interface Claim {
  readonly kind: string;
  readonly name: string;
  readonly stack: StackId;
  readonly rank: string;
  readonly body: unknown;
  readonly hash: string;
  readonly position: number;
}

/** What lookups may keep in memory: ten thousand records of usual size, a tenth of what a daemon may have. */
const maxBytes = 16 * 1024 * 1024;
/** A parsed body takes about so many times its encoded bytes, measured with the kinds of the daemon. */
const parsedFactor = 4;
/** An entry beside its body: key, rank, hash and the objects that hold them. */
const claimBytes = 600;
const keyBytes = 200;

interface Kept {
  readonly claims: readonly Claim[];
  readonly sizeBytes: number;
}

/** Claims of a name in their order, also of names that nobody claims; the one unused longest goes first. */
export class LookupCache {
  readonly #names = new Map<string, Kept>();
  #sizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get(kind: string, name: string): readonly Claim[] | undefined {
    const key = keyOf(kind, name);
    const kept = this.#names.get(key);
    if (!kept) return undefined;
    // The order of insertion is the order of use, unless there is room for all anyway.
    if (this.#sizeBytes > maxBytes / 2) {
      this.#names.delete(key);
      this.#names.set(key, kept);
    }
    return kept.claims;
  }

  /** `bodyBytes` is the size of all their bodies as encoded. */
  put(kind: string, name: string, claims: readonly Claim[], bodyBytes: number): void {
    this.forget(kind, name);
    const sizeBytes =
      keyBytes + 2 * (kind.length + name.length) + claims.length * claimBytes + parsedFactor * bodyBytes;
    if (sizeBytes > maxBytes / 4) return;
    this.#names.set(keyOf(kind, name), { claims, sizeBytes });
    this.#sizeBytes += sizeBytes;
    for (const [key, kept] of this.#names) {
      if (this.#sizeBytes <= maxBytes) break;
      this.#names.delete(key);
      this.#sizeBytes -= kept.sizeBytes;
    }
  }

  forget(kind: string, name: string): void {
    const key = keyOf(kind, name);
    const kept = this.#names.get(key);
    if (!kept) return;
    this.#names.delete(key);
    this.#sizeBytes -= kept.sizeBytes;
  }

  clear(): void {
    this.#names.clear();
    this.#sizeBytes = 0;
  }
}

/** Names of kinds have no line break. */
function keyOf(kind: string, name: string): string {
  return `${kind}\n${name}`;
}
