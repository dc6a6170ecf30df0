// The newest claims of each stack, bounded by the members of the mesh, and how long ago each stack gave a sign of life.
import type { StackId } from '../network.ts';
import { sha256, toBytes, toHex } from '../wire.ts';
import { type Beat, compareBeats, compareOrders, type Suspicion, shortName } from './claims.ts';
import { acceptedObservers, type Ring, ringOf } from './ring.ts';

/** One claim in a list that is compared: its short name, its two counters, and for a beat its age in seconds. */
export type ClaimName = readonly [name: Uint8Array, first: number, second: number, ageS: number];

/** A claim as it is handed over, and how many seconds ago its stack gave a sign of life. */
export type AgedClaim = readonly [wire: Uint8Array, ageS: number];

interface Lease {
  readonly beat: Beat;
  /** When a sign of life last came, by the own monotonic clock. */
  readonly heardAt: number;
}

/** Who belongs to the mesh now. */
export interface MeshRoster {
  readonly mesh: string;
  readonly digest: string;
  /** All members with a valid certificate, this stack too. */
  readonly members: readonly StackId[];
}

export class Ledger {
  #roster: MeshRoster = { mesh: '', digest: '', members: [] };
  #ring: Ring = ringOf([]);
  #members: ReadonlySet<StackId> = new Set();
  readonly #leases = new Map<StackId, Lease>();
  readonly #suspicions = new Map<StackId, Map<StackId, Suspicion>>();
  #digest: Uint8Array | undefined;

  get roster(): MeshRoster {
    return this.#roster;
  }

  get ring(): Ring {
    return this.#ring;
  }

  isMember(stack: StackId): boolean {
    return this.#members.has(stack);
  }

