// Drives liveness over a network: pings, publishes and exchanges what the detector decides, and tells it what came of it.
import { type Clock, within } from '../clock.ts';
import type { Identity } from '../identity.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { type BeatsParts, exchangeBeats, giveClaims, serveBeats } from './beats.ts';
import type { LivenessTiming } from './contact.ts';
import { Detector, type Heard, type LivenessDeed } from './detector.ts';
import type { Presence } from './judge.ts';
import type { MeshRoster } from './ledger.ts';
import { Pings } from './pings.ts';

/** The longest pause between two looks at the clock: how late this timer comes tells how much the process lags. */
const maxPauseMs = 500;
const minPauseMs = 10;
/** Members that are told directly that this stack stops, and how long that may take. */
const maxToldOfStop = 16;
const stopMs = 500;
/** Changes of presence are gathered for so long. */
const gatherMs = 50;
/** Certificates run out without anybody saying so: who is a member is looked up anew so often. */
const rosterMs = 30_000;

/** Mesh time is the median of at least three members; one more, as one of them may be slow. */
const firstAsked = 4;
/**
 * Members whose claims are compared after their heads, within a window: a comparison lists all claims, and one that starts in a
 * mesh of 1,000 connects with 40 at once. What these miss comes with what is published, and with later rounds.
 */
const maxFollowing = 6;
const followingMs = 10_000;

export interface WatchParts {
  readonly network: Network;
  readonly identity: Pick<Identity, 'stack' | 'sign'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly timing?: Partial<LivenessTiming> | undefined;
  readonly roster: () => MeshRoster;
  /** The zone whose members the roster lists. */
  readonly zone: () => string;
  /** The incarnation of this stack that was kept last, 0 at first, and keeping one durably. */
  readonly incarnation: { read(): number; keep(incarnation: number): void };
  /** A member sent what no stack makes. */
  readonly fault: (peer: StackId, fault: 'refused-shape' | 'refused-signature') => void;
  /** Dials a member now. */
  readonly probe: (stack: StackId) => void;
  /** Presence of some members changed. */
  readonly presence: () => void;
  /** A member's clock, as far as it is ahead of this one, and how long asking took, in milliseconds. */
  readonly timeSample?: ((stack: StackId, offsetMs: number, roundTripMs: number) => void) | undefined;
}

export class Watch {
  readonly #parts: WatchParts;
  readonly #detector: Detector;
  readonly #pings: Pings;
  readonly #beats: BeatsParts;
  readonly #exchanging = new Set<StackId>();
  /** Members that were asked since this stack started, so that mesh time stands before a clock jumps. */
  readonly #asked = new Set<StackId>();
  #topic: { readonly name: string; end(): void } = { name: '', end: () => undefined };
  readonly #followedAt = new Map<StackId, number>();
  #rosterAt = 0;
  #dueAt = 0;
  #isTelling = false;
  #cancelTimer = (): void => undefined;

