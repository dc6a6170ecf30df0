// Fetches what differs between a trie that is here and a feed elsewhere, under one signed head, though the feed may go on meanwhile.
import {
  type Change,
  Descent,
  maxFeedBytes,
  maxFeedRecords,
  maxPageRecords,
  recordHash,
  recordKey,
  type Trie,
  type VerifiedHead,
} from '#registry/feeds';
import { toHex } from '../wire.ts';
import type { Source } from './feed-exchange.ts';

/** What leads from a trie to the head: records that are other ones there, and keys that aren't there. */
export interface Difference {
  readonly head: VerifiedHead;
  readonly records: readonly Change[];
  readonly removed: readonly Uint8Array[];
}

/** A feed that goes on more often than this while it is compared is fetched page by page. */
const maxAttempts = 4;

/** `moved` where the feed went on again and again or is there no more; `refused` where an answer isn't what the root says. */
export async function findDifference(
  source: Source,
  head: VerifiedHead,
  own: Trie,
): Promise<Difference | 'moved' | 'refused'> {
  const pool = new Pool();
  let target = head;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const found = await compare(source, target, own, pool);
    if (found === 'moved' || found === 'refused') return found;
    if ('records' in found) return found;
    target = found;
  }
  return 'moved';
}

async function compare(
  source: Source,
  head: VerifiedHead,
  own: Trie,
  pool: Pool,
): Promise<Difference | VerifiedHead | 'moved' | 'refused'> {
  const { root } = head.head;
  const descent = new Descent(own, root);
  for (let paths = descent.wanted(); paths.length > 0; paths = descent.wanted()) {
    const answer = await source.under(root, { paths });
    if ('none' in answer) return 'moved';
    if ('head' in answer) return source.verify(answer.head) ?? 'refused';
    if (!descent.take(answer.nodes)) return 'refused';
  }
  const wanted = [...descent.differing.values()];
  for (let keys = pool.lacking(wanted); keys.length > 0; keys = pool.lacking(wanted)) {
    const answer = await source.under(root, { keys });
    if ('none' in answer) return 'moved';
    if ('head' in answer) return source.verify(answer.head) ?? 'refused';
    const before = pool.count;
    for (const [kind, name, body] of answer.records) pool.add({ kind, name, body });
    // Each answer has one more record at least, and none but those of a feed.
    if (pool.isFull || pool.count === before) return 'refused';
  }
  return { head, records: pool.of(wanted), removed: descent.removed };
}

type Wanted = { readonly key: Uint8Array; readonly hash: Uint8Array };

/** Records that came, kept while the feed goes on, so that none is fetched twice. */
class Pool {
  readonly #records = new Map<string, Change>();
  #size = 0;

  /** More than a feed can hold came: it isn't what was asked for. */
  get isFull(): boolean {
    return this.#size > 2 * maxFeedBytes || this.count > 2 * maxFeedRecords;
  }

  get count(): number {
    return this.#records.size;
  }

  add(change: Change): void {
    if (!change.body) return;
    this.#size += change.body.byteLength;
    this.#records.set(nameOf({ key: recordKey(change.kind, change.name), hash: recordHash(change.body) }), change);
  }

  lacking(wanted: readonly Wanted[]): Uint8Array[] {
    const keys: Uint8Array[] = [];
    for (const one of wanted) {
      if (!this.#records.has(nameOf(one))) keys.push(one.key);
      if (keys.length >= maxPageRecords) break;
    }
    return keys;
  }

  of(wanted: readonly Wanted[]): Change[] {
    return wanted.flatMap((one) => this.#records.get(nameOf(one)) ?? []);
  }
}

function nameOf({ key, hash }: Wanted): string {
  return toHex(key) + toHex(hash);
}
