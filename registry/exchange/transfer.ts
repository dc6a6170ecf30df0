// Carries out a plan: asks for ranges, checks each as it comes, writes it, and tells the plan; makes no choices of its own.
import type { Clock } from '../clock.ts';
import type { Network, StackId } from '../network.ts';
import { toBytes } from '../wire.ts';
import { rangesProtocol, statuses } from './messages.ts';
import { type Deed, type Ended, maxHolders, Plan } from './plan.ts';
import { type BlobDigest, fits, type RangeSet, rangeBytes, rangeLength } from './ranges.ts';
import type { PartialFile } from './shelf.ts';
import type { Source } from './sources.ts';

/** Time is looked at so often: stalls are told within a tenth of a second. */
const tickMs = 100;

export interface TransferParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly chance: () => number;
  readonly blob: BlobDigest;
  readonly root: string;
  readonly sizeBytes: number;
  readonly list: Uint8Array;
  readonly verified: RangeSet;
  readonly file: PartialFile;
  readonly look: (stack: StackId, options: { signal: AbortSignal }) => Promise<Source | undefined>;
  /** It served a wrong byte. */
  readonly blame: (stack: StackId, range: number) => void;
  readonly isBlamed: (stack: StackId) => boolean;
  readonly came: (sizeBytes: number) => void;
  /** One range more is here. */
  readonly kept: () => void;
}

export class Transfer {
  readonly #parts: TransferParts;
  readonly #plan: Plan;
  readonly #ends = new Map<number, AbortController>();
  readonly #running = new Set<Promise<void>>();
  readonly #met = new Set<StackId>();
  readonly #stop = new AbortController();
  readonly #over = Promise.withResolvers<boolean>();

  constructor(parts: TransferParts) {
    this.#parts = parts;
    this.#plan = new Plan(parts.verified, parts.chance, parts.clock.monotonic());
  }

  /** Resolves with whether all came; rejects with the signal's reason, or with what the disk threw. Nothing floats after it. */
  async run(sources: readonly Source[], { signal }: { signal: AbortSignal }): Promise<boolean> {
    const { clock } = this.#parts;
    const stop = (): void => this.#over.reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    let cancel = (): void => undefined;
    const tick = (): void => {
      this.#do(this.#plan.tick(clock.monotonic()));
      cancel = clock.after(tickMs, tick);
    };
    cancel = clock.after(tickMs, tick);
    try {
      for (const source of sources) this.#take(source);
      this.#settle();
      return await this.#over.promise;
    } finally {
      cancel();
      signal.removeEventListener('abort', stop);
      this.#stop.abort();
      await Promise.all(this.#running);
    }
  }

  #take({ stack, root, sizeBytes, have, given, others }: Source): void {
    this.#met.add(stack);
    const isSame = root === this.#parts.root && sizeBytes === this.#parts.sizeBytes;
    if (isSame && !this.#parts.isBlamed(stack)) {
      this.#do(this.#plan.holder(stack, have, this.#parts.clock.monotonic(), given));
    }
    for (const other of others) {
      if (other === this.#parts.network.stack || this.#met.has(other) || this.#met.size >= maxHolders) continue;
      this.#met.add(other);
      this.#float(this.#look(other));
    }
  }

  async #look(stack: StackId): Promise<void> {
    const source = await this.#parts.look(stack, { signal: this.#stop.signal });
    if (this.#stop.signal.aborted) return;
    if (source) this.#take(source);
    this.#plan.unseen(stack, this.#parts.clock.monotonic());
  }

  #do(deeds: readonly Deed[]): void {
    if (this.#stop.signal.aborted) return;
    for (const deed of deeds) {
      if (deed.type === 'ask') this.#float(this.#ask(deed.id, deed.stack, deed.ranges));
      else if (deed.type === 'cancel') this.#ends.get(deed.id)?.abort();
      else if (deed.type === 'look') this.#float(this.#look(deed.stack));
    }
    this.#settle();
  }

  #settle(): void {
    if (this.#plan.isDone) this.#over.resolve(true);
    else if (this.#running.size === 0 && this.#plan.isStuck) this.#over.resolve(false);
    else if (this.#plan.isLate(this.#parts.clock.monotonic())) this.#over.resolve(false);
  }

  #float(work: Promise<void>): void {
    const running = work
      .catch((error: unknown) => this.#over.reject(error))
      .finally(() => {
        this.#running.delete(running);
        this.#settle();
      });
    this.#running.add(running);
  }

  async #ask(id: number, stack: StackId, ranges: readonly number[]): Promise<void> {
    const end = new AbortController();
    this.#ends.set(id, end);
    try {
      const how = await this.#read(id, stack, ranges, AbortSignal.any([this.#stop.signal, end.signal]));
      this.#do(this.#plan.ended(id, how, this.#parts.clock.monotonic()));
    } finally {
      this.#ends.delete(id);
    }
  }

  /** One answer: its status, then range after range. Throws only what the disk throws. */
  async #read(id: number, stack: StackId, ranges: readonly number[], signal: AbortSignal): Promise<Ended> {
    const { network, blob, root, sizeBytes, clock, came } = this.#parts;
    const lengths = ranges.map((range) => rangeLength(range, sizeBytes));
    const maxResponseBytes = 1 + lengths.reduce((sum, length) => sum + length, 0);
    const request = toBytes({ blob, root, ranges });
    const pieces = network.requestStream(stack, rangesProtocol, request, { signal, maxResponseBytes });
    const reader = pieces[Symbol.asyncIterator]();
    const buffer = Buffer.allocUnsafeSlow(Math.max(...lengths));
    let status: number | undefined;
    let filled = 0;
    let at = 0;
    try {
      while (true) {
        const next = await reader.next().catch(() => undefined);
        if (!next) return 'failed';
        if (next.done) return at === ranges.length ? 'done' : 'failed';
        let piece = next.value;
        this.#plan.came(id, piece.byteLength, clock.monotonic());
        if (status === undefined) {
          status = piece[0];
          piece = piece.subarray(1);
          if (status === statuses.busy) return 'busy';
          if (status !== statuses.here) return 'none';
        }
        came(piece.byteLength);
        while (piece.byteLength > 0 && at < ranges.length) {
          const part = piece.subarray(0, (lengths[at] as number) - filled);
          buffer.set(part, filled);
          filled += part.byteLength;
          piece = piece.subarray(part.byteLength);
          if (filled < (lengths[at] as number)) continue;
          if (!(await this.#keep(id, stack, ranges[at] as number, buffer.subarray(0, filled)))) return 'failed';
          filled = 0;
          at += 1;
        }
      }
    } finally {
      void reader.return?.().catch(() => undefined);
    }
  }

  /** Whether it is right; then it is written before it counts. */
  async #keep(id: number, stack: StackId, range: number, bytes: Uint8Array): Promise<boolean> {
    const { list, verified, file, clock, blame } = this.#parts;
    if (!fits(list, range, bytes)) {
      blame(stack, range);
      this.#do(this.#plan.wrong(id, clock.monotonic()));
      return false;
    }
    if (!verified.has(range)) await file.write(range * rangeBytes, bytes);
    const deeds = this.#plan.verified(id, range, clock.monotonic());
    this.#parts.kept();
    if (deeds) this.#do(deeds);
    return true;
  }
}
