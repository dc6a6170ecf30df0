// This room alone knows beats, suspicions, who observes whom and the beats exchange (docs/protocol.md, section 12).
import { decode, type Encodable, encode } from './cbor.ts';
import { hashText, hex, insistSigned, sha256, stackId } from './identity.ts';
import { insist } from './refusal.ts';
import { bytes, integer, list, literal, map, type Of, orNull, truth, tuple } from './shape.ts';

/** The longest claim. */
export const maxClaimBytes = 1024;
const rings = 10;
const observersOfOne = 10;
const acceptedOfOne = 14;

const beatShape = map({
  mesh: hashText,
  stack: stackId,
  incarnation: integer(),
  counter: integer(),
  state: literal('running', 'stopping'),
});
const suspicionShape = map({
  mesh: hashText,
  subject: stackId,
  incarnation: integer(),
  observer: stackId,
  order: tuple(integer(), integer()),
  roster: hashText,
  seen: literal('unreachable', 'silent'),
  withdrawn: truth,
});
/** A verified claim: its body, and how a list names it. */
export interface Claim<B = unknown> {
  readonly body: B;
  readonly shortName: Uint8Array;
  readonly first: number;
  readonly second: number;
}
/** How a list names a claim: hex of the short name, and two numbers. */
export type Named = readonly [name: string, first: number, second: number];

/** Verifies a beat. */
export function readBeat(wire: Uint8Array, mesh: string): Claim<Of<typeof beatShape>> {
  const { bytes: signed, signature } = partsOf(wire);
  const body = beatShape(decode(signed, { ordered: true }), 'beat');
  insist(body.mesh === mesh, 'mesh', 'the beat is of another mesh');
  insistSigned('beat', signed, signature, body.stack);
  const shortName = sha256(`beat ${body.stack}`).subarray(0, 8);
  return { body, shortName, first: body.incarnation, second: body.counter };
}

/** Verifies a suspicion by itself; whether it is taken is told by the roster. */
export function readSuspicion(wire: Uint8Array, mesh: string): Claim<Of<typeof suspicionShape>> {
  const { bytes: signed, signature } = partsOf(wire);
  const body = suspicionShape(decode(signed, { ordered: true }), 'suspicion');
  insist(body.mesh === mesh, 'mesh', 'the suspicion is of another mesh');
  insist(body.subject !== body.observer, 'shape', 'nobody suspects itself');
  insistSigned('suspicion', signed, signature, body.observer);
  const shortName = sha256(`suspicion ${body.subject} ${body.observer}`).subarray(0, 8);
  return { body, shortName, first: body.order[0], second: body.order[1] };
}

/** Verifies a claim that is one of both. */
export function readClaim(wire: Uint8Array, mesh: string): Claim {
  try {
    return readBeat(wire, mesh);
  } catch {
    return readSuspicion(wire, mesh);
  }
}

/** Those that observe a stack among these members; `accepted` are those that are believed where rosters differ. */
export function observersOf(stack: string, members: readonly string[]): { observers: string[]; accepted: string[] } {
  const accepted: string[] = [];
  const most = Math.min(acceptedOfOne, members.length - 1);
  for (let turn = 0; accepted.length < most; turn++) {
    const ring = ringOf(turn % rings, members);
    const own = ring.indexOf(stack);
    const backwards = ring.map((_, step) => ring.at((own - step + ring.length) % ring.length) ?? stack);
    const next = backwards.find((id) => id !== stack && !accepted.includes(id));
    if (next !== undefined) accepted.push(next);
  }
  return { observers: accepted.slice(0, observersOfOne), accepted };
}

/** Those that a stack observes, sorted by id. */
export function subjectsOf(stack: string, members: readonly string[]): string[] {
  return members.filter((id) => id !== stack && observersOf(id, members).observers.includes(stack)).sort();
}

/** By how many a stack must be accused to be down, in a zone of so many members; null where that never makes it so. */
export function accusersNeeded(members: number): number | null {
  if (members <= 2) return null;
  return members <= 11 ? Math.floor((members - 1) / 2) + 1 : 9;
}

/** The digest over all claims. */
export function digestOfClaims(names: readonly Named[]): Uint8Array {
  return sha256(encode([names.toSorted(([one], [other]) => (one < other ? -1 : 1))]));
}

/** How a list names a claim. */
export function named({ shortName, first, second }: Claim): Named {
  return [hex(shortName), first, second];
}

const maxAge = 366 * 24 * 60 * 60;
const age = integer(0, maxAge);
const claimWithAge = tuple(bytes({ most: maxClaimBytes }), age);
const listed = tuple(bytes(8), integer(), integer(), age);
/** The messages of the beats exchange, in their order. */
export const beatsExchange = {
  askDigest: map({ digest: bytes(32) }),
  answerNames: map({ now: integer(), names: orNull(list(listed, 6000)) }),
  askClaims: map({ give: list(claimWithAge, 256), want: list(bytes(8), 256) }),
  answerClaims: map({ claims: list(claimWithAge, 256) }),
} as const;

/** The bytes of a claim over these body bytes. */
export function writeClaim(body: Uint8Array, signature: Uint8Array): Uint8Array {
  return encode([body, signature] satisfies Encodable);
}

function partsOf(wire: Uint8Array): { bytes: Uint8Array; signature: Uint8Array } {
  insist(wire.length <= maxClaimBytes, 'size', 'the claim is too long');
  const [body, signature] = tuple(bytes({ most: maxClaimBytes }), bytes(64))(decode(wire), 'claim');
  return { bytes: body, signature };
}

function ringOf(ring: number, members: readonly string[]): string[] {
  return members
    .map((id) => ({ id, place: hex(sha256(`${ring} ${id}`)) }))
    .sort((one, other) => (one.place < other.place ? -1 : 1))
    .map(({ id }) => id);
}
