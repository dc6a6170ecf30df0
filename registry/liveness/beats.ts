// The exchange of claims between two members: digests first, then short names, then the claims that one side lacks.
import { z } from 'zod';
import { type Clock, within } from '../clock.ts';
import type { Network, StackId } from '../network.ts';
import { bytesSchema, fromBytes, readRequest, toBytes } from '../wire.ts';
import { maxClaimBytes } from './claims.ts';
import type { AgedClaim, Ledger } from './ledger.ts';

export const beatsProtocol = '/hermesh/beats/1.0.0';
const exchangeTimeoutMs = 10_000;
/** Names in one message: the beats of 1,000 stacks, and the suspicions of some hundred. */
const maxNames = 6_000;
/** Claims in one message: verifying them takes 70 microseconds each. */
const maxClaims = 256;
/** Rounds of one exchange: enough for a stack that knows nothing of 1,000 others. */
const maxRounds = 8;
const maxMessageBytes = maxClaims * 2 * (maxClaimBytes + 32);

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
/** A sign of life is at most so old: a year, in seconds. */
const age = z
  .int()
  .min(0)
  .max(366 * 24 * 60 * 60);
const name = bytesSchema(8);
const agedClaims = z.array(z.tuple([bytesSchema({ maxBytes: maxClaimBytes }), age])).max(maxClaims);
const requestSchema = z.union([
  z.strictObject({ digest: bytesSchema(32) }),
  z.strictObject({ give: agedClaims, want: z.array(name).max(maxClaims) }),
]);
const namesSchema = z.strictObject({
  /** The other side's clock, in milliseconds since 1970. */
  now: count,
  names: z
    .array(z.tuple([name, count, count, age]))
    .max(maxNames)
    .nullable(),
});
const claimsSchema = z.strictObject({ claims: agedClaims });

export interface BeatsParts {
  readonly network: Network;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Claims came from that member. */
  readonly take: (claims: readonly AgedClaim[], from: StackId) => void;
  /** A member's clock, as far as it is ahead of this one, and how long the question and its answer took, in milliseconds. */
  readonly timeSample: (stack: StackId, offsetMs: number, roundTripMs: number) => void;
}

/** Answers members that compare their claims with those here. */
export function serveBeats({ network, ledger, clock, take }: BeatsParts): void {
  const bounds = { access: 'member', maxRequestBytes: maxMessageBytes, timeoutMs: exchangeTimeoutMs } as const;
  network.serve(beatsProtocol, bounds, async (bytes, { from }) => {
    const request = readRequest(requestSchema, bytes, maxMessageBytes);
    const now = clock.monotonic();
    if ('digest' in request) {
      const isSame = Buffer.compare(request.digest, ledger.digest()) === 0;
      return toBytes({ now: Math.round(clock.now()), names: isSame ? null : ledger.names(now).slice(0, maxNames) });
    }
    const claims = ledger.claims(request.want, now).slice(0, maxClaims);
    take(request.give, from);
    return toBytes({ claims });
  });
}

/** Brings both sides up to date; throws what the network throws. */
export async function exchangeBeats(peer: StackId, parts: BeatsParts): Promise<void> {
  const { ledger, clock, take, timeSample } = parts;
  const begin = clock.monotonic();
  const answer = fromBytes(namesSchema, await ask(peer, { digest: ledger.digest() }, parts), maxMessageBytes);
  if (!answer) throw new Error('the answer cannot be read');
  const now = clock.monotonic();
  timeSample(peer, answer.now + (now - begin) / 2 - clock.now(), now - begin);
  if (!answer.names) return;
  const { give, want } = ledger.compare(answer.names, now);
  for (let round = 0; round < maxRounds && (give.length > 0 || want.length > 0); round += 1) {
    const request = { give: give.splice(0, maxClaims), want: want.splice(0, maxClaims) };
    const told = fromBytes(claimsSchema, await ask(peer, request, parts), maxMessageBytes);
    if (!told) throw new Error('the answer cannot be read');
    take(told.claims, peer);
  }
}

/** Hands claims to a member that may not have them. */
export async function giveClaims(peer: StackId, give: readonly AgedClaim[], parts: BeatsParts): Promise<void> {
  await ask(peer, { give: give.slice(0, maxClaims), want: [] }, parts);
}

function ask(peer: StackId, request: unknown, { network, clock, signal }: BeatsParts): Promise<Uint8Array> {
  return within(clock, exchangeTimeoutMs, { signal }, (limit) =>
    network.request(peer, beatsProtocol, toBytes(request), { signal: limit, maxResponseBytes: maxMessageBytes }),
  );
}
