// The one SQLite database of a home: opened, migrated floor by floor, and what happens together with a transaction.
import { statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { RegistryError } from './registry-error.ts';

/** The append-only list of migrations of one floor; each is SQL that takes the tables one version further. */
export interface FloorMigrations {
  readonly floor: string;
  readonly migrations: readonly string[];
}

/** A handle that only the `store.ts` of a floor prepares statements with. */
export interface Database extends Disposable {
  /** A prepared statement; parameters are bound by place. */
  prepare<Row = unknown>(sql: string): Sqlite.Statement<unknown[], Row>;
  /** Runs all of `fn` or nothing of it; nested calls are savepoints. `fn` is synchronous. */
  transaction<Result>(fn: () => Result): Result;
  /** Runs once, as the last thing within the outermost transaction; the same function is run once however often it is asked for. */
  beforeCommit(fn: () => void): void;
  /** Runs once the outermost transaction is durable, or at once outside of one; not at all when it is rolled back. */
  afterCommit(fn: () => void): void;
  /** Where it is kept, or `:memory:`. */
  readonly file: string;
  /** Runs when the open transaction or one around it is taken back, the latest first: undoes what was kept in memory meanwhile. */
  afterRollback(fn: () => void): void;
  /**
   * Runs `work` soon, in one transaction with all others that wait by then, in their order and each in a savepoint of its
   * own; resolves once that transaction is durable. What one of them throws takes back and rejects that one only. A work
   * may be run again after it was taken back, so what it changes in memory is undone with `afterRollback`. Throws `busy`.
   */
  group<Result>(work: () => Result): Promise<Result>;
  /** Whether a transaction is open. */
  readonly inTransaction: boolean;
}

export interface DatabaseOptions {
  /**
   * Calls back once what is at hand has been read, so that works that came together share one commit. By default after
   * the running task; a server whose works come from sockets gives `setImmediate`.
   */
  readonly later?: (act: () => void) => void;
}

/**
 * Opens a file or `:memory:`, and migrates it; throws `database-newer` where the file was written by newer code, and
 * `database-broken` where its pages are damaged.
 */
export function openDatabase(
  file: string,
  floors: readonly FloorMigrations[],
  { later = queueMicrotask }: DatabaseOptions = {},
): Database {
  const sqlite = new Sqlite(file, { timeout: busyTimeoutMs });
  try {
    const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (sizeBytes > 0 && sizeBytes <= maxCheckedBytes) check(sqlite);
    // An acknowledged write survives the loss of power: the log is synced at each commit.
    for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'foreign_keys = ON', 'trusted_schema = OFF']) {
      sqlite.pragma(pragma);
    }
    migrate(sqlite, floors, file);
    return new OpenDatabase(sqlite, file, later);
  } catch (error) {
    sqlite.close();
    throw explain(error, file);
  }
}

/** Statements of one store, each prepared at its first use. */
export class Prepared {
  readonly #database: Database;
  readonly #statements = new Map<string, Sqlite.Statement<unknown[]>>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** The number of rows that it changed. */
  run(sql: string, ...values: unknown[]): number {
    return this.#explained(() => this.#statement(sql).run(...values).changes);
  }

  /** The id of the row that it inserted. */
  insert(sql: string, ...values: unknown[]): number {
    return this.#explained(() => Number(this.#statement(sql).run(...values).lastInsertRowid));
  }

  get<Row>(sql: string, ...values: unknown[]): Row | undefined {
    return this.#explained(() => this.#statement(sql).get(...values) as Row | undefined);
  }

  all<Row>(sql: string, ...values: unknown[]): Row[] {
    return this.#explained(() => this.#statement(sql).all(...values) as Row[]);
  }

  #explained<Result>(act: () => Result): Result {
    try {
      return act();
    } catch (error) {
      throw explain(error, this.#database.file);
    }
  }

  #statement(sql: string): Sqlite.Statement<unknown[]> {
    const known = this.#statements.get(sql);
    if (known) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}

/** A second process (a backup, a command) may hold the lock this long. */
const busyTimeoutMs = 5_000;
/** Works that wait for one commit: twice over one of each of the two listeners' connections. */
const maxGrouped = 2_048;
/** A file up to this size is read through at the start, which takes about 0.1 s; damage in a larger one shows when it is met. */
const maxCheckedBytes = 32 * 1024 * 1024;

function check(sqlite: Sqlite.Database): void {
  const found = sqlite.pragma('quick_check(1)', { simple: true });
  if (found !== 'ok') throw new Sqlite.SqliteError(String(found), 'SQLITE_CORRUPT');
}

/** Damage is named with its mend; every other fault stays as it is. */
function explain(error: unknown, file: string): unknown {
  const isDamage = error instanceof Sqlite.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
  if (!isDamage) return error;
  return new RegistryError(
    'database-broken',
    `Cannot read the database "${file}": its pages are damaged (${error.message}); stop the daemon, move the file and those beside it ("-wal", "-shm") away, start again and join the mesh with a new invite: the records come back from the peers' copies`,
    { cause: error },
  );
}

interface Frame {
  readonly before: Set<() => void>;
  readonly after: (() => void)[];
  readonly undo: (() => void)[];
}

interface Grouped {
  /** Runs it in a transaction of its own; gives what tells its caller so. */
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
}

class OpenDatabase implements Database {
  readonly file: string;
  readonly #sqlite: Sqlite.Database;
  readonly #frames: Frame[] = [];
  readonly #later: (act: () => void) => void;
  /** What begins and ends transactions, a few for each depth, each read by SQLite once. */
  readonly #bounds = new Map<string, Sqlite.Statement>();
  #grouped: Grouped[] = [];

