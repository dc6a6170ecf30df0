// Time as an argument: two clocks and a timer, so that a simulator can stand in for the machine.

/** What passes for time; `monotonic` orders and measures, `now` is shown and judged against dates. */
export interface Clock {
  /** Milliseconds since 1970; may jump either way. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
  /** Calls `act` once after that many milliseconds, unless the function it returns is called before. */
  after(ms: number, act: () => void): () => void;
}

/** The machine's own. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
};

/** Resolves after that many milliseconds, or at once when the signal is aborted. */
export function pause(clock: Clock, ms: number, { signal }: { signal: AbortSignal }): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}

/** Runs `work` under a signal that is aborted after that many milliseconds or with the given one; the timer goes with it. */
export async function within<T>(
  clock: Clock,
  ms: number,
  { signal }: { signal: AbortSignal },
  work: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  const end = new AbortController();
  const late = (): void => end.abort(new DOMException(`It took more than ${ms} ms`, 'TimeoutError'));
  const stop = (): void => end.abort(signal.reason);
  const cancel = clock.after(ms, late);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await work(end.signal);
  } finally {
    cancel();
    signal.removeEventListener('abort', stop);
  }
}