  constructor(parts: WatchParts) {
    const { network, identity, clock, timing, incarnation, signal } = parts;
    this.#parts = parts;
    const options = { identity, incarnation: incarnation.read(), timing, wall: clock.now };
    this.#detector = new Detector(options, clock.monotonic());
    this.#pings = new Pings({
      ...{ network, signal, heard: (stack) => this.#heard(stack) },
      junk: (stack) => parts.fault(stack, 'refused-shape'),
    });
    this.#beats = {
      ...{ network, clock, signal, ledger: this.#detector.ledger },
      take: (claims, from) => {
        const { deeds, bad } = this.#detector.claims(claims, clock.monotonic());
        if (bad > 0) parts.fault(from, 'refused-signature');
        this.#do(deeds);
      },
      timeSample: parts.timeSample ?? (() => undefined),
    };
    serveBeats(this.#beats);
    signal.addEventListener('abort', () => this.#cancelTimer());
  }

  of(stack: StackId): Presence {
    return this.#detector.presence(stack);
  }

  /** The roster changed, or this stack is in another mesh; called once at the beginning. */
  refresh(): void {
    const { network, clock, roster, signal } = this.#parts;
    if (signal.aborted) return;
    const now = clock.monotonic();
    const known = roster();
    this.#rosterAt = now + rosterMs;
    this.#listen(known.mesh, this.#parts.zone());
    this.#do(this.#detector.setRoster(known, now));
    for (const stack of network.connected()) {
      if (!this.#detector.isConnected(stack)) this.#do(this.#detector.connected(stack, now));
    }
    if (this.#dueAt === 0) this.#schedule();
  }

  /** A member connected: the first few are asked for the time at once, whoever dialled. */
  connected(stack: StackId): void {
    this.#do(this.#detector.connected(stack, this.#parts.clock.monotonic()));
    if (this.#asked.size >= firstAsked || this.#asked.has(stack)) return;
    this.#asked.add(stack);
    void this.exchange(stack);
  }

  disconnected(stack: StackId): void {
    this.#pings.forget(stack);
    this.#do(this.#detector.disconnected(stack, this.#parts.clock.monotonic()));
  }

  /** Dialling a member failed. */
  unreached(stack: StackId, why: string): void {
    this.#do(this.#detector.unreached(stack, why, this.#parts.clock.monotonic()));
  }

  /** Heads were compared with a member: claims are, too, unless that was done with many just now. */
  exchanged(peer: StackId): void {
    const now = this.#parts.clock.monotonic();
    for (const [stack, at] of this.#followedAt) if (now - at >= followingMs) this.#followedAt.delete(stack);
    if (this.#followedAt.size >= maxFollowing && !this.#followedAt.has(peer)) return;
    this.#followedAt.set(peer, now);
    void this.exchange(peer);
  }

  /** Compares claims with a member. */
  async exchange(peer: StackId): Promise<void> {
    if (this.#exchanging.has(peer) || this.#parts.signal.aborted) return;
    this.#exchanging.add(peer);
    try {
      await exchangeBeats(peer, this.#beats);
      this.#heard(peer);
    } catch (error) {
      this.#asked.delete(peer);
      this.#parts.log.debug({ peer, error }, 'exchange of beats failed');
    } finally {
      this.#exchanging.delete(peer);
    }
  }

  /** Tells all that this stack stops in order; resolves when some heard it, as what is published may not leave any more. */
  async stop(): Promise<void> {
    const { clock, network, signal, identity } = this.#parts;
    if (signal.aborted) return;
    this.#do(this.#detector.stop(clock.monotonic()));
    const beat = this.#detector.ledger.beat(identity.stack);
    const told = network.connected().slice(0, maxToldOfStop);
    if (!beat || told.length === 0) return;
    await within(clock, stopMs, { signal }, (limit) => {
      const parts = { ...this.#beats, signal: limit };
      return Promise.allSettled(told.map((peer) => giveClaims(peer, [[beat.wire, 0]], parts)));
    });
  }

  #heard(stack: StackId): void {
    this.#do(this.#detector.heard(stack, this.#parts.clock.monotonic()));
  }

  #listen(mesh: string, zone: string): void {
    const name = `/hermesh/liveness/1.0.0/${mesh}${zone === '' ? '' : `/${zone}`}`;
    if (this.#topic.name === name) return;
    this.#topic.end();
    const end = this.#parts.network.subscribe(name, (message, from): Heard => {
      if (this.#topic.name !== name || this.#parts.signal.aborted) return 'ignore';
      const { verdict, deeds } = this.#detector.message(message, this.#parts.clock.monotonic());
      this.#do(deeds);
      if (verdict === 'reject') this.#parts.fault(from, 'refused-signature');
      else this.#heard(from);
      return verdict;
    });
    this.#topic = { name, end };
  }

  #do(deeds: readonly LivenessDeed[]): void {
    const { signal, network, probe, incarnation, log } = this.#parts;
    for (const deed of deeds) {
      if (signal.aborted) return;
      if (deed.type === 'ping') this.#pings.send(deed.stack);
      else if (deed.type === 'probe') probe(deed.stack);
      else if (deed.type === 'break') void network.disconnect(deed.stack);
      else if (deed.type === 'keep') incarnation.keep(deed.incarnation);
      else if (deed.type === 'publish') network.publish(this.#topic.name, deed.message);
      else if (deed.type === 'exchange') void this.exchange(deed.with);
      else if (deed.type === 'presence') {
        for (const stack of deed.stacks) {
          const { state, why, by } = this.of(stack);
          log.info({ stack, state, why, by }, 'presence');
        }
        this.#tell();
      }
    }
  }

  /** One that comes and goes, or a site that goes at once, is one piece of news. */
  #tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#parts.clock.after(gatherMs, () => {
      this.#isTelling = false;
      if (!this.#parts.signal.aborted) this.#parts.presence();
    });
  }

  #schedule(): void {
    const { clock, signal, log } = this.#parts;
    if (signal.aborted) return;
    const now = clock.monotonic();
    const pauseMs = Math.min(maxPauseMs, Math.max(minPauseMs, this.#detector.wakeAt() - now));
    this.#dueAt = now + pauseMs;
    this.#cancelTimer = clock.after(pauseMs, () => {
      const at = clock.monotonic();
      try {
        if (at >= this.#rosterAt) this.refresh();
        this.#do(this.#detector.tick(at, at - this.#dueAt));
      } catch (error) {
        // A full disk keeps no incarnation; what time asks for is asked again.
        log.error({ error }, 'liveness failed');
      }
      this.#schedule();
    });
  }
}
