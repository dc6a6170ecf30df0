// A database in memory with the tables of governance, and one of a deed for transactions to be about.
import { migrations } from '#governance';
import { type Database, openDatabase } from '#registry';

export interface DeedDatabase extends Database {
  deeds(): unknown[];
}

export function openMemory(): DeedDatabase {
  const database = openDatabase(':memory:', [
    { floor: 'governance', migrations },
    { floor: 'deeds', migrations: ['CREATE TABLE deed (name TEXT) STRICT'] },
  ]);
  return Object.assign(database, {
    deeds: () =>
      database
        .prepare<{ name: string }>('SELECT name FROM deed')
        .all()
        .map(({ name }) => name),
  });
}