  /** The members changed: claims of those that went, and of those that observe no more, are dropped. */
  setRoster(roster: MeshRoster): void {
    if (roster.mesh !== this.#roster.mesh) {
      this.#leases.clear();
      this.#suspicions.clear();
    }
    const isSame = roster.members.length === this.#members.size && roster.members.every((each) => this.isMember(each));
    this.#roster = roster;
    this.#digest = undefined;
    if (isSame) return;
    this.#members = new Set(roster.members);
    this.#ring = ringOf(roster.members);
    for (const stack of this.#leases.keys()) if (!this.isMember(stack)) this.#leases.delete(stack);
    for (const [subject, all] of this.#suspicions) {
      const accepted = this.#ring.observersOf(subject, acceptedObservers);
      for (const observer of all.keys()) if (!accepted.includes(observer)) all.delete(observer);
      if (all.size === 0) this.#suspicions.delete(subject);
    }
  }

  beat(stack: StackId): Beat | undefined {
    return this.#leases.get(stack)?.beat;
  }

  /** 0 where nothing was heard of it yet. */
  incarnation(stack: StackId): number {
    return this.#leases.get(stack)?.beat.incarnation ?? 0;
  }

  /** Keeps a beat that is newer than the known one; returns whether it is. `heardAt` is when a sign of life last came. */
  addBeat(beat: Beat, heardAt: number): boolean {
    const known = this.#leases.get(beat.stack);
    if (!this.isMember(beat.stack) || (known && compareBeats(beat, known.beat) <= 0)) return false;
    this.#leases.set(beat.stack, { beat, heardAt: Math.max(known?.heardAt ?? heardAt, heardAt) });
    this.#digest = undefined;
    if (known?.beat.incarnation !== beat.incarnation) this.#void(beat.stack, beat.incarnation);
    return true;
  }

  /** A sign of life of the incarnation that is known. */
  heard(stack: StackId, at: number): void {
    const known = this.#leases.get(stack);
    if (known && at > known.heardAt) this.#leases.set(stack, { beat: known.beat, heardAt: at });
  }

  /** When a sign of life last came; undefined where none ever did. */
  heardAt(stack: StackId): number | undefined {
    return this.#leases.get(stack)?.heardAt;
  }

  /** Whether this suspicion would be kept: by an observer of a member, newer than what that one said before, not voided. */
  wants(suspicion: Suspicion): boolean {
    const { subject, observer, incarnation, order, roster } = suspicion;
    const accepted = roster === this.#roster.digest ? undefined : acceptedObservers;
    if (!this.#ring.observersOf(subject, accepted).includes(observer)) return false;
    if (incarnation < this.incarnation(subject)) return false;
    const known = this.#suspicions.get(subject)?.get(observer);
    return known === undefined || compareOrders(order, known.order) > 0;
  }

  /** Keeps a suspicion that is wanted; returns whether it was. */
  addSuspicion(suspicion: Suspicion): boolean {
    if (!this.wants(suspicion)) return false;
    const all = this.#suspicions.get(suspicion.subject) ?? new Map<StackId, Suspicion>();
    this.#suspicions.set(suspicion.subject, all.set(suspicion.observer, suspicion));
    this.#digest = undefined;
    return true;
  }

  suspicion(subject: StackId, observer: StackId): Suspicion | undefined {
    return this.#suspicions.get(subject)?.get(observer);
  }

  /** Those of whom this observer said something, withdrawn or not. */
  subjectsOf(observer: StackId): StackId[] {
    return [...this.#suspicions].flatMap(([subject, all]) => (all.has(observer) ? [subject] : []));
  }

  /** Who accuses the subject of being away in its known incarnation, as long as that stands. */
  accusations(subject: StackId): readonly Suspicion[] {
    const incarnation = this.#leases.get(subject)?.beat.incarnation;
    return [...(this.#suspicions.get(subject)?.values() ?? [])].filter(
      (each) => !each.withdrawn && (incarnation === undefined || each.incarnation === incarnation),
    );
  }

  /** One hash over all claims, 32 bytes; ages don't count. */
  digest(): Uint8Array {
    this.#digest ??= sha256(
      toBytes([
        this.names(0)
          .map(([name, first, second]) => [toHex(name), first, second])
          .sort(compareNames),
      ]),
    );
    return this.#digest;
  }

  /** All claims by their short names. */
  names(now: number): ClaimName[] {
    const names: ClaimName[] = [];
    for (const [stack, { beat, heardAt }] of this.#leases) {
      names.push([beatName(stack), beat.incarnation, beat.counter, secondsSince(heardAt, now)]);
    }
    for (const each of this.#allSuspicions()) names.push([suspicionName(each), ...each.order, 0]);
    return names;
  }

  /** What another side lacks or has older, and what is newer or unknown there; the younger age of equal beats is taken over. */
  compare(theirs: readonly ClaimName[], now: number): { readonly give: AgedClaim[]; readonly want: Uint8Array[] } {
    const own = new Map<string, { claim: AgedClaim; first: number; second: number; stack?: StackId }>();
    for (const [stack, { beat, heardAt }] of this.#leases) {
      const { wire, incarnation, counter } = beat;
      const claim: AgedClaim = [wire, secondsSince(heardAt, now)];
      own.set(toHex(beatName(stack)), { claim, first: incarnation, second: counter, stack });
    }
    for (const each of this.#allSuspicions()) {
      own.set(toHex(suspicionName(each)), { claim: [each.wire, 0], first: each.order[0], second: each.order[1] });
    }
    const want: Uint8Array[] = [];
    for (const [name, first, second, ageS] of theirs) {
      const mine = own.get(toHex(name));
      const difference = mine ? mine.first - first || mine.second - second : -1;
      if (difference < 0) want.push(name);
      if (difference === 0 && mine?.stack !== undefined) this.heard(mine.stack, now - ageS * 1000);
      if (difference <= 0) own.delete(toHex(name));
    }
    return { give: [...own.values()].map(({ claim }) => claim), want };
  }

  /** The claims of these short names. */
  claims(wanted: readonly Uint8Array[], now: number): AgedClaim[] {
    const names = new Set(wanted.map(toHex));
    const beats = [...this.#leases].filter(([stack]) => names.has(toHex(beatName(stack))));
    const suspicions = this.#allSuspicions().filter((each) => names.has(toHex(suspicionName(each))));
    return [
      ...beats.map(([, { beat, heardAt }]): AgedClaim => [beat.wire, secondsSince(heardAt, now)]),
      ...suspicions.map(({ wire }): AgedClaim => [wire, 0]),
    ];
  }

  #allSuspicions(): Suspicion[] {
    return [...this.#suspicions.values()].flatMap((all) => [...all.values()]);
  }

  #void(subject: StackId, incarnation: number): void {
    const all = this.#suspicions.get(subject);
    for (const [observer, each] of all ?? []) if (each.incarnation < incarnation) all?.delete(observer);
  }
}

function secondsSince(at: number, now: number): number {
  return Math.max(0, Math.round((now - at) / 1000));
}

/** Short names that are kept: of the beats of a mesh of 1,000 and some hundred suspicions. */
const maxShortNames = 4_000;
const shortNames = new Map<string, Uint8Array>();

function named(text: string): Uint8Array {
  const known = shortNames.get(text);
  if (known) return known;
  if (shortNames.size >= maxShortNames) shortNames.clear();
  const made = shortName(text);
  shortNames.set(text, made);
  return made;
}

function beatName(stack: StackId): Uint8Array {
  return named(`beat ${stack}`);
}

function suspicionName({ subject, observer }: Suspicion): Uint8Array {
  return named(`suspicion ${subject} ${observer}`);
}

function compareNames([one]: readonly unknown[], [other]: readonly unknown[]): number {
  return String(one) < String(other) ? -1 : 1;
}
