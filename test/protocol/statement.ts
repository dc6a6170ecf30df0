// This room alone knows one statement of the roster by itself (docs/protocol.md, section 4).
import { decode, type Value } from './cbor.ts';
import { hashText, hex, insistSigned, label, roles, sha256, stackId } from './identity.ts';
import { insist } from './refusal.ts';
import { bytes, integer, list, literal, map, type Of, optional, tuple } from './shape.ts';

const maxBytes = 8192;
const root = map({
  type: literal('root'),
  version: integer(1, 1000),
  mesh: optional(hashText),
  previous: optional(hashText),
  admins: list(stackId, 64, 1),
  threshold: integer(1, 64),
  nonce: bytes(16),
  createdAt: integer(),
});
const certificate = map({
  type: literal('certificate'),
  mesh: hashText,
  stack: stackId,
  name: label,
  zone: optional(label),
  role: literal(...roles),
  x25519: bytes(32),
  notBefore: integer(),
  notAfter: integer(),
});
const revocation = map({
  type: literal('revocation'),
  mesh: hashText,
  stack: stackId,
  at: integer(),
  survivors: list(hashText, 100),
});
const pardon = map({ type: literal('pardon'), mesh: hashText, stack: stackId, counter: integer(), at: integer() });
const leave = map({ type: literal('leave'), mesh: hashText, certificates: list(hashText, 16), at: integer() });
const bodies = { root, certificate, revocation, pardon, leave } as const;

/** The body of a statement, by its `type`. */
export type Body = Of<(typeof bodies)[keyof typeof bodies]>;
/** A verified statement; `id` is its id, `bodyHash` the hex of SHA-256 of the body's bytes. */
export interface Statement<B extends Body = Body> {
  readonly id: string;
  readonly bodyHash: string;
  readonly body: B;
  readonly signer: string;
}
/** A statement of one type. */
export type StatementOf<T extends Body['type']> = Statement<Extract<Body, { type: T }>>;

/** Verifies a statement by itself and by its mesh; whether it counts is told by what stands beside it. */
export function readStatement(wire: Uint8Array, mesh: string): Statement {
  insist(wire.length <= maxBytes, 'size', 'the statement is too long');
  const parts = tuple(bytes({ most: maxBytes }), stackId, bytes(64));
  const [bodyBytes, signer, signature] = parts(decode(wire), 'statement');
  const value = decode(bodyBytes, { ordered: true });
  const read: Body = bodies[typeOf(value)](value, 'body');
  const bodyHash = hex(sha256(bodyBytes));
  if (read.type === 'root') insistRoot(read);
  insist(meshOf(read, bodyHash) === mesh, 'mesh', 'the statement is of another mesh');
  insistSigned('statement', bodyBytes, signature, signer);
  return { id: hex(sha256(bodyBytes, signer)), bodyHash, body: read, signer };
}

/** Whether a statement is of that type. */
export function isOf<T extends Body['type']>(type: T): (statement: Statement) => statement is StatementOf<T> {
  return (statement): statement is StatementOf<T> => statement.body.type === type;
}

function insistRoot(read: Of<typeof root>): void {
  const names = read.mesh !== undefined && read.previous !== undefined;
  const namesNone = read.mesh === undefined && read.previous === undefined;
  insist(read.version === 1 ? namesNone : names, 'shape', 'a root has mesh and previous from version 2 on');
  insist(new Set(read.admins).size === read.admins.length, 'shape', 'an admin stands twice');
  insist(read.threshold <= read.admins.length, 'shape', 'the threshold is above the number of admins');
}

function meshOf(read: Body, bodyHash: string): string | undefined {
  return read.type === 'root' && read.version === 1 ? bodyHash : read.mesh;
}

function typeOf(value: Value): Body['type'] {
  insist(value instanceof Map, 'shape', 'the body is no map');
  return literal('root', 'certificate', 'revocation', 'pardon', 'leave')(value.get('type') ?? null, 'body.type');
}
