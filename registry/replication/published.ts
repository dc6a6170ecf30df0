// What is published: the envelope, and judging one that was heard before anything is taken in; pure.
import { z } from 'zod';
import {
  type Evidence,
  provesEquivocation,
  type SignedHead,
  signedHeadSchema,
  type VerifiedDelta,
  type VerifiedHead,
  verifyDelta,
  verifyHead,
} from '#registry/feeds';
import type { StackId, Verdict } from '../network.ts';
import { bytesSchema, fromBytes, sha256, toBytes, toHex } from '../wire.ts';
import type { Fault } from './conduct.ts';

/** What is published at once; gossip takes 256 KiB. */
const maxPublishedBytes = 200 * 1024;
/** Deltas and heads that are known again without verifying them: what a busy mesh of 1,000 publishes in some seconds. */
const maxKnown = 8_192;
/** Statements in one message: about 400 bytes each. */
const maxStatements = 100;
/** Deltas in one message. */
const maxDeltas = 1_000;

const part = bytesSchema({ maxBytes: maxPublishedBytes });
const messageSchema = z.strictObject({
  deltas: z.array(part).max(maxDeltas).optional(),
  heads: z.array(signedHeadSchema).max(16).optional(),
  statements: z.array(part).max(maxStatements).optional(),
  evidence: z.tuple([signedHeadSchema, signedHeadSchema]).optional(),
});

/** A published message, judged and not taken in yet, so that it can be handed on first. */
export interface Heard {
  readonly verdict: Verdict;
  readonly faults: readonly Fault[];
  /** Bytes of each owner in it, signed by that owner. */
  readonly owners: ReadonlyMap<StackId, number>;
  readonly statements: readonly Uint8Array[];
  /** Two heads by which a member's equivocation is proven. */
  readonly evidence: Evidence | undefined;
  /** Those that are new here, of members; a head alone stands for changes too large to be published. */
  readonly fresh: readonly (VerifiedHead | VerifiedDelta)[];
}

const faultOf = {
  shape: 'refused-shape',
  signature: 'refused-signature',
  mesh: 'other-mesh',
  changes: 'junk',
  proof: 'junk',
} as const satisfies Record<Exclude<ReturnType<typeof verifyDelta>, VerifiedDelta>, Fault>;

/** The messages for a batch of deltas of one feed; a delta that is too large is only told of by its head, and pulled. */
export function messagesOf(batch: readonly VerifiedDelta[]): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let deltas: Uint8Array[] = [];
  let size = 0;
  const close = (): void => {
    if (deltas.length > 0) messages.push(toBytes({ deltas }));
    deltas = [];
    size = 0;
  };
  for (const { wire, bytes, signature } of batch) {
    if (size + wire.byteLength > maxPublishedBytes - 1024 || deltas.length >= maxDeltas) close();
    if (wire.byteLength > maxPublishedBytes - 1024) messages.push(toBytes({ heads: [[bytes, signature]] }));
    else {
      deltas.push(wire);
      // Three bytes say how long each is.
      size += wire.byteLength + 3;
    }
  }
  close();
  return messages;
}

/** The message that tells of statements, or undefined where they are too many. */
export function statementsMessage(wires: readonly Uint8Array[]): Uint8Array | undefined {
  const message = toBytes({ statements: wires.slice(0, maxStatements) });
  return message.byteLength <= maxPublishedBytes ? message : undefined;
}

/** The message that tells of two heads by which an owner's equivocation is proven. */
export function evidenceMessage(evidence: readonly [SignedHead, SignedHead]): Uint8Array {
  return toBytes({ evidence });
}

/** Evidence as it travels. */
export function wireOf([one, other]: Evidence): [[Uint8Array, Uint8Array], [Uint8Array, Uint8Array]] {
  return [
    [one.bytes, one.signature],
    [other.bytes, other.signature],
  ];
}

/** Two heads as they travel, where their owner signed both and they prove that it wrote two histories. */
export function verifyEvidence([one, other]: readonly [SignedHead, SignedHead], mesh: string): Evidence | Fault {
  const [first, second] = [verifyHead(...one, mesh), verifyHead(...other, mesh)];
  if (typeof first === 'string') return faultOf[first];
  if (typeof second === 'string') return faultOf[second];
  return provesEquivocation(first, second) ? [first, second] : 'junk';
}

/** Judges what is heard; remembers, bounded, what was heard before. */
export class Published {
  readonly #known = new Set<string>();

  /** What is wrong in part is refused whole; what holds nothing new of a member isn't handed on. */
  judge(message: Uint8Array, mesh: string, isMember: (stack: StackId) => boolean): Heard {
    if (message.byteLength > maxPublishedBytes + 1024) return refuse('oversized');
    const read = fromBytes(messageSchema, message, maxPublishedBytes + 1024);
    if (!read) return refuse('refused-shape');
    const { deltas = [], heads = [] } = read;
    const statements = (read.statements ?? []).filter((wire) => this.#isNew(wire));
    const owners = new Map<StackId, number>();
    const fresh: (VerifiedHead | VerifiedDelta)[] = [];
    let isRepublished = statements.length < (read.statements ?? []).length;
    const take = (
      bytes: Uint8Array,
      verify: () => ReturnType<typeof verifyDelta | typeof verifyHead>,
    ): Fault | undefined => {
      // Before the signature is looked at: the same again costs next to nothing.
      const id = toHex(sha256(bytes));
      if (this.#known.has(id)) {
        isRepublished = true;
        return undefined;
      }
      const verified = verify();
      if (typeof verified === 'string') return faultOf[verified];
      this.#know(id);
      const { feed } = verified.head;
      if (!isMember(feed)) return undefined;
      owners.set(feed, (owners.get(feed) ?? 0) + bytes.byteLength);
      fresh.push(verified);
      return undefined;
    };
    for (const wire of deltas) {
      const fault = take(wire, () => verifyDelta(wire, mesh));
      if (fault) return refuse(fault);
    }
    for (const [bytes, signature] of heads) {
      const fault = take(bytes, () => verifyHead(bytes, signature, mesh));
      if (fault) return refuse(fault);
    }
    const evidence = read.evidence && this.#evidence(read.evidence, mesh);
    if (typeof evidence === 'string') return refuse(evidence);
    const isAccused = evidence !== undefined && isMember(evidence[0].head.feed);
    const isNews = fresh.length > 0 || statements.length > 0 || isAccused;
    return {
      verdict: isNews ? 'accept' : 'ignore',
      faults: isRepublished ? ['republish'] : [],
      owners,
      statements,
      evidence: isAccused ? evidence : undefined,
      fresh,
    };
  }

  #isNew(statement: Uint8Array): boolean {
    const id = toHex(sha256(statement));
    if (this.#known.has(id)) return false;
    this.#know(id);
    return true;
  }

  /** Undefined where it was heard before. */
  #evidence(pair: readonly [SignedHead, SignedHead], mesh: string): Evidence | Fault | undefined {
    const id = toHex(sha256(pair[0][0], pair[1][0]));
    if (this.#known.has(id)) return undefined;
    const verified = verifyEvidence(pair, mesh);
    if (typeof verified !== 'string') this.#know(id);
    return verified;
  }

  #know(id: string): void {
    const [oldest] = this.#known;
    if (this.#known.size >= maxKnown && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(id);
  }
}

function refuse(fault: Fault): Heard {
  return { verdict: 'reject', faults: [fault], owners: new Map(), statements: [], evidence: undefined, fresh: [] };
}
