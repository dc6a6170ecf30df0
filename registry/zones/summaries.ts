// The summaries that were heard: which are believed, which are kept, and which are newer than those of another stack.
import { type ProvenRecord, verifyProvenRecord } from '#registry/feeds';
import type { Clock } from '../clock.ts';
import type { StackId } from '../network.ts';
import { readValue, sha256, toBytes } from '../wire.ts';
import type { ZoneStore } from './store.ts';
import { recordNameOf, type Summary, zoneKind } from './summary.ts';
import { gatewaysAZone, maxZones, rank } from './zone.ts';

/** How far a gateway was heard: its id, its epoch's counter and its sequence. */
export type Mark = readonly [gateway: StackId, counter: number, sequence: number];

/** A summary that is believed: signed by a stack with a certificate of that zone. */
export interface Heard {
  readonly gateway: StackId;
  readonly summary: Summary;
  readonly counter: number;
  readonly sequence: number;
  /** The proven record, as it was received. */
  readonly wire: Uint8Array;
  /** In milliseconds since 1970; shown only. */
  readonly heardAt: number;
  /** In milliseconds of the monotonic clock; undefined for one that was heard before this stack started, or was old when it came. */
  readonly heardMonotonic: number | undefined;
}

export interface SummariesParts {
  readonly store: ZoneStore;
  readonly clock: Clock;
  /** The mesh's time, in milliseconds since 1970. */
  readonly meshNow: () => number;
  readonly mesh: () => string;
  /** A member with a valid certificate. */
  readonly member: (stack: StackId) => { readonly zone: string; readonly role: string } | undefined;
  /** After this a summary is stale, in milliseconds since it was heard. */
  readonly staleMs: number;
}

/**
 * What became of a summary that came. `refused`: its owner may not speak for that zone as far as is known here;
 * `forged`: its owner didn't sign it, for which whoever handed it on is to blame.
 */
export type Taken = 'taken' | 'known' | 'refused' | 'forged';

/** As far as the times of two members may differ without either being told that its clock is wrong. */
const maxSkewMs = 5 * 60 * 1000;
/** Gateways whose last summary is remembered although it isn't kept any more. */
const maxForgotten = 1_000;

export class Summaries {
  readonly #parts: SummariesParts;
  readonly #heard = new Map<StackId, Heard>();
  /** Those that made room: what others still hand on of them is no news, and doesn't make them fresh again. */
  readonly #forgotten = new Map<StackId, Pick<Heard, 'counter' | 'sequence'>>();

  constructor(parts: SummariesParts) {
    this.#parts = parts;
    for (const { gateway, wire, heardAt } of parts.store.summaries()) {
      const read = this.#read(wire);
      if (typeof read !== 'string' && read.head.head.feed === gateway)
        this.#heard.set(gateway, toHeard(read, wire, heardAt, undefined));
      else parts.store.dropSummary(gateway);
    }
  }

