// All SQL of feeds: heads, records, deltas, evidence, and the positions that readers follow.
import { type Database, Prepared } from '../database.ts';
import type { Change, Position, SignedHead } from './feed.ts';
import type { Quarantine } from './quarantine.ts';

/** Deltas kept a feed, so that a short gap costs only what is missing; a longer one costs a snapshot. */
const keptDeltas = 128;
/** The same in bytes, so that a member can't cost every other 100 MB of disk, nor one answer that much memory. */
const keptDeltaBytes = 4 * 1024 * 1024;
/** Positions that a reader can follow from; an older one reads everything anew. */
const keptChanges = 50_000;
/**
 * Positions above the last one that are taken for told after a loss of power: each so many changes of others cost one
 * wait for the disk, and a stack that was killed forgets so many changes earlier.
 */
const reservedPositions = 1_000;

export interface HeadRow extends Position {
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly liveBytes: number;
  readonly quarantine: Quarantine | undefined;
}

export interface RecordRow {
  readonly feed: string;
  readonly kind: string;
  readonly name: string;
  readonly key: Uint8Array;
  readonly hash: Uint8Array;
  readonly body: Uint8Array;
  readonly position: number;
  readonly fault: string | null;
}

/** A record to be written, with its place in the trie and what stands there. */
export interface Put extends Pick<RecordRow, 'kind' | 'name' | 'body' | 'key' | 'hash'> {}

interface RawHead {
  feed: string;
  counter: number;
  nonce: Uint8Array;
  sequence: number;
  hash: Uint8Array;
  bytes: Uint8Array;
  signature: Uint8Array;
  live_bytes: number;
  quarantine: string | null;
  quarantine_counter: number | null;
}

/** Reads and writes the tables of feeds; whoever calls decides what one transaction is. */
export class FeedStore {
  readonly database: Database;
  readonly #sql: Prepared;
  /** No change that was told of has a higher position, and it is durable. */
  #ceiling: number;
  #changed: (kind?: string, name?: string) => void = () => undefined;

  constructor(database: Database) {
    this.database = database;
    this.#sql = new Prepared(database);
    this.#ceiling = this.#sql.get<{ ceiling: number }>('SELECT ceiling FROM registry_position')?.ceiling ?? 0;
    if (this.lastPosition() >= this.#ceiling) return;
    // What the power took had positions that readers may know: none of them means another change now.
    this.#sql.run("UPDATE sqlite_sequence SET seq = ? WHERE name = 'registry_change'", this.#ceiling);
  }

  /** Told of each record that is written or removed, before the commit; without a name, of any number of them. */
  onChange(changed: (kind?: string, name?: string) => void): void {
    this.#changed = changed;
  }

  heads(): HeadRow[] {
    return this.#sql.all<RawHead>('SELECT * FROM registry_head ORDER BY feed').map(toHead);
  }

  putHead(head: HeadRow): void {
    this.#sql.run(
      'INSERT OR REPLACE INTO registry_head VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      head.feed,
      head.epoch.counter,
      head.epoch.nonce,
      head.sequence,
      head.hash,
      head.bytes,
      head.signature,
      head.liveBytes,
      head.quarantine?.reason ?? null,
      head.quarantine?.counter ?? null,
    );
  }

  /** Keeps two heads as the evidence against an owner, in place of older ones. */
  setEvidence(feed: string, ...heads: readonly Pick<HeadRow, 'hash' | 'bytes' | 'signature'>[]): void {
    this.#sql.run('DELETE FROM registry_evidence WHERE feed = ?', feed);
    for (const { hash, bytes, signature } of heads) {
      this.#sql.run('INSERT INTO registry_evidence VALUES (?, ?, ?, ?)', feed, hash, bytes, signature);
    }
  }

  evidence(feed: string): readonly [SignedHead, SignedHead] | undefined {
    const sql = 'SELECT bytes, signature FROM registry_evidence WHERE feed = ? ORDER BY hash';
    const [one, other] = this.#sql
      .all<Pick<HeadRow, 'bytes' | 'signature'>>(sql, feed)
      .map(({ bytes, signature }): SignedHead => [bytes, signature]);
    return one && other && [one, other];
  }

  /** All evidence that is kept. */
  everyEvidence(): (readonly [SignedHead, SignedHead])[] {
    const feeds = this.#sql.all<{ feed: string }>('SELECT DISTINCT feed FROM registry_evidence ORDER BY feed');
    return feeds.flatMap(({ feed }) => {
      const evidence = this.evidence(feed);
      return evidence ? [evidence] : [];
    });
  }

  putRecord(feed: string, put: Put, fault: string | undefined): void {
    this.#insert(feed, put, this.#addChange(feed, put.kind, put.name), fault);
  }

