// Notes in one SQLite file, with its search by words; the only room that knows SQL.
import { DatabaseSync } from 'node:sqlite';

export interface Note {
  readonly id: number;
  readonly title: string;
  readonly text: string;
  readonly written: string;
}

export interface Store {
  add(note: { readonly title: string; readonly text: string }): Note;
  find(id: number): Note | undefined;
  /** The newest first; with words, only those that hold all of them. */
  list(words?: string): readonly Note[];
  count(): number;
  close(): void;
}

const maxListed = 100;

export function openStore(file: string): Store {
  const database = new DatabaseSync(file);
  database.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, written TEXT NOT NULL) STRICT;
  `);
  const insert = database.prepare('INSERT INTO note (title, text, written) VALUES (?, ?, ?) RETURNING *');
  const one = database.prepare('SELECT * FROM note WHERE id = ?');
  const all = database.prepare('SELECT * FROM note ORDER BY id DESC');
  const count = database.prepare('SELECT count(*) AS notes FROM note');
  const noteOf = (row: unknown): Note => ({ ...(row as Note) });
  return {
    add: ({ title, text }) => noteOf(insert.get(title, text, new Date().toISOString())),
    find: (id) => {
      const row = one.get(id);
      return row && noteOf(row);
    },
    list: (words = '') => {
      const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
      const holds = ({ title, text }: Note): boolean =>
        wanted.every((word) => `${title}\n${text}`.toLowerCase().includes(word));
      return all.all().map(noteOf).filter(holds).slice(0, maxListed);
    },
    count: () => (count.get() as { notes: number }).notes,
    close: () => database.close(),
  };
}
