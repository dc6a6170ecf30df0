// One root over all heads, kept up as they change, and its parts: so that two stacks find what differs in few bytes.
import { z } from 'zod';
import type { Position, relate } from '#registry/feeds';
import type { StackId } from '../network.ts';
import { bytesSchema, sameBytes, sha256, toHex } from '../wire.ts';

export const keyBytes = 8;
const nonceBytes = 8;
const hashBytes = 16;
const partBytes = 8;
const ways = 16;
/** Beyond so many feeds a part is split by the next four bits of their keys; the whole is told at once up to 500. */
const maxListedAtRoot = 500;
const maxListed = 64;
/** Parts are split twice: 256 of them, of 4 feeds each in a mesh of 1,000. */
const maxDepth = 2;
/** Feeds that are told in one message: 45 bytes each. */
export const maxBriefs = 4_000;

const counter = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
/**
 * Where a feed stands, in brief: the first bytes of SHA-256 of its id, the epoch's counter, the sequence, and the first bytes
 * of the epoch's nonce and of the head's hash.
 */
export const briefSchema = z.tuple([
  bytesSchema(keyBytes),
  counter,
  counter,
  bytesSchema(nonceBytes),
  bytesSchema(hashBytes),
]);
export type Brief = z.infer<typeof briefSchema>;

/** A part of the keys, by up to two hexadecimal digits that they begin with. */
export const prefixSchema = z.string().regex(/^[0-9a-f]{0,2}$/);
/** What stands in a part: its feeds, or the fingerprints of the 16 parts of it. */
export const partSchema = z.strictObject({
  prefix: prefixSchema,
  briefs: z.array(briefSchema).max(maxBriefs).optional(),
  split: z.array(bytesSchema(partBytes)).length(ways).optional(),
});
export type Part = z.infer<typeof partSchema>;

interface Item {
  readonly feed: StackId;
  readonly key: Uint8Array;
  readonly position: Position;
  readonly hash: Uint8Array;
}

/** Kept by who is told of each change; nothing is computed over all heads but at `fill`. */
export class Fingerprints {
  /** By hexadecimal key. */
  readonly #items = new Map<string, Item>();
  /** Exclusive or over the items of the parts of two digits. */
  readonly #parts: Uint8Array[] = Array.from({ length: ways * ways }, () => new Uint8Array(32));
  /** The members' feeds by key, also those that aren't here. */
  readonly #feeds = new Map<string, StackId>();
  #root: Uint8Array | undefined;

  /** Begins anew with these members and where their feeds stand. */
  fill(members: readonly StackId[], positions: readonly Position[]): void {
    this.#items.clear();
    this.#feeds.clear();
    for (const part of this.#parts) part.fill(0);
    this.#root = undefined;
    for (const member of members) this.#feeds.set(toHex(keyOf(member)), member);
    for (const position of positions) this.set(position, false);
  }

  /** A feed went on. Quarantined ones count as the same everywhere, whichever of their heads is here. */
  set(position: Position, isQuarantined: boolean): void {
    const key = keyOf(position.feed);
    const at = toHex(key);
    if (!this.#feeds.has(at)) return;
    const hash = sha256(key, isQuarantined ? new Uint8Array(1) : position.hash);
    const old = this.#items.get(at);
    if (old) this.#toggle(at, old.hash);
    this.#toggle(at, hash);
    this.#items.set(at, { feed: position.feed, key, position, hash });
    this.#root = undefined;
  }

  /** 32 bytes: the same at two stacks that hold the same heads. */
  root(): Uint8Array {
    this.#root ??= sha256(...this.#parts);
    return this.#root;
  }

  /** What stands in the part of that prefix. */
  part(prefix: string): Part {
    const items = this.#in(prefix);
    if (prefix.length >= maxDepth || items.length <= (prefix === '' ? maxListedAtRoot : maxListed)) {
      return { prefix, briefs: items.slice(0, maxBriefs).map(({ position }) => briefOf(position)) };
    }
    return {
      prefix,
      split: Array.from({ length: ways }, (_, digit) => this.#fingerprint(prefix + digit.toString(16))),
    };
  }

  /** The prefixes of those parts of a part split elsewhere that differ here. */
  differing({ prefix, split = [] }: Part): string[] {
    if (prefix.length >= maxDepth) return [];
    return split.flatMap((theirs, digit) => {
      const each = prefix + digit.toString(16);
      return sameBytes(theirs, this.#fingerprint(each)) ? [] : [each];
    });
  }

  /** The feed of a key, where it is a member's. */
  feedOf(key: Uint8Array): StackId | undefined {
    return this.#feeds.get(toHex(key));
  }

  /** What is here in a part, and not or otherwise in what was told of it. */
  beyond({ prefix, briefs = [] }: Part): Brief[] {
    const theirs = new Map(briefs.map((brief) => [toHex(brief[0]), brief]));
    return this.#in(prefix).flatMap(({ key, position }) => {
      const relation = relateBrief(theirs.get(toHex(key)), briefOf(position));
      return relation === 'ahead' || relation === 'equivocation' ? [briefOf(position)] : [];
    });
  }

  #in(prefix: string): Item[] {
    if (prefix === '') return [...this.#items.values()];
    return [...this.#items].filter(([key]) => key.startsWith(prefix)).map(([, item]) => item);
  }

  #fingerprint(prefix: string): Uint8Array {
    const from = Number.parseInt(prefix.padEnd(maxDepth, '0'), 16);
    const count = prefix.length >= maxDepth ? 1 : ways;
    return sha256(...this.#parts.slice(from, from + count)).slice(0, partBytes);
  }

  #toggle(key: string, hash: Uint8Array): void {
    const part = this.#parts[Number.parseInt(key.slice(0, maxDepth), 16)];
    if (part) for (const [at, byte] of hash.entries()) part[at] = (part[at] ?? 0) ^ byte;
  }
}

/** A position in brief. */
export function briefOf({ feed, epoch, sequence, hash }: Position): Brief {
  return [keyOf(feed), epoch.counter, sequence, epoch.nonce.slice(0, nonceBytes), hash.slice(0, hashBytes)];
}

/** How `other` relates to `stored`, as `relate` says of whole positions; without a head none is `next`. */
export function relateBrief(stored: Brief | undefined, other: Brief): Exclude<ReturnType<typeof relate>, 'next'> {
  if (!stored) return 'ahead';
  const [, counterHere, sequenceHere, nonceHere, hashHere] = stored;
  const [, counterThere, sequenceThere, nonceThere, hashThere] = other;
  if (counterThere !== counterHere) return counterThere < counterHere ? 'behind' : 'ahead';
  if (!sameBytes(nonceThere, nonceHere)) return 'other-epoch';
  if (sequenceThere !== sequenceHere) return sequenceThere < sequenceHere ? 'behind' : 'ahead';
  return sameBytes(hashThere, hashHere) ? 'same' : 'equivocation';
}

/** Keys that are kept: hashing the ids of a mesh of 1,000 is done once. */
const maxKeys = 4_000;
const keys = new Map<StackId, Uint8Array>();

/** What stands for a feed in briefs: the first bytes of SHA-256 of its id. */
export function keyOf(feed: StackId): Uint8Array {
  const known = keys.get(feed);
  if (known) return known;
  const key = sha256(Buffer.from(feed)).slice(0, keyBytes);
  if (keys.size >= maxKeys) keys.clear();
  keys.set(feed, key);
  return key;
}
