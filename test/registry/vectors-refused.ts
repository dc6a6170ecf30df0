// Wires that each parser takes and those that it must refuse, with the reason: a proof for whoever writes another reader.

import { verifyDelta } from '../../registry/feeds/feed.ts';
import { verifyProvenRecord } from '../../registry/feeds/proven.ts';
import { isStackId } from '../../registry/identity.ts';
import { verifyBeat, verifySuspicion } from '../../registry/liveness/claims.ts';
import { Published } from '../../registry/replication/published.ts';
import { concerns, verifyStatement } from '../../registry/roster/statement.ts';
import { readToken } from '../../registry/roster/token.ts';
import { readValue, sha256, toBytes, toHex } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';

const owner = identityOf('owner');
const zeros = (size: number) => new Uint8Array(size);
const nonce = new Uint8Array(16).fill(7);
/** Each parser: of the wire, in the mesh of the section; the wire of tokens and ids is their text in UTF-8. */
export const parsers: Readonly<Record<string, (wire: Uint8Array, mesh: string) => boolean>> = {
  value: (wire) => readValue(wire) !== undefined,
  stackId: (wire) => isStackId(Buffer.from(wire).toString()),
  delta: (wire, mesh) => typeof verifyDelta(wire, mesh) !== 'string',
  provenRecord: (wire, mesh) => typeof verifyProvenRecord(wire, mesh) !== 'string',
  statement: (wire, mesh) => {
    const statement = verifyStatement(wire);
    return statement !== undefined && concerns(statement, mesh);
  },
  beat: (wire, mesh) => verifyBeat(wire, mesh) !== undefined,
  suspicion: (wire, mesh) => verifySuspicion(wire, mesh) !== undefined,
  gossip: (wire, mesh) => new Published().judge(wire, mesh, () => true).verdict !== 'reject',
  token: (wire) => {
    try {
      return readToken(Buffer.from(wire).toString()) !== undefined;
    } catch {
      return false;
    }
  },
};

type Fields = Readonly<Record<string, unknown>>;
type Case = readonly [why: string, wire: Uint8Array];

/** A map in the order in which it is given, which may be none that a writer uses. */
function mapOf(
  entries: readonly (readonly [string, unknown])[],
  [begin, end] = [0xa0 + entries.length, -1],
): Uint8Array {
  const parts = entries.flatMap(([key, value]) => [toBytes(key), value instanceof Raw ? value.bytes : toBytes(value)]);
  return Buffer.concat([Uint8Array.of(begin), ...parts, Uint8Array.from(end < 0 ? [] : [end])]);
}

/** A value in bytes that `toBytes` doesn't make. */
class Raw {
  readonly bytes: Uint8Array;
  constructor(...bytes: number[]) {
    this.bytes = Uint8Array.from(bytes);
  }
}

/** The ways in which a body of a signed map can be wrong although its signature is right. */
function wrongBodies(fields: Fields, number: string): readonly (readonly [string, Uint8Array])[] {
  const inOrder = Object.entries(fields).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  const whole = toBytes(fields);
  const other = (value: unknown): Uint8Array =>
    mapOf(inOrder.map(([key, old]) => [key, key === number ? value : old] as const));
  return [
    ['keys in another order', mapOf([...inOrder].reverse())],
    ['a key twice', mapOf([...inOrder.slice(0, 1), ...inOrder])],
    ['an indefinite length', mapOf(inOrder, [0xbf, 0xff])],
    ['bytes after the end', Buffer.concat([whole, zeros(1)])],
    ['cut short', whole.subarray(0, -1)],
    ['a key that is not named', toBytes({ ...fields, extra: 1 })],
    ['a key that is missing', mapOf(inOrder.slice(1))],
    ['an integer that is not the shortest', other(new Raw(0x19, 0, 2))],
    ['a float for an integer', other(new Raw(0xf9, 0x40, 0))],
    ['a tag', other(new Raw(0xc1, 2))],
    ['an integer of 2^53', other(new Raw(0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0))],
    ['an integer below zero', other(-1)],
    ['undefined for an integer', other(new Raw(0xf7))],
  ];
}

