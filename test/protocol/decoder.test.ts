// Proves that a decoder written from docs/protocol.md alone gets out of the vectors of the registry what they say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, type Encodable, encode, type Value } from './cbor.ts';
import { readExchange, readJoining } from './exchanges.ts';
import * as feed from './feed.ts';
import { frame, unframe } from './fetching.ts';
import { feedsTopic, livenessTopic, messageId, readFeedsMessage, readLivenessMessage } from './gossip.ts';
import * as heads from './heads.ts';
import { hex, messageOf, sha256, signAs, stackIdOfSeed, unhex } from './identity.ts';
import { joinAnswer, readToken, writeToken } from './join.ts';
import * as liveness from './liveness.ts';
import { parse, readRequest } from './readers.ts';
import { reasonFor, reasonForRequest } from './reasons.ts';
import { Refusal } from './refusal.ts';
import { founderUntil } from './roots.ts';
import { rosterOf } from './roster.ts';
import { byHash, faultsOf, plain, shown, standing } from './shown.ts';
import { readStatement } from './statement.ts';
import * as trie from './trie.ts';
import { type Parser, type Protocol, unreadPlaces, vectors } from './vectors.ts';
import * as zones from './zones.ts';

const mesh = vectors.statements.mesh;
const seedOf = new Map(vectors.keys.map(({ seed, stack }) => [stack, unhex(seed)]));

test('the vectors say what they are, and their keys give the ids that they name', () => {
  assert.match(vectors.note, /docs\/protocol\.md/);
  for (const { seed, stack, x25519 } of vectors.keys) {
    assert.equal(stackIdOfSeed(unhex(seed)), stack);
    assert.equal(unhex(x25519).length, 32);
  }
});

test('a trie has the root that its set alone decides, in any order, and after a removal', () => {
  for (const { records, root } of vectors.tries.sets) {
    const entries = records.map(({ kind, name, body, key, hash }) => {
      assert.equal(hex(trie.keyOf(kind, name)), key);
      assert.equal(hex(sha256(unhex(body))), hash);
      return { key: unhex(key), hash: unhex(hash) };
    });
    assert.equal(hex(trie.rootOf(entries)), root);
    assert.equal(hex(trie.rootOf(entries.toReversed())), root);
    assert.equal(hex(trie.hashOfNode(trie.nodeAt(entries, new Uint8Array()))), root);
  }
  const { removed, root } = vectors.tries.afterRemoval;
  const left = (vectors.tries.sets.at(-1)?.records ?? []).filter(({ name }) => name !== removed);
  assert.equal(hex(trie.rootOf(left.map(({ key, hash }) => ({ key: unhex(key), hash: unhex(hash) })))), root);
});

test('a proof shows what is there and what is not, is made again byte for byte, and shows nothing else', () => {
  for (const { root, key, value, proof: wire } of vectors.tries.proofs) {
    const proof = trie.readProof(unhex(wire));
    const hash = value === null ? null : unhex(value);
    trie.insistProven(proof, unhex(root), unhex(key), hash);
    const set = vectors.tries.sets.find((set) => set.root === root);
    const entries = (set?.records ?? []).map(({ key, hash }) => ({ key: unhex(key), hash: unhex(hash) }));
    assert.equal(hex(trie.writePart(trie.proofOf(entries, unhex(key)))), wire);
    const otherwise = hash ? null : sha256('other');
    assert.throws(() => trie.insistProven(proof, unhex(root), unhex(key), otherwise), Refusal);
    assert.throws(() => trie.insistProven(proof, sha256('other'), unhex(key), hash), /another root/);
  }
});

