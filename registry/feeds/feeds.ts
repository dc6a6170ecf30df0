// Keeps the feeds: applies verified deltas and snapshots, writes the own feed, and holds each one's trie.

import type { Identity } from '../identity.ts';
import { RegistryError } from '../registry-error.ts';
import { fit, sameBytes } from '../wire.ts';
import {
  type Change,
  type Epoch,
  type Head,
  makeDelta,
  maxDeltaBytes,
  maxFeedBytes,
  maxFeedRecords,
  type Position,
  positionOf,
  recordHash,
  recordKey,
  relate,
  type VerifiedDelta,
  type VerifiedHead,
} from './feed.ts';
import type { FeedStore, HeadRow } from './store.ts';
import { emptyRoot, find, put, remove, rootOf, type Trie } from './trie.ts';

/** What became of a delta or snapshot. `gap` needs a pull; `refused` left the state as it was. */
export type Applied = 'applied' | 'known' | 'gap' | 'equivocation' | 'other-epoch' | 'refused';

/** Says why a record is hidden, or undefined where it may be seen. */
export type Judge = (feed: string, change: Change) => string | undefined;

/** A page of a snapshot: records in the order of their keys, and the head that stood when it was read. */
export interface Page {
  readonly head: readonly [Uint8Array, Uint8Array];
  readonly records: readonly Change[];
  /** The last key of the page; undefined after the last page. */
  readonly next: Uint8Array | undefined;
}

interface Feed {
  readonly head: HeadRow;
  readonly trie: Trie;
  readonly count: number;
}

/** A page of a snapshot has at most this many bytes of bodies: an answer stays below 1 MiB. */
const maxPageBytes = 700 * 1024;
const maxPageRecords = 2_000;
/** A new epoch starts with all its records in its first delta, where they fit; else it is fetched as a snapshot. */
const maxFirstDeltaBytes = 128 * 1024;

export class Feeds {
  readonly #store: FeedStore;
  readonly #identity: Identity;
  readonly #judge: Judge;
  readonly #feeds = new Map<string, Feed>();

  constructor(store: FeedStore, identity: Identity, judge: Judge) {
    this.#store = store;
    this.#identity = identity;
    this.#judge = judge;
    for (const head of store.heads()) {
      let trie: Trie;
      let count = 0;
      for (const { key, hash } of store.keys(head.feed)) {
        trie = put(trie, key, hash);
        count += 1;
      }
      this.#feeds.set(head.feed, { head, trie, count });
    }
  }

