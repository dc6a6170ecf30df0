// A feed whole, as of one head: its records checked against the root that the owner signed, and the trie that came of it.

import { sameBytes } from '../wire.ts';
import { type Change, maxFeedBytes, maxFeedRecords, recordHash, recordKey, type VerifiedHead } from './feed.ts';
import type { Contents } from './held.ts';
import type { Put } from './store.ts';
import { rootOf, trieOf } from './trie.ts';

declare const checked: unique symbol;

/** All records of a feed, in the order of their keys; only this room makes one, so that its root is the head's. */
export interface WholeFeed {
  readonly head: VerifiedHead;
  readonly puts: readonly Put[];
  readonly contents: Contents;
  readonly [checked]: true;
}

/** Checks records against a head; undefined where they are too many, or don't come out at its count and root. */
export function verifyWhole(head: VerifiedHead, records: readonly Change[]): WholeFeed | undefined {
  const puts = records.flatMap(({ kind, name, body }): Put[] =>
    body ? [{ kind, name, body, key: recordKey(kind, name), hash: recordHash(body) }] : [],
  );
  const liveBytes = puts.reduce((sum, { body }) => sum + body.byteLength, 0);
  if (puts.length > maxFeedRecords || liveBytes > maxFeedBytes) return undefined;
  puts.sort((a, b) => Buffer.compare(a.key, b.key));
  const trie = trieOf(puts.map(({ key, hash }) => ({ key, value: hash })));
  const contents: Contents = { trie, count: puts.length, liveBytes };
  return isAt(contents, head) ? ({ head, puts, contents } as unknown as WholeFeed) : undefined;
}

/** Whether that is what the head's owner signed. */
export function isAt({ trie, count }: Contents, { head }: VerifiedHead): boolean {
  return count === head.count && sameBytes(rootOf(trie), head.root);
}