test('deltas are read, written again byte for byte, and reach the roots of their heads', () => {
  let stored: feed.Stored | undefined;
  for (const vector of vectors.deltas) {
    const delta = feed.readDelta(unhex(vector.delta), mesh);
    assert.deepEqual(plain(delta.head), vector.head);
    assert.deepEqual(
      plain(delta.changes),
      vector.changes.map(({ kind, name, body }) => [kind, name, body]),
    );
    assert.equal(hex(delta.headBytes), vector.headBytes);
    assert.equal(hex(delta.hash), vector.headHash);
    assert.equal(hex(delta.signature), vector.signature);
    assert.equal(hex(feed.writeDelta(delta.head, delta.signature, delta.changes)), vector.delta);
    assert.equal(hex(signAs(seed(delta.head.feed), 'head', delta.headBytes)), vector.signature);
    const verdict = feed.judge(delta, stored);
    assert.ok(verdict.is === 'applied', verdict.is);
    stored = verdict.stored;
    assert.equal(hex(feed.rootOfRecords(stored.records)), hex(delta.head.root));
    assert.equal(feed.judge(delta, stored).is, 'known');
  }
});

test('a delta that comes late, twice, too early, or beside another is not applied', () => {
  const [first, second] = vectors.deltas.map(({ delta }) => feed.readDelta(unhex(delta), mesh));
  assert.ok(first && second);
  const atFirst = applied(first, undefined);
  const atSecond = applied(second, atFirst);
  assert.equal(feed.judge(first, atSecond).is, 'known');
  assert.equal(feed.judge(second, undefined).is, 'to be fetched');
  const as = (head: Partial<feed.Head>): feed.Delta => {
    const whole = { ...first.head, ...head };
    const wire = feed.writeDelta(whole, signAs(seed(whole.feed), 'head', encode(whole as Encodable)), first.changes);
    return feed.readDelta(wire, mesh);
  };
  const nonce = new Uint8Array(16);
  assert.equal(feed.judge(as({ sequence: 2 }), atSecond).is, 'equivocation');
  assert.equal(feed.judge(as({ epoch: { counter: 1, nonce } }), atSecond).is, 'another history');
  assert.equal(feed.judge(as({ epoch: { counter: 2, nonce } }), atSecond).is, 'applied');
  assert.equal(feed.judge(as({ epoch: { counter: 0, nonce } }), atSecond).is, 'known');
  assert.equal(feed.judge(as({ count: 1 }), undefined).is, 'to be fetched');
});

test('a proven record is believed under the head that it travels with, and written again byte for byte', () => {
  for (const { kind, name, body, wire } of vectors.provenRecords) {
    const record = feed.readProvenRecord(unhex(wire), mesh);
    assert.deepEqual([record.kind, record.name, record.body && hex(record.body)], [kind, name, body]);
    assert.equal(hex(record.headBytes), vectors.deltas[0]?.headBytes);
    assert.equal(hex(feed.writeProvenRecord(record)), wire);
  }
});

test('the digest of positions is that of the sorted hashes', () => {
  const { heads: given, digest, ofNone } = vectors.positionsDigest;
  assert.equal(hex(sha256(encode([...given].sort()))), digest);
  assert.equal(hex(sha256(encode([]))), ofNone);
});

test('each kind of feeds message is taken', () => {
  const read = (wire: string) => readFeedsMessage(unhex(wire), mesh);
  assert.equal(read(vectors.gossip.deltas).deltas.length, 1);
  assert.equal(read(vectors.gossip.heads).heads.length, 1);
  for (const wire of read(vectors.gossip.statements).statements) readStatement(wire, mesh);
  assert.ok(read(vectors.gossip.evidence).evidence);
});

test('statements have the ids that they name and are signed by their signers', () => {
  for (const { type, payload, signer, id, wire } of vectors.statements.made) {
    const statement = readStatement(unhex(wire), mesh);
    assert.deepEqual([statement.body.type, statement.signer, statement.id], [type, signer, id]);
    const signature = signAs(seed(signer), 'statement', unhex(payload));
    assert.equal(hex(encode([unhex(payload), signer, signature])), wire);
  }
});

