// News for any number of readers: each gets every key's latest change once, however slowly it reads.

export interface News<T> {
  tell(key: string, item: T): void;
  /** From now on; ends with the signal, or when the news is closed. */
  read(options: { readonly signal: AbortSignal }): AsyncIterable<T>;
  close(): void;
}

interface Reader<T> {
  /** At most one item a key waits: it is bounded by the number of keys. */
  readonly waiting: Map<string, T>;
  wake: () => void;
}

/** `merge` makes one change of one that still waits and a newer one of the same key; undefined where they undo each other. */
export function makeNews<T>(merge: (waiting: T, newer: T) => T | undefined): News<T> {
  const readers = new Set<Reader<T>>();
  let closed = false;
  return {
    tell(key, item) {
      for (const reader of readers) {
        const waiting = reader.waiting.get(key);
        const merged = waiting === undefined ? item : merge(waiting, item);
        reader.waiting.delete(key);
        if (merged !== undefined) reader.waiting.set(key, merged);
        reader.wake();
      }
    },
    read({ signal }) {
      const reader: Reader<T> = { waiting: new Map(), wake: () => {} };
      readers.add(reader);
      const leave = (): void => {
        readers.delete(reader);
        reader.wake();
      };
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
      return (async function* () {
        try {
          while (!signal.aborted) {
            const [first] = reader.waiting;
            if (first) {
              reader.waiting.delete(first[0]);
              yield first[1];
            } else if (closed) return;
            else
              await new Promise<void>((resolve) => {
                reader.wake = resolve;
              });
          }
        } finally {
          signal.removeEventListener('abort', leave);
          leave();
        }
      })();
    },
    close() {
      closed = true;
      for (const reader of readers) reader.wake();
    },
  };
}
