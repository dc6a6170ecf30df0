// Fetches a feed whole, page by page, though it may go on while its pages are read.
import {
  type Change,
  maxFeedBytes,
  maxFeedRecords,
  positionOf,
  recordHash,
  recordKey,
  trieOf,
  type VerifiedHead,
  verifyDelta,
} from '#registry/feeds';
import { toHex } from '../wire.ts';
import { findDifference } from './difference.ts';
import type { Page, Source } from './feed-exchange.ts';

/** Pages of a snapshot: 10,000 records or 32 MiB, and some begun anew. */
const maxPages = 120;

interface Snapshot {
  readonly head: VerifiedHead;
  readonly records: readonly Change[];
}

/** All records of a feed, as of one head; that they come out at its root is for `Feeds.replace` to check. */
export async function takeSnapshot(source: Source, first: Page): Promise<Snapshot | 'moved' | 'refused'> {
  const head = source.verify(first.head);
  if (!head) return 'refused';
  const records = new Map<string, Change>();
  let page = first;
  let size = 0;
  for (let count = 0; ; count += 1) {
    for (const [kind, name, body] of page.records) {
      records.set(labelOf({ kind, name }), { kind, name, body });
      size += body?.byteLength ?? 0;
    }
    // Room for records that were replaced while the pages were read.
    if (size > 2 * maxFeedBytes || records.size > 2 * maxFeedRecords) return 'refused';
    if (!page.next || count >= maxPages) break;
    const answer = await source.ask(null, page.next);
    if (!('records' in answer)) return 'moved';
    // Keys only grow: a snapshot has an end.
    if (answer.next && Buffer.compare(answer.next, page.next) <= 0) return 'refused';
    page = answer;
  }
  const last = source.verify(page.head);
  if (!last) return 'refused';
  const stood = Buffer.compare(last.hash, head.hash) === 0;
  return stood ? { head, records: [...records.values()] } : evenOut(source, head, records);
}

/** Pages of several states: the deltas since the first one's head even them out, or else what still differs is fetched. */
async function evenOut(
  source: Source,
  head: VerifiedHead,
  records: Map<string, Change>,
): Promise<Snapshot | 'moved' | 'refused'> {
  const answer = await source.ask(positionOf(head), null);
  if ('deltas' in answer) {
    let last = head;
    for (const wire of answer.deltas) {
      const delta = verifyDelta(wire, head.head.mesh);
      if (typeof delta === 'string' || delta.head.feed !== source.feed) return 'refused';
      for (const change of delta.changes) records.set(labelOf(change), change);
      last = delta;
    }
    return { head: last, records: [...records.values()].filter(({ body }) => body) };
  }
  if (!('head' in answer)) return 'moved';
  const target = source.verify(answer.head);
  if (!target) return 'refused';
  const byKey = new Map<string, Change>();
  const entries = [...records.values()].flatMap((change) => {
    if (!change.body) return [];
    const key = recordKey(change.kind, change.name);
    byKey.set(toHex(key), change);
    return [{ key, value: recordHash(change.body) }];
  });
  entries.sort((a, b) => Buffer.compare(a.key, b.key));
  const found = await findDifference(source, target, trieOf(entries));
  if (typeof found === 'string') return found;
  for (const key of found.removed) byKey.delete(toHex(key));
  for (const change of found.records) byKey.set(toHex(recordKey(change.kind, change.name)), change);
  return { head: found.head, records: [...byKey.values()] };
}

/** One string for one record: names may hold any separator. */
function labelOf({ kind, name }: Pick<Change, 'kind' | 'name'>): string {
  return JSON.stringify([kind, name]);
}
