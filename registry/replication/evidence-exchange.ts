// Brings together what two members hold as evidence of equivocation: it reaches everybody though gossip is lost, and each of two
// stacks that run with one identity, as each asks over a connection of its own.
import { z } from 'zod';
import { type Evidence, type Feeds, type SignedHead, signedHeadSchema } from '#registry/feeds';
import type { Membership } from '#registry/roster';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { bytesSchema, fromBytes, readRequest, toBytes, toHex } from '../wire.ts';
import { ask, maxMessageBytes, memberBounds } from './ask.ts';
import type { Fault } from './conduct.ts';
import { keyBytes, keyOf } from './fingerprints.ts';
import { verifyEvidence, wireOf } from './published.ts';
import type { Deed, Replica } from './replicate.ts';

const evidenceProtocol = '/hermesh/evidence/1.0.0';
/** Owners that a stack tells it has evidence about: all of a zone. */
const maxKnown = 500;
/** Pairs in one message, of about 800 bytes each; what is left comes with a later round. */
const maxPairs = 64;

const key = bytesSchema(keyBytes);
const mark = z.tuple([key, z.int().min(0).max(Number.MAX_SAFE_INTEGER)]);
const pairs = z.array(z.tuple([signedHeadSchema, signedHeadSchema])).max(maxPairs);
const requestSchema = z.union([
  /** By owner, the epoch's counter that there is evidence about. */
  z.strictObject({ known: z.array(mark).max(maxKnown) }),
  z.strictObject({ give: pairs }),
]);
const answerSchema = z.strictObject({
  evidence: pairs,
  /** Owners among those that were told of, about whom the other one has nothing as new. */
  want: z.array(key).max(maxPairs),
});

export interface EvidenceExchangeParts {
  readonly network: Network;
  readonly feeds: Feeds;
  readonly replica: Replica;
  readonly membership: Membership;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly fault: (peer: StackId, fault: Fault) => void;
  /** Does what was decided. */
  readonly do: (deeds: readonly Deed[]) => void;
}

export class EvidenceExchange {
  readonly #parts: EvidenceExchangeParts;

  constructor(parts: EvidenceExchangeParts) {
    this.#parts = parts;
    parts.network.serve(evidenceProtocol, memberBounds, async (bytes, { from }) => toBytes(this.#answer(bytes, from)));
  }

  /** Takes what that member has and gives it what it lacks; one of an older version doesn't serve it, which is no fault. */
  async with(peer: StackId): Promise<void> {
    try {
      const all = this.#all();
      const known = all.slice(0, maxKnown).map(markOf);
      const answer = fromBytes(answerSchema, await this.#ask(peer, { known }), maxMessageBytes);
      if (!answer) {
        this.#parts.fault(peer, 'refused-shape');
        return;
      }
      this.#take(answer.evidence, peer);
      const want = new Set(answer.want.map(toHex));
      const give = all.filter((each) => want.has(toHex(markOf(each)[0]))).slice(0, maxPairs);
      if (give.length > 0) await this.#ask(peer, { give: give.map(wireOf) });
    } catch (error) {
      this.#parts.log.debug({ peer, error }, 'exchange of evidence failed');
    }
  }

  #answer(bytes: Uint8Array, from: StackId): z.infer<typeof answerSchema> {
    const { feeds, membership } = this.#parts;
    const read = readRequest(requestSchema, bytes, maxMessageBytes);
    if (!membership.isNear(from)) return { evidence: [], want: [] };
    if ('give' in read) {
      this.#take(read.give, from);
      return { evidence: [], want: [] };
    }
    const theirs = new Map(read.known.map(([at, counter]) => [toHex(at), counter]));
    const lacking = this.#all().filter((each) => counterOf(each) > (theirs.get(toHex(markOf(each)[0])) ?? -1));
    // What concerns the asker itself first, however much there is.
    const inOrder = lacking.sort((a, b) => Number(ownerOf(b) === from) - Number(ownerOf(a) === from));
    const here = new Map(this.#all().map((each) => [toHex(markOf(each)[0]), counterOf(each)]));
    // Of whose feed nothing is here nothing can be judged yet.
    const held = new Map(membership.near().map((stack) => [toHex(keyOf(stack)), feeds.position(stack)]));
    const want = read.known.filter(([at, counter]) => {
      const id = toHex(at);
      return held.get(id) !== undefined && counter > (here.get(id) ?? -1);
    });
    return {
      evidence: inOrder.slice(0, maxPairs).map(wireOf),
      want: want.slice(0, maxPairs).map(([at]) => at),
    };
  }

  #take(given: readonly (readonly [SignedHead, SignedHead])[], from: StackId): void {
    const { membership, replica, fault } = this.#parts;
    for (const pair of given) {
      const verified = verifyEvidence(pair, membership.roster.mesh);
      if (typeof verified === 'string') {
        fault(from, verified);
        return;
      }
      this.#parts.do(replica.accused(verified));
    }
  }

  /** Those about members of this zone. */
  #all(): Evidence[] {
    const { feeds, membership } = this.#parts;
    return feeds.accusations(membership.roster.mesh).filter((each) => membership.isNear(ownerOf(each)));
  }

  #ask(peer: StackId, message: z.infer<typeof requestSchema>): Promise<Uint8Array> {
    return ask(this.#parts, peer, evidenceProtocol, toBytes(message), this.#parts);
  }
}

function ownerOf([{ head }]: Evidence): StackId {
  return head.feed;
}

function counterOf([{ head }]: Evidence): number {
  return head.epoch.counter;
}

function markOf(evidence: Evidence): z.infer<typeof mark> {
  return [keyOf(ownerOf(evidence)), counterOf(evidence)];
}
