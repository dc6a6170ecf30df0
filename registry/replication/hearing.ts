// Hears what is published: judged at once, so that it is handed on; taken in right after, within bounds of rate and memory.
import type { Membership } from '#registry/roster';
import type { Clock } from '../clock.ts';
import type { StackId, Verdict } from '../network.ts';
import type { Conduct, Fault } from './conduct.ts';
import type { Deed, Replica } from './replicate.ts';

export interface HearingParts {
  readonly replica: Replica;
  readonly membership: Membership;
  readonly conduct: Conduct;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly fault: (peer: StackId, fault: Fault) => void;
  readonly do: (deeds: () => readonly Deed[]) => void;
}

/** What was judged and waits to be taken in: more than a second of all that a mesh may publish. Beyond, it is pulled later. */
const maxInboxBytes = 32 * 1024 * 1024;

export class Hearing {
  readonly #parts: HearingParts;
  #inbox: (() => readonly Deed[])[] = [];
  #inboxBytes = 0;

  constructor(parts: HearingParts) {
    this.#parts = parts;
  }

  /** Says what becomes of a message; what is accepted is taken in a moment later. */
  hear(message: Uint8Array, from: StackId): Verdict {
    const { replica, membership, conduct, clock, signal, fault } = this.#parts;
    const now = clock.monotonic();
    if (signal.aborted) return 'ignore';
    if (!membership.isNear(from)) {
      fault(from, 'other-mesh');
      return 'reject';
    }
    const heard = replica.hear(message);
    for (const each of heard.faults) fault(from, each);
    if (heard.verdict !== 'accept') return heard.verdict;
    if (!conduct.stated(from, heard.statements.length, now)) {
      fault(from, 'flood');
      return 'ignore';
    }
    const loud = [...heard.owners].filter(([owner, sizeBytes]) => !conduct.wrote(owner, sizeBytes, now));
    for (const [owner] of loud) fault(owner, 'flood');
    if (loud.length > 0 || this.#inboxBytes + message.byteLength > maxInboxBytes) return 'ignore';
    const mesh = membership.roster.mesh;
    this.#inboxBytes += message.byteLength;
    this.#inbox.push(() => (membership.roster.mesh === mesh ? replica.take(heard, from, clock.monotonic()) : []));
    if (this.#inbox.length === 1) clock.after(0, () => this.#takeIn());
    return 'accept';
  }

  #takeIn(): void {
    const inbox = this.#inbox;
    this.#inbox = [];
    this.#inboxBytes = 0;
    for (const take of inbox) if (!this.#parts.signal.aborted) this.#parts.do(take);
  }
}
