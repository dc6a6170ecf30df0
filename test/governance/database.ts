// A database in memory with the tables of governance, and one of a deed for transactions to be about.

import Sqlite from 'better-sqlite3';
import { migrations } from '#governance';

export function openMemory() {
  const sqlite = new Sqlite(':memory:');
  for (const migration of migrations) sqlite.exec(migration);
  sqlite.exec('CREATE TABLE deed (name TEXT) STRICT');
  return {
    transaction: <T>(fn: () => T): T => sqlite.transaction(fn)(),
    prepare: (sql: string) => sqlite.prepare(sql),
    deeds: () => sqlite.prepare('SELECT name FROM deed').pluck().all(),
    [Symbol.dispose]: () => sqlite.close(),
  };
}