  /** Many records of a feed at once: their changes are told by one statement. */
  putRecords(feed: string, puts: readonly Put[], faultOf: (put: Put) => string | undefined): void {
    this.#changed();
    const before = this.lastPosition();
    for (const [at, one] of puts.entries()) this.#insert(feed, one, before + 1 + at, faultOf(one));
    this.#sql.run(
      `INSERT INTO registry_change SELECT position, feed, kind, name FROM registry_record
       WHERE feed = ? AND position > ? ORDER BY position`,
      feed,
      before,
    );
    this.database.beforeCommit(this.#pruneChanges);
  }

  removeRecord(feed: string, key: Uint8Array): void {
    const sql = 'DELETE FROM registry_record WHERE feed = ? AND key = ? RETURNING kind, name';
    const removed = this.#sql.get<Pick<RecordRow, 'kind' | 'name'>>(sql, feed, key);
    if (removed) this.#addChange(feed, removed.kind, removed.name);
  }

  setFault(feed: string, key: Uint8Array, fault: string | undefined): void {
    this.#changed();
    this.#sql.run('UPDATE registry_record SET fault = ? WHERE feed = ? AND key = ?', fault ?? null, feed, key);
  }

  record(feed: string, key: Uint8Array): RecordRow | undefined {
    return this.#sql.get<RecordRow>('SELECT * FROM registry_record WHERE feed = ? AND key = ?', feed, key);
  }