test('a set of statements comes to its roster, whatever their order', () => {
  for (const vector of vectors.rosters) {
    const statements = vector.statements.map(({ type, body, signer, id, wire }) => {
      const statement = readStatement(unhex(wire), vector.mesh);
      assert.deepEqual([statement.body.type, statement.signer, statement.id], [type, signer, id]);
      assert.equal(hex(sha256(unhex(body), signer)), id);
      return statement;
    });
    for (const given of [statements, statements.toReversed()]) {
      const roster = rosterOf(given, vector.mesh);
      const kept = vector.statements.map(({ id }) => roster.kept.has(id));
      assert.deepEqual(
        kept,
        vector.statements.map(({ kept }) => kept),
        vector.what,
      );
      assert.deepEqual([...roster.memberships.values()], vector.memberships, vector.what);
      assert.deepEqual(roster.roots.chain.map(shown), vector.chain, vector.what);
      assert.deepEqual(byHash(roster.roots.proposals), vector.proposals, vector.what);
      assert.deepEqual(byHash(roster.roots.forks), vector.forks, vector.what);
      assert.deepEqual(Object.fromEntries(roster.pardons), vector.pardons, vector.what);
      assert.equal(roster.digest, vector.digest, vector.what);
      for (const { body } of roster.roots.chain.slice(-1)) {
        for (const admin of body.admins) assert.equal(founderUntil(admin, roster.roots.chain), Infinity);
      }
    }
  }
});

test('a token tells the key of its invite and the mesh', () => {
  const { token, secret, key, mesh: of } = vectors.invite;
  const read = readToken(token);
  assert.deepEqual([hex(read.secret), read.mesh, stackIdOfSeed(read.secret)], [secret, of, key]);
  assert.equal(writeToken(read), token);
});

test('what is signed is the domain and the body, and a signature comes out the same', () => {
  for (const { what, signer, domain, body, message, signature } of vectors.signing) {
    assert.equal(hex(messageOf(what, unhex(body))), message);
    assert.equal(domain + body, message);
    assert.equal(hex(signAs(seed(signer), what, unhex(body))), signature);
  }
});

test('a frame is four bytes of length and the message', () => {
  for (const { message, frame: framed } of Object.values(vectors.frames)) {
    assert.equal(hex(frame(unhex(message))), framed);
    assert.equal(hex(unframe(unhex(framed))), message);
  }
});

test('gossip knows a message by its topic and its data', () => {
  const topics = [feedsTopic(mesh), feedsTopic(mesh, 'north'), livenessTopic(mesh)];
  assert.deepEqual(
    vectors.gossipIds.map(({ topic }) => topic),
    topics,
  );
  for (const { topic, data, id } of vectors.gossipIds) assert.equal(hex(messageId(topic, unhex(data))), id);
});

test('fingerprints over feeds give the roots and parts of the heads exchange', () => {
  const { rule, first, sets } = vectors.fingerprints;
  assert.match(rule, /SHA-256\("feed i"\).*i mod 256.*i \+ 1.*SHA-256\("head i"\)/);
  assert.equal(standing(0, []).feed, first.feed);
  assert.deepEqual(plain(heads.briefOf(standing(0, []))), first.brief);
  for (const { count, quarantined, root, parts, answer } of sets) {
    const feeds = Array.from({ length: count }, (_, index) => standing(index, [...quarantined]));
    assert.equal(hex(heads.rootOfLeaves(heads.leavesOf(feeds))), root);
    const made = parts.map(({ prefix }) => heads.partOf(feeds, prefix));
    assert.deepEqual(plain(made), parts);
    assert.equal(hex(encode({ roster: null, parts: made } as Encodable)), answer);
    assert.deepEqual(plain(heads.headsExchange.answer(decode(unhex(answer)), 'answer').parts), parts);
  }
});

test('the rings tell who observes whom, and how many must accuse', () => {
  for (const { members, observers, accepted, subjects } of vectors.liveness.rings) {
    const of = <T>(give: (stack: string) => T) => Object.fromEntries(members.map((stack) => [stack, give(stack)]));
    assert.deepEqual(
      of((stack) => liveness.observersOf(stack, members).observers),
      observers,
    );
    assert.deepEqual(
      of((stack) => liveness.observersOf(stack, members).accepted),
      accepted,
    );
    assert.deepEqual(
      of((stack) => liveness.subjectsOf(stack, members)),
      subjects,
    );
  }
  for (const { members, needed } of vectors.liveness.quorums)
    assert.equal(liveness.accusersNeeded(members), needed, `of ${members}`);
});

