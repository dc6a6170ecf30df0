// The two ends of a channel between stacks of one process.
import {
  type Channel,
  type ChannelListener,
  type ChannelOptions,
  maxChannelQueueBytes,
  type StackId,
} from './network.ts';

/** An end as the network that carries it sees it. */
export interface ChannelEnd extends Channel {
  readonly isOpen: boolean;
  listen(listener: ChannelListener, options: ChannelOptions): void;
  /** The connection is gone. */
  end(): void;
}

/** The end at `one` and the end at `other`; `carries` says whether the wire between them carries anything that way now. */
export function openChannelPair(
  one: StackId,
  other: StackId,
  carries: (from: StackId, to: StackId) => boolean,
): readonly [ChannelEnd, ChannelEnd] {
  const near = new MemoryChannel(other, () => carries(one, other));
  const far = new MemoryChannel(one, () => carries(other, one));
  near.meet(far);
  far.meet(near);
  return [near, far];
}

class MemoryChannel implements ChannelEnd {
  readonly stack: StackId;
  readonly #carries: () => boolean;
  #peer: MemoryChannel | undefined;
  #listener: ChannelListener | undefined;
  #options: ChannelOptions = { maxMessageBytes: 0 };
  #unreadBytes = 0;
  isOpen = true;

  constructor(stack: StackId, carries: () => boolean) {
    this.stack = stack;
    this.#carries = carries;
  }

  meet(peer: MemoryChannel): void {
    this.#peer = peer;
  }

  listen(listener: ChannelListener, options: ChannelOptions): void {
    this.#listener = listener;
    this.#options = options;
  }

  send(message: Uint8Array): boolean {
    const size = message.byteLength;
    if (!this.isOpen || this.#unreadBytes + size > maxChannelQueueBytes) return false;
    const copy = new Uint8Array(message);
    this.#unreadBytes += size;
    setImmediate(() => {
      this.#unreadBytes -= size;
      if (this.#carries()) this.#peer?.deliver(copy);
    });
    return true;
  }

  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#listener?.closed();
  }

  deliver(message: Uint8Array): void {
    if (!this.isOpen) return;
    if (message.byteLength <= this.#options.maxMessageBytes) this.#listener?.message(message);
    else {
      this.#options.refused?.(this.stack, 'too-large');
      this.#peer?.end();
      this.end();
    }
  }

  [Symbol.dispose](): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    // After what was sent before, as on a wire.
    setImmediate(() => {
      if (this.#carries()) this.#peer?.end();
    });
  }
}