  constructor(sqlite: Sqlite.Database, file: string, later: (act: () => void) => void) {
    this.file = file;
    this.#sqlite = sqlite;
    this.#later = later;
  }

  get inTransaction(): boolean {
    return this.#frames.length > 0;
  }

  prepare<Row>(sql: string): Sqlite.Statement<unknown[], Row> {
    return this.#sqlite.prepare<unknown[], Row>(sql);
  }

  transaction<Result>(fn: () => Result): Result {
    const depth = this.#frames.length;
    const frame: Frame = { before: new Set(), after: [], undo: [] };
    this.#do(depth === 0 ? 'BEGIN IMMEDIATE' : `SAVEPOINT level_${depth}`);
    this.#frames.push(frame);
    let result: Result;
    try {
      result = fn();
      if (result instanceof Promise) throw new TypeError('Cannot commit: a transaction is synchronous');
      const outer = this.#frames[depth - 1];
      if (outer) {
        for (const hook of frame.before) outer.before.add(hook);
        outer.after.push(...frame.after);
        outer.undo.push(...frame.undo);
        this.#do(`RELEASE level_${depth}`);
      } else {
        // A hook may ask for another one: the set is walked until it has no more.
        for (const hook of frame.before) hook();
        this.#do('COMMIT');
      }
    } catch (error) {
      // SQLite ends the transaction by itself on some faults, such as a full disk.
      if (this.#sqlite.inTransaction) {
        this.#sqlite.exec(depth === 0 ? 'ROLLBACK' : `ROLLBACK TO level_${depth}; RELEASE level_${depth}`);
      }
      this.#frames.length = depth;
      for (const undo of frame.undo.reverse()) undo();
      throw error;
    }
    this.#frames.length = depth;
    if (depth === 0) runAll(frame.after);
    return result;
  }

  beforeCommit(fn: () => void): void {
    const frame = this.#frames.at(-1);
    if (!frame) throw new TypeError('Cannot run before a commit: no transaction is open');
    frame.before.add(fn);
  }

  afterCommit(fn: () => void): void {
    const frame = this.#frames.at(-1);
    if (frame) frame.after.push(fn);
    else fn();
  }

  afterRollback(fn: () => void): void {
    this.#frames.at(-1)?.undo.push(fn);
  }

  group<Result>(work: () => Result): Promise<Result> {
    if (this.#grouped.length >= maxGrouped) {
      const error = new RegistryError('busy', `Cannot write: ${maxGrouped} writes wait already; try again`);
      return Promise.reject(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const run = (): (() => void) => {
      const result = this.transaction(work);
      return () => resolve(result);
    };
    this.#grouped.push({ run, reject });
    if (this.#grouped.length === 1) this.#later(() => this.#runGroup());
    return promise;
  }

  #do(sql: string): void {
    let statement = this.#bounds.get(sql);
    if (!statement) {
      statement = this.#sqlite.prepare(sql);
      this.#bounds.set(sql, statement);
    }
    statement.run();
  }

  #runGroup(): void {
    const works = this.#grouped;
    this.#grouped = [];
    let isDurable = false;
    let told: (() => void)[] = [];
    try {
      this.transaction(() => {
        this.afterCommit(() => {
          isDurable = true;
        });
        told = works.map((work) => this.#runOne(work));
      });
    } catch (error) {
      // A fault of the whole (one that overfills the feed, a full disk) is found at the commit: each is tried alone.
      if (!isDurable && works.length > 1) told = works.map((work) => this.#runOne(work));
      else
        told = works.map(
          ({ reject }) =>
            () =>
              reject(error),
        );
    }
    for (const tell of told) tell();
  }

  #runOne({ run, reject }: Grouped): () => void {
    const depth = this.#frames.length;
    try {
      return run();
    } catch (error) {
      // SQLite took back the transaction around it too: nothing of the group stands.
      if (depth > 0 && !this.#sqlite.inTransaction) throw error;
      return () => reject(error);
    }
  }

  [Symbol.dispose](): void {
    for (const { reject } of this.#grouped) reject(new RegistryError('closed', 'Cannot write: the stack stops'));
    this.#grouped = [];
    this.#sqlite.close();
  }
}

/** All run, whatever one of them throws: what they tell of is durable already. */
function runAll(hooks: readonly (() => void)[]): void {
  const errors: unknown[] = [];
  for (const hook of hooks) {
    try {
      hook();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, 'What follows a commit failed; the commit stands');
}

function migrate(sqlite: Sqlite.Database, floors: readonly FloorMigrations[], file: string): void {
  sqlite.exec('CREATE TABLE IF NOT EXISTS floor_version (floor TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT');
  const read = sqlite.prepare<[string], { version: number }>('SELECT version FROM floor_version WHERE floor = ?');
  const write = sqlite.prepare('INSERT OR REPLACE INTO floor_version (floor, version) VALUES (?, ?)');
  sqlite
    .transaction(() => {
      for (const { floor, migrations } of floors) {
        const version = read.get(floor)?.version ?? 0;
        if (version > migrations.length) {
          throw new RegistryError(
            'database-newer',
            `Cannot open "${file}": its "${floor}" has version ${version} and this program knows ${migrations.length}; start the newer program`,
          );
        }
        for (const migration of migrations.slice(version)) sqlite.exec(migration);
        write.run(floor, migrations.length);
      }
    })
    .immediate();
}
