// One feed that is kept here: its head, and its trie, which is built from the stored keys when somebody first asks for it.
import { RegistryError } from '../registry-error.ts';
import type { FeedStore, HeadRow } from './store.ts';
import { emptyRoot, type Trie, trieOf } from './trie.ts';

const hashBytes = 32;

/** A feed's trie, the number of its records, and the bytes of their bodies. */
export interface Contents {
  readonly trie: Trie;
  readonly count: number;
  readonly liveBytes: number;
}

export interface Held {
  readonly head: HeadRow;
  /** Built at the first call. */
  readonly contents: () => Contents;
}

/** The feed as it is stored: a start reads the heads alone. */
export function heldIn(store: FeedStore, head: HeadRow): Held {
  let known: Contents | undefined;
  const contents = (): Contents => {
    known ??= read(store, head);
    return known;
  };
  return { head, contents };
}

/** A feed of which nothing is there. */
export function nothingOf(feed: string): Held {
  const epoch = { counter: 0, nonce: new Uint8Array(16) };
  const blank = { bytes: new Uint8Array(), signature: new Uint8Array(), liveBytes: 0, quarantine: undefined };
  const contents: Contents = { trie: undefined, count: 0, liveBytes: 0 };
  return { head: { feed, epoch, sequence: 0, hash: emptyRoot, ...blank }, contents: () => contents };
}

function read(store: FeedStore, { feed, liveBytes }: HeadRow): Contents {
  const entries = store.keys(feed);
  // What rotted on the disk is told as such, and not met as bytes that fit nowhere.
  if (entries.some(({ key, value }) => key.byteLength !== hashBytes || value.byteLength !== hashBytes)) {
    throw new RegistryError(
      'database-broken',
      `Cannot read the records of feed "${feed}": a stored hash is broken; restore the database from a backup`,
    );
  }
  return { trie: trieOf(entries), count: entries.length, liveBytes };
}
