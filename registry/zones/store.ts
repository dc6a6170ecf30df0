// All SQL of zones: the summaries that were heard.
import { type Database, Prepared } from '../database.ts';
import type { StackId } from '../network.ts';

/** A summary as it was received; `heardAt` in milliseconds since 1970. */
export interface SummaryRow {
  readonly gateway: StackId;
  readonly wire: Uint8Array;
  readonly heardAt: number;
}

/** Reads and writes the table of summaries. */
export class ZoneStore {
  readonly database: Database;
  readonly #sql: Prepared;

  constructor(database: Database) {
    this.database = database;
    this.#sql = new Prepared(database);
  }

  summaries(): SummaryRow[] {
    return this.#sql.all('SELECT gateway, wire, heard_at AS heardAt FROM registry_zone_summary ORDER BY gateway');
  }

  putSummary({ gateway, wire, heardAt }: SummaryRow): void {
    this.#sql.run('INSERT OR REPLACE INTO registry_zone_summary VALUES (?, ?, ?)', gateway, wire, heardAt);
  }

  dropSummary(gateway: StackId): void {
    this.#sql.run('DELETE FROM registry_zone_summary WHERE gateway = ?', gateway);
  }

  /** How many records that may be seen there are of each kind, of all feeds that are kept. */
  countKinds(): { readonly kind: string; readonly count: number }[] {
    return this.#sql.all('SELECT kind, count(*) AS count FROM registry_record WHERE fault IS NULL GROUP BY kind');
  }
}
