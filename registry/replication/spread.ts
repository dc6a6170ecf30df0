// Drives replication over a network: serves and asks for heads and rosters, and does what the state machine decides.
import { z } from 'zod';
import type { Feeds, VerifiedHead } from '#registry/feeds';
import type { Membership, Statement } from '#registry/roster';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Network, StackId } from '../network.ts';
import { bytesSchema, fromBytes, readRequest, sameBytes, toBytes } from '../wire.ts';
import { ask, maxMessageBytes, memberBounds } from './ask.ts';
import type { Conduct, Fault } from './conduct.ts';
import { EvidenceExchange } from './evidence-exchange.ts';
import { Fetch } from './fetch.ts';
import { type Brief, briefSchema, maxBriefs, type Part, partSchema, prefixSchema } from './fingerprints.ts';
import { Hearing } from './hearing.ts';
import type { Deed, Replica } from './replicate.ts';
import { RosterExchange } from './roster-exchange.ts';

const headsProtocol = '/hermesh/heads/1.0.0';
/** Parts of the feeds that are asked for at once: all of those that a whole is split into twice. */
const maxParts = 256;
/** Steps from the root to the feeds that differ. */
const maxSteps = 3;
/** Exchanges that this stack has begun at a time, and members that wait for one: after a restart many connect at once. */
const maxExchanges = 8;
const maxWaiting = 1_024;

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const briefs = z.array(briefSchema).max(maxBriefs);
const headsRequest = z.strictObject({
  roster: z.string().max(64).optional(),
  heads: bytesSchema(32).optional(),
  ask: z.array(prefixSchema).max(maxParts).optional(),
  offer: briefs.optional(),
});
const headsAnswer = z.strictObject({
  /** The root of the roster's trie, where it is another one than was asked with. */
  roster: digest.nullable(),
  parts: z.array(partSchema).max(maxParts).nullable(),
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
  readonly metrics: Metrics;
  readonly conduct: Conduct;
  /** A peer did something wrong. */
  readonly fault: (peer: StackId, fault: Fault) => void;
  /** Connects to a member that isn't connected. */
  readonly reach: (peer: StackId, options: { signal: AbortSignal }) => Promise<void>;
  /** Records of a feed changed. */
  readonly changed: (feed: string) => void;
  readonly stated: (statements: readonly Statement[]) => void;
  readonly renew: (head: VerifiedHead) => void;
  readonly cloned: (counter: number) => void;
  /** Heads and roster were compared with that member: whatever else is compared follows. */
  readonly exchanged: (peer: StackId) => void;
  /** A pull ended or time went on. */
  readonly moved: () => void;
  /** Time went on: whatever else has its day. */
  readonly due: () => void;
}

export class Spread {
  readonly #parts: SpreadParts;
  readonly #exchanging = new Set<StackId>();
  readonly #waiting = new Set<StackId>();
  readonly #hearing: Hearing;
  readonly #fetch: Fetch;
  readonly #rosters: RosterExchange;
  readonly #evidence: EvidenceExchange;
  #topic: { readonly name: string; end(): void } = { name: '', end: () => undefined };
  #cancelTimer = (): void => undefined;

  constructor(parts: SpreadParts) {
    this.#parts = parts;
    parts.network.serve(headsProtocol, memberBounds, async (request, { from }) => this.#answerHeads(request, from));
    this.#rosters = new RosterExchange(parts);
    this.#evidence = new EvidenceExchange({
      ...parts,
      do: (deeds) => this.do(deeds),
    });
    this.#fetch = new Fetch({
      ...parts,
      do: (deeds) => {
        this.do(deeds);
        parts.moved();
      },
    });
    this.#hearing = new Hearing({
      ...parts,
      do: (deeds) => this.#guarded('a message was heard', () => this.do(deeds())),
    });
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
        if (this.#parts.membership.roster.mesh !== mesh) return 'ignore';
        return this.#hearing.hear(message, from);
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
      else if (deed.type === 'renew') this.#parts.renew(deed.head);
      else if (deed.type === 'cloned') this.#parts.cloned(deed.counter);
      else this.#report(deed.what, deed.feed);
    }
    this.#schedule();
  }

  /** Compares roster and heads with a member and brings both sides up to date; resolves when that is asked for. */
  async exchange(peer: StackId): Promise<void> {
    if (this.#exchanging.has(peer) || this.#parts.signal.aborted) return;
    if (this.#exchanging.size >= maxExchanges) {
      if (this.#waiting.size < maxWaiting) this.#waiting.add(peer);
      return;
    }
    this.#exchanging.add(peer);
    try {
      if (!this.#parts.network.connected().includes(peer)) await this.#reach(peer);
      await this.#compare(peer);
      this.#parts.replica.compared();
      this.#guarded('an exchange ended', () => this.#parts.exchanged(peer));
    } catch (error) {
      this.#parts.log.debug({ peer, error }, 'exchange of heads failed');
    } finally {
      this.#exchanging.delete(peer);
      const [next] = this.#waiting;
      if (next !== undefined) {
        this.#waiting.delete(next);
        void this.exchange(next);
      }
    }
  }

  async #reach(peer: StackId): Promise<void> {
    const { network, replica, reach, signal } = this.#parts;
    try {
      await reach(peer, { signal });
    } catch (error) {
      this.do(replica.instead(network.connected()));
      throw error;
    }
  }

  async #compare(peer: StackId): Promise<void> {
    const { replica, membership, clock } = this.#parts;
    const first = await this.#askHeads(peer, { roster: membership.roster.digest, heads: replica.digest() });
    if (first.roster) await this.#rosters.with(peer, first.roster);
    // What stands in the feeds of another zone is asked for record by record.
    if (!membership.isNear(peer)) return;
    let parts: readonly Part[] = first.parts ?? [];
    const offer: Brief[] = [];
    for (let step = 0; step < maxSteps && parts.length > 0; step += 1) {
      const compared = parts.map((part) => replica.compare(part, peer, clock.monotonic()));
      this.do(compared.flatMap(({ deeds }) => deeds));
      offer.push(...compared.flatMap((each) => each.offer));
      const ask = compared.flatMap((each) => each.ask).slice(0, maxParts);
      parts = ask.length > 0 ? ((await this.#askHeads(peer, { ask })).parts ?? []) : [];
    }
    if (offer.length > 0) await this.#askHeads(peer, { offer: offer.slice(0, maxBriefs) });
    // The roots differ, too, where one of both knows of an equivocation and the other one doesn't.
    if (first.parts) await this.#evidence.with(peer);
  }

  async #askHeads(peer: StackId, request: z.infer<typeof headsRequest>): Promise<z.infer<typeof headsAnswer>> {
    const answer = fromBytes(headsAnswer, await this.#ask(peer, headsProtocol, toBytes(request)), maxMessageBytes);
    if (!answer) {
      this.#parts.fault(peer, 'refused-shape');
      throw new Error('the answer cannot be read');
    }
    return answer;
  }

  #ask(peer: StackId, protocol: string, request: Uint8Array): Promise<Uint8Array> {
    return ask(this.#parts, peer, protocol, request, this.#parts);
  }

  #answerHeads(request: Uint8Array, from: StackId): Uint8Array {
    const { replica, membership, clock } = this.#parts;
    const read = readRequest(headsRequest, request, maxMessageBytes);
    const isNear = membership.isNear(from);
    if (read.offer && isNear) this.do(replica.claims(read.offer, from, clock.monotonic()));
    const sameRoster = read.roster === undefined || read.roster === membership.roster.digest;
    const isSame = read.heads === undefined || sameBytes(read.heads, replica.digest());
    const prefixes = isNear ? [...new Set([...(isSame ? [] : ['']), ...(read.ask ?? [])])] : [];
    return toBytes({
      roster: sameRoster ? null : membership.roster.digest,
      parts: prefixes.length > 0 ? prefixes.map((prefix) => replica.part(prefix)) : null,
    });
  }

  #report(what: Extract<Deed, { type: 'report' }>['what'], feed: string): void {
    this.#parts.metrics.count('refused_total', { what });
    this.#parts.log.warn({ feed, what }, 'refused what was replicated');
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
        this.#parts.moved();
        this.#parts.due();
      });
      this.#schedule();
    });
  }
}

function topicOf(mesh: string, zone: string): string {
  return `/hermesh/feeds/1.0.0/${mesh}${zone === '' ? '' : `/${zone}`}`;
}
