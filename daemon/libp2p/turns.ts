// Whose turn it is to be answered: a few exchanges at a time, and of them few of one peer, so that many who ask hold little memory.
import type { StackId } from '#registry';

/** Of the turns that one peer may have at a time: one that reads slowly holds up only itself. */
const shareOfOne = 1 / 8;

/** Hands out a number of turns; whoever waits is served in the order of coming, those whose peer has its share after the others. */
export class Turns {
  readonly #most: number;
  readonly #mostOfOne: number;
  readonly #of = new Map<StackId, number>();
  #taken = 0;
  #waiting: { readonly peer: StackId; readonly go: () => void }[] = [];

  constructor(most: number) {
    this.#most = most;
    this.#mostOfOne = Math.max(1, Math.floor(most * shareOfOne));
  }

  /** Resolves when it is that peer's turn, which ends when the value is disposed of; rejects with the reason of the signal. */
  async take(peer: StackId, { signal }: { signal: AbortSignal }): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#isFree(peer)) this.#begin(peer);
    else await this.#wait(peer, signal);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#end(peer);
      },
    };
  }

  #isFree(peer: StackId): boolean {
    return this.#taken < this.#most && (this.#of.get(peer) ?? 0) < this.#mostOfOne;
  }

  #begin(peer: StackId): void {
    this.#taken += 1;
    this.#of.set(peer, (this.#of.get(peer) ?? 0) + 1);
  }

  #end(peer: StackId): void {
    this.#taken -= 1;
    const left = (this.#of.get(peer) ?? 1) - 1;
    if (left > 0) this.#of.set(peer, left);
    else this.#of.delete(peer);
    const at = this.#waiting.findIndex((one) => this.#isFree(one.peer));
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (!next) return;
    this.#begin(next.peer);
    next.go();
  }

  /** The streams that a peer may have open bound how many wait. */
  #wait(peer: StackId, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== waits);
        reject(signal.reason);
      };
      const waits = {
        peer,
        go: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waits);
    });
  }
}
