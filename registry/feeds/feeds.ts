// Keeps the feeds: applies verified deltas and snapshots, writes the own feed, and holds each one's trie.

import type { Identity } from '../identity.ts';
import { RegistryError } from '../registry-error.ts';
import { sameBytes } from '../wire.ts';
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
  type SignedHead,
  type VerifiedDelta,
  type VerifiedHead,
  verifyDelta,
  verifyHead,
} from './feed.ts';
import { type Contents, type Held, heldIn, nothingOf } from './held.ts';
import { type Evidence, provesEquivocation, type Quarantine, Rivals } from './quarantine.ts';
import { Served } from './served.ts';
import type { FeedStore, HeadRow, Put } from './store.ts';
import { emptyRoot, find, leavesOf, put, remove, rootOf, type Trie } from './trie.ts';
import { isAt, verifyWhole, type WholeFeed } from './whole.ts';

/**
 * What became of a delta, snapshot or repair. `gap` needs a pull; `refused` left the state as it was. `equivocation` and
 * `clone` quarantined the owner just now.
 */
export type Applied = 'applied' | 'known' | 'gap' | 'equivocation' | 'other-epoch' | 'clone' | 'refused';

/** Says why a record is hidden, or undefined where it may be seen. */
export type Judge = (feed: string, change: Change) => string | undefined;

export interface FeedsOptions {
  /** The highest epoch counter of a feed whose quarantine an admin lifted; 0 where none did. */
  readonly pardoned?: (feed: string) => number;
  /** Milliseconds that never go back. */
  readonly monotonic?: () => number;
}

/** A new epoch starts with all its records in its first delta, where they fit; else it is fetched as a snapshot. */
const maxFirstDeltaBytes = 128 * 1024;

export class Feeds {
  readonly #store: FeedStore;
  readonly #identity: Identity;
  readonly #judge: Judge;
  readonly #pardoned: (feed: string) => number;
  readonly #monotonic: () => number;
  readonly #rivals = new Rivals();
  readonly #feeds = new Map<string, Held>();
  /** What others ask of the feeds. */
  readonly served: Served;

  constructor(store: FeedStore, identity: Identity, judge: Judge, options: FeedsOptions = {}) {
    this.#store = store;
    this.#identity = identity;
    this.#judge = judge;
    this.#pardoned = options.pardoned ?? (() => 0);
    this.#monotonic = options.monotonic ?? (() => 0);
    this.served = new Served(store, (feed) => this.#feeds.get(feed));
    for (const head of store.heads()) this.#feeds.set(head.feed, heldIn(store, head));
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

  /** The trie of a feed as it is here now; undefined for the empty one. */
  trie(feed: string): Trie {
    return this.#feeds.get(feed)?.contents().trie;
  }

  /** The number of records of a feed. */
  count(feed: string): number {
    return this.#feeds.get(feed)?.contents().count ?? 0;
  }

  /** The owners that nothing more is taken from, until they are pardoned and begin a new epoch. */
  quarantined(): string[] {
    return [...this.#feeds.values()].filter(({ head }) => head.quarantine).map(({ head }) => head.feed);
  }

  /** Why an owner is quarantined. */
  quarantineOf(feed: string): Quarantine | undefined {
    return this.#feeds.get(feed)?.head.quarantine;
  }

  /** Whether nothing is taken from that owner in an epoch of that counter, or in the one that is here. */
  isQuarantined(feed: string, counter?: number): boolean {
    const head = this.#feeds.get(feed)?.head;
    if (!head?.quarantine) return false;
    const pardoned = this.#pardoned(feed);
    return pardoned < head.quarantine.counter || (counter ?? head.epoch.counter) <= pardoned;
  }

  /** Two heads that the owner signed for one place, as received; `provesEquivocation` holds for them. */
  evidence(feed: string): readonly [SignedHead, SignedHead] | undefined {
    return this.#store.evidence(feed);
  }

  /** All evidence about feeds of that mesh, the own one too, that no pardon made void. */
  accusations(mesh: string): Evidence[] {
    return this.#store.everyEvidence().flatMap(([one, other]): Evidence[] => {
      const [a, b] = [verifyHead(...one, mesh), verifyHead(...other, mesh)];
      if (typeof a === 'string' || typeof b === 'string') return [];
      return a.head.epoch.counter > this.#pardoned(a.head.feed) ? [[a, b]] : [];
    });
  }

  /**
   * Keeps two heads that prove an equivocation, whoever brought them, and quarantines their owner, where it is another one;
   * false where that is no news.
   */
  accuse(a: VerifiedHead, b: VerifiedHead): boolean {
    const { feed, epoch, mesh } = a.head;
    const held = this.#feeds.get(feed);
    if (!held || !provesEquivocation(a, b) || epoch.counter <= this.#pardoned(feed)) return false;
    if (feed === this.#identity.stack) {
      const known = this.accusations(mesh).some(
        ([{ head }]) => head.feed === feed && head.epoch.counter >= epoch.counter,
      );
      if (!known) this.#store.database.transaction(() => this.#store.setEvidence(feed, a, b));
      return !known;
    }
    const { quarantine } = held.head;
    if (quarantine?.reason === 'equivocation' && quarantine.counter >= epoch.counter) return false;
    const counter = Math.max(epoch.counter, quarantine?.counter ?? 0);
    this.#store.database.transaction(() => {
      this.#store.setEvidence(feed, a, b);
      this.#quarantine(held, { reason: 'equivocation', counter });
    });
    return true;
  }

