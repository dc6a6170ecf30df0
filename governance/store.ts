// The tables of governance: all its SQL stands here, and both tables only grow at their end.
import type { Database } from '#registry';

/** One step each; a step is never changed once it is released. */
export const migrations: readonly string[] = [
  `CREATE TABLE governance_event (
     position INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     type TEXT NOT NULL,
     time TEXT NOT NULL,
     subject TEXT,
     data TEXT NOT NULL
   ) STRICT;
   CREATE TABLE governance_audit (
     sequence INTEGER PRIMARY KEY,
     body TEXT NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;`,
];

export interface EventRow {
  readonly position: number;
  readonly id: string;
  readonly type: string;
  /** RFC 3339, in UTC. */
  readonly time: string;
  readonly subject: string | null;
  /** JSON. */
  readonly data: string;
}

export interface AuditRow {
  readonly sequence: number;
  /** Canonical JSON of what the hash is over. */
  readonly body: string;
  readonly hash: string;
}

/** The statements over the two tables; the migrations have been carried out. */
export function makeStore(database: Database) {
  const insertEvent = database.prepare(
    'INSERT INTO governance_event (id, type, time, subject, data) VALUES (?, ?, ?, ?, ?) RETURNING position',
  );
  const eventsAfter = database.prepare(
    'SELECT position, id, type, time, subject, data FROM governance_event WHERE position > ? ORDER BY position LIMIT ?',
  );
  const eventBounds = database.prepare(
    `SELECT coalesce(min(position), 0) AS oldest,
            coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'governance_event'), 0) AS newest
       FROM governance_event`,
  );
  const dropEvents = database.prepare('DELETE FROM governance_event WHERE position <= ?');
  const insertAudit = database.prepare('INSERT INTO governance_audit (sequence, body, hash) VALUES (?, ?, ?)');
  const lastAudit = database.prepare(
    'SELECT sequence, body, hash FROM governance_audit ORDER BY sequence DESC LIMIT 1',
  );
  const auditAfter = database.prepare(
    'SELECT sequence, body, hash FROM governance_audit WHERE sequence > ? ORDER BY sequence LIMIT ?',
  );
  return {
    /** Appends an event and lets the oldest go, so that the newest `keep` stay; gives its position. */
    appendEvent(event: Omit<EventRow, 'position'>, keep: number): number {
      return database.transaction(() => {
        const { id, type, time, subject, data } = event;
        const { position } = insertEvent.get(id, type, time, subject, data) as { position: number };
        dropEvents.run(position - keep);
        return position;
      });
    },
    eventsAfter: (position: number, limit: number) => eventsAfter.all(position, limit) as EventRow[],
    /** The positions of the oldest event that is kept (0: none) and of the newest that ever was. */
    eventBounds: () => eventBounds.get() as { readonly oldest: number; readonly newest: number },
    appendAudit: ({ sequence, body, hash }: AuditRow): void => void insertAudit.run(sequence, body, hash),
    lastAudit: () => lastAudit.get() as AuditRow | undefined,
    auditAfter: (sequence: number, limit: number) => auditAfter.all(sequence, limit) as AuditRow[],
  };
}
