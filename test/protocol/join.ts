// This room alone knows tokens, and the messages of joining and of renewal (docs/protocol.md, sections 7 and 8).
import { decode, type Encodable, encode } from './cbor.ts';
import { addresses, hashText, hex, insistSigned, label, roles, sha256, stackId } from './identity.ts';
import { insist } from './refusal.ts';
import { bytes, either, integer, list, literal, map, type Of, optional, text, tuple } from './shape.ts';

const prefix = 'hermesh1.';
const tokenShape = map({
  mesh: hashText,
  stack: stackId,
  addresses,
  secret: bytes(32),
  expiresAt: integer(),
  role: literal(...roles),
});
/** What a token says. */
export type Token = Of<typeof tokenShape>;

/** Reads a token; white space within is left out. */
export function readToken(written: string): Token {
  const word = written.replace(/\s/g, '');
  insist(word.startsWith(prefix), 'shape', 'no token of this version');
  const digits = word.slice(prefix.length);
  const all = Buffer.from(digits, 'base64url');
  insist(all.toString('base64url') === digits, 'shape', 'no base64url');
  insist(all.length > 4 && all.length <= 4096 + 4, 'size', 'a token of no fit size');
  const inner = new Uint8Array(all.subarray(0, -4));
  insist(hex(sha256(inner).subarray(0, 4)) === hex(all.subarray(-4)), 'checksum', 'the token was not copied whole');
  return tokenShape(decode(inner), 'token');
}

/** Writes a token. */
export function writeToken(token: Token): string {
  const inner = encode(token as Encodable);
  return prefix + Buffer.concat([inner, sha256(inner).subarray(0, 4)]).toString('base64url');
}

const joinShape = map({
  mesh: hashText,
  stack: stackId,
  invite: stackId,
  name: label,
  zone: optional(label),
  x25519: bytes(32),
  nonce: bytes(16),
  addresses,
  probe: optional(literal(true)),
});

/** Verifies a request to join. */
export function readJoin(wire: Uint8Array): Of<typeof joinShape> {
  insist(wire.length <= 4096, 'size', 'the request is too long');
  const [body, signature] = tuple(bytes({ most: 4096 }), bytes(64))(decode(wire), 'join');
  const read = joinShape(decode(body, { ordered: true }), 'body');
  insistSigned('join', body, signature, read.stack);
  return read;
}

/** A statement within another message: its bytes. */
const wire = bytes({ most: 8192 });
const refusalOf = <const T extends string>(...codes: readonly T[]) =>
  map({ code: literal(...codes), message: text(0, 10_000) });
/** What a request to join is answered. */
export const joinAnswer = either(
  map({ statements: list(wire, 10_000) }),
  map({ role: literal(...roles), usesLeft: integer(), now: integer() }),
  refusalOf(
    'invite-expired',
    'invite-used',
    'invite-unknown',
    'wrong-mesh',
    'name-taken',
    'zone-full',
    'revoked',
    'join-refused',
    'version-mismatch',
    'clock-off',
  ),
);
/** A request of renewal, and what it is answered. */
export const renewal = {
  request: map({ mesh: hashText, show: list(wire, 64) }),
  answer: either(map({ statements: list(wire, 64) }), refusalOf('not-admin', 'clock-off', 'wrong-mesh', 'revoked')),
} as const;
