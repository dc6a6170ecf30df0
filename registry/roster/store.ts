// All SQL of the roster: settings, signed statements, known addresses, and invites.
import { type Database, Prepared } from '../database.ts';
import type { StackId } from '../network.ts';

export interface InviteRow {
  readonly key: StackId;
  readonly role: string;
  readonly uses: number;
  readonly expiresAt: number;
  readonly used: number;
}

/** Reads and writes the tables of the roster; whoever calls decides what one transaction is. */
export class RosterStore {
  readonly database: Database;
  readonly #sql: Prepared;

  constructor(database: Database) {
    this.database = database;
    this.#sql = new Prepared(database);
  }

  setting(name: string): string | undefined {
    return this.#sql.get<{ value: string }>('SELECT value FROM registry_setting WHERE name = ?', name)?.value;
  }

  setSetting(name: string, value: string): void {
    this.#sql.run('INSERT OR REPLACE INTO registry_setting (name, value) VALUES (?, ?)', name, value);
  }

  statements(): Uint8Array[] {
    return this.#sql
      .all<{ wire: Uint8Array }>('SELECT wire FROM registry_statement ORDER BY id')
      .map((row) => row.wire);
  }

  addStatement(id: string, wire: Uint8Array): void {
    this.#sql.run('INSERT OR IGNORE INTO registry_statement (id, wire) VALUES (?, ?)', id, wire);
  }

  dropMembership(): void {
    for (const table of ['statement', 'address', 'invite']) this.#sql.run(`DELETE FROM registry_${table}`);
  }

  addresses(stack: StackId): string[] {
    const row = this.#sql.get<{ addresses: string }>('SELECT addresses FROM registry_address WHERE stack = ?', stack);
    return row ? (JSON.parse(row.addresses) as string[]) : [];
  }

  setAddresses(stack: StackId, addresses: readonly string[]): void {
    this.#sql.run('INSERT OR REPLACE INTO registry_address VALUES (?, ?)', stack, JSON.stringify(addresses));
  }

  addInvite(key: StackId, role: string, uses: number, expiresAt: number): void {
    this.#sql.run('INSERT INTO registry_invite VALUES (?, ?, ?, ?)', key, role, uses, expiresAt);
  }

  dropInvitesUntil(time: number): void {
    this.#sql.run('DELETE FROM registry_invite WHERE expires_at <= ?', time);
  }

  invite(key: StackId): InviteRow | undefined {
    return this.#sql.get<InviteRow>(
      `SELECT key, role, uses, expires_at AS expiresAt,
         (SELECT count(*) FROM registry_invite_use AS u WHERE u.key = i.key) AS used
       FROM registry_invite AS i WHERE key = ?`,
      key,
    );
  }

  inviteUse(key: StackId, stack: StackId): string | undefined {
    return this.#sql.get<{ certificate: string }>(
      'SELECT certificate FROM registry_invite_use WHERE key = ? AND stack = ?',
      key,
      stack,
    )?.certificate;
  }

  addInviteUse(key: StackId, stack: StackId, certificate: string): void {
    this.#sql.run('INSERT OR REPLACE INTO registry_invite_use VALUES (?, ?, ?)', key, stack, certificate);
  }
}
