// All SQL of the registry: statements, heads, records, deltas, invites, and the positions that readers follow.
import type { Database, FloorMigrations } from './database.ts';
import type { Change, Position } from './feed.ts';
import type { StackId } from './network.ts';

/** The registry's tables; hand it to `openDatabase`. */
export const registryMigrations: FloorMigrations = {
  floor: 'registry',
  migrations: [
    `CREATE TABLE registry_setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
     CREATE TABLE registry_statement (id TEXT PRIMARY KEY, wire BLOB NOT NULL) STRICT;
     CREATE TABLE registry_head (
       feed TEXT PRIMARY KEY, counter INTEGER NOT NULL, nonce BLOB NOT NULL, sequence INTEGER NOT NULL,
       hash BLOB NOT NULL, bytes BLOB NOT NULL, signature BLOB NOT NULL, live_bytes INTEGER NOT NULL,
       quarantine TEXT) STRICT;
     CREATE TABLE registry_evidence (
       feed TEXT NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL, signature BLOB NOT NULL,
       PRIMARY KEY (feed, hash)) STRICT;
     CREATE TABLE registry_record (
       feed TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, key BLOB NOT NULL, hash BLOB NOT NULL,
       body BLOB NOT NULL, position INTEGER NOT NULL, fault TEXT, PRIMARY KEY (feed, key)) STRICT, WITHOUT ROWID;
     CREATE INDEX registry_record_kind ON registry_record (kind, name);
     CREATE TABLE registry_delta (
       feed TEXT NOT NULL, counter INTEGER NOT NULL, sequence INTEGER NOT NULL, wire BLOB NOT NULL,
       PRIMARY KEY (feed, counter, sequence)) STRICT, WITHOUT ROWID;
     CREATE TABLE registry_change (
       position INTEGER PRIMARY KEY AUTOINCREMENT, feed TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL) STRICT;
     CREATE TABLE registry_pending (
       kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB, PRIMARY KEY (kind, name)) STRICT;
     CREATE TABLE registry_address (stack TEXT PRIMARY KEY, addresses TEXT NOT NULL) STRICT;
     CREATE TABLE registry_invite (
       key TEXT PRIMARY KEY, role TEXT NOT NULL, uses INTEGER NOT NULL, expires_at INTEGER NOT NULL) STRICT;
     CREATE TABLE registry_invite_use (
       key TEXT NOT NULL REFERENCES registry_invite (key) ON DELETE CASCADE, stack TEXT NOT NULL,
       certificate TEXT NOT NULL, PRIMARY KEY (key, stack)) STRICT;`,
    'CREATE INDEX registry_record_hidden ON registry_record (feed, kind, name) WHERE fault IS NOT NULL;',
  ],
};

/** Deltas kept a feed, so that a short gap costs only what is missing; a longer one costs a snapshot. */
const keptDeltas = 128;
/** The same in bytes, so that a member can't cost every other 100 MB of disk, nor one answer that much memory. */
const keptDeltaBytes = 4 * 1024 * 1024;
/** Positions that a reader can follow from; an older one reads everything anew. */
const keptChanges = 50_000;

export interface HeadRow extends Position {
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly liveBytes: number;
  readonly quarantine: string | undefined;
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

export interface InviteRow {
  readonly key: StackId;
  readonly role: string;
  readonly uses: number;
  readonly expiresAt: number;
  readonly used: number;
}

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
}

/** Reads and writes the registry's tables; whoever calls decides what one transaction is. */
export class Store {
  readonly database: Database;
  readonly #statements = new Map<string, ReturnType<Database['prepare']>>();

  constructor(database: Database) {
    this.database = database;
  }

  setting(name: string): string | undefined {
    return this.#get<{ value: string }>('SELECT value FROM registry_setting WHERE name = ?', name)?.value;
  }

  setSetting(name: string, value: string): void {
    this.#run('INSERT OR REPLACE INTO registry_setting (name, value) VALUES (?, ?)', name, value);
  }

  statements(): Uint8Array[] {
    return this.#all<{ wire: Uint8Array }>('SELECT wire FROM registry_statement ORDER BY id').map((row) => row.wire);
  }

  addStatement(id: string, wire: Uint8Array): void {
    this.#run('INSERT OR IGNORE INTO registry_statement (id, wire) VALUES (?, ?)', id, wire);
  }

