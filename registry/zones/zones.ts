// The part that a stack plays among zones: it looks at its own, speaks for it where it ranks so, asks the others, and finds what is there.

import { type Feeds, recordKey, remove, rootOf } from '#registry/feeds';
import type { Roster } from '#registry/roster';
import { within } from '../clock.ts';
import type { Log } from '../log.ts';
import type { StackId } from '../network.ts';
import { toHex } from '../wire.ts';
import { ZoneExchange } from './exchange.ts';
import { Finder, type FinderParts, type Found, type FoundRecord } from './find.ts';
import { Rounds, type ZoneDeed, type ZoneOptions } from './rounds.ts';
import type { ZoneStore } from './store.ts';
import { Summaries } from './summaries.ts';
import {
  isDue,
  maxGatewayAddresses,
  mostFrequent,
  recordNameOf,
  rootOverFeeds,
  type Summary,
  zoneKind,
} from './summary.ts';
import { gatewaysOf, rank, zonesOf } from './zone.ts';

/** Stacks of one zone that are tried before it counts as silent: its gateways and one more. */
const maxTried = 4;
/** One that can't be reached within this is passed over, and again while it is remembered for it. */
const reachTimeoutMs = 3_000;
const silentMs = 60_000;
/** Stacks that are remembered for being silent. */
const maxSilent = 2_000;

/** A zone as it is known here; times in milliseconds since 1970. */
export interface ZoneSummary {
  readonly zone: string;
  /** Whether it is the zone of this stack. */
  readonly own: boolean;
  /** Stacks with a valid certificate, as the roster has them here. */
  readonly stacks: number;
  /** What one of its gateways says; undefined where none was heard. */
  readonly heard:
    | {
        readonly by: StackId;
        readonly at: number;
        readonly up: number;
        readonly down: number;
        readonly records: number;
        readonly kinds: Readonly<Record<string, number>>;
        /** One hash over what its feeds hold, in hex. */
        readonly root: string;
      }
    | undefined;
  /** Whether nothing was heard of it lately: what is said of it may be of the past. */
  readonly stale: boolean;
  /** Who spoke for it lately, in the order of rank. */
  readonly gateways: readonly StackId[];
}

export interface ZonesParts extends Pick<FinderParts, 'judge' | 'network' | 'clock' | 'metrics' | 'signal'> {
  readonly self: StackId;
  /** The mesh's time, in milliseconds since 1970. */
  readonly meshNow: () => number;
  readonly roster: () => Roster;
  /** A member whose certificate is valid now. */
  readonly member: FinderMember;
  readonly feeds: Feeds;
  readonly store: ZoneStore;
  /** 0 to 1. */
  readonly chance: () => number;
  readonly log: Log;
  readonly options: ZoneOptions;
  /** Of a stack of the own zone. */
  readonly stateOf: (stack: StackId) => string;
  readonly addressesOf: (stack: StackId) => readonly string[];
  /** Who owns records of that kind and name in the own zone, in the order in which they have the name. */
  readonly ownersOf: (
    kind: string,
    name: string | undefined,
  ) => readonly { readonly stack: StackId; readonly name: string }[];
  /** All claimants of what a label means in the own zone, first the one that it means. */
  readonly local: (kind: string, label: string) => readonly Omit<FoundRecord, 'zone'>[];
  /** Writes the own summary, or with undefined deletes it. */
  readonly write: (name: string, summary: Summary | undefined) => void;
  /** Connects to a member that isn't connected. */
  readonly reach: (stack: StackId, options: { signal: AbortSignal }) => Promise<void>;
  /** Brings roster and heads up to date with a connected member. */
  readonly exchange: (stack: StackId) => Promise<void>;
  /** `fellows` has changed. */
  readonly regrouped: () => void;
}

type FinderMember = (
  stack: StackId,
) => { readonly zone: string; readonly role: string; readonly name: string } | undefined;

