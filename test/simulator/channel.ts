// Channels over the wires: messages in order, both ways, until one side or the connection ends.
import type { StackId } from '#registry';
import { overheadBytes } from './model.ts';
import type { Connection, Endpoint, Wires } from './wires.ts';

interface Listener {
  message(bytes: Uint8Array): void;
  closed(): void;
}

/** What each protocol serves. */
export type Channels = Map<
  string,
  { readonly options: { readonly maxMessageBytes: number }; readonly accept: (channel: ChannelEnd) => Listener }
>;

/** What waits for the other side to read; more is dropped. */
const maxQueueBytes = 256 * 1024;

export class ChannelEnd implements Disposable {
  readonly stack: StackId;
  readonly #wires: Wires;
  readonly #connection: Connection;
  readonly #own: Endpoint;
  #far: ChannelEnd | undefined;
  #listener: Listener | undefined;
  #maxMessageBytes = 0;
  #waitingBytes = 0;
  #isOpen = true;

  constructor(wires: Wires, connection: Connection, own: Endpoint) {
    this.#wires = wires;
    this.#connection = connection;
    this.#own = own;
    this.stack = connection.other(own).stack;
    connection.pending[connection.sideOf(own)].add(this.#broken);
  }

  /** The two ends of a new channel. */
  static pair(wires: Wires, connection: Connection, one: Endpoint, other: Endpoint): [ChannelEnd, ChannelEnd] {
    const ends: [ChannelEnd, ChannelEnd] = [
      new ChannelEnd(wires, connection, one),
      new ChannelEnd(wires, connection, other),
    ];
    ends[0].#far = ends[1];
    ends[1].#far = ends[0];
    return ends;
  }

  listen(listener: Listener, maxMessageBytes: number): void {
    this.#listener = listener;
    this.#maxMessageBytes = maxMessageBytes;
  }

  send(message: Uint8Array): boolean {
    const size = message.byteLength;
    if (!this.#isOpen || this.#waitingBytes + size > maxQueueBytes) return false;
    this.#waitingBytes += size;
    this.#carry(size, () => {
      this.#waitingBytes -= size;
      if (this.#far) this.#far.#heard(message);
    });
    return true;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#end();
    this.#carry(0, () => {
      if (this.#far) this.#far.#broken();
    });
  }

  #heard(message: Uint8Array): void {
    if (!this.#isOpen) return;
    if (message.byteLength <= this.#maxMessageBytes) this.#listener?.message(message);
    else {
      this[Symbol.dispose]();
      this.#listener?.closed();
    }
  }

  readonly #broken = (): void => {
    if (!this.#isOpen) return;
    this.#end();
    this.#listener?.closed();
  };

  #end(): void {
    this.#isOpen = false;
    this.#connection.pending[this.#connection.sideOf(this.#own)].delete(this.#broken);
  }

  #carry(sizeBytes: number, act: () => void): void {
    const costMs = this.#wires.model.cost.channel;
    const parcel = { sizeBytes: sizeBytes + overheadBytes.channel, traffic: 'channel', costMs, act } as const;
    this.#wires.send(this.#connection, this.#own, parcel);
  }
}