  heads(): HeadRow[] {
    return this.#all<RawHead>('SELECT * FROM registry_head ORDER BY feed').map(toHead);
  }

  putHead(head: HeadRow): void {
    this.#run(
      'INSERT OR REPLACE INTO registry_head VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      head.feed,
      head.epoch.counter,
      head.epoch.nonce,
      head.sequence,
      head.hash,
      head.bytes,
      head.signature,
      head.liveBytes,
      head.quarantine ?? null,
    );
  }

  addEvidence(feed: string, hash: Uint8Array, bytes: Uint8Array, signature: Uint8Array): void {
    this.#run('INSERT OR IGNORE INTO registry_evidence VALUES (?, ?, ?, ?)', feed, hash, bytes, signature);
  }

  putRecord(feed: string, key: Uint8Array, hash: Uint8Array, change: Change, fault: string | undefined): void {
    const position = this.#addChange(feed, change.kind, change.name);
    this.#run(
      'INSERT OR REPLACE INTO registry_record VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      feed,
      change.kind,
      change.name,
      key,
      hash,
      change.body,
      position,
      fault ?? null,
    );
  }

  removeRecord(feed: string, key: Uint8Array, change: Pick<Change, 'kind' | 'name'>): void {
    const removed = this.#run('DELETE FROM registry_record WHERE feed = ? AND key = ?', feed, key);
    if (removed > 0) this.#addChange(feed, change.kind, change.name);
  }

  setFault(feed: string, key: Uint8Array, fault: string | undefined): void {
    this.#run('UPDATE registry_record SET fault = ? WHERE feed = ? AND key = ?', fault ?? null, feed, key);
  }

  record(feed: string, key: Uint8Array): RecordRow | undefined {
    return this.#get<RecordRow>('SELECT * FROM registry_record WHERE feed = ? AND key = ?', feed, key);
  }

  /** Keys and hashes of a feed, to build its trie from. */
  keys(feed: string): { readonly key: Uint8Array; readonly hash: Uint8Array; readonly sizeBytes: number }[] {
    return this.#all('SELECT key, hash, length(body) AS sizeBytes FROM registry_record WHERE feed = ?', feed);
  }

  /** What a feed's records are called, without their bodies. */
  names(feed: string): Pick<RecordRow, 'kind' | 'name' | 'key'>[] {
    return this.#all('SELECT kind, name, key FROM registry_record WHERE feed = ?', feed);
  }

  /** Records of a feed in the order of their keys, from after that one. */
  recordsAfter(feed: string, after: Uint8Array, limit: number): RecordRow[] {
    return this.#all<RecordRow>(
      'SELECT * FROM registry_record WHERE feed = ? AND key > ? ORDER BY key LIMIT ?',
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
    return this.#all<RecordRow>(
      `SELECT * FROM registry_record WHERE ${where.join(' AND ')} ORDER BY kind, name, feed`,
      ...values,
    );
  }

  /** All records, hidden or not, of a feed or of all. */
  everyRecord(feed?: string): RecordRow[] {
    return feed === undefined
      ? this.#all<RecordRow>('SELECT * FROM registry_record')
      : this.#all<RecordRow>('SELECT * FROM registry_record WHERE feed = ?', feed);
  }

  addDelta(position: Position, wire: Uint8Array): void {
    const { feed, epoch, sequence } = position;
    this.#run('INSERT OR REPLACE INTO registry_delta VALUES (?, ?, ?, ?)', feed, epoch.counter, sequence, wire);
    this.#run(
      'DELETE FROM registry_delta WHERE feed = ? AND (counter < ? OR sequence <= ?)',
      feed,
      epoch.counter,
      sequence - keptDeltas,
    );
    this.#run(
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
    return this.#all(
      'SELECT kind, name, fault FROM registry_record WHERE feed = ? AND fault IS NOT NULL ORDER BY kind, name LIMIT ?',
      feed,
      limit,
    );
  }

  deltasAfter(feed: string, counter: number, sequence: number): Uint8Array[] {
    return this.#all<{ wire: Uint8Array }>(
      'SELECT wire FROM registry_delta WHERE feed = ? AND counter = ? AND sequence > ? ORDER BY sequence',
      feed,
      counter,
      sequence,
    ).map((row) => row.wire);
  }

  clearDeltas(feed: string): void {
    this.#run('DELETE FROM registry_delta WHERE feed = ?', feed);
  }

  /** Forgets a feed whole: of a mesh that was left, or replaced by a snapshot. */
  dropRecords(feed: string): void {
    this.#run(
      'INSERT INTO registry_change (feed, kind, name) SELECT feed, kind, name FROM registry_record WHERE feed = ?',
      feed,
    );
    this.#run('DELETE FROM registry_record WHERE feed = ?', feed);
    this.clearDeltas(feed);
  }

  dropFeed(feed: string): void {
    this.dropRecords(feed);
    this.#run('DELETE FROM registry_head WHERE feed = ?', feed);
    this.#run('DELETE FROM registry_evidence WHERE feed = ?', feed);
  }

  dropMembership(): void {
    for (const table of ['statement', 'address', 'invite']) this.#run(`DELETE FROM registry_${table}`);
  }

  lastPosition(): number {
    const row = this.#get<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'registry_change'");
    return row?.seq ?? 0;
  }

  /** The oldest position from which nothing is missed. */
  firstPosition(): number {
    return Math.max(0, this.lastPosition() - keptChanges);
  }

  changesAfter(position: number, limit: number): { position: number; feed: string; kind: string; name: string }[] {
    return this.#all('SELECT * FROM registry_change WHERE position > ? ORDER BY position LIMIT ?', position, limit);
  }

  pending(): Change[] {
    return this.#all<Change>('SELECT kind, name, body FROM registry_pending ORDER BY kind, name');
  }

  addPending(change: Change): void {
    this.#run('INSERT OR REPLACE INTO registry_pending VALUES (?, ?, ?)', change.kind, change.name, change.body);
  }

  clearPending(): void {
    this.#run('DELETE FROM registry_pending');
  }

  addresses(stack: StackId): string[] {
    const row = this.#get<{ addresses: string }>('SELECT addresses FROM registry_address WHERE stack = ?', stack);
    return row ? (JSON.parse(row.addresses) as string[]) : [];
  }

  setAddresses(stack: StackId, addresses: readonly string[]): void {
    this.#run('INSERT OR REPLACE INTO registry_address VALUES (?, ?)', stack, JSON.stringify(addresses));
  }

  addInvite(key: StackId, role: string, uses: number, expiresAt: number): void {
    this.#run('INSERT INTO registry_invite VALUES (?, ?, ?, ?)', key, role, uses, expiresAt);
  }

  invite(key: StackId): InviteRow | undefined {
    return this.#get<InviteRow>(
      `SELECT key, role, uses, expires_at AS expiresAt,
         (SELECT count(*) FROM registry_invite_use AS u WHERE u.key = i.key) AS used
       FROM registry_invite AS i WHERE key = ?`,
      key,
    );
  }

  inviteUse(key: StackId, stack: StackId): string | undefined {
    return this.#get<{ certificate: string }>(
      'SELECT certificate FROM registry_invite_use WHERE key = ? AND stack = ?',
      key,
      stack,
    )?.certificate;
  }

  addInviteUse(key: StackId, stack: StackId, certificate: string): void {
    this.#run('INSERT OR REPLACE INTO registry_invite_use VALUES (?, ?, ?)', key, stack, certificate);
  }

  #addChange(feed: string, kind: string, name: string): number {
    const sql = 'INSERT INTO registry_change (feed, kind, name) VALUES (?, ?, ?)';
    const position = Number(this.#statement(sql).run(feed, kind, name).lastInsertRowid);
    this.database.beforeCommit(this.#pruneChanges);
    return position;
  }

  readonly #pruneChanges = (): void => {
    this.#run('DELETE FROM registry_change WHERE position <= ?', this.firstPosition());
  };

  #run(sql: string, ...values: unknown[]): number {
    return this.#statement(sql).run(...values).changes;
  }

  #get<Row>(sql: string, ...values: unknown[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  #all<Row>(sql: string, ...values: unknown[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  #statement(sql: string): ReturnType<Database['prepare']> {
    const known = this.#statements.get(sql);
    if (known) return known;
    const made = this.database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
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
    quarantine: row.quarantine ?? undefined,
  };
}
