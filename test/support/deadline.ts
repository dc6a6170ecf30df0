// Waiting with a deadline: poll until a thing is so, and say what was last seen when it isn't in time.
import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves with the first value of `read` that isn't undefined or false; rejects after `timeoutMs` with the last error. */
export async function eventually<T>(
  what: string,
  read: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 30_000, everyMs = 25 } = {},
): Promise<T> {
  const end = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await read();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`Not in ${timeoutMs} ms: ${what}`, { cause: last });
    await sleep(everyMs);
  }
}
