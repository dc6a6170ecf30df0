// The parsers that are pure or keep little: each with valid messages, and what it promises of every input.
import assert from 'node:assert/strict';
import { z } from 'zod';
import { openDatabase, RegistryError, registryMigrations } from '#registry';
import type { Change, VerifiedDelta } from '#registry/feeds';
import { Descent, FeedStore, Feeds, verifyDelta, verifyHead, verifyProvenRecord } from '#registry/feeds';
import { readToken, writeToken } from '#registry/roster';
import { nodesAt } from '../../registry/feeds/served.ts';
import { rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { Kinds } from '../../registry/kind.ts';
import { verifyBeat, verifySuspicion } from '../../registry/liveness/claims.ts';
import { Detector } from '../../registry/liveness/detector.ts';
import { nodeSchema } from '../../registry/replication/feed-exchange.ts';
import { evidenceMessage, messagesOf, statementsMessage } from '../../registry/replication/published.ts';
import { Replica } from '../../registry/replication/replicate.ts';
import { readJoinAnswer, readWelcome } from '../../registry/roster/admission.ts';
import { extendRoster, readRoster, rightful } from '../../registry/roster/roster.ts';
import { type Statement, verifyStatement } from '../../registry/roster/statement.ts';
import { fromBytes, readValue, toBytes, toHex } from '../../registry/wire.ts';
import { identityOf, noteKind } from '../support/constellation.ts';
import { filter } from './filters.ts';
import type { Target } from './fuzz.ts';
import { below, type Chance, encode, oneOf, spoilValue } from './mutate.ts';
import * as wares from './wares.ts';

const { mesh, deltas, statements, beats, suspicions, proven, owner, members } = wares;
const faults: readonly unknown[] = ['shape', 'mesh', 'signature', 'changes', 'proof'];

/** What a verifier answers: a fault that it knows, or what was verified. */
function gateOf(read: object | string): string {
  if (typeof read !== 'string') return 'taken';
  assert.ok(faults.includes(read), read);
  return read;
}

const head: Target = {
  name: 'a head',
  valid: (chance) => toBytes(pairOf(oneOf(chance, deltas))),
  resigned: (chance, odd) => toBytes(wares.resignHead(oneOf(chance, deltas).bytes, chance, odd)),
  take(bytes) {
    const parts = fromBytes(z.tuple([z.instanceof(Uint8Array), z.instanceof(Uint8Array)]), bytes, 10_000);
    return parts ? gateOf(verifyHead(...parts, mesh)) : 'no pair';
  },
  least: { shape: 0.1, signature: 0.02, taken: 0.05 },
};

const delta: Target = {
  name: 'a delta',
  valid: (chance) => oneOf(chance, deltas).wire,
  resigned: (chance, odd) => wares.resignAny(oneOf(chance, deltas).wire, chance, odd),
  take: (bytes) => gateOf(verifyDelta(bytes, mesh)),
  least: { shape: 0.1, changes: 0.02, taken: 0.05 },
};

const record: Target = {
  name: 'a proven record',
  valid: (chance) => oneOf(chance, proven),
  resigned: (chance, odd) => wares.resignProven(oneOf(chance, proven), chance, odd),
  take: (bytes) => gateOf(verifyProvenRecord(bytes, mesh)),
  least: { shape: 0.1, proof: 0.1, taken: 0.02 },
};

/** Statements of one mesh in any mixture always come to a roster, the same in any order. */
const kept: Statement[] = [];
const statement: Target = {
  name: 'statements and the roster that they come to',
  valid: (chance) => oneOf(chance, statements).wire,
  resigned: (chance, odd) => wares.resignStatement(oneOf(chance, statements).wire, chance, odd),
  take(bytes, chance) {
    const read = verifyStatement(bytes);
    if (!read) return 'refused';
    if (kept.length >= 60) kept.splice(below(chance, kept.length), 1);
    kept.push(read);
    const some = [...statements.slice(0, below(chance, statements.length)), ...kept.slice(-12)];
    const roster = readRoster(mesh, some);
    assert.equal(readRoster(mesh, some.toReversed()).digest, roster.digest);
    const base = some.slice(0, -1);
    const fresh = rightful(mesh, base, [read]);
    for (const each of fresh) assert.equal(each, read);
    const grown = extendRoster(readRoster(mesh, base), fresh, [...base, ...fresh]);
    const whole = readRoster(mesh, [...base, ...fresh]);
    assert.deepEqual(new Map([...grown.memberships].sort()), new Map([...whole.memberships].sort()));
    for (const { stack } of roster.memberships.values())
      assert.equal(typeof roster.mayIssue(stack, 'member', 5_000), 'boolean');
    return 'taken';
  },
  least: { refused: 0.1, taken: 0.03 },
};

const token: Target = {
  name: 'the line of an invite',
  valid: (chance) => Buffer.from(lineOf(chance, {})),
  resigned: (chance, odd) => Buffer.from(lineOf(chance, { odd })),
  decodes: (bytes) => Buffer.from(bytes).toString().startsWith('hermesh1.'),
  take(bytes) {
    try {
      readToken(Buffer.from(bytes).toString());
      return 'taken';
    } catch (error) {
      assert.ok(error instanceof RegistryError && error.code === 'invite-invalid', String(error));
      return error.message.includes('another version') ? 'shape' : 'checksum';
    }
  },
  least: { checksum: 0.1, shape: 0.1, taken: 0.01 },
};

const joinAnswer: Target = {
  name: 'the answer to a join',
  valid: (chance) => oneOf(chance, joinAnswers),
  resigned: (chance, odd) => toBytes(wares.resignWithin(readValue(oneOf(chance, joinAnswers)), chance, odd)),
  take(bytes) {
    const asked = gateOfJoin(() => void readRoster(mesh, readJoinAnswer(bytes, mesh)), 'granted');
    const probed = gateOfJoin(() => void readWelcome(bytes), 'welcomed');
    // No answer is good for both questions; a refusal is one to whoever asks.
    assert.ok(asked !== 'granted' || probed === 'shape', probed);
    return probed === 'shape' ? asked : probed;
  },
  least: { shape: 0.2, 'another mesh': 0.05, granted: 0.02, refused: 0.02, welcomed: 0.02 },
};

function gateOfJoin(read: () => void, good: string): string {
  try {
    read();
    return good;
  } catch (error) {
    assert.ok(error instanceof RegistryError, String(error));
    if (error.message.includes('cannot be read')) return 'shape';
    return error.message.includes('for another mesh') ? 'another mesh' : 'refused';
  }
}

const joinAnswers = [
  toBytes({ statements: statements.map(({ wire }) => wire) }),
  toBytes({ statements: statements.slice(0, 3).map(({ wire }) => wire) }),
  toBytes({ code: 'name-taken', message: 'start with another name' }),
  toBytes({ role: 'member', usesLeft: 3, now: 1_000 }),
];

const beat: Target = {
  name: 'a beat',
  valid: (chance) => oneOf(chance, beats).wire,
  resigned: (chance, odd) => wares.resignClaim(oneOf(chance, beats).wire, 'beat', chance, odd),
  take: (bytes) => (verifyBeat(bytes, mesh) ? 'taken' : 'refused'),
  least: { refused: 0.2, taken: 0.05 },
};

const suspicion: Target = {
  name: 'a suspicion',
  valid: (chance) => oneOf(chance, suspicions).wire,
  resigned: (chance, odd) => wares.resignClaim(oneOf(chance, suspicions).wire, 'suspicion', chance, odd),
  take: (bytes) => (verifySuspicion(bytes, mesh) ? 'taken' : 'refused'),
  least: { refused: 0.2, taken: 0.05 },
};

/** A detector in a mesh of some; what is rejected leaves its claims as they were. */
function detectorTarget(): Target {
  const stacks = [owner, ...members].map(({ stack }) => stack);
  let now = 0;
  const detector = new Detector({ identity: identityOf('self'), incarnation: 0, wall: () => now }, 0);
  detector.setRoster({ mesh, digest: 'roster', members: [...stacks, identityOf('self').stack] }, 0);
  const messages = [
    { beats: beats.map(({ wire }) => wire) },
    { suspicions: suspicions.map(({ wire }) => wire) },
    { beats: beats.slice(0, 1).map(({ wire }) => wire), suspicions: suspicions.slice(1).map(({ wire }) => wire) },
  ];
  return {
    name: 'a published message of liveness',
    valid: (chance) => toBytes(oneOf(chance, messages)),
    resigned: (chance, odd) => toBytes(wares.resignWithin(oneOf(chance, messages), chance, odd)),
    take(bytes) {
      now += 10;
      const before = detector.ledger.digest();
      const { verdict } = detector.message(bytes, now);
      if (verdict === 'reject') assert.equal(toHex(detector.ledger.digest()), toHex(before));
      detector.tick(now, 0);
      return verdict;
    },
    check() {
      assert.ok(
        detector.ledger.names(now).length <= stacks.length + 1 + stacks.length ** 2,
        'claims are bounded by members',
      );
      for (const stack of stacks) assert.ok(detector.presence(stack).state);
    },
    least: { reject: 0.3, ignore: 0.05 },
  };
}

/** A replica with feeds of its own: what is rejected or known writes nothing, and what is true is taken. */
function gossipTarget(): Target {
  const kinds = new Kinds([noteKind]);
  const judge = (_: string, { kind, name, body }: Change): string | undefined => {
    const read = kinds.read(kind, name, body ?? new Uint8Array());
    return 'fault' in read ? read.fault : undefined;
  };
  const self = identityOf('self');
  const around = {
    ...{ self: self.stack, mesh: () => mesh, isMember: () => true, rosterDigest: () => '', chance: () => 0.5 },
    ...{ members: () => [owner.stack], candidates: () => [] },
  };
  const open = () => {
    const database = openDatabase(':memory:', [registryMigrations]);
    const store = new FeedStore(database);
    const feeds = new Feeds(store, self, judge);
    return { database, store, feeds, replica: new Replica(feeds, around, { batchMs: 100, antiEntropyMs: 1_000 }, 0) };
  };
  const count = (): number => kept.database.prepare('SELECT total_changes()').pluck().get() as number;
  let kept = open();
  const [first, second] = deltas as readonly [VerifiedDelta, VerifiedDelta];
  const messages = [
    ...messagesOf(deltas),
    ...deltas.flatMap((each) => messagesOf([each])),
    toBytes({ heads: [first, second].map(pairOf) }),
    statementsMessage(statements.map(({ wire }) => wire)) ?? new Uint8Array(),
    evidenceMessage([pairOf(second), wares.signHead({ ...second.head, count: 3 })]),
  ];
  return {
    name: 'a published message of feeds',
    valid: (chance) => oneOf(chance, messages),
    resigned: (chance, odd) => toBytes(wares.resignWithin(readValue(oneOf(chance, messages)), chance, odd)),
    take(bytes, chance) {
      const before = count();
      const heard = kept.replica.hear(bytes);
      assert.equal(count(), before, 'hearing writes nothing');
      if (heard.verdict !== 'accept') return heard.verdict === 'reject' ? (heard.faults[0] ?? 'reject') : heard.verdict;
      const deeds = kept.replica.take(heard, owner.stack, 0);
      kept.replica.pulled(owner.stack, owner.stack, 0);
      kept.replica.compare(kept.replica.part(''), owner.stack, 0);
      const isApplied = deeds.some(({ type }) => type === 'changed');
      // A quarantined owner is heard no more: with a fresh database it is.
      if (kept.feeds.quarantined().length > 0 && chance() < 0.1) kept = open();
      return isApplied ? 'applied' : 'accept';
    },
    check() {
      // What is kept builds the same trie again, and each record is in the shape of its kind or hidden.
      const again = new Feeds(kept.store, self, judge);
      assert.equal(toHex(rootOf(again.trie(owner.stack))), toHex(rootOf(kept.feeds.trie(owner.stack))));
      for (const { kind, name, body, fault } of kept.store.everyRecord()) {
        assert.equal(fault === null, !('fault' in kinds.read(kind, name, body)), `${kind}/${name}`);
      }
      kept.database[Symbol.dispose]();
      kept = open();
      for (const { wire } of deltas)
        assert.deepEqual(kept.replica.delta(wire, owner.stack), [{ type: 'changed', feed: owner.stack }]);
    },
    least: { 'refused-shape': 0.2, 'refused-signature': 0.01, accept: 0.02, applied: 0.01 },
  };
}

/** Answers about nodes of a trie: a descent ends, and whatever it takes is under the root. */
const trieNodes: Target = {
  name: 'nodes of a trie',
  valid: (chance) => toBytes(nodesAt(wares.trie, oneOf(chance, paths))),
  resigned: (chance, odd) => {
    const nodes = nodesAt(wares.trie, oneOf(chance, paths));
    return encode(spoilValue(spoilValue(nodes, odd, chance), odd, chance), chance, 0);
  },
  take(bytes, chance) {
    const nodes = fromBytes(z.array(nodeSchema).max(512), bytes, 1024 * 1024);
    if (!nodes) return 'shape';
    const descent = new Descent(chance() < 0.5 ? undefined : (other as Trie), rootOf(wares.trie));
    let rounds = 0;
    let isTrue = true;
    while (isTrue && descent.wanted().length > 0) {
      rounds += 1;
      assert.ok(rounds < 100, 'a descent ends');
      isTrue = descent.take(rounds === 1 ? nodes : nodesAt(wares.trie, descent.wanted()));
    }
    if (isTrue) assert.ok(descent.differing.size <= 30, 'only what the root says');
    return isTrue ? 'taken' : 'refused';
  },
  least: { shape: 0.2, refused: 0.1, taken: 0.005 },
};
const paths = [
  [new Uint8Array()],
  [new Uint8Array(), Uint8Array.of(1)],
  [Uint8Array.of(0), Uint8Array.of(15), Uint8Array.of(3, 3)],
];
const other = { key: new Uint8Array(32).fill(9), value: new Uint8Array(32), hash: undefined };

/** Fresh ones each time: some of them keep what they are given. */
export function parsers(): Target[] {
  kept.length = 0;
  return [
    head,
    delta,
    record,
    statement,
    token,
    joinAnswer,
    beat,
    suspicion,
    detectorTarget(),
    gossipTarget(),
    trieNodes,
    filter,
  ];
}

function pairOf({ bytes, signature }: { bytes: Uint8Array; signature: Uint8Array }): [Uint8Array, Uint8Array] {
  return [bytes, signature];
}

function lineOf(chance: Chance, { odd }: { odd?: readonly unknown[] }): string {
  const value = {
    mesh,
    stack: owner.stack,
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    secret: new Uint8Array(32).fill(1),
    expiresAt: 9_000,
    role: 'member' as const,
  };
  return odd ? writeToken(spoilValue(value, odd, chance) as typeof value) : writeToken(value);
}