test('claims are read, signed and written again byte for byte', () => {
  const { beats, suspicions, published } = vectors.liveness;
  const both = [
    { what: 'beat', read: liveness.readBeat, claims: beats, by: 'stack' },
    { what: 'suspicion', read: liveness.readSuspicion, claims: suspicions, by: 'observer' },
  ] as const;
  for (const { what, read, claims, by } of both) {
    for (const { body, body_bytes: bodyBytes, wire } of claims) {
      assert.deepEqual(plain(read(unhex(wire), mesh).body), body);
      const bytes = encode(JSON.parse(JSON.stringify(body)));
      assert.equal(hex(bytes), bodyBytes);
      assert.equal(hex(liveness.writeClaim(bytes, signAs(seed(String(body[by])), what, bytes))), wire);
    }
  }
  assert.equal(readLivenessMessage(unhex(published.beats), mesh).beats.length, 1);
  assert.equal(readLivenessMessage(unhex(published.suspicions), mesh).suspicions.length, 1);
});

test('the beats exchange compares a digest, then names, then claims', () => {
  const { digest, names, messages } = vectors.liveness.exchange;
  const read = (wire: string): Value => decode(unhex(wire));
  const { askDigest, answerNames, askClaims, answerClaims } = liveness.beatsExchange;
  const withoutAge = names.map(([name, first, second]) => [name, first, second] as const);
  assert.equal(hex(liveness.digestOfClaims(withoutAge)), digest);
  assert.equal(hex(askDigest(read(messages.askDigest), 'request').digest), digest);
  assert.equal(answerNames(read(messages.answerSame), 'answer').names, null);
  assert.deepEqual(plain(answerNames(read(messages.answerNames), 'answer').names), names);
  const { want } = askClaims(read(messages.askClaims), 'request');
  assert.deepEqual(
    plain(want),
    names.map(([name]) => name),
  );
  const claims = answerClaims(read(messages.answerClaims), 'answer').claims.map(([wire]) =>
    liveness.readClaim(wire, mesh),
  );
  assert.deepEqual(claims.map(liveness.named), withoutAge);
});

test('gateways, the root of a zone and the digest of marks come out', () => {
  for (const { zone, stacks, rank, gateways } of vectors.zones.ranks) {
    assert.deepEqual(zones.rankOf(zone, stacks), rank);
    assert.deepEqual(zones.gatewaysOf(zone, stacks), gateways);
  }
  const { feeds, root } = vectors.zones.root;
  assert.equal(hex(zones.rootOfZone(feeds.map(({ feed: of, root: hash }) => [of, unhex(hash)] as const))), root);
  const { have, digest, ofNone, messages } = vectors.zones.marks;
  const marks = have.map(([gateway, counter, sequence]): zones.Mark => [gateway, counter, sequence]);
  assert.equal(hex(zones.digestOfMarks(marks)), digest);
  assert.equal(hex(zones.digestOfMarks([])), ofNone);
  const read = (wire: string): Value => decode(unhex(wire));
  const { askDigest, answerMarks, askSummaries, answerSummaries } = zones.zoneExchange;
  assert.equal(hex(askDigest(read(messages.askDigest), 'request').digest), ofNone);
  assert.equal(answerMarks(read(messages.answerSame), 'answer').have, null);
  assert.deepEqual(answerMarks(read(messages.answerMarks), 'answer').have, have);
  assert.deepEqual(askSummaries(read(messages.askSummaries), 'request'), { have: [], summaries: [] });
  assert.deepEqual(answerSummaries(read(messages.answerSummaries), 'answer'), { summaries: [] });
  const { request, answerOfNone } = vectors.zones.record;
  assert.deepEqual(zones.recordExchange.request(read(request), 'request'), { kind: 'note', name: 'n' });
  assert.deepEqual(zones.recordExchange.answer(read(answerOfNone), 'answer'), { records: [] });
});

test('each parser takes what is right, and refuses what is wrong for the reason that is stated', () => {
  const of = vectors.parsers.mesh;
  const faults: string[] = [];
  for (const parser of Object.keys(vectors.parsers).filter((name): name is Parser => name !== 'mesh')) {
    for (const { why, wire } of vectors.parsers[parser].accepted)
      assert.doesNotThrow(() => parse(parser, unhex(wire), of), `${parser}: ${why}`);
    for (const { why, wire } of vectors.parsers[parser].refused)
      faults.push(...faultsOf(parser, why, reasonFor(parser, why), () => parse(parser, unhex(wire), of)));
  }
  assert.deepEqual(faults, []);
});

