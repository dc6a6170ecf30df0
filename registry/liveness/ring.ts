// Who watches whom: the same on every stack that holds the same roster, without asking anybody.
import type { StackId } from '../network.ts';
import { sha256 } from '../wire.ts';

/** Observers of a stack. */
export const observersAStack = 10;
/** Of another roster than the own one so many are taken as observers: a member more or fewer displaces some. */
export const acceptedObservers = 14;

/** The rings of one set of members. */
export interface Ring {
  readonly members: readonly StackId[];
  /** The observers of a stack, nearest first and distinct: up to `count`, or all others where they are fewer. */
  observersOf(stack: StackId, count?: number): readonly StackId[];
  /** The stacks that this one observes, sorted by id. */
  subjectsOf(stack: StackId): readonly StackId[];
}

/**
 * Rings as in Rapid (Suresh and others, USENIX ATC 2018): ring i holds all members by SHA-256(i, stack id), and a stack's
 * observer there is its predecessor; one that watches it already gives its place to the one before it. A query is
 * O(log n) and kept; the first `subjectsOf` asks for the observers of all.
 */
export function makeRing(members: readonly StackId[]): Ring {
  return new HashRing([...new Set(members)].sort());
}

/** As `Ring.observersOf`; the rings of the newest sets of members are kept. */
export function observersOf(stack: StackId, members: readonly StackId[], count = observersAStack): readonly StackId[] {
  return ringOf(members).observersOf(stack, count);
}

/** As `Ring.subjectsOf`; the rings of the newest sets of members are kept. */
export function subjectsOf(stack: StackId, members: readonly StackId[]): readonly StackId[] {
  return ringOf(members).subjectsOf(stack);
}

/** Rings that are kept: of the mesh now and before, for each of some stacks in one process. */
const maxKept = 8;
const kept = new Map<string, Ring>();

/** The rings of these members, in whatever order; those of the newest sets are kept, for all stacks of this process. */
export function ringOf(members: readonly StackId[]): Ring {
  const sorted = [...new Set(members)].sort();
  const key = sorted.join(' ');
  const known = kept.get(key);
  if (known) return known;
  if (kept.size >= maxKept) kept.delete(kept.keys().next().value ?? '');
  const made = new HashRing(sorted);
  kept.set(key, made);
  return made;
}

class HashRing implements Ring {
  readonly members: readonly StackId[];
  /** Each ring with its members in order, and where each of them is. */
  readonly #rings: readonly { readonly order: readonly StackId[]; readonly at: ReadonlyMap<StackId, number> }[];
  readonly #observers = new Map<StackId, readonly StackId[]>();
  #subjects: Map<StackId, StackId[]> | undefined;

  constructor(members: readonly StackId[]) {
    this.members = members;
    this.#rings = Array.from({ length: observersAStack }, (_, index) => {
      const places = members.map((stack) => ({ stack, place: placeOf(index, stack) }));
      places.sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : a.stack < b.stack ? -1 : 1));
      const order = places.map(({ stack }) => stack);
      return { order, at: new Map(order.map((stack, at) => [stack, at])) };
    });
  }

  observersOf(stack: StackId, count = observersAStack): readonly StackId[] {
    if (count > acceptedObservers) throw new RangeError(`at most ${acceptedObservers} observers are known of a stack`);
    const known = this.#observers.get(stack) ?? this.#nearest(stack);
    this.#observers.set(stack, known);
    return known.slice(0, count);
  }

  subjectsOf(stack: StackId): readonly StackId[] {
    this.#subjects ??= this.#invert();
    return this.#subjects.get(stack) ?? [];
  }

  /** The predecessor in each ring, then the ones before those, until there are enough. */
  #nearest(stack: StackId): readonly StackId[] {
    if (!this.#rings[0]?.at.has(stack)) return [];
    const wanted = Math.min(acceptedObservers, this.members.length - 1);
    const found = new Set<StackId>();
    for (let at = 0; found.size < wanted; at += 1) {
      const ring = this.#rings[at % this.#rings.length];
      const place = ring?.at.get(stack) ?? 0;
      const size = this.members.length;
      for (let back = 1; back < size; back += 1) {
        const before = ring?.order[(place - back + size) % size];
        if (before === undefined || found.has(before)) continue;
        found.add(before);
        break;
      }
    }
    return [...found];
  }

  #invert(): Map<StackId, StackId[]> {
    const subjects = new Map<StackId, StackId[]>();
    for (const stack of this.members) {
      for (const observer of this.observersOf(stack)) {
        const known = subjects.get(observer);
        if (known) known.push(stack);
        else subjects.set(observer, [stack]);
      }
    }
    return subjects;
  }
}

/** Places that are kept, 10 a stack: the hashing of a mesh of 1,000 is done once. */
const maxPlaces = 20_000;
const places = new Map<string, string>();

function placeOf(ring: number, stack: StackId): string {
  const key = `${ring} ${stack}`;
  const known = places.get(key);
  if (known !== undefined) return known;
  const place = Buffer.from(sha256(Buffer.from(key))).toString('latin1');
  if (places.size >= maxPlaces) places.clear();
  places.set(key, place);
  return place;
}
