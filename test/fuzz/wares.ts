// Valid messages of every form, and the keys to sign spoilt ones again, so that spoilt content gets past signatures.

import { recordHash, recordKey, type VerifiedDelta } from '#registry/feeds';
import { type Change, makeDelta } from '../../registry/feeds/feed.ts';
import { prove } from '../../registry/feeds/proof.ts';
import { makeProvenRecord } from '../../registry/feeds/proven.ts';
import { emptyRoot, leavesOf, put, remove, rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { signBeat, signSuspicion } from '../../registry/liveness/claims.ts';
import { makeStatement, type Payload, type Root, rootHash, type Statement } from '../../registry/roster/statement.ts';
import { readValue, sha256, toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';
import { type Chance, encode, oneOf, spoilValue } from './mutate.ts';

export const owner = identityOf('owner');
export const members = ['one', 'two', 'three'].map(identityOf);
const nonce = new Uint8Array(16).fill(7);
const root: Root = { type: 'root', version: 1, admins: [owner.stack], threshold: 1, nonce, createdAt: 1_000 };
export const mesh = rootHash(root);

const noteOf = (at: number, sizeBytes: number): Change => ({
  kind: 'note',
  name: `n${at}`,
  body: toBytes({ text: 'x'.repeat(sizeBytes) }),
});

/** Deltas of one feed, each on the one before, as a stack writes them; the trie after the first is there for proofs. */
const notes = Array.from({ length: 30 }, (_, at) => noteOf(at, at * 7));
export const trie: Trie = trieAfter(undefined, notes);
export const deltas: readonly VerifiedDelta[] = chainOf([
  notes,
  [noteOf(3, 50)],
  [{ ...noteOf(4, 0), body: null }],
  notes.slice(4, 9),
]);

function trieAfter(before: Trie, changes: readonly Change[]): Trie {
  return changes.reduce<Trie>((all, { kind, name, body }) => {
    const key = recordKey(kind, name);
    return body ? put(all, key, recordHash(body)) : remove(all, key);
  }, before);
}

function chainOf(all: readonly (readonly Change[])[]): VerifiedDelta[] {
  let stands: Trie;
  let previous = emptyRoot;
  return all.map((changes, at) => {
    stands = trieAfter(stands, changes);
    const place = { mesh, feed: owner.stack, epoch: { counter: 1, nonce }, sequence: at + 1, previous };
    const made = makeDelta(
      { ...place, count: [...leavesOf(stands)].length, root: rootOf(stands) },
      changes,
      (message) => owner.sign(message),
    );
    previous = made.hash;
    return made;
  });
}

export const proven: readonly Uint8Array[] = [0, 5, 29, 99].map((at) => {
  const change = at === 99 ? { ...noteOf(at, 0), body: null } : noteOf(at, at * 7);
  const [first] = deltas as readonly [VerifiedDelta];
  return makeProvenRecord([first.bytes, first.signature], change, prove(trie, recordKey(change.kind, change.name)));
});

/** Pictures of a zone that two of its gateways drew, proven. */
export const summaries: readonly Uint8Array[] = [owner, ...members.slice(0, 1)].map((signer, at) => {
  const body = toBytes({
    ...{ zone: 'south', stacks: 5, up: 4, down: 1, records: 30, kinds: { note: 30, ci: at }, at: 1_000 },
    ...{ root: new Uint8Array(32).fill(at), addresses: ['/memory/1'] },
  });
  const change: Change = { kind: 'zone', name: 'south', body };
  const stands = trieAfter(undefined, [change]);
  const place = { mesh, feed: signer.stack, epoch: { counter: 1, nonce }, sequence: 1, previous: emptyRoot };
  const made = makeDelta({ ...place, count: 1, root: rootOf(stands) }, [change], (message) => signer.sign(message));
  return makeProvenRecord([made.bytes, made.signature], change, prove(stands, recordKey('zone', 'south')));
});

/** Statements of one mesh: its root and the next one, certificates, a renewal, a revocation, a pardon and a leave. */
export const statements: readonly Statement[] = statementsOf();

function statementsOf(): Statement[] {
  const month = 30 * 24 * 60 * 60 * 1000;
  const certify = (at: number, role: 'member' | 'admin', notBefore = 1_000, signer = owner): Statement => {
    const { stack, box } = members[at] ?? owner;
    const span = { notBefore, notAfter: notBefore + 3 * month };
    return makeStatement(
      { type: 'certificate', mesh, stack, name: `m${at}`, role, x25519: box.publicKey, ...span },
      signer,
    );
  };
  const [one, two, three] = [certify(0, 'member'), certify(1, 'admin'), certify(2, 'member', 2_000, members[1])];
  const next: Root = {
    ...root,
    version: 2,
    mesh,
    previous: mesh,
    admins: [owner.stack, members[1]?.stack ?? ''].sort(),
    createdAt: 5_000,
  };
  const at = 9_000;
  const about = (word: number): string => members[word]?.stack ?? '';
  return [
    makeStatement(root, owner),
    makeStatement(next, owner),
    ...[certify(9, 'admin'), one, two, three, certify(0, 'member', month)],
    makeStatement({ type: 'revocation', mesh, stack: about(2), at, survivors: [three.id] }, owner),
    makeStatement({ type: 'pardon', mesh, stack: about(0), counter: 4, at }, owner),
    makeStatement({ type: 'leave', mesh, certificates: [one.id], at }, members[0] ?? owner),
  ];
}

export const beats = [owner, ...members].map((identity, at) =>
  signBeat(
    { mesh, stack: identity.stack, incarnation: at + 1, counter: at, state: at % 2 ? 'stopping' : 'running' },
    identity,
  ),
);
export const suspicions = members.map((identity, at) =>
  signSuspicion(
    {
      ...{ mesh, subject: owner.stack, incarnation: 1, observer: identity.stack, order: [at, 2], roster: 'roster' },
      ...{ seen: at % 2 ? 'silent' : 'unreachable', withdrawn: at === 2 },
    },
    identity,
  ),
);

type Signer = Pick<typeof owner, 'sign' | 'stack'>;
const keys = new Map<string, Signer>([owner, ...members].map((each) => [each.stack, each]));

/** The key of that id where it is known here; else one that won't fit. */
export function keyOf(stack: unknown): Signer {
  return (typeof stack === 'string' ? keys.get(stack) : undefined) ?? owner;
}

/** Makes spoilt content signable by that identity, too. */
export function addKey(signer: Signer): void {
  keys.set(signer.stack, signer);
}

export type Odd = readonly unknown[];

function sign(domain: string, body: Uint8Array, signer: Signer): Uint8Array {
  return signer.sign(Buffer.concat([Buffer.from(`hermesh/${domain}/1\0`), body]));
}

/** A value spoilt at places of its own; the keys that say who signs it stay as they are most of the time. */
function spoilBody(value: unknown, odd: Odd, chance: Chance): Record<string, unknown> {
  const spoilt = spoilValue(value, odd, chance);
  const isMap =
    typeof spoilt === 'object' && spoilt !== null && !Array.isArray(spoilt) && !(spoilt instanceof Uint8Array);
  return isMap ? (spoilt as Record<string, unknown>) : { ...(value as object), extra: 1 };
}

export function resignStatement(wire: Uint8Array, chance: Chance, odd: Odd): Uint8Array {
  const [body, signer] = readValue(wire) as [Uint8Array, string];
  const bytes = encode(spoilBody(readValue(body), odd, chance), chance, 0);
  const by = chance() < 0.9 ? signer : oneOf(chance, [...keys.keys()]);
  return toBytes([bytes, by, sign('statement', bytes, keyOf(by))]);
}

export function resignHead(head: Uint8Array, chance: Chance, odd: Odd, more: object = {}): [Uint8Array, Uint8Array] {
  const body = { ...spoilBody(readValue(head), odd, chance), ...more };
  const bytes = encode(body, chance, 0);
  return [bytes, sign('head', bytes, keyOf((body as { feed?: unknown }).feed))];
}

export function resignDelta(wire: Uint8Array, chance: Chance, odd: Odd): Uint8Array {
  const [head, , list] = readValue(wire) as [Uint8Array, Uint8Array, Uint8Array];
  const spoilt = encode(chance() < 0.7 ? spoilValue(readValue(list), odd, chance) : readValue(list), chance, 0);
  const fits = chance() < 0.85 ? { changes: sha256(spoilt) } : {};
  const kept = readValue(head) as object;
  const [bytes, signature] = chance() < 0.5 ? signHead({ ...kept, ...fits }) : resignHead(head, chance, odd, fits);
  return encode([bytes, signature, spoilt], chance, 0);
}

/** The first delta of a new epoch, with spoilt records that come out at its root: whoever takes deltas takes it. */
export function poisonedDelta(wire: Uint8Array, chance: Chance, odd: Odd): Uint8Array {
  const [head, , list] = readValue(wire) as [Uint8Array, Uint8Array, Uint8Array];
  const spoilt = spoilValue(readValue(list), odd, chance);
  const changes = (Array.isArray(spoilt) ? spoilt : []).flatMap((each): Change[] => {
    const [kind, name, body] = Array.isArray(each) ? each : [];
    const isRecord =
      typeof kind === 'string' && typeof name === 'string' && (body instanceof Uint8Array || body === null);
    return isRecord ? [{ kind: kind.slice(0, 64) || 'x', name: name.slice(0, 200) || 'x', body }] : [];
  });
  const stands = trieAfter(undefined, changes);
  const epoch = { counter: Math.floor(chance() * 2 ** 45), nonce };
  const place = { ...(readValue(head) as object), epoch, sequence: 1, previous: emptyRoot };
  const bytes = toBytes(changes.map(({ kind, name, body }) => [kind, name, body]));
  const count = [...leavesOf(stands)].length;
  return toBytes([...signHead({ ...place, count, root: rootOf(stands), changes: sha256(bytes) }), bytes]);
}

/** Signs what a head says, whatever that is, with the key of its feed. */
export function signHead(body: object): [Uint8Array, Uint8Array] {
  const bytes = toBytes(body);
  return [bytes, sign('head', bytes, keyOf((body as { feed?: unknown }).feed))];
}

/** The head stays true or is spoilt and signed again; record and proof are spoilt. */
export function resignProven(wire: Uint8Array, chance: Chance, odd: Odd): Uint8Array {
  const [head, signature, ...rest] = readValue(wire) as [Uint8Array, Uint8Array, ...unknown[]];
  const front = chance() < 0.7 ? [head, signature] : resignHead(head, chance, odd);
  const spoilt = spoilValue(rest, odd, chance);
  return encode([...front, ...(Array.isArray(spoilt) ? spoilt : [spoilt])], chance, 0);
}

export function resignClaim(wire: Uint8Array, domain: 'beat' | 'suspicion', chance: Chance, odd: Odd): Uint8Array {
  const [body] = readValue(wire) as [Uint8Array];
  const value = spoilBody(readValue(body), odd, chance);
  const bytes = encode(value, chance, 0);
  const signer = domain === 'beat' ? value['stack'] : value['observer'];
  return toBytes([bytes, sign(domain, bytes, keyOf(signer))]);
}

export function resignJoin(wire: Uint8Array, chance: Chance, odd: Odd, more: object = {}): Uint8Array {
  const [body] = readValue(wire) as [Uint8Array];
  const value = { ...spoilBody({ ...(readValue(body) as object), ...more }, odd, chance) };
  const bytes = encode(value, chance, 0);
  return toBytes([bytes, sign('join', bytes, keyOf(value['stack']))]);
}

/** For what holds signed parts: each blob that is one is signed again after it is spoilt. */
export function resignAny(blob: Uint8Array, chance: Chance, odd: Odd): Uint8Array {
  const value = readValue(blob);
  if (!Array.isArray(value) || !(value[0] instanceof Uint8Array)) return blob;
  const inner = readValue(value[0]) as Record<string, unknown> | undefined;
  if (value.length === 7 || value.length === 6) return resignProven(blob, chance, odd);
  if (typeof inner !== 'object' || inner === null) return blob;
  if ('epoch' in inner && value.length === 3 && chance() < 0.4) return poisonedDelta(blob, chance, odd);
  if ('epoch' in inner)
    return value.length === 3 ? resignDelta(blob, chance, odd) : toBytes(resignHead(value[0], chance, odd));
  if ('observer' in inner) return resignClaim(blob, 'suspicion', chance, odd);
  if ('counter' in inner && 'state' in inner) return resignClaim(blob, 'beat', chance, odd);
  if ('type' in inner) return resignStatement(blob, chance, odd);
  return blob;
}

/** Signs again one of the signed parts of a message, wherever it stands; [head, signature] pairs too. */
export function resignWithin(value: unknown, chance: Chance, odd: Odd): unknown {
  if (value instanceof Uint8Array) return value.byteLength > 64 ? resignAny(value, chance, odd) : value;
  if (Array.isArray(value)) {
    const [head, signature] = value;
    const isPair = value.length === 2 && head instanceof Uint8Array && signature instanceof Uint8Array;
    if (isPair && signature.byteLength === 64) return chance() < 0.8 ? resignHead(head, chance, odd) : value;
    return value.map((each) => (value.length < 3 || chance() < 0.6 ? resignWithin(each, chance, odd) : each));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resignWithin(each, chance, odd)]));
}

export type { Payload };

/** A record of the first delta of an identity in any mesh, with its proof. */
export function provenIn(other: string, signer: Signer): Uint8Array {
  const [bytes, signature] = readValue(deltaIn(other, signer)) as [Uint8Array, Uint8Array];
  const change = noteOf(5, 35);
  return makeProvenRecord([bytes, signature], change, prove(trie, recordKey(change.kind, change.name)));
}

/** The first delta of an identity in any mesh. */
export function deltaIn(other: string, signer: Signer): Uint8Array {
  const place = { mesh: other, feed: signer.stack, epoch: { counter: 1_000, nonce }, sequence: 1, previous: emptyRoot };
  return makeDelta({ ...place, count: 30, root: rootOf(trie) }, notes, (message) => signer.sign(message)).wire;
}
