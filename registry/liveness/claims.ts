// What stacks sign about being there: a stack's own beats, and its observers' suspicions; read strictly, verified once.
import { z } from 'zod';
import { type Identity, isStackId, verifyBy } from '../identity.ts';
import type { StackId } from '../network.ts';
import { bytesSchema, fromBytes, fromSignedBytes, sha256, toBytes } from '../wire.ts';

/** A claim has about 350 bytes with its signature. */
export const maxClaimBytes = 1024;

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const stack = z.string().max(64).refine(isStackId);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

const beatSchema = z.strictObject({
  mesh: digest,
  stack,
  /** Raised at each start and each time that the stack answers a suspicion. */
  incarnation: count,
  /** Raised as time goes on within one incarnation: the lease. */
  counter: count,
  state: z.enum(['running', 'stopping']),
});

const suspicionSchema = z.strictObject({
  mesh: digest,
  subject: stack,
  /** The subject's incarnation that is suspected; a beat with a higher one voids it. */
  incarnation: count,
  observer: stack,
  /** The observer's own incarnation and a number within it: of two by one observer about one subject the higher counts. */
  order: z.tuple([count, count]),
  /** The digest of the roster that made it an observer. */
  roster: z.string().max(64),
  /** What it saw: nobody answers at the subject's addresses, or its connection is silent. */
  seen: z.enum(['unreachable', 'silent']),
  /** The observer hears the subject again. */
  withdrawn: z.boolean(),
});

const claimSchema = z.tuple([bytesSchema({ maxBytes: maxClaimBytes }), bytesSchema(64)]);

export type BeatBody = z.infer<typeof beatSchema>;
export type SuspicionBody = z.infer<typeof suspicionSchema>;

/** A verified beat; higher (incarnation, counter) is newer. */
export interface Beat extends BeatBody {
  readonly wire: Uint8Array;
}

/** A verified suspicion; whether its observer is one is judged by the roster. */
export interface Suspicion extends SuspicionBody {
  readonly wire: Uint8Array;
}

/** Each kind of claim has a domain of its own, so that a signature for one is none for anything else. */
const beatDomain = Buffer.from('hermesh/beat/1\0');
const suspicionDomain = Buffer.from('hermesh/suspicion/1\0');

export function signBeat(body: BeatBody, identity: Pick<Identity, 'sign'>): Beat {
  return { ...body, wire: sign(beatDomain, body, identity) };
}

export function signSuspicion(body: SuspicionBody, identity: Pick<Identity, 'sign'>): Suspicion {
  return { ...body, wire: sign(suspicionDomain, body, identity) };
}

/** The beat in these bytes; undefined where form, mesh or signature is wrong. */
export function verifyBeat(wire: Uint8Array, mesh: string): Beat | undefined {
  const body = open(wire, beatDomain, beatSchema, ({ stack: signer }) => signer);
  return body?.mesh === mesh ? { ...body, wire } : undefined;
}

/** The suspicion in these bytes; undefined where form, mesh or signature is wrong, or somebody suspects itself. */
export function verifySuspicion(wire: Uint8Array, mesh: string): Suspicion | undefined {
  const body = open(wire, suspicionDomain, suspicionSchema, ({ observer }) => observer);
  return body?.mesh === mesh && body.subject !== body.observer ? { ...body, wire } : undefined;
}

/** Below zero where `one` is older. */
export function compareBeats(
  one: Pick<Beat, 'incarnation' | 'counter'>,
  other: Pick<Beat, 'incarnation' | 'counter'>,
): number {
  return one.incarnation - other.incarnation || one.counter - other.counter;
}

/** Below zero where `one` is older; for two of one observer about one subject. */
export function compareOrders(one: SuspicionBody['order'], other: SuspicionBody['order']): number {
  return one[0] - other[0] || one[1] - other[1];
}

/** Names a claim among others in few bytes. Two that meet in it only hide one another from one exchange's list. */
export function shortName(text: string): Uint8Array {
  return sha256(Buffer.from(text)).slice(0, 8);
}

function sign(domain: Uint8Array, body: BeatBody | SuspicionBody, identity: Pick<Identity, 'sign'>): Uint8Array {
  const bytes = toBytes(body);
  return toBytes([bytes, identity.sign(Buffer.concat([domain, bytes]))]);
}

function open<Body>(
  wire: Uint8Array,
  domain: Uint8Array,
  schema: z.ZodType<Body>,
  signerOf: (body: Body) => StackId,
): Body | undefined {
  const parts = fromBytes(claimSchema, wire, maxClaimBytes);
  const body = parts && fromSignedBytes(schema, parts[0], maxClaimBytes);
  if (!parts || !body) return undefined;
  return verifyBy(signerOf(body), Buffer.concat([domain, parts[0]]), parts[1]) ? body : undefined;
}
