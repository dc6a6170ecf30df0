// What time it is in the mesh: the monotonic clock and the median of what members say, so that one wrong clock voids nothing.
import type { StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';

/** What one exchange with a member told of its clock. */
export interface TimeSample {
  readonly stack: StackId;
  /** Its clock less this stack's own, both in the middle of the exchange, in milliseconds. */
  readonly offsetMs: number;
  readonly roundTripMs: number;
}

/** Fewer could be moved by one that lies. */
const minSamples = 3;
/** One sample a stack, as many as a mesh has stacks. */
const maxSamples = 2_048;
/** A sample ages: the monotonic clock stands still while a machine sleeps. A member is met more often than this. */
const maxAgeMs = 10 * 60 * 1000;
/** The median is taken anew this often without a new sample, since samples age. */
const maxMedianAgeMs = 10_000;
/** What took longer says little of when the other looked at its clock. */
const maxRoundTripMs = 10_000;
/** A clock this much off signs nothing that expires. */
export const maxSkewMs = 5 * 60 * 1000;
/** The floor is written this rarely: what it saves from is a clock that is years behind. */
const floorStepMs = 60 * 60 * 1000;

export interface MeshTimeParts {
  /** Milliseconds since 1970 by this machine; may jump. */
  readonly now: () => number;
  readonly monotonic: () => number;
  /** What was kept last, in milliseconds since 1970; 0 where nothing was. */
  readonly floor: number;
  /** Keeps the floor; called once in an hour at most. */
  readonly keep: (floor: number) => void;
}

interface Heard {
  /** The member's clock less the monotonic one here: a jump of the own clock doesn't change it. */
  readonly offset: number;
  readonly at: number;
}

export class MeshTime {
  readonly #parts: MeshTimeParts;
  readonly #heard = new Map<StackId, Heard>();
  #floor: number;
  /** The median, while no sample came since and none grew too old: it is asked for at each stream. */
  #median: { readonly offset: number | undefined; readonly at: number } | undefined;

  constructor(parts: MeshTimeParts) {
    this.#parts = parts;
    this.#floor = parts.floor;
  }

  /** Takes what a member's clock says; the newest of each stack counts. */
  sample({ stack, offsetMs, roundTripMs }: TimeSample): void {
    if (!Number.isFinite(offsetMs) || !(roundTripMs >= 0 && roundTripMs <= maxRoundTripMs)) return;
    const { now, monotonic, keep } = this.#parts;
    const at = monotonic();
    this.#heard.delete(stack);
    const [eldest] = this.#heard.keys();
    if (this.#heard.size >= maxSamples && eldest !== undefined) this.#heard.delete(eldest);
    this.#heard.set(stack, { offset: now() + offsetMs - at, at });
    this.#median = undefined;
    const agreed = this.#agreed();
    // Only what members agree on is kept: a clock that was wrong while this stack was alone must not stay so for ever.
    if (agreed === undefined || agreed < this.#floor + floorStepMs) return;
    this.#floor = agreed;
    keep(agreed);
  }

  /** A stack that left or was revoked has no say any more. */
  forget(stack: StackId): void {
    if (this.#heard.delete(stack)) this.#median = undefined;
  }

  /** Milliseconds since 1970 as the mesh has it: the median of at least three members, else the own clock; never below the floor. */
  now(): number {
    return Math.floor(Math.max(this.#agreed() ?? this.#parts.now(), this.#floor));
  }

  /** How far the own clock is ahead of the mesh (behind: less than 0), in milliseconds. */
  skewMs(): number {
    return Math.round(this.#parts.now() - Math.max(this.#agreed() ?? this.#parts.now(), this.#floor));
  }

  /** Throws `clock-off` where the own clock is more than 5 minutes off: what it signed would expire at the wrong time. */
  requireClock(): void {
    const skewMs = this.skewMs();
    if (Math.abs(skewMs) <= maxSkewMs) return;
    throw new RegistryError('clock-off', `Cannot sign what expires: ${sayClockOff(skewMs)}`);
  }

  #agreed(): number | undefined {
    const at = this.#parts.monotonic();
    if (!this.#median || at - this.#median.at > maxMedianAgeMs) this.#median = { offset: this.#medianAt(at), at };
    return this.#median.offset === undefined ? undefined : at + this.#median.offset;
  }

  #medianAt(at: number): number | undefined {
    const fresh = [...this.#heard.values()].filter((each) => at - each.at <= maxAgeMs);
    if (fresh.length < minSamples) return undefined;
    const offsets = fresh.map(({ offset }) => offset).sort((a, b) => a - b);
    // Of an even number the two in the middle: the one that is nearer to the own clock.
    const own = this.#parts.now() - at;
    const low = offsets[(offsets.length - 1) >> 1] as number;
    const high = offsets[offsets.length >> 1] as number;
    return Math.abs(low - own) <= Math.abs(high - own) ? low : high;
  }
}

/** How a wrong clock is told: how far, which way, and the mend. */
export function sayClockOff(skewMs: number): string {
  return `this stack's clock is ${sayDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the mesh; set it, such as with "timedatectl set-ntp true", and try again`;
}

function sayDuration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}
