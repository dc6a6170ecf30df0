// Waiting for the next news without a queue: who waits is woken once, and a wait that is given up leaves nothing behind.

export class Wakeup {
  readonly #waiting = new Set<() => void>();

  /** Wakes all who wait now. */
  wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  /** Resolves with the next `wake` or the abort. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }
}
