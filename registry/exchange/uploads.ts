// What is given to others at a time: a few answers, of one asker fewer, and so many bytes a second, shared fairly.
import type { Clock } from '../clock.ts';
import type { StackId } from '../network.ts';

/** Answers at a time: each holds a range of 1 MiB. */
const maxUploads = 16;
/** As many as one fetch asks at a time. */
const maxUploadsOfOne = 2;
/** Askers that wait for their turn; more are told to come again. */
const maxWaiting = 64;
/** So long a turn is waited for: an asker gives up after 2 s without a byte. */
const maxWaitMs = 500;
/** What may go at once after a quiet while, as a part of a second. */
const burstSeconds = 0.05;
/** Sent at once: as much as the transport hands on at once. */
const maxPieceBytes = 64 * 1024;
/**
 * A piece takes so much of the cap's second at most, so that of all who are served each has one within half a second: an asker that
 * hears nothing for 2 s goes elsewhere.
 */
const pieceSeconds = 0.03;
const minPieceBytes = 1024;

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

export class Uploads {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number | undefined;
  readonly #of = new Map<StackId, number>();
  readonly #waiting: { readonly stack: StackId; readonly go: (isIn: boolean) => void }[] = [];
  /** Pieces that wait for the cap, by asker; the asker served last stands last. */
  readonly #paced = new Map<StackId, Waiting[]>();
  #running = 0;
  #credit = 0;
  #creditAt: number;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, bytesPerSecond: number | undefined, { signal }: { signal: AbortSignal }) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#creditAt = clock.monotonic();
    signal.addEventListener('abort', () => this.#cancelTimer?.(), { once: true });
  }

  /** Largest part to ask `pace` for at once. */
  get pieceBytes(): number {
    const rate = this.#bytesPerSecond ?? Number.POSITIVE_INFINITY;
    return Math.max(minPieceBytes, Math.min(maxPieceBytes, Math.floor(rate * pieceSeconds)));
  }

  /** A turn, given back when it is disposed of; undefined where none comes in time. */
  async enter(stack: StackId): Promise<Disposable | undefined> {
    if (!this.#isFree(stack) && !(await this.#wait(stack))) return undefined;
    if (this.#isFree(stack)) this.#begin(stack);
    else return undefined;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#end(stack);
      },
    };
  }

  /** Resolves when so many bytes may go to that asker; askers take turns, piece by piece. */
  async pace(stack: StackId, bytes: number, { signal }: { signal: AbortSignal }): Promise<void> {
    if (this.#bytesPerSecond === undefined) return;
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        const left = (this.#paced.get(stack) ?? []).filter((one) => one !== waits);
        if (left.length > 0) this.#paced.set(stack, left);
        else this.#paced.delete(stack);
        reject(signal.reason);
      };
      const go = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const waits = { bytes, go };
      signal.addEventListener('abort', abort, { once: true });
      this.#paced.set(stack, [...(this.#paced.get(stack) ?? []), waits]);
      this.#spend();
    });
  }

  #spend(): void {
    const rate = this.#bytesPerSecond;
    if (rate === undefined) return;
    const now = this.#clock.monotonic();
    this.#credit = Math.min(rate * burstSeconds, this.#credit + ((now - this.#creditAt) / 1_000) * rate);
    this.#creditAt = now;
    while (this.#credit > 0 && this.#paced.size > 0) {
      const [next] = this.#paced;
      if (!next) break;
      const [stack, [first, ...rest]] = next;
      this.#paced.delete(stack);
      if (rest.length > 0) this.#paced.set(stack, rest);
      if (!first) continue;
      // A piece may be larger than a burst: what it takes too much is waited for by the next.
      this.#credit -= first.bytes;
      first.go();
    }
    if (this.#paced.size === 0 || this.#cancelTimer) return;
    this.#cancelTimer = this.#clock.after(Math.max(1, (-this.#credit / rate) * 1_000), () => {
      this.#cancelTimer = undefined;
      this.#spend();
    });
  }

  #isFree(stack: StackId): boolean {
    return this.#running < maxUploads && (this.#of.get(stack) ?? 0) < maxUploadsOfOne;
  }

  #begin(stack: StackId): void {
    this.#running += 1;
    this.#of.set(stack, (this.#of.get(stack) ?? 0) + 1);
  }

  #end(stack: StackId): void {
    this.#running -= 1;
    const left = (this.#of.get(stack) ?? 1) - 1;
    if (left > 0) this.#of.set(stack, left);
    else this.#of.delete(stack);
    // Who has the fewest answers under way comes first.
    const next = this.#waiting
      .filter((one) => this.#isFree(one.stack))
      .sort((a, b) => (this.#of.get(a.stack) ?? 0) - (this.#of.get(b.stack) ?? 0))[0];
    if (!next) return;
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    next.go(true);
  }

  #wait(stack: StackId): Promise<boolean> {
    if (this.#waiting.length >= maxWaiting) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waits = {
        stack,
        go: (isIn: boolean): void => {
          cancel();
          resolve(isIn);
        },
      };
      const cancel = this.#clock.after(maxWaitMs, () => {
        this.#waiting.splice(this.#waiting.indexOf(waits), 1);
        resolve(false);
      });
      this.#waiting.push(waits);
    });
  }
}
