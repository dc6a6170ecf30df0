// Chance that a seed decides: the same seed and word give the same numbers, whatever else drew meanwhile.
import { createHash } from 'node:crypto';

/** sfc32 of Chris Doty-Humphrey's PractRand, seeded by SHA-256. */
export class Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    const hash = createHash('sha256').update(seed).digest();
    this.#a = hash.readInt32LE(0);
    this.#b = hash.readInt32LE(4);
    this.#c = hash.readInt32LE(8);
    for (let round = 0; round < 12; round += 1) this.#next();
  }

  /** A sequence of its own, so that drawing from one doesn't shift another. */
  fork(word: string): Random {
    return new Random(`${this.#seed}/${word}`);
  }

  /** 0 to 1, without 1. */
  chance(): number {
    return this.#next() / 2 ** 32;
  }

  /** A whole number below the limit. */
  below(limit: number): number {
    return Math.floor(this.chance() * limit);
  }

  between(low: number, high: number): number {
    return low + this.chance() * (high - low);
  }

  /** With that mean: the time until the next of events that come independently. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.chance());
  }

  /** That many of them, or all, each at most once. */
  some<Item>(items: readonly Item[], count: number): Item[] {
    const left = [...items];
    const chosen: Item[] = [];
    while (chosen.length < count && left.length > 0) {
      const at = this.below(left.length);
      chosen.push(left[at] as Item);
      left[at] = left[left.length - 1] as Item;
      left.pop();
    }
    return chosen;
  }

  bytes(sizeBytes: number): Uint8Array {
    const bytes = new Uint8Array(sizeBytes);
    for (let at = 0; at < sizeBytes; at += 1) bytes[at] = this.#next() & 0xff;
    return bytes;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
