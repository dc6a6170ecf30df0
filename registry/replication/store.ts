// All SQL of writes that are held back while a stack starts.
import { type Database, Prepared } from '../database.ts';

/** A write that no head covers yet: its body, and what the head has in its place; null stands for none. */
export interface HeldRow {
  readonly kind: string;
  readonly name: string;
  readonly body: Uint8Array | null;
  readonly base: Uint8Array | null;
}

export class HeldStore {
  readonly database: Database;
  readonly #sql: Prepared;

  constructor(database: Database) {
    this.database = database;
    this.#sql = new Prepared(database);
  }

  all(): HeldRow[] {
    return this.#sql.all<HeldRow>('SELECT kind, name, body, base FROM registry_held ORDER BY kind, name');
  }

  /** Keeps a write; one that was kept for the same record is replaced, and its base stays. */
  put({ kind, name, body, base }: HeldRow): void {
    this.#sql.run(
      `INSERT INTO registry_held (kind, name, body, base) VALUES (?, ?, ?, ?)
       ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body`,
      kind,
      name,
      body,
      base,
    );
  }

  setBase(kind: string, name: string, base: Uint8Array | null): void {
    this.#sql.run('UPDATE registry_held SET base = ? WHERE kind = ? AND name = ?', base, kind, name);
  }

  clear(): void {
    this.#sql.run('DELETE FROM registry_held');
  }

  /** Whether the own feed came back from others and no epoch of this stack's own began above it yet. */
  isEpochDue(): boolean {
    return this.#sql.get("SELECT 1 FROM registry_setting WHERE name = 'epoch-due'") !== undefined;
  }

  setEpochDue(isDue: boolean): void {
    if (isDue) this.#sql.run("INSERT OR REPLACE INTO registry_setting VALUES ('epoch-due', '1')");
    else this.#sql.run("DELETE FROM registry_setting WHERE name = 'epoch-due'");
  }
}
