// What the evidence about one stack comes to: its state, why, and who says so. Pure.
import type { StackId } from '../network.ts';
import type { Suspicion } from './claims.ts';

/** What is known of a stack's presence; `since` is milliseconds since 1970 by this stack's clock, `by` those who say so. */
export interface Presence {
  readonly state: 'up' | 'suspect' | 'unreachable' | 'down' | 'expired' | 'left' | 'revoked';
  readonly since: number;
  readonly why: string;
  readonly by: readonly StackId[];
}

export type Verdict = Omit<Presence, 'since'>;

/** Of the ten observers of a stack in a large mesh, so many make it down. */
export const downOfTen = 9;
/** Up to here everybody observes everybody, and a majority decides. */
export const maxSmallMesh = 11;
/** Observers that must accuse an observer before its silence counts as agreeing: Rapid's low watermark of ten. */
export const implyingAccusers = 3;

export interface Evidence {
  readonly self: StackId;
  readonly subject: StackId;
  /** Members of the mesh, this stack and the subject too. */
  readonly members: number;
  /** Its newest beat says that it stops, and it was not met since. */
  readonly stopped: boolean;
  /** The accusations that stand, but those from before it was met. */
  readonly accusations: readonly Suspicion[];
  readonly observers: readonly StackId[];
  /** Whether an observer that doesn't accuse is under suspicion itself. */
  readonly isSuspected: (observer: StackId) => boolean;
  /** Since the last sign of life that came here, in milliseconds; undefined where none ever did. */
  readonly leaseAgeMs: number | undefined;
  readonly leaseMs: number;
  readonly connected: boolean;
  /** Why this stack can't reach it. */
  readonly failure: string | undefined;
}

export function judge(evidence: Evidence): Verdict {
  const { self, subject, members, stopped, accusations, leaseAgeMs, leaseMs, connected, failure } = evidence;
  if (stopped) return { state: 'down', why: 'it stopped', by: [subject] };
  const accusers = accusations.map(({ observer }) => observer).sort();
  if (members > 2 && isDown(evidence)) return { state: 'down', why: tally(evidence), by: accusers };
  if (leaseAgeMs !== undefined && leaseAgeMs > leaseMs && members > 2) {
    return { state: 'down', why: 'its lease ran out: nobody heard of it any more', by: [self] };
  }
  if (failure !== undefined) {
    const others = accusers.filter((each) => each !== self);
    const why = others.length > 0 ? `${failure}; ${tally(evidence)}` : failure;
    return { state: 'unreachable', why, by: [self, ...others] };
  }
  if (accusers.length > 0) return { state: 'suspect', why: tally(evidence), by: accusers };
  if (connected) return { state: 'up', why: 'connected', by: [self] };
  if (leaseAgeMs !== undefined && leaseAgeMs <= leaseMs)
    return { state: 'up', why: 'it was heard of lately', by: [self] };
  const why = leaseAgeMs === undefined ? 'it has not been reached since this stack started' : 'nobody hears of it';
  return { state: 'unreachable', why, by: [self] };
}

/** How many must agree that a stack is down, in a mesh of so many members; never with two. */
export function quorum(members: number): number {
  if (members <= 2) return Number.POSITIVE_INFINITY;
  return members <= maxSmallMesh ? Math.floor((members - 1) / 2) + 1 : downOfTen;
}

/** In a small mesh only accusations count: a minority that lost the others suspects them all. */
function isDown({ members, accusations, observers, isSuspected }: Evidence): boolean {
  if (accusations.length === 0) return false;
  const accusers = new Set(accusations.map(({ observer }) => observer));
  const silent = observers.filter((observer) => !accusers.has(observer));
  const implied = members <= maxSmallMesh ? 0 : silent.filter(isSuspected).length;
  return accusers.size + implied >= quorum(members);
}

function tally({ accusations, observers }: Evidence): string {
  const silent = accusations.filter(({ seen }) => seen === 'silent').length;
  const what = silent > accusations.length / 2 ? 'hear nothing of it' : "can't reach it";
  const all = Math.max(observers.length, accusations.length);
  const one = silent === 1 ? 'hears nothing of it' : "can't reach it";
  return `${accusations.length} of its ${all} observers ${accusations.length === 1 ? one : what}`;
}
