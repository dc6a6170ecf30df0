// Virtual time: events in the order of (time, sequence), and after each all that it set going in promises.

interface Event {
  readonly time: number;
  readonly sequence: number;
  act: (() => void) | undefined;
}

/** Parts of a millisecond: a power of two. */
const grid = 1_024;
/** Events at one moment: more than any storm of a mesh has, so that two that wake one another for ever are found out. */
const maxStill = 1_000_000;

export class Scheduler {
  /** Milliseconds since the simulation began. */
  now = 0;
  /** Events that were run. */
  count = 0;
  readonly #heap: Event[] = [];
  #sequence = 0;
  #touched = false;
  #still = 0;

  /** Runs `act` at that time, or now where it is past; the function that it returns takes that back. */
  at(time: number, act: () => void): () => void {
    // On a grid that floating-point numbers hold exactly: a timer is never early by a rounding.
    const exact = Math.ceil(Math.max(time, this.now) * grid) / grid;
    const event: Event = { time: exact, sequence: this.#sequence, act };
    this.#sequence += 1;
    this.#push(event);
    return () => {
      event.act = undefined;
    };
  }

  /** Code that may have promises under way was called: they are waited for before the next event. */
  touch(): void {
    this.#touched = true;
  }

  /** Runs all events until that time; `settled` is called once each of them has come to rest. */
  async runUntil(time: number, settled: () => void): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.time <= time; next = this.#heap[0]) {
      this.#pop();
      if (!next.act) continue;
      this.#still = next.time > this.now ? 0 : this.#still + 1;
      if (this.#still > maxStill) throw new Error(`Time stands still at ${next.time} ms: ${String(next.act)}`);
      this.now = next.time;
      this.count += 1;
      next.act();
      if (!this.#touched) continue;
      this.#touched = false;
      await drain();
      settled();
    }
    this.now = Math.max(this.now, time);
  }

  /** Runs what is due next, at whatever time that is. Returns whether there was something. */
  async runNext(settled: () => void): Promise<boolean> {
    const next = this.#heap[0];
    if (next) await this.runUntil(next.time, settled);
    return next !== undefined;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.time < other.time || (one.time === other.time && one.sequence < other.sequence);
}

/** Node runs all microtasks, however many follow one another, before the next immediate. */
export function drain(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