  /** Takes a proven record from whoever: only a stack with a certificate of the zone is believed, and only news. */
  take(wire: Uint8Array): Taken {
    const read = this.#read(wire);
    if (typeof read === 'string') return read;
    const { store, clock, meshNow, staleMs } = this.#parts;
    // Who never heard this gateway may be handed what it said long ago: that is kept, and isn't fresh.
    const isOld = meshNow() - read.summary.at > staleMs + maxSkewMs;
    const heard = toHeard(read, wire, clock.now(), isOld ? undefined : clock.monotonic());
    const { gateway } = heard;
    const known = this.#heard.get(gateway) ?? this.#forgotten.get(gateway);
    if (known && !isNewer(heard, known)) return 'known';
    const others = this.#ofZone(heard.summary.zone).filter((each) => each.gateway !== gateway);
    const [worst] = others.slice(gatewaysAZone - 1);
    if (worst) {
      // Whoever is of the zone may speak for it, but doesn't displace one that ranks before it and is still heard.
      const [last] = this.#byWorth([worst, heard]).slice(-1);
      if (last === heard) return 'known';
      this.#forget(worst.gateway);
      if (this.#forgotten.size >= maxForgotten) this.#forgotten.clear();
      this.#forgotten.set(worst.gateway, worst);
    } else if (others.length === 0 && this.#zones().size >= maxZones) return 'known';
    store.putSummary({ gateway, wire, heardAt: Math.floor(heard.heardAt) });
    this.#heard.set(gateway, heard);
    this.#forgotten.delete(gateway);
    return 'taken';
  }

  /** All that are believed now, by zone and then worth: fresh before stale, and then in the order of rank. */
  all(): Heard[] {
    return [...this.#zones()].sort().flatMap((zone) => this.#ofZone(zone));
  }

  /** What that gateway said, where it is believed now. */
  of(gateway: StackId): Heard | undefined {
    const heard = this.#heard.get(gateway);
    return heard && this.#parts.member(gateway)?.zone === heard.summary.zone ? heard : undefined;
  }

  isStale({ heardMonotonic }: Heard): boolean {
    return heardMonotonic === undefined || this.#parts.clock.monotonic() - heardMonotonic > this.#parts.staleMs;
  }

  /** How far each gateway was heard. */
  marks(): Mark[] {
    return this.all().map(({ gateway, counter, sequence }) => [gateway, counter, sequence]);
  }

  /** One hash over the marks, whatever their order. */
  digest(): Uint8Array {
    return sha256(toBytes(this.marks().sort(([a], [b]) => (a < b ? -1 : 1))));
  }

  /** Those that a stack with these marks doesn't have. */
  newerThan(marks: readonly Mark[]): Heard[] {
    const at = new Map(marks.map(([gateway, counter, sequence]) => [gateway, { counter, sequence }]));
    return this.all().filter((heard) => {
      const known = at.get(heard.gateway);
      return !known || isNewer(heard, known);
    });
  }

  /** Forgets all: another mesh, or another zone. */
  clear(): void {
    for (const gateway of [...this.#heard.keys()]) this.#forget(gateway);
    this.#forgotten.clear();
  }

  #forget(gateway: StackId): void {
    this.#parts.store.dropSummary(gateway);
    this.#heard.delete(gateway);
  }

  #zones(): Set<string> {
    return new Set([...this.#heard.values()].map(({ summary }) => summary.zone));
  }

  #ofZone(zone: string): Heard[] {
    const { member } = this.#parts;
    const all = [...this.#heard.values()].filter((each) => each.summary.zone === zone);
    return this.#byWorth(all.filter(({ gateway }) => member(gateway)?.zone === zone));
  }

  #byWorth(all: readonly Heard[]): Heard[] {
    const ranked = rank(
      all[0]?.summary.zone ?? '',
      all.map(({ gateway }) => gateway),
    );
    const worth = (heard: Heard): number => (this.isStale(heard) ? ranked.length : 0) + ranked.indexOf(heard.gateway);
    return [...all].sort((a, b) => worth(a) - worth(b));
  }

  #read(wire: Uint8Array): Read | 'refused' | 'forged' {
    const proven = verifyProvenRecord(wire, this.#parts.mesh());
    if (typeof proven === 'string') return 'forged';
    if (proven.kind !== zoneKind.name || !proven.body || proven.body.byteLength > zoneKind.maxBytes) return 'refused';
    const summary = zoneKind.schema.safeParse(readValue(proven.body));
    const owner = this.#parts.member(proven.head.head.feed);
    if (!summary.success || !owner || owner.role === 'viewer') return 'refused';
    const { zone } = summary.data;
    return zone === owner.zone && proven.name === recordNameOf(zone) ? { ...proven, summary: summary.data } : 'refused';
  }
}

interface Read extends ProvenRecord {
  readonly summary: Summary;
}

function toHeard(
  { head, summary }: Read,
  wire: Uint8Array,
  heardAt: number,
  heardMonotonic: number | undefined,
): Heard {
  const { feed, epoch, sequence } = head.head;
  return { gateway: feed, summary, counter: epoch.counter, sequence, wire, heardAt, heardMonotonic };
}

function isNewer(one: Pick<Heard, 'counter' | 'sequence'>, other: Pick<Heard, 'counter' | 'sequence'>): boolean {
  return one.counter > other.counter || (one.counter === other.counter && one.sequence > other.sequence);
}