test('each protocol takes a request that is right, and refuses one that is wrong for the reason that is stated', () => {
  const faults: string[] = [];
  for (const protocol of Object.keys(vectors.requests) as Protocol[]) {
    const { accepted, refused } = vectors.requests[protocol];
    for (const request of accepted)
      assert.equal(hex(encode(readRequest(protocol, unhex(request)) as Encodable)), request, protocol);
    for (const { why, request } of refused) {
      const reason = reasonForRequest(protocol, why);
      faults.push(...faultsOf(protocol, why, reason, () => readRequest(protocol, unhex(request))));
    }
  }
  assert.deepEqual(faults, []);
});

test('joining is answered by a grant, a probe or a refusal', () => {
  const read = ({ request, answer }: { request: string; answer: string }) =>
    readJoining(unhex(request), unhex(answer), mesh);
  assert.equal(read(vectors.join), 'granted');
  const answers = Object.fromEntries(Object.entries(vectors.joins).map(([name, exchange]) => [name, read(exchange)]));
  const joiner = vectors.keys[1].stack;
  const [wrongMesh, nameTaken, used] = ['wrong-mesh', 'name-taken', 'invite-used'];
  assert.deepEqual(answers, {
    probe: 'probe',
    wrongMesh,
    nameTaken,
    again: 'granted',
    zoned: 'granted in north',
    used,
    badSignature: `version-mismatch: signature: not signed by ${joiner} as join`,
  });
  assert.equal(vectors.joins.again.answer, vectors.join.answer);
});

test('each exchange is read, and its answer fits its request', () => {
  const answers = vectors.exchanges.map(({ protocol, request, answer }) =>
    readExchange(protocol, unhex(request), unhex(answer), mesh),
  );
  assert.deepEqual(answers, [
    'parts -',
    'nothing',
    'parts - a a0',
    `nodes ${digestAfterJoin()}`,
    'statements',
    'statements 1 2',
    'statements 3',
    'wrong-mesh',
    'records 20',
    'head',
    'deltas 1',
    'none',
    'nodes 2 records 1',
    'head',
    'evidence 0 wanted 0',
    'evidence 0 wanted 1',
    `given ${vectors.keys[0].stack.slice(-4)}`,
    'evidence 1 wanted 0',
    'evidence 0 wanted 0',
  ]);
  const read = vectors.exchanges.slice(0, 3).map(({ answer }) => decode(unhex(answer)));
  const [first, none, asked] = read.map((answer) => heads.headsExchange.answer(answer, 'answer'));
  const [part] = first?.parts ?? [];
  assert.ok(part && 'briefs' in part && part.briefs.length === 1);
  assert.equal(hex(part.briefs[0]?.[0] ?? trie.zeros), hex(heads.feedKey(vectors.keys[0].stack)));
  assert.deepEqual([first?.roster, none?.roster, asked?.roster], [digestAfterJoin(), null, null]);
  const empty = ['a', 'a0'].map((prefix) => ({ prefix, briefs: [] }));
  assert.deepEqual(asked?.parts, [part, ...empty]);
});

test('nothing in the vectors is left unread', () => {
  assert.deepEqual(unreadPlaces(), []);
});

/** The digest of the roster after both have joined. */
function digestAfterJoin(): string {
  const given = joinAnswer(decode(unhex(vectors.joins.zoned.answer)), 'answer');
  assert.ok('statements' in given);
  return rosterOf(
    given.statements.map((wire) => readStatement(wire, mesh)),
    mesh,
  ).digest;
}

function seed(stack: string): Uint8Array {
  const found = seedOf.get(stack);
  assert.ok(found, `no seed of ${stack}`);
  return found;
}

function applied(delta: feed.Delta, stored: feed.Stored | undefined): feed.Stored {
  const verdict = feed.judge(delta, stored);
  assert.ok(verdict.is === 'applied', verdict.is);
  return verdict.stored;
}