  /** Keys and hashes of a feed in the order of the keys, to build its trie from. */
  keys(feed: string): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
    return this.#sql.all('SELECT key, hash AS value FROM registry_record WHERE feed = ? ORDER BY key', feed);
  }

  /** Records of a feed in the order of their keys, from after that one. */
  recordsAfter(feed: string, after: Uint8Array, limit: number): Pick<RecordRow, 'kind' | 'name' | 'key' | 'body'>[] {
    return this.#sql.all(
      'SELECT kind, name, key, body FROM registry_record WHERE feed = ? AND key > ? ORDER BY key LIMIT ?',
      feed,
      after,
      limit,
    );
  }

  /** Records by kind, name and feed, each of which may be left open. */
  select(filter: { kind?: string; name?: string; feed?: string; hidden: boolean }): RecordRow[] {
    const where = [`fault IS ${filter.hidden ? 'NOT NULL' : 'NULL'}`];
    const values: string[] = [];
    for (const column of ['kind', 'name', 'feed'] as const) {
      const value = filter[column];
      if (value === undefined) continue;
      where.push(`${column} = ?`);
      values.push(value);
    }
    return this.#sql.all<RecordRow>(
      `SELECT * FROM registry_record WHERE ${where.join(' AND ')} ORDER BY kind, name, feed`,
      ...values,
    );
  }

  /** How many there are: records by kind (all that are kept, from an index), hidden ones, and feeds. */
  counts(): { readonly records: ReadonlyMap<string, number>; readonly hidden: number; readonly feeds: number } {
    const byKind = this.#sql.all<{ kind: string; count: number }>(
      'SELECT kind, count(*) AS count FROM registry_record GROUP BY kind ORDER BY kind',
    );
    const count = (sql: string): number => this.#sql.get<{ count: number }>(sql)?.count ?? 0;
    return {
      records: new Map(byKind.map((row) => [row.kind, row.count])),
      hidden: count('SELECT count(*) AS count FROM registry_record WHERE fault IS NOT NULL'),
      feeds: count('SELECT count(*) AS count FROM registry_head'),
    };
  }

  /** Where each visible record was last changed, in that order, without bodies. */
  places(kind?: string): { position: number; feed: string; kind: string; name: string }[] {
    const sql = 'SELECT position, feed, kind, name FROM registry_record WHERE fault IS NULL';
    return kind === undefined
      ? this.#sql.all(`${sql} ORDER BY position`)
      : this.#sql.all(`${sql} AND kind = ? ORDER BY position`, kind);
  }

  /** All records, hidden or not, of a feed or of all. */
  everyRecord(feed?: string): RecordRow[] {
    return feed === undefined
      ? this.#sql.all<RecordRow>('SELECT * FROM registry_record')
      : this.#sql.all<RecordRow>('SELECT * FROM registry_record WHERE feed = ?', feed);
  }

  addDelta(position: Position, wire: Uint8Array): void {
    const { feed, epoch, sequence } = position;
    this.#sql.run('INSERT OR REPLACE INTO registry_delta VALUES (?, ?, ?, ?)', feed, epoch.counter, sequence, wire);
    this.#sql.run(
      'DELETE FROM registry_delta WHERE feed = ? AND (counter < ? OR sequence <= ?)',
      feed,
      epoch.counter,
      sequence - keptDeltas,
    );
    this.#sql.run(
      `DELETE FROM registry_delta WHERE feed = ? AND counter = ? AND sequence IN (
         SELECT sequence FROM (
           SELECT sequence, sum(length(wire)) OVER (ORDER BY sequence DESC) AS total
           FROM registry_delta WHERE feed = ? AND counter = ?)
         WHERE total > ?)`,
      feed,
      epoch.counter,
      feed,
      epoch.counter,
      keptDeltaBytes,
    );
  }

  /** Some hidden records of a feed, without their bodies. */
  hiddenOf(feed: string, limit: number): Pick<RecordRow, 'kind' | 'name' | 'fault'>[] {
    return this.#sql.all(
      'SELECT kind, name, fault FROM registry_record WHERE feed = ? AND fault IS NOT NULL ORDER BY kind, name LIMIT ?',
      feed,
      limit,
    );
  }

  deltasAfter(feed: string, counter: number, sequence: number): Uint8Array[] {
    return this.#sql
      .all<{ wire: Uint8Array }>(
        'SELECT wire FROM registry_delta WHERE feed = ? AND counter = ? AND sequence > ? ORDER BY sequence',
        feed,
        counter,
        sequence,
      )
      .map((row) => row.wire);
  }

  /** The delta of that place, while it is kept. */
  deltaAt(feed: string, counter: number, sequence: number): Uint8Array | undefined {
    const sql = 'SELECT wire FROM registry_delta WHERE feed = ? AND counter = ? AND sequence = ?';
    return this.#sql.get<{ wire: Uint8Array }>(sql, feed, counter, sequence)?.wire;
  }

  clearDeltas(feed: string): void {
    this.#sql.run('DELETE FROM registry_delta WHERE feed = ?', feed);
  }

  /** Forgets a feed whole: of a mesh that was left, or replaced by a snapshot. */
  dropRecords(feed: string): void {
    this.#changed();
    this.#sql.run(
      'INSERT INTO registry_change (feed, kind, name) SELECT feed, kind, name FROM registry_record WHERE feed = ?',
      feed,
    );
    this.#sql.run('DELETE FROM registry_record WHERE feed = ?', feed);
    this.clearDeltas(feed);
  }

  dropFeed(feed: string): void {
    this.dropRecords(feed);
    this.#sql.run('DELETE FROM registry_head WHERE feed = ?', feed);
    this.#sql.run('DELETE FROM registry_evidence WHERE feed = ?', feed);
  }

  lastPosition(): number {
    const row = this.#sql.get<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'registry_change'");
    return row?.seq ?? 0;
  }

  /** Within a transaction that may be lost: its positions are told of once a ceiling above them is durable. */
  reservePositions(): void {
    this.database.afterCommit(() => {
      if (this.lastPosition() > this.#ceiling) this.#setCeiling(this.lastPosition() + reservedPositions);
    });
  }

  /** Nothing more is written: makes all durable, so that the next start leaves no gap. */
  settlePositions(): void {
    if (this.#ceiling !== this.lastPosition()) this.#setCeiling(this.lastPosition());
  }

  #setCeiling(ceiling: number): void {
    this.database.transaction(() => this.#sql.run('UPDATE registry_position SET ceiling = ?', ceiling));
    this.#ceiling = ceiling;
  }

  /** The oldest position from which nothing is missed. */
  firstPosition(): number {
    return Math.max(0, this.lastPosition() - keptChanges);
  }

  changesAfter(position: number, limit: number): { position: number; feed: string; kind: string; name: string }[] {
    return this.#sql.all('SELECT * FROM registry_change WHERE position > ? ORDER BY position LIMIT ?', position, limit);
  }

  pending(): Change[] {
    return this.#sql.all<Change>('SELECT kind, name, body FROM registry_pending ORDER BY kind, name');
  }

  addPending(change: Change): void {
    this.#sql.run('INSERT OR REPLACE INTO registry_pending VALUES (?, ?, ?)', change.kind, change.name, change.body);
  }

  clearPending(): void {
    this.#sql.run('DELETE FROM registry_pending');
  }

  #insert(feed: string, { kind, name, body, key, hash }: Put, position: number, fault: string | undefined): void {
    // An update in place leaves the index by kind and name as it is; a replacement would write it anew.
    this.#sql.run(
      `INSERT INTO registry_record VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (feed, key) DO UPDATE SET
         hash = excluded.hash, body = excluded.body, position = excluded.position, fault = excluded.fault`,
      feed,
      kind,
      name,
      key,
      hash,
      body,
      position,
      fault ?? null,
    );
  }

  #addChange(feed: string, kind: string, name: string): number {
    this.#changed(kind, name);
    const sql = 'INSERT INTO registry_change (feed, kind, name) VALUES (?, ?, ?)';
    const position = Number(this.#sql.insert(sql, feed, kind, name));
    this.database.beforeCommit(this.#pruneChanges);
    return position;
  }

  readonly #pruneChanges = (): void => {
    this.#sql.run('DELETE FROM registry_change WHERE position <= ?', this.firstPosition());
  };
}

function toHead(row: RawHead): HeadRow {
  return {
    feed: row.feed,
    epoch: { counter: row.counter, nonce: row.nonce },
    sequence: row.sequence,
    hash: row.hash,
    bytes: row.bytes,
    signature: row.signature,
    liveBytes: row.live_bytes,
    quarantine:
      row.quarantine === null
        ? undefined
        : {
            reason: row.quarantine === 'clone' ? 'clone' : 'equivocation',
            counter: row.quarantine_counter ?? row.counter,
          },
  };
}