export class Zones {
  readonly #parts: ZonesParts;
  readonly #summaries: Summaries;
  readonly #exchange: ZoneExchange;
  readonly #finder: Finder;
  readonly #rounds: Rounds;
  /** Until when a stack is passed over, in milliseconds of the monotonic clock. */
  readonly #silent = new Map<StackId, number>();
  #zones: ReadonlyMap<string, readonly StackId[]> = new Map();
  #ranks = new Map<string, readonly StackId[]>();
  #isGateway = false;
  #fellows: readonly StackId[] = [];
  /** What this stack wrote last, and when, in milliseconds of the monotonic clock. */
  #last: { readonly summary: Summary; readonly at: number } | undefined;
  #cancelTimer = (): void => undefined;

  constructor(parts: ZonesParts) {
    this.#parts = parts;
    const { clock, meshNow, options, store, member, signal } = parts;
    const mesh = (): string => parts.roster().mesh;
    this.#summaries = new Summaries({ store, clock, meshNow, mesh, member, staleMs: options.staleMs });
    this.#exchange = new ZoneExchange({ ...parts, summaries: this.#summaries });
    this.#finder = new Finder({
      ...parts,
      mesh,
      prove: (kind, name) => this.#prove(kind, name),
      askZone: (zone, ask, until) => this.#askZone(zone, ask, until),
    });
    this.#rounds = new Rounds(options, parts.chance, clock.monotonic());
    this.#sort();
    signal.addEventListener('abort', () => this.#cancelTimer());
    this.#schedule();
  }

  /**
   * Where this stack is a gateway, the others of its zone. They stay connected, so that they hear of one another whatever becomes of
   * the rest: what each of them says of the zone goes to all others.
   */
  get fellows(): readonly StackId[] {
    return this.#fellows;
  }

  /** The zone of this stack. */
  get own(): string {
    return this.#parts.member(this.#parts.self)?.zone ?? '';
  }

  /** Whether a stack is a member of the own zone. */
  isNear(stack: StackId): boolean {
    return this.#parts.member(stack)?.zone === this.own;
  }

  /** All zones of the mesh, by name. */
  list(): ZoneSummary[] {
    this.#sort();
    const heard = Map.groupBy(this.#summaries.all(), ({ summary }) => summary.zone);
    return [...this.#zones].map(([zone, stacks]): ZoneSummary => {
      const [best, ...others] = heard.get(zone) ?? [];
      const isHere = zone === this.own && !best;
      const fresh = [best, ...others].flatMap((each) => (each && !this.#summaries.isStale(each) ? each.gateway : []));
      return {
        zone,
        own: zone === this.own,
        stacks: stacks.length,
        heard: best && {
          by: best.gateway,
          at: best.heardAt,
          up: best.summary.up,
          down: best.summary.down,
          records: best.summary.records,
          kinds: best.summary.kinds,
          root: toHex(best.summary.root),
        },
        stale: !isHere && (!best || this.#summaries.isStale(best)),
        gateways: fresh,
      };
    });
  }

  /** The record that a label means: in the own zone, else asked for in the zone of `name@stack`, or in all others. */
  async find(kind: string, label: string, options: { signal: AbortSignal }): Promise<Found> {
    const here = this.#parts.local(kind, label);
    if (here.length > 0) return { records: here.map((each) => ({ ...each, zone: this.own })), unanswered: [] };
    this.#sort();
    const at = label.lastIndexOf('@');
    const owners = at > 0 ? this.#membersCalled(label.slice(at + 1)).filter(({ zone }) => zone !== this.own) : [];
    if (owners.length === 0) return this.#finder.find(kind, label, this.#others(), options);
    const zones = [...new Set(owners.map(({ zone }) => zone))].sort();
    const found = await this.#finder.find(kind, label.slice(0, at), zones, options);
    return { ...found, records: found.records.filter(({ stack }) => owners.some((owner) => owner.stack === stack)) };
  }

  /** Where a gateway said that it can be dialled. */
  addressesOf(stack: StackId): readonly string[] {
    return this.#summaries.of(stack)?.summary.addresses ?? [];
  }

  /** Heads were exchanged with a member: what is known of zones is, too, where there are several. */
  exchanged(peer: StackId): void {
    if (this.#others().length > 0) void this.#exchange.with(peer);
  }

  /** The roster changed, or who is up. */
  changed(news: 'roster' | 'presence'): void {
    const now = this.#parts.clock.monotonic();
    if (news === 'roster') {
      this.#zones = new Map();
      this.#ranks.clear();
      this.#rounds.hurry(now);
    }
    this.#rounds.changed(now);
    this.#schedule();
  }

  /** This stack is in another mesh, or in another zone. */
  entered(): void {
    this.#summaries.clear();
    this.#finder.clear();
    this.changed('roster');
  }

  #membersCalled(label: string): { readonly stack: StackId; readonly zone: string }[] {
    const { roster, member } = this.#parts;
    const all = [...roster().memberships.values()];
    return all.filter(({ stack, name }) => (stack === label || name === label) && member(stack));
  }

  #others(): string[] {
    if (this.#zones.size === 0) this.#sort();
    return [...this.#zones.keys()].filter((zone) => zone !== this.own);
  }

  #sort(): void {
    const { roster, member } = this.#parts;
    const valid = [...roster().memberships.values()].filter(({ stack }) => member(stack));
    this.#zones = zonesOf(valid, this.own);
  }

  /** Writes what this stack sees of its zone where it speaks for it, and takes in what the other gateways wrote. */
  #look(): void {
    const { self, feeds, member, stateOf, ownersOf } = this.#parts;
    this.#sort();
    const zone = this.own;
    const stacks = this.#zones.get(zone) ?? [];
    const may = this.#others().length === 0 ? [] : stacks.filter((stack) => member(stack)?.role !== 'viewer');
    const gateways = gatewaysOf(
      zone,
      may.filter((stack) => stack === self || stateOf(stack) === 'up'),
    );
    this.#isGateway = gateways.includes(self);
    // Those of whom nothing was heard yet are among them: nobody else may tell this stack that they run.
    const first = gatewaysOf(
      zone,
      may.filter((stack) => stack === self || stateOf(stack) !== 'down'),
    );
    const groups = [gateways, first].filter((group) => group.includes(self));
    this.#regroup([...new Set(groups.flat())].filter((stack) => stack !== self).sort());
    this.#speak(zone, stacks);
    for (const { stack, name } of ownersOf(zoneKind.name, recordNameOf(zone))) {
      const wire = feeds.served.proven(stack, zoneKind.name, name);
      if (wire) this.#summaries.take(wire);
    }
  }

  #regroup(fellows: readonly StackId[]): void {
    if (fellows.join() === this.#fellows.join()) return;
    this.#fellows = fellows;
    this.#parts.regrouped();
  }

  #speak(zone: string, stacks: readonly StackId[]): void {
    const { self, ownersOf, write, options, clock } = this.#parts;
    const written = ownersOf(zoneKind.name, undefined).filter(({ stack }) => stack === self);
    for (const { name } of written) if (!this.#isGateway || name !== recordNameOf(zone)) write(name, undefined);
    if (!this.#isGateway) return;
    const summary = this.#summarize(zone, stacks);
    const now = clock.monotonic();
    const last = written.length > 0 && this.#last ? { ...this.#last, ageMs: now - this.#last.at } : undefined;
    // Looks are `lookMs` apart but for rounding.
    const times = { changedMs: options.lookMs * 0.9, refreshMs: options.refreshMs };
    if (!isDue(summary, last, times)) return;
    write(recordNameOf(zone), summary);
    this.#last = { summary, at: now };
  }

  #summarize(zone: string, stacks: readonly StackId[]): Summary {
    const { self, feeds, store, meshNow, stateOf, ownersOf, addressesOf } = this.#parts;
    const states = stacks.map((stack) => (stack === self ? 'up' : stateOf(stack)));
    const kinds = store.countKinds().filter(({ kind }) => kind !== zoneKind.name);
    // Summaries don't count, or each one would call for the next.
    const speakers = new Map(ownersOf(zoneKind.name, undefined).map(({ stack, name }) => [stack, name]));
    const near = new Set(stacks);
    const held = feeds.positions().filter(({ feed }) => near.has(feed));
    const roots = held.map(({ feed, hash }) => {
      const name = speakers.get(feed);
      const isSpeaker = name !== undefined || feed === self;
      const key = recordKey(zoneKind.name, name ?? recordNameOf(zone));
      return { feed, root: isSpeaker ? rootOf(remove(feeds.trie(feed), key)) : hash };
    });
    return {
      zone,
      stacks: stacks.length,
      up: states.filter((state) => state === 'up').length,
      down: states.filter((state) => state === 'down').length,
      records: kinds.reduce((sum, { count }) => sum + count, 0),
      kinds: mostFrequent(kinds.map(({ kind, count }) => [kind, count])),
      root: rootOverFeeds(roots),
      addresses: addressesOf(self)
        .filter((address) => address.length <= 200)
        .slice(0, maxGatewayAddresses),
      at: Math.max(0, Math.floor(meshNow())),
    };
  }

  #prove(kind: string, name: string): readonly Uint8Array[] {
    const { ownersOf, feeds } = this.#parts;
    return ownersOf(kind, name).flatMap(({ stack }) => feeds.served.proven(stack, kind, name) ?? []);
  }

  async #askZone<Answer>(
    zone: string,
    ask: (peer: StackId) => Promise<Answer>,
    { signal }: { signal: AbortSignal },
  ): Promise<Answer | undefined> {
    const { clock, reach, log } = this.#parts;
    for (const stack of this.#candidates(zone)) {
      if (signal.aborted) return undefined;
      try {
        await within(clock, reachTimeoutMs, { signal }, (limit) => reach(stack, { signal: limit }));
        return await ask(stack);
      } catch (error) {
        log.debug({ zone, stack, error }, 'a stack of another zone did not answer');
        if (this.#silent.size >= maxSilent) this.#silent.clear();
        if (!signal.aborted) this.#silent.set(stack, clock.monotonic() + silentMs);
      }
    }
    return undefined;
  }

  /** Stacks of a zone that may be reached, in the order in which they speak for it; silent ones last. */
  #candidates(zone: string): readonly StackId[] {
    const { network, addressesOf, clock, self } = this.#parts;
    const now = clock.monotonic();
    const connected = new Set(network.connected());
    const mayReach = (stack: StackId): boolean => connected.has(stack) || addressesOf(stack).length > 0;
    const ranked = this.#ranks.get(zone) ?? rank(zone, this.#zones.get(zone) ?? []);
    this.#ranks.set(zone, ranked);
    const candidates = ranked.filter((stack) => stack !== self && mayReach(stack));
    const isSilent = (stack: StackId): boolean => (this.#silent.get(stack) ?? 0) > now;
    return [...candidates.filter((each) => !isSilent(each)), ...candidates.filter(isSilent)].slice(0, maxTried);
  }

  async #ask(zone: string): Promise<void> {
    const { exchange, signal } = this.#parts;
    await this.#askZone(
      zone,
      async (peer) => {
        await exchange(peer);
        if (!(await this.#exchange.with(peer))) throw new Error('it did not answer');
      },
      { signal },
    );
  }

  #do(deeds: readonly ZoneDeed[]): void {
    for (const deed of deeds) {
      if (deed.type === 'look') this.#look();
      else
        void this.#ask(deed.zone).catch((error: unknown) => this.#parts.log.debug({ error }, 'asking a zone failed'));
    }
  }

  #schedule(): void {
    this.#cancelTimer();
    const { signal, clock, log } = this.#parts;
    if (signal.aborted) return;
    this.#cancelTimer = clock.after(Math.max(0, this.#rounds.wakeAt() - clock.monotonic()), () => {
      try {
        this.#do(this.#rounds.tick(clock.monotonic(), () => (this.#isGateway ? this.#others() : [])));
      } catch (error) {
        // A full disk, such as: the next look comes.
        log.error({ error }, 'looking at the zone failed');
      }
      this.#schedule();
    });
  }
}
