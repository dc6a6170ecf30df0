// What goes wrong between stacks: cuts either way, partitions, and loss.

/** Places of stacks, by index. */
export class Weather {
  /** The share of gossip that is lost. */
  gossipLoss = 0;
  /** The share of packets that TCP has to send again. */
  packetLoss = 0;
  readonly #cuts = new Set<string>();
  readonly #sides = new Map<number, number>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Whether what one sends can reach the other. */
  carries(from: number, to: number): boolean {
    if (this.#sides.size > 0 && (this.#sides.get(from) ?? 0) !== (this.#sides.get(to) ?? 0)) return false;
    return this.#cuts.size === 0 || !this.#cuts.has(`${from} ${to}`);
  }

  /** Nothing goes this way any more; the other way it does. */
  cutOneWay(from: number, to: number): void {
    this.#cuts.add(`${from} ${to}`);
    this.#changed();
  }

  /** Those of one side reach one another and nobody else; who isn't named is of side 0. */
  part(side: number, stacks: readonly number[]): void {
    for (const stack of stacks) this.#sides.set(stack, side);
    this.#changed();
  }

  /** All cuts and partitions end; loss stays. */
  heal(): void {
    this.#cuts.clear();
    this.#sides.clear();
    this.#changed();
  }
}
