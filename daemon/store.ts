// The SQL of the daemon: which stack a home belongs to, runs that haven't ended, and the CIs that registered themselves over HTTP.
import type { Database } from '#registry';
import { DaemonError } from './errors.ts';

export const daemonMigrations = [
  `CREATE TABLE home (one INTEGER PRIMARY KEY CHECK (one = 1), stack TEXT NOT NULL) STRICT;
   CREATE TABLE registration (id TEXT PRIMARY KEY, body TEXT NOT NULL, token_hash TEXT NOT NULL) STRICT;`,
  'CREATE TABLE unfinished_run (project TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;',
] as const;

export interface RegistrationRow {
  readonly id: string;
  /** JSON. */
  readonly body: string;
  /** SHA-256, hexadecimal. */
  readonly tokenHash: string;
}

export interface Registrations {
  list(): readonly RegistrationRow[];
  put(row: RegistrationRow): void;
  remove(id: string): void;
}

/** Binds a home to its stack the first time; afterwards throws `home-of-another-stack` for any other. */
export function bindHome(database: Database, home: string, stack: string): void {
  const row = database.prepare('SELECT stack FROM home WHERE one = 1').get() as { stack: string } | undefined;
  if (row && row.stack !== stack) {
    throw new DaemonError(
      'home-of-another-stack',
      `Cannot use the home "${home}": its database belongs to stack "${row.stack}", and its identity is "${stack}"`,
      {
        mend: `put back the identity.json of that stack, or start with an empty --home DIR`,
      },
    );
  }
  if (!row) database.prepare('INSERT INTO home (one, stack) VALUES (1, ?)').run(stack);
}

export function openRegistrations(database: Database): Registrations {
  const list = database.prepare('SELECT id, body, token_hash AS tokenHash FROM registration ORDER BY id');
  const put = database.prepare(
    'INSERT INTO registration (id, body, token_hash) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body, token_hash = excluded.token_hash',
  );
  const remove = database.prepare('DELETE FROM registration WHERE id = ?');
  return {
    list: () => list.all() as RegistrationRow[],
    put: ({ id, body, tokenHash }) => void put.run(id, body, tokenHash),
    remove: (id) => void remove.run(id),
  };
}

/** Runs and stops that are going on, or whose daemon ended in the middle; `body` is JSON. */
export interface UnfinishedRuns {
  list(): readonly { readonly project: string; readonly body: string }[];
  put(project: string, body: string): void;
  remove(project: string): void;
}

export function openUnfinishedRuns(database: Database): UnfinishedRuns {
  const list = database.prepare('SELECT project, body FROM unfinished_run ORDER BY project');
  const put = database.prepare(
    'INSERT INTO unfinished_run (project, body) VALUES (?, ?) ON CONFLICT (project) DO UPDATE SET body = excluded.body',
  );
  const remove = database.prepare('DELETE FROM unfinished_run WHERE project = ?');
  return {
    list: () => list.all() as { project: string; body: string }[],
    put: (project, body) => void put.run(project, body),
    remove: (project) => void remove.run(project),
  };
}
