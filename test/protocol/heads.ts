// This room alone knows the heads exchange and its fingerprints (docs/protocol.md, section 10).
import { signedHead } from './feed.ts';
import { hashText, hex, sha256 } from './identity.ts';
import { bytes, either, integer, list, literal, map, matching, type Of, optional, orNull, tuple } from './shape.ts';

const prefix = matching(/^[0-9a-f]{0,2}$/, 'prefix');
const brief = tuple(bytes(8), integer(), integer(1), bytes(8), bytes(16));
const fingerprint = bytes(8);
const part = either(map({ prefix, briefs: list(brief, 10_000) }), map({ prefix, split: list(fingerprint, 16, 16) }));
/** A request of heads, and its answer. */
export const headsExchange = {
  request: map({
    roster: optional(either(literal(''), hashText)),
    heads: optional(bytes(32)),
    ask: optional(list(prefix, 256)),
    offer: optional(list(brief, 4000)),
  }),
  answer: map({ roster: orNull(hashText), parts: orNull(list(part, 257)) }),
} as const;
const pairs = list(tuple(signedHead, signedHead), 64);
/** The exchange of evidence: what is asked, what is given, and the answer to both. */
export const evidenceExchange = {
  ask: map({ known: list(tuple(bytes(8), integer()), 500) }),
  give: map({ give: pairs }),
  answer: map({ evidence: pairs, want: list(bytes(8), 64) }),
} as const;
/** Where a feed stands, in short. */
export type Brief = Of<typeof brief>;
/** What is told of a prefix. */
export type Part = Of<typeof part>;

/** Where a feed stands. */
export interface Standing {
  readonly feed: string;
  readonly epoch: { readonly counter: number; readonly nonce: Uint8Array };
  readonly sequence: number;
  readonly hash: Uint8Array;
  readonly isQuarantined: boolean;
}

/** The key of a feed. */
export function feedKey(feed: string): Uint8Array {
  return sha256(feed).subarray(0, 8);
}

/** The brief of a feed. */
export function briefOf({ feed, epoch, sequence, hash }: Standing): Brief {
  return [feedKey(feed), epoch.counter, sequence, epoch.nonce.subarray(0, 8), hash.subarray(0, 16)];
}

/** The 256 leaves over these feeds, in their order. */
export function leavesOf(feeds: readonly Standing[]): Uint8Array[] {
  const leaves = Array.from({ length: 256 }, () => new Uint8Array(32));
  for (const { feed, hash, isQuarantined } of feeds) {
    const key = feedKey(feed);
    const item = sha256(key, isQuarantined ? Uint8Array.of(0) : hash);
    const leaf = leaves[key[0] ?? 0];
    leaf?.forEach((byte, index) => {
      leaf[index] = byte ^ (item[index] ?? 0);
    });
  }
  return leaves;
}

/** The root over the leaves. */
export function rootOfLeaves(leaves: readonly Uint8Array[]): Uint8Array {
  return sha256(...leaves);
}

/** The fingerprint of a prefix of one or two digits. */
export function fingerprintOf(leaves: readonly Uint8Array[], digits: string): Uint8Array {
  const from = Number.parseInt(digits.padEnd(2, '0'), 16);
  return sha256(...leaves.slice(from, digits.length === 1 ? from + 16 : from + 1)).subarray(0, 8);
}

/** What is told of a prefix: its feeds, or, of too many, the fingerprints of its parts. */
export function partOf(feeds: readonly Standing[], digits: string): Part {
  const below = feeds.filter(({ feed }) => hex(feedKey(feed)).startsWith(digits));
  const most = digits === '' ? 500 : 64;
  if (below.length <= most || digits.length === 2) return { prefix: digits, briefs: below.map(briefOf) };
  const leaves = leavesOf(feeds);
  const split = [...'0123456789abcdef'].map((digit) => fingerprintOf(leaves, digits + digit));
  return { prefix: digits, split };
}
