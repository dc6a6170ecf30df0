// Whom this stack keeps a connection to, and when it dials whom; pure.
import type { StackId } from '../network.ts';

/** Up to so many members everybody is connected to everybody: 64 connections cost 10 MB. */
export const maxFullMembers = 64;
/** A connection that was opened to ask something is closed after this much quiet. */
export const idleMs = 60_000;
/** Dials of one stack are spread by so much for each member beyond a few, so that a mesh that restarts doesn't meet at once. */
const spreadMsPerMember = 10;
const unspreadMembers = 16;
const maxSpreadMs = 5_000;

/** The observers of a stack among members by the hash ring, or whom it observes: `observersOf` and `subjectsOf` of liveness. */
export type Ring = (stack: StackId, members: readonly StackId[]) => readonly StackId[];

/** The members to be connected with; `members` are all but `self`. The relation is symmetric: both sides keep it. */
export function keptOf(
  self: StackId,
  members: readonly StackId[],
  rings: { readonly observersOf: Ring; readonly subjectsOf: Ring },
): ReadonlySet<StackId> {
  if (members.length < maxFullMembers) return new Set(members);
  const all = [...members, self];
  const ring = [...rings.observersOf(self, all), ...rings.subjectsOf(self, all)];
  return new Set(ring.filter((stack) => stack !== self));
}

/** As `keptOf` and some more, computed anew only where `key` is another one: it stands for the members. */
export function makeKept(
  self: StackId,
  members: () => readonly StackId[],
  rings: { readonly observersOf: Ring; readonly subjectsOf: Ring },
  more: () => readonly StackId[],
): (key: string) => ReadonlySet<StackId> {
  let known: { readonly key: string; readonly kept: ReadonlySet<StackId> } | undefined;
  return (key) => {
    if (known?.key !== key) known = { key, kept: keptOf(self, members(), rings) };
    const others = more();
    return others.length === 0 ? known.kept : new Set([...known.kept, ...others]);
  };
}

/**
 * How long the first dial of a member waits, in milliseconds. Of two that learn of one another the one with the lower id
 * dials, so that they don't meet half-way; in a large mesh dials are spread.
 */
export function firstDialMs(
  self: StackId,
  other: StackId,
  { members, retryMs, chance }: { readonly members: number; readonly retryMs: number; readonly chance: number },
): number {
  const spreadMs = Math.min(maxSpreadMs, Math.max(0, members - unspreadMembers) * spreadMsPerMember);
  return (self < other ? 0 : retryMs) + chance * spreadMs;
}