  /** Where each feed stands. */
  positions(): Position[] {
    return [...this.#feeds.values()].map(({ head: { feed, epoch, sequence, hash } }) => ({
      feed,
      epoch,
      sequence,
      hash,
    }));
  }

  position(feed: string): Position | undefined {
    const head = this.#feeds.get(feed)?.head;
    return head && { feed, epoch: head.epoch, sequence: head.sequence, hash: head.hash };
  }

  /** The owners that signed two heads for one place: nothing more is taken from them. */
  quarantined(): string[] {
    return [...this.#feeds.values()].filter(({ head }) => head.quarantine).map(({ head }) => head.feed);
  }

  isQuarantined(feed: string): boolean {
    return this.#feeds.get(feed)?.head.quarantine !== undefined;
  }

  /** Writes the own feed: one delta for all changes, in the open transaction; undefined where nothing changes. */
  commit(mesh: string, changes: readonly Change[]): VerifiedDelta | undefined {
    const own = this.#own();
    const real = changes.filter(({ kind, name, body }) => {
      const old = find(own.trie, recordKey(kind, name));
      return body === null ? old !== undefined : old === undefined || !sameBytes(old, recordHash(body));
    });
    if (real.length === 0) return undefined;
    const next = this.#after(own, real);
    const previous = own.head.hash;
    const head = { epoch: own.head.epoch, sequence: own.head.sequence + 1, previous };
    return this.#writeOwn(mesh, head, next, real);
  }

  /**
   * Begins an epoch of the own feed with the records it has, in the open transaction: for a new mesh, or where
   * continuity is in doubt. The counter is higher than any that was heard.
   */
  beginEpoch(mesh: string, epoch: Epoch): VerifiedDelta {
    const own = this.#own();
    const records = this.#store.everyRecord(this.#identity.stack);
    const small = own.head.liveBytes <= maxFirstDeltaBytes;
    const changes = small ? records.map(({ kind, name, body }) => ({ kind, name, body })) : [];
    this.#store.clearDeltas(this.#identity.stack);
    const next = { trie: own.trie, count: own.count, liveBytes: own.head.liveBytes };
    return this.#writeOwn(mesh, { epoch, sequence: 1, previous: emptyRoot }, next, changes, false);
  }

  /** Applies a delta of another's feed where its base is here and its root comes out. */
  apply(delta: VerifiedDelta): Applied {
    const feed = delta.head.feed;
    const stored = this.#feeds.get(feed);
    const judged = this.#judgeHead(delta);
    if (judged !== 'next') return judged;
    const base: Feed = delta.head.sequence === 1 || !stored ? emptyFeed(feed) : stored;
    let next: After;
    try {
      next = this.#after(base, delta.changes, delta.head.sequence === 1);
    } catch {
      return 'refused';
    }
    if (next.count !== delta.head.count || !sameBytes(rootOf(next.trie), delta.head.root)) return 'gap';
    this.#store.database.transaction(() => {
      if (base !== stored && stored) this.#store.dropRecords(feed);
      this.#writeChanges(feed, delta.changes);
      this.#store.addDelta(positionOf(delta), delta.wire);
      this.#keep(delta, next);
    });
    return 'applied';
  }

  /** Replaces another's feed by a snapshot whose records come out at the head's root. */
  replace(head: VerifiedHead, records: readonly Change[]): Applied {
    const feed = head.head.feed;
    const judged = this.#judgeHead(head);
    if (judged !== 'next' && judged !== 'gap') return judged;
    let next: After;
    try {
      next = this.#after(emptyFeed(feed), records, true);
    } catch {
      return 'refused';
    }
    if (next.count !== head.head.count || !sameBytes(rootOf(next.trie), head.head.root)) return 'refused';
    const old = this.#feeds.get(feed)?.trie;
    this.#store.database.transaction(() => {
      this.#store.clearDeltas(feed);
      for (const { kind, name, key } of this.#store.names(feed)) {
        if (!find(next.trie, key)) this.#store.removeRecord(feed, key, { kind, name });
      }
      const changed = records.filter(({ kind, name, body }) => {
        const known = find(old, recordKey(kind, name));
        return body === null || !known || !sameBytes(known, recordHash(body));
      });
      this.#writeChanges(feed, changed);
      this.#keep(head, next);
    });
    return 'applied';
  }

  /** Deltas that follow a position, as they were received, or undefined where they aren't all kept. */
  deltasAfter(have: Position, maxBytes: number): Uint8Array[] | undefined {
    const stored = this.#feeds.get(have.feed)?.head;
    if (!stored || stored.epoch.counter !== have.epoch.counter || !sameBytes(stored.epoch.nonce, have.epoch.nonce)) {
      return undefined;
    }
    if (have.sequence > stored.sequence || sameBytes(have.hash, stored.hash)) return [];
    const deltas = this.#store.deltasAfter(have.feed, have.epoch.counter, have.sequence);
    if (deltas.length === 0 || deltas.length !== stored.sequence - have.sequence) return undefined;
    const fitting = fit(deltas, maxBytes, (delta) => delta);
    return fitting.length > 0 ? fitting : undefined;
  }

  /** A page of the feed as it stands, from after that key; undefined where the feed isn't here. */
  page(feed: string, after: Uint8Array): Page | undefined {
    const stored = this.#feeds.get(feed)?.head;
    if (!stored) return undefined;
    const rows = this.#store.recordsAfter(feed, after, maxPageRecords);
    const fitting = fit(rows, maxPageBytes, ({ body }) => body);
    const done = fitting.length === rows.length && rows.length < maxPageRecords;
    return {
      head: [stored.bytes, stored.signature],
      records: fitting.map(({ kind, name, body }) => ({ kind, name, body })),
      next: done ? undefined : fitting.at(-1)?.key,
    };
  }

  /** Forgets all feeds but the own one, in the open transaction. */
  dropOthers(): void {
    for (const feed of [...this.#feeds.keys()].filter((each) => each !== this.#identity.stack)) {
      this.#store.dropFeed(feed);
      this.#store.database.afterCommit(() => this.#feeds.delete(feed));
    }
  }

  #judgeHead(verified: VerifiedHead): Applied | 'next' {
    const feed = verified.head.feed;
    const stored = this.#feeds.get(feed)?.head;
    if (stored?.quarantine) return 'refused';
    const relation = relate(stored, positionOf(verified), verified.head.previous);
    if (relation === 'equivocation' && stored) {
      this.#store.database.transaction(() => {
        this.#store.addEvidence(feed, stored.hash, stored.bytes, stored.signature);
        this.#store.addEvidence(feed, verified.hash, verified.bytes, verified.signature);
        this.#setHead({ ...stored, quarantine: 'two heads of one epoch and sequence' });
      });
    }
    if (relation === 'same' || relation === 'behind') return 'known';
    return relation === 'ahead' ? 'gap' : relation;
  }

  #after(base: Feed, changes: readonly Change[], fresh = false): After {
    let { trie, count } = base;
    let liveBytes = base.head.liveBytes;
    for (const { kind, name, body } of changes) {
      const key = recordKey(kind, name);
      const had = find(trie, key) !== undefined;
      if (had && !fresh) liveBytes -= this.#store.record(base.head.feed, key)?.body.byteLength ?? 0;
      if (had) count -= 1;
      if (body) {
        trie = put(trie, key, recordHash(body));
        count += 1;
        liveBytes += body.byteLength;
      } else trie = remove(trie, key);
    }
    if (count > maxFeedRecords || liveBytes > maxFeedBytes) {
      throw new RegistryError(
        'feed-full',
        `Cannot write ${changes.length} records: the feed would hold ${count} of ${maxFeedRecords} records and ${liveBytes} of ${maxFeedBytes} bytes; remove some first`,
      );
    }
    return { trie, count, liveBytes };
  }

  #writeOwn(
    mesh: string,
    place: Pick<Head, 'epoch' | 'sequence' | 'previous'>,
    next: After,
    changes: readonly Change[],
    write = true,
  ): VerifiedDelta {
    const feed = this.#identity.stack;
    const summary = { mesh, feed, ...place, count: next.count, root: rootOf(next.trie) };
    const delta = makeDelta(summary, changes, (message) => this.#identity.sign(message));
    if (write) this.#writeChanges(feed, changes);
    // A delta too large to travel isn't kept: others fetch the snapshot.
    if (delta.wire.byteLength <= maxDeltaBytes) this.#store.addDelta(positionOf(delta), delta.wire);
    else this.#store.clearDeltas(feed);
    this.#keep(delta, next);
    return delta;
  }

  #writeChanges(feed: string, changes: readonly Change[]): void {
    for (const change of changes) {
      const key = recordKey(change.kind, change.name);
      if (change.body) this.#store.putRecord(feed, key, recordHash(change.body), change, this.#judge(feed, change));
      else this.#store.removeRecord(feed, key, change);
    }
  }

  #keep(verified: VerifiedHead, { trie, count, liveBytes }: After): void {
    const { bytes, signature } = verified;
    const head: HeadRow = { ...positionOf(verified), bytes, signature, liveBytes, quarantine: undefined };
    this.#store.putHead(head);
    this.#store.database.afterCommit(() => this.#feeds.set(head.feed, { head, trie, count }));
  }

  #setHead(head: HeadRow): void {
    this.#store.putHead(head);
    this.#store.database.afterCommit(() => {
      const feed = this.#feeds.get(head.feed);
      if (feed) this.#feeds.set(head.feed, { ...feed, head });
    });
  }

  #own(): Feed {
    return this.#feeds.get(this.#identity.stack) ?? emptyFeed(this.#identity.stack);
  }
}

interface After {
  readonly trie: Trie;
  readonly count: number;
  readonly liveBytes: number;
}

function emptyFeed(feed: string): Feed {
  const epoch = { counter: 0, nonce: new Uint8Array(16) };
  const blank = { bytes: new Uint8Array(), signature: new Uint8Array(), liveBytes: 0, quarantine: undefined };
  return { head: { feed, epoch, sequence: 0, hash: emptyRoot, ...blank }, trie: undefined, count: 0 };
}
