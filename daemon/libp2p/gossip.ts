// Gossip over libp2p: who may be heard, what listeners say of a message, and that only what they accept goes on to others.
import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub';
import type { PeerId } from '@libp2p/interface';
import type { Listener, Log, StackId, Verdict } from '#registry';
import { maxPublishBytes } from './node.ts';

const results = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const satisfies Record<Verdict, TopicValidatorResult>;

export interface GossipParts {
  readonly pubsub: GossipSub;
  readonly mayBeHeard: (stack: StackId) => boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export class Gossip {
  readonly #parts: GossipParts;
  readonly #topics = new Map<string, readonly Listener[]>();

  constructor(parts: GossipParts) {
    this.#parts = parts;
  }

  /** Best effort to all that subscribed; what is too large is dropped. */
  publish(topic: string, message: Uint8Array): void {
    const { pubsub, log, signal } = this.#parts;
    if (message.byteLength > maxPublishBytes || signal.aborted) return;
    pubsub.publish(topic, message).catch((error: unknown) => log.debug({ topic, error }, 'not published'));
  }

  /** Calls the listener for each message, before it is handed on, until the function that it returns is called. */
  subscribe(topic: string, listener: Listener): () => void {
    const { pubsub, signal } = this.#parts;
    const listeners = this.#topics.get(topic) ?? [];
    this.#topics.set(topic, [...listeners, listener]);
    if (listeners.length === 0) {
      pubsub.topicValidators.set(topic, (peer, message) => results[this.#judge(peer, message)]);
      pubsub.subscribe(topic);
    }
    return () => {
      const others = (this.#topics.get(topic) ?? []).filter((each) => each !== listener);
      if (others.length > 0) this.#topics.set(topic, others);
      else if (this.#topics.delete(topic) && !signal.aborted) {
        pubsub.unsubscribe(topic);
        pubsub.topicValidators.delete(topic);
      }
    };
  }

  /** All listeners hear it; the harshest that one says of it counts. */
  #judge(peer: PeerId, message: Message): Verdict {
    const from = peer.toString();
    if (this.#parts.signal.aborted || !this.#parts.mayBeHeard(from)) return 'ignore';
    const verdicts = (this.#topics.get(message.topic) ?? []).map((listener) => listener(message.data, from));
    if (verdicts.includes('reject')) return 'reject';
    return verdicts.includes('ignore') ? 'ignore' : 'accept';
  }
}
