// News that several readers follow, each at its own speed, with a bound on how far one may fall behind.
import { RegistryError } from './registry-error.ts';

/** A reader with this many unread values is cut: it isn't reading. */
const maxUnread = 10_000;

export class Broadcast<Value> {
  readonly #readers = new Set<(value: Value) => void>();
  readonly #closed = new AbortController();

  /** Hands the value to all who follow now. */
  send(value: Value): void {
    for (const reader of this.#readers) reader(value);
  }

  /** Ends all readers. */
  close(): void {
    this.#closed.abort();
  }

  /** Values from this call on, until the signal or the end; throws `too-slow` where they pile up. */
  follow({ signal }: { signal: AbortSignal }): AsyncIterable<Value> {
    const end = AbortSignal.any([signal, this.#closed.signal]);
    const queue: Value[] = [];
    let wake = (): void => undefined;
    let overflown = false;
    const reader = (value: Value): void => {
      if (queue.length >= maxUnread) overflown = true;
      else queue.push(value);
      wake();
    };
    const stop = (): void => {
      this.#readers.delete(reader);
      wake();
    };
    if (!end.aborted) this.#readers.add(reader);
    end.addEventListener('abort', stop, { once: true });
    async function* read(): AsyncGenerator<Value, void> {
      try {
        while (!end.aborted) {
          if (overflown) throw new RegistryError('too-slow', `Cannot follow further: ${maxUnread} values are unread`);
          const value = queue.shift();
          if (value !== undefined) yield value;
          else {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        }
      } finally {
        stop();
        end.removeEventListener('abort', stop);
      }
    }
    return read();
  }
}
