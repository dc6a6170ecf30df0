// What this stack knows of its own feed's history, and what a signed head of it that comes from elsewhere says: its past, more
// than is here, or that another stack runs with this identity; pure.
import {
  type Evidence,
  emptyRoot,
  type Feeds,
  type Position,
  positionOf,
  provesEquivocation,
  relate,
  type VerifiedDelta,
  type VerifiedHead,
} from '#registry/feeds';
import type { StackId } from '../network.ts';
import { sameBytes } from '../wire.ts';
import { type Brief, briefOf } from './fingerprints.ts';

/** Heads that this stack signed and remembers, to know those of another one with its identity: minutes of a busy one, some rounds of anti-entropy. */
const maxSigned = 2_000;

/** `rival`: two heads of one place, which need two writers; `evidence` is there while the own one is still kept. */
export type Said =
  | { readonly says: 'past' }
  | { readonly says: 'further' }
  | { readonly says: 'rival'; readonly evidence: Evidence | undefined };

export class OwnHistory {
  readonly #feeds: Feeds;
  readonly #self: StackId;
  /** Since the start, in the epoch that stands: by sequence, the hashes of heads. */
  #signed: { readonly counter: number; readonly hashes: Map<number, Uint8Array> } = { counter: 0, hashes: new Map() };

  constructor(feeds: Feeds, self: StackId) {
    this.#feeds = feeds;
    this.#self = self;
  }

  /** This stack signed that. */
  remember({ head, hash }: VerifiedDelta): void {
    if (head.epoch.counter !== this.#signed.counter) this.#signed = { counter: head.epoch.counter, hashes: new Map() };
    const { hashes } = this.#signed;
    const [oldest] = hashes.keys();
    if (hashes.size >= maxSigned && oldest !== undefined) hashes.delete(oldest);
    hashes.set(head.sequence, hash);
  }

  /** Whether this stack signed another head at the place of that brief since it started, in the epoch that stands. */
  signedOther([, counter, sequence, , hash]: Brief): boolean {
    const own = counter === this.#signed.counter ? this.#signed.hashes.get(sequence) : undefined;
    return own !== undefined && !sameBytes(own.subarray(0, hash.byteLength), hash);
  }

  /** The place before the first head that is remembered: what others hold from there on may be of another history. */
  start(): Position | undefined {
    const position = this.#feeds.position(this.#self);
    const [first] = this.#signed.hashes.keys();
    if (!position || first === undefined || this.#signed.counter !== position.epoch.counter) return undefined;
    return { ...position, sequence: first - 1, hash: emptyRoot };
  }

  /** Whether a head is further on in an epoch in which this stack signed, too: then another history may lead to it. */
  mayFork({ head }: VerifiedHead): boolean {
    const here = this.#feeds.position(this.#self);
    const isOneEpoch =
      here?.epoch.counter === head.epoch.counter && sameBytes(here.epoch.nonce, head.epoch.nonce) && this.start();
    return Boolean(isOneEpoch) && head.sequence > (here?.sequence ?? 0);
  }

  /** What a head of the own feed says that came from elsewhere. */
  judge(head: VerifiedHead): Said {
    const position = positionOf(head);
    const here = this.#feeds.signedAt(position, head.head.mesh);
    if (here && provesEquivocation(here, head)) return { says: 'rival', evidence: [here, head] };
    const relation = relate(this.#feeds.position(this.#self), position);
    if (relation === 'behind' && this.signedOther(briefOf(position))) return { says: 'rival', evidence: undefined };
    return { says: relation === 'same' || relation === 'behind' ? 'past' : 'further' };
  }
}
