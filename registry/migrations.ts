// The tables of the registry, as an append-only list of migrations; the rooms named store.ts read and write them.
import type { FloorMigrations } from './database.ts';

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
    'ALTER TABLE registry_head ADD COLUMN quarantine_counter INTEGER;',
    `CREATE TABLE registry_held (
       kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB, base BLOB, PRIMARY KEY (kind, name)) STRICT;`,
    'CREATE TABLE registry_zone_summary (gateway TEXT PRIMARY KEY, wire BLOB NOT NULL, heard_at INTEGER NOT NULL) STRICT;',
    `CREATE TABLE registry_position (ceiling INTEGER NOT NULL) STRICT;
     INSERT INTO registry_position SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'registry_change';`,
  ],
};