function suite(accepted: readonly Case[], refused: readonly Case[]) {
  const shown = ([why, wire]: Case) => ({ why, wire: toHex(wire) });
  return { accepted: accepted.map(shown), refused: refused.map(shown) };
}

/** Suites for each parser: what it takes, what it refuses. */
export function refusals(mesh: string): Record<string, unknown> {
  const otherMesh = 'f'.repeat(64);
  const sign = (domain: string, body: Uint8Array, by = owner) =>
    by.sign(Buffer.concat([Buffer.from(`hermesh/${domain}/1\0`), body]));
  const list = toBytes([['note', 'a', toBytes({ text: 'one' })]]);
  const key = sha256(toBytes(['note', 'a']));
  const root = sha256(Uint8Array.of(0), key, sha256(toBytes({ text: 'one' })));
  const epoch = { counter: 1, nonce };
  const head: Fields = {
    mesh,
    feed: owner.stack,
    epoch,
    sequence: 1,
    count: 1,
    root,
    previous: zeros(32),
    changes: sha256(list),
  };
  const delta = (body: Uint8Array, changes = list, by = owner, domain = 'head') =>
    toBytes([body, sign(domain, body, by), changes]);
  const withList = (changes: Uint8Array) => delta(toBytes({ ...head, changes: sha256(changes) }), changes);
  const good = delta(toBytes(head));
  const oldList = toBytes([['note', 'a', toBytes({ text: 'two' })]]);
  const proof = (proven: unknown, name = 'a', body: unknown = toBytes({ text: 'one' })) => {
    const bytes = toBytes(head);
    return toBytes([bytes, sign('head', bytes), 'note', name, body, proven]);
  };
  const leaf = [key, sha256(toBytes({ text: 'one' }))];
  const revocation: Fields = { type: 'revocation', mesh, stack: identityOf('member').stack, at: 2, survivors: [] };
  const certificate: Fields = {
    type: 'certificate',
    mesh,
    stack: owner.stack,
    name: 'a-1',
    role: 'admin',
    x25519: zeros(32),
    notBefore: 0,
    notAfter: 1,
  };
  const rootOne: Fields = {
    type: 'root',
    version: 2,
    mesh,
    previous: otherMesh,
    admins: [owner.stack],
    threshold: 1,
    nonce,
    createdAt: 2,
  };
  const statement = (body: Uint8Array, by = owner, signer: string = by.stack) =>
    toBytes([body, signer, sign('statement', body, by)]);
  const stated = (fields: Fields) => statement(toBytes(fields));
  const beat: Fields = { mesh, stack: owner.stack, incarnation: 2, counter: 0, state: 'running' };
  const suspicion: Fields = {
    mesh,
    subject: identityOf('member').stack,
    incarnation: 2,
    observer: owner.stack,
    order: [1, 1],
    roster: otherMesh,
    seen: 'silent',
    withdrawn: false,
  };
  const claim =
    (domain: string) =>
    (body: Uint8Array, by = owner) =>
      toBytes([body, sign(domain, body, by)]);
  const [beaten, suspected] = [claim('beat'), claim('suspicion')];
  const wrong = (fields: Fields, number: string, wrap: (body: Uint8Array) => Uint8Array) =>
    wrongBodies(fields, number).map(([why, body]): Case => [why, wrap(body)]);
  const text = (line: string) => Buffer.from(line);
  const packed = toBytes({ mesh, stack: owner.stack, addresses: [], secret: zeros(32), expiresAt: 9, role: 'member' });
  const token = (bytes: Uint8Array, sum = sha256(bytes).subarray(0, 4), prefix = 'hermesh1.') =>
    text(prefix + Buffer.concat([bytes, sum]).toString('base64url'));
  const headBytes = toBytes(head);
  const signedHead = [headBytes, sign('head', headBytes)];
  const hex = (digits: string) => Buffer.from(digits, 'hex');
  return {
    mesh,
    value: suite(
      [
        ['a map', hex('a2616101616202')],
        ['the largest integer', hex('1b001fffffffffffff')],
        ['null', hex('f6')],
        ['true', hex('f5')],
      ],
      [
        ['nothing', hex('')],
        ['a key twice', hex('a2616101616102')],
        ['a tag', hex('c100')],
        ['undefined', hex('f7')],
        ['bytes after the end', hex('0100')],
        ['an array of no definite length', hex('9f01ff')],
        ['an integer that is not the shortest', hex('1801')],
        ['a length that is not the shortest', hex('780161')],
        ['NaN', hex('f97e00')],
        ['infinity', hex('f97c00')],
        ['cut short', hex('8201')],
        ['a key that is no text', hex('a10102')],
      ],
    ),
    stackId: suite(
      [['the id of an Ed25519 key', text(owner.stack)]],
      [
        ['a digit less', text(owner.stack.slice(0, -1))],
        ['a digit that base58 has not', text(`${owner.stack.slice(0, -1)}0`)],
        ['with the "z" of multibase', text(`z${owner.stack}`)],
        ['nothing', text('')],
      ],
    ),
    delta: suite(
      [['a first delta', good]],
      [
        ...wrong(head, 'sequence', (body) => delta(body)),
        ['signed by another key', delta(headBytes, list, identityOf('member'))],
        ['signed for another thing', delta(headBytes, list, owner, 'statement')],
        ['of another mesh', delta(toBytes({ ...head, mesh: otherMesh }))],
        ['another list than the head names', delta(headBytes, oldList)],
        ['sequence 0', delta(toBytes({ ...head, sequence: 0 }))],
        ['10,001 records', delta(toBytes({ ...head, count: 10_001 }))],
        ['a nonce of 15 bytes', delta(toBytes({ ...head, epoch: { counter: 1, nonce: zeros(15) } }))],
        ['a head of more than 1,024 bytes', delta(toBytes({ ...head, mesh: 'f'.repeat(1_024) }))],
        ['a change without a body', withList(toBytes([['note', 'a']]))],
        ['a name of no characters', withList(toBytes([['note', '', null]]))],
        ['a name of 201 characters', withList(toBytes([['note', 'a'.repeat(201), null]]))],
        ['a kind of 65 characters', withList(toBytes([['a'.repeat(65), 'a', null]]))],
        ['a body of 16,385 bytes', withList(toBytes([['note', 'a', zeros(16_385)]]))],
        ['a name that is not UTF-8', withList(hex('8183646e6f746561fff6'))],
        ['bytes after the list', withList(Buffer.concat([list, zeros(1)]))],
        ['bytes after the delta', Buffer.concat([good, zeros(1)])],
        ['four parts', toBytes([headBytes, sign('head', headBytes), list, 1])],
      ],
    ),
    provenRecord: suite(
      [['a record that is there', proof([[], leaf])]],
      [
        ['another body', proof([[], leaf], 'a', toBytes({ text: 'two' }))],
        ['absent although it is there', proof([[], leaf], 'a', null)],
        ['a proof of nothing', proof([[], null])],
        ['another name', proof([[], leaf], 'b')],
        ['a branch that is not under the root', proof([[[1, [zeros(32)]]], leaf])],
        ['a place without a hash', proof([[[3, [zeros(32)]]], leaf])],
        ['bytes after the end', Buffer.concat([proof([[], leaf]), zeros(1)])],
      ],
    ),
    statement: suite(
      [
        ['a revocation', stated(revocation)],
        ['a certificate', stated(certificate)],
        ['a later root', stated(rootOne)],
      ],
      [
        ...wrong(revocation, 'at', (body) => statement(body)),
        ['signed by another key', statement(toBytes(revocation), identityOf('member'), owner.stack)],
        ['of another mesh', stated({ ...revocation, mesh: otherMesh })],
        ['an unknown type', stated({ type: 'blessing', mesh, stack: owner.stack, at: 1 })],
        ['a name with a dot', stated({ ...certificate, name: 'a.b' })],
        ['a name that ends with "-"', stated({ ...certificate, name: 'a-' })],
        ['a name in upper case', stated({ ...certificate, name: 'A' })],
        ['an unknown role', stated({ ...certificate, role: 'root' })],
        ['an empty zone', stated({ ...certificate, zone: '' })],
        ['101 survivors', stated({ ...revocation, survivors: Array(101).fill(otherMesh) })],
        ['a mesh in upper case', stated({ ...revocation, mesh: mesh.toUpperCase() })],
        ['a second root that names no mesh', stated({ ...rootOne, mesh: undefined })],
        ['a second root that names none before', stated({ ...rootOne, previous: undefined })],
        ['a first root that names a mesh', stated({ ...rootOne, version: 1 })],
        ['a threshold above the admins', stated({ ...rootOne, threshold: 2 })],
        ['a threshold of 0', stated({ ...rootOne, threshold: 0 })],
        ['an admin twice', stated({ ...rootOne, admins: [owner.stack, owner.stack] })],
        ['no admins', stated({ ...rootOne, admins: [] })],
        ['version 1,001', stated({ ...rootOne, version: 1_001 })],
        [
          'more than 8,192 bytes',
          stated({ ...revocation, survivors: Array(100).fill(otherMesh), extra: zeros(2_000) }),
        ],
        ['bytes after the end', Buffer.concat([stated(revocation), zeros(1)])],
      ],
    ),
    beat: suite(
      [
        ['a beat', beaten(toBytes(beat))],
        ['of one that stops', beaten(toBytes({ ...beat, state: 'stopping' }))],
      ],
      [
        ...wrong(beat, 'counter', (body) => beaten(body)),
        ['signed by another key', beaten(toBytes(beat), identityOf('member'))],
        ['signed as a suspicion', suspected(toBytes(beat))],
        ['of another mesh', beaten(toBytes({ ...beat, mesh: otherMesh }))],
        ['an unknown state', beaten(toBytes({ ...beat, state: 'asleep' }))],
      ],
    ),
    suspicion: suite(
      [
        ['a suspicion', suspected(toBytes(suspicion))],
        ['a withdrawal', suspected(toBytes({ ...suspicion, withdrawn: true }))],
      ],
      [
        ...wrong(suspicion, 'incarnation', (body) => suspected(body)),
        ['signed by its subject', suspected(toBytes(suspicion), identityOf('member'))],
        ['signed as a beat', beaten(toBytes(suspicion))],
        ['of another mesh', suspected(toBytes({ ...suspicion, mesh: otherMesh }))],
        ['of oneself', suspected(toBytes({ ...suspicion, subject: owner.stack }))],
        ['seen in another way', suspected(toBytes({ ...suspicion, seen: 'dead' }))],
        ['an order of one number', suspected(toBytes({ ...suspicion, order: [1] }))],
      ],
    ),
    gossip: suite(
      [
        ['one delta', toBytes({ deltas: [good] })],
        ['nothing', toBytes({})],
        ['a head', toBytes({ heads: [signedHead] })],
      ],
      [
        ['an unknown key', toBytes({ deltas: [], more: 1 })],
        ['one delta of two is wrong', toBytes({ deltas: [good, delta(headBytes, oldList)] })],
        ['17 heads', toBytes({ heads: Array(17).fill(signedHead) })],
        ['101 statements', toBytes({ statements: Array(101).fill(zeros(1)) })],
        ['evidence of one head twice', toBytes({ evidence: [signedHead, signedHead] })],
        ['bytes after the end', Buffer.concat([toBytes({}), zeros(1)])],
      ],
    ),
    token: suite(
      [
        ['a token', token(packed)],
        ['with a line break', Buffer.concat([token(packed).subarray(0, 30), text('\n '), token(packed).subarray(30)])],
      ],
      [
        ['a character less', token(packed).subarray(0, -1)],
        ['another prefix', token(packed, undefined, 'hermesh2.')],
        ['a wrong checksum', token(packed, zeros(4))],
        ['an unknown key', token(toBytes({ extra: 1 }))],
        ['nothing but the prefix', text('hermesh1.')],
      ],
    ),
  };
}
