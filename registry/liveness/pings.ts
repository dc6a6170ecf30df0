// One kept channel a member that is watched: whoever of the two asks opens it, and both use it.
import type { Channel, ChannelListener, Network, StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';

export const pingProtocol = '/hermesh/ping/1.0.0';
/** A ping and its answer are one byte each. */
const maxMessageBytes = 1;
const ping = new Uint8Array([1]);
const pong = new Uint8Array([2]);

export interface PingParts {
  readonly network: Network;
  readonly signal: AbortSignal;
  /** Anything came from that member. */
  readonly heard: (stack: StackId) => void;
  /** It was neither a ping nor its answer. */
  readonly junk: (stack: StackId) => void;
}

export class Pings {
  readonly #parts: PingParts;
  readonly #channels = new Map<StackId, Channel>();
  readonly #opening = new Set<StackId>();

  constructor(parts: PingParts) {
    this.#parts = parts;
    parts.network.serveChannel(pingProtocol, { maxMessageBytes }, (channel) => {
      if (!this.#channels.has(channel.stack)) this.#channels.set(channel.stack, channel);
      return this.#listen(channel.stack, () => channel);
    });
  }

  /** Sends a ping, over a new channel where there is none; what can't be sent is as good as not answered. */
  send(stack: StackId): void {
    const channel = this.#channels.get(stack);
    if (channel) channel.send(ping);
    else void this.#open(stack);
  }

  /** Forgets the channels of a member that is gone; the network has closed them. */
  forget(stack: StackId): void {
    this.#channels.delete(stack);
  }

  async #open(stack: StackId): Promise<void> {
    if (this.#opening.has(stack)) return;
    this.#opening.add(stack);
    try {
      const { network, signal } = this.#parts;
      let opened: Channel | undefined;
      const listener = this.#listen(stack, () => opened);
      opened = await network.openChannel(stack, pingProtocol, listener, { signal, maxMessageBytes });
      this.#channels.set(stack, opened);
      opened.send(ping);
    } catch (error) {
      // Whoever refuses is there.
      if (error instanceof RegistryError && error.code === 'refused') this.#parts.heard(stack);
    } finally {
      this.#opening.delete(stack);
    }
  }

  #listen(stack: StackId, channelOf: () => Channel | undefined): ChannelListener {
    return {
      message: (bytes) => {
        if (bytes[0] === ping[0]) channelOf()?.send(pong);
        else if (bytes[0] !== pong[0]) this.#parts.junk(stack);
        this.#parts.heard(stack);
      },
      closed: () => {
        if (this.#channels.get(stack) === channelOf()) this.#channels.delete(stack);
      },
    };
  }
}
