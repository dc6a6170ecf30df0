// Drives replication over a network: serves and asks for heads and rosters, and does what the state machine decides.
import { z } from 'zod';
import { type Feeds, positionSchema } from '#registry/feeds';
import type { Membership, Statement } from '#registry/roster';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { bytesSchema, fromBytes, toBytes } from '../wire.ts';
import { ask, maxMessageBytes, memberBounds } from './ask.ts';
import { Fetch } from './fetch.ts';
import type { Deed, Replica } from './replicate.ts';
import { RosterExchange } from './roster-exchange.ts';

const headsProtocol = '/hermesh/heads/1.0.0';
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const positions = z.array(positionSchema).max(4_000);
const headsRequest = z.strictObject({
  roster: digest.optional(),
  heads: bytesSchema(32).optional(),
  offer: positions.optional(),
});
const headsAnswer = z.strictObject({
  /** The root of the roster's trie, where it is another one than was asked with. */
  roster: digest.nullable(),
  heads: positions.nullable(),
});
/** What the driver needs of the registry that it belongs to. */
export interface SpreadParts {
  readonly network: Network;
  readonly replica: Replica;
  readonly feeds: Feeds;
  readonly membership: Membership;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Records of a feed changed. */
  readonly changed: (feed: string) => void;
  readonly stated: (statements: readonly Statement[]) => void;
  readonly renew: (counter: number) => void;
  /** Heads and roster were compared with that member. */
  readonly exchanged?: (peer: StackId) => void;
  /** Time went on: whatever else has its day. */
  readonly due: () => void;
}

export class Spread {
  readonly #parts: SpreadParts;
  readonly #exchanging = new Set<StackId>();
  readonly #fetch: Fetch;
  readonly #rosters: RosterExchange;
  #topic: { readonly name: string; end(): void } = { name: '', end: () => undefined };
  #cancelTimer = (): void => undefined;

  constructor(parts: SpreadParts) {
    this.#parts = parts;
    parts.network.serve(headsProtocol, memberBounds, async (request, { from }) => this.#answerHeads(request, from));
    this.#rosters = new RosterExchange(parts);
    this.#fetch = new Fetch({ ...parts, do: (deeds) => this.do(deeds) });
    parts.signal.addEventListener('abort', () => this.#cancelTimer());
    this.enter();
  }

  /** Listens to the mesh that this stack is in now. */
  enter(): void {
    const mesh = this.#parts.membership.roster.mesh;
    const topic = topicOf(mesh, this.#parts.membership.zone);
    if (this.#topic.name !== topic) {
      // Of a mesh that was left nothing is heard any more, and its id is told to nobody.
      this.#topic.end();
      const end = this.#parts.network.subscribe(topic, (message, from) => {
        if (this.#parts.membership.roster.mesh !== mesh || this.#parts.signal.aborted) return 'ignore';
        const { verdict, faults, take } = this.#parts.replica.hear(message, from);
        if (faults.length > 0) this.#parts.log.warn({ peer: from, what: faults }, 'refused what was published');
        this.#guarded('a message was heard', () => this.do(take()));
        return verdict;
      });
      this.#topic = { name: topic, end };
    }
    this.#schedule();
  }

  /** Does what was decided; what takes time goes on behind. */
  do(deeds: readonly Deed[]): void {
    for (const deed of deeds) {
      if (this.#parts.signal.aborted) return;
      if (deed.type === 'publish') {
        this.#parts.network.publish(this.#topic.name, deed.message);
      } else if (deed.type === 'exchange') void this.exchange(deed.with);
      else if (deed.type === 'pull') this.#fetch.pull(deed.feed, deed.from);
      else if (deed.type === 'statements') this.#rosters.state(deed.wires);
      else if (deed.type === 'changed') this.#parts.changed(deed.feed);
      else if (deed.type === 'renew') this.#parts.renew(deed.counter);
      else this.#parts.log.warn({ feed: deed.feed, what: deed.what }, 'refused what was replicated');
    }
    this.#schedule();
  }

  /** Compares roster and heads with a member and brings both sides up to date; resolves when that is asked for. */
  async exchange(peer: StackId): Promise<void> {
    if (this.#exchanging.has(peer)) return;
    this.#exchanging.add(peer);
    try {
      const { replica, membership } = this.#parts;
      const ask = toBytes({ roster: membership.roster.digest, heads: replica.digest() });
      const answer = fromBytes(headsAnswer, await this.#ask(peer, headsProtocol, ask), maxMessageBytes);
      if (!answer) throw new Error('the answer cannot be read');
      if (answer.roster) await this.#rosters.with(peer, answer.roster);
      if (answer.heads && membership.isNear(peer)) {
        this.do(replica.heads(answer.heads, peer));
        const offer = replica.newsFor(answer.heads).slice(0, 4_000);
        if (offer.length > 0) await this.#ask(peer, headsProtocol, toBytes({ offer }));
      }
      this.#parts.exchanged?.(peer);
    } catch (error) {
      this.#parts.log.debug({ peer, error }, 'exchange of heads failed');
    } finally {
      this.#exchanging.delete(peer);
    }
  }

  #ask(peer: StackId, protocol: string, request: Uint8Array): Promise<Uint8Array> {
    return ask(this.#parts, peer, protocol, request, this.#parts);
  }

  #answerHeads(request: Uint8Array, from: StackId): Uint8Array {
    const { replica, membership } = this.#parts;
    const read = fromBytes(headsRequest, request, maxMessageBytes);
    if (!read) throw new Error('the request cannot be read');
    const isNear = membership.isNear(from);
    if (read.offer && isNear) this.do(replica.heads(read.offer, from));
    const sameRoster = read.roster === undefined || read.roster === membership.roster.digest;
    const sameHeads = !isNear || read.heads === undefined || Buffer.compare(read.heads, replica.digest()) === 0;
    return toBytes({
      roster: sameRoster ? null : membership.roster.digest,
      heads: sameHeads ? null : replica.positions().slice(0, 4_000),
    });
  }

  /** A fault of the store (a full disk) ends nothing: what was not kept is asked for again in a later round. */
  #guarded(when: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#parts.log.error({ when, error }, 'replication failed');
    }
  }

  #schedule(): void {
    this.#cancelTimer();
    const { signal, replica, clock } = this.#parts;
    if (signal.aborted) return;
    const now = clock.monotonic();
    this.#cancelTimer = clock.after(Math.max(0, replica.wakeAt() - now), () => {
      this.#guarded('time went on', () => {
        this.do(replica.tick(clock.monotonic()));
        this.#parts.due();
      });
      this.#schedule();
    });
  }
}

function topicOf(mesh: string, zone: string): string {
  return `/hermesh/feeds/1.0.0/${mesh}${zone === '' ? '' : `/${zone}`}`;
}