  /** Another head in the place of one of the own feed, signed here: who has both knows that two stacks have this key. */
  rivalOf({ head, hash }: VerifiedHead): VerifiedHead {
    return makeDelta({ ...head, root: hash }, [], (message) => this.#identity.sign(message));
  }

  /** The head that this stack signed at a place of its own feed, in the epoch that stands, while it is kept. */
  signedAt({ epoch, sequence }: Position, mesh: string): VerifiedHead | undefined {
    const { head } = this.#own();
    if (epoch.counter !== head.epoch.counter || !sameBytes(epoch.nonce, head.epoch.nonce)) return undefined;
    const wire = sequence === head.sequence ? undefined : this.#store.deltaAt(head.feed, epoch.counter, sequence);
    if (!wire && sequence !== head.sequence) return undefined;
    const read = wire ? verifyDelta(wire, mesh) : verifyHead(head.bytes, head.signature, mesh);
    return typeof read === 'string' ? undefined : read;
  }

  /** Writes the own feed: one delta for all changes, in the open transaction; undefined where nothing changes. */
  commit(mesh: string, changes: readonly Change[]): VerifiedDelta | undefined {
    const own = this.#own();
    const before = own.contents();
    const real = changes.filter(({ kind, name, body }) => {
      const old = find(before.trie, recordKey(kind, name));
      return body === null ? old !== undefined : old === undefined || !sameBytes(old, recordHash(body));
    });
    if (real.length === 0) return undefined;
    const next = this.#after(own.head.feed, before, real);
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
    return this.#writeOwn(mesh, { epoch, sequence: 1, previous: emptyRoot }, own.contents(), changes, false);
  }

  /** Applies a delta of another's feed where its base is here and its root comes out. */
  apply(delta: VerifiedDelta): Applied {
    const feed = delta.head.feed;
    const judged = this.judge(delta);
    if (judged !== 'next') return judged;
    const stored = this.#feeds.get(feed) ?? nothingOf(feed);
    const isFirst = delta.head.sequence === 1;
    // An epoch that begins with the records of the one before changes none of them.
    const isSame = isFirst && isAt(stored.contents(), delta);
    const base = isFirst ? nothingOf(feed).contents() : stored.contents();
    let next: Contents;
    try {
      next = isSame ? stored.contents() : this.#after(feed, base, delta.changes, isFirst);
    } catch {
      return 'refused';
    }
    if (!isAt(next, delta)) return 'gap';
    this.#take(() => {
      if (isFirst && !isSame) this.#store.dropRecords(feed);
      if (!isSame) this.#writeChanges(feed, delta.changes);
      this.#store.addDelta(positionOf(delta), delta.wire);
      this.#keep(delta, next);
    });
    return 'applied';
  }

  /** Replaces another's feed by a snapshot whose records come out at the head's root. */
  replace(head: VerifiedHead, records: readonly Change[]): Applied {
    const judged = this.judge(head);
    if (judged !== 'next' && judged !== 'gap') return judged;
    const whole = verifyWhole(head, records);
    return (whole && this.replaceAll([whole])[0]) ?? 'refused';
  }

  /** Replaces others' feeds by what was checked of each, all in one transaction; a feed that is named twice is a `gap`. */
  replaceAll(wholes: readonly WholeFeed[]): Applied[] {
    const seen = new Set<string>();
    const judged = wholes.map(({ head }): Applied | 'next' => {
      if (seen.has(head.head.feed)) return 'gap';
      const one = this.judge(head);
      if (one !== 'next' && one !== 'gap') return one;
      seen.add(head.head.feed);
      return 'next';
    });
    this.#take(() => {
      for (const [at, whole] of wholes.entries()) if (judged[at] === 'next') this.#writeWhole(whole);
    });
    return judged.map((one) => (one === 'next' ? 'applied' : one));
  }

  #writeWhole({ head, puts, contents }: WholeFeed): void {
    const { feed } = head.head;
    const old = this.trie(feed);
    this.#store.clearDeltas(feed);
    for (const { key } of leavesOf(old)) if (!find(contents.trie, key)) this.#store.removeRecord(feed, key);
    const changed = old ? puts.filter(({ key, hash }) => !isValue(find(old, key), hash)) : puts;
    this.#store.putRecords(feed, changed, (one) => this.#judge(feed, one));
    this.#keep(head, contents);
  }

  /** Brings another's feed from the trie that is here to a head by what differs; `base` is that trie when it was compared. */
  repair(head: VerifiedHead, base: Trie, records: readonly Change[], removed: readonly Uint8Array[]): Applied {
    const feed = head.head.feed;
    const judged = this.judge(head);
    if (judged !== 'next' && judged !== 'gap') return judged;
    const stored = this.#feeds.get(feed) ?? nothingOf(feed);
    if (!sameBytes(rootOf(stored.contents().trie), rootOf(base))) return 'gap';
    const gone = removed.flatMap((key): Change[] => {
      const row = this.#store.record(feed, key);
      return row ? [{ kind: row.kind, name: row.name, body: null }] : [];
    });
    const changes = [...gone, ...records];
    let next: Contents;
    try {
      next = this.#after(feed, stored.contents(), changes);
    } catch {
      return 'refused';
    }
    if (!isAt(next, head)) return 'refused';
    this.#take(() => {
      this.#store.clearDeltas(feed);
      this.#writeChanges(feed, changes);
      this.#keep(head, next);
    });
    return 'applied';
  }

  /** What the power takes of another's feed its owner and the others still have: it is asked for anew. */
  #take(change: () => void): void {
    const reserved = (): void => {
      this.#store.reservePositions();
      change();
    };
    this.#store.database.transaction(reserved, { mayBeLost: true });
  }

  /** Forgets all feeds but the own one, in the open transaction. */
  dropOthers(): void {
    for (const feed of [...this.#feeds.keys()].filter((each) => each !== this.#identity.stack)) {
      this.#store.dropFeed(feed);
      this.#store.database.afterCommit(() => this.#feeds.delete(feed));
    }
  }

  /** What a head means for what is here, before anything is applied; one that proves a fault quarantines its owner. */
  judge(verified: VerifiedHead): Applied | 'next' {
    const { feed, epoch, previous } = verified.head;
    const held = this.#feeds.get(feed);
    if (this.isQuarantined(feed, epoch.counter)) return 'refused';
    const relation = relate(held?.head, positionOf(verified), previous);
    if (relation === 'equivocation' && held) {
      const stored = verifyHead(held.head.bytes, held.head.signature, verified.head.mesh);
      return typeof stored !== 'string' && this.accuse(stored, verified) ? 'equivocation' : 'refused';
    }
    if (relation === 'other-epoch' && held && this.#rivals.saw(feed, epoch, this.#monotonic())) {
      this.#store.database.transaction(() => this.#quarantine(held, { reason: 'clone', counter: epoch.counter }));
      return 'clone';
    }
    if (relation === 'same' || relation === 'behind') return 'known';
    return relation === 'ahead' ? 'gap' : relation;
  }

  #after(feed: string, base: Contents, changes: readonly Change[], fresh = false): Contents {
    let { trie, count, liveBytes } = base;
    for (const { kind, name, body } of changes) {
      const key = recordKey(kind, name);
      const had = find(trie, key) !== undefined;
      if (had && !fresh) liveBytes -= this.#store.record(feed, key)?.body.byteLength ?? 0;
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
    next: Contents,
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
    for (const { kind, name, body } of changes) {
      const key = recordKey(kind, name);
      if (!body) this.#store.removeRecord(feed, key);
      else {
        const one: Put = { kind, name, body, key, hash: recordHash(body) };
        this.#store.putRecord(feed, one, this.#judge(feed, one));
      }
    }
  }

  #keep(verified: VerifiedHead, contents: Contents): void {
    const { bytes, signature } = verified;
    const { liveBytes } = contents;
    this.#hold({ ...positionOf(verified), bytes, signature, liveBytes, quarantine: undefined }, () => contents);
  }

  #quarantine(held: Held, quarantine: Quarantine): void {
    this.#hold({ ...held.head, quarantine }, held.contents);
  }

  #hold(head: HeadRow, contents: () => Contents): void {
    this.#store.putHead(head);
    this.#store.database.afterCommit(() => this.#feeds.set(head.feed, { head, contents }));
  }

  #own(): Held {
    return this.#feeds.get(this.#identity.stack) ?? nothingOf(this.#identity.stack);
  }
}

function isValue(value: Uint8Array | undefined, hash: Uint8Array): boolean {
  return value !== undefined && sameBytes(value, hash);
}
