// Makes test/vectors/registry.json, the protocol of the registry in bytes: `node test/registry/make-vectors.ts`; the same each time.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MemoryHub, openDatabase, openRegistry, registryMigrations, systemClock } from '#registry';
import {
  digestOf,
  FeedStore,
  Feeds,
  makeProvenRecord,
  positionOf,
  recordHash,
  recordKey,
  type Trie,
  type VerifiedDelta,
} from '#registry/feeds';
import { type Change, makeDelta } from '../../registry/feeds/feed.ts';
import { prove } from '../../registry/feeds/proof.ts';
import { emptyRoot, put, remove, rootOf } from '../../registry/feeds/trie.ts';
import { serveFeeds } from '../../registry/replication/feed-exchange.ts';
import { keyOf } from '../../registry/replication/fingerprints.ts';
import { Replica } from '../../registry/replication/replicate.ts';
import { joinProtocol, makeJoinRequest, readJoinAnswer } from '../../registry/roster/admission.ts';
import { makeStatement, type Payload, type Root, rootHash } from '../../registry/roster/statement.ts';
import { inviteKey, readToken } from '../../registry/roster/token.ts';
import { toBytes, toHex } from '../../registry/wire.ts';
import { identityOf, noteKind, silentLog } from '../support/constellation.ts';
import { fingerprints, frames, gossipIds, signing, zones } from './vectors-heads.ts';
import { liveness } from './vectors-liveness.ts';
import { refusals } from './vectors-refused.ts';
import { requests } from './vectors-requests.ts';
import { rosters } from './vectors-roster.ts';

const nonce = new Uint8Array(16).fill(7);
const [owner, member] = [identityOf('owner'), identityOf('member')];
const noteOf = (name: string, text: string): Change => ({ kind: 'note', name, body: toBytes({ text }) });
const hexOf = ({ kind, name, body }: Change) => ({ kind, name, body: body && toHex(body) });
const trieOfAll = (all: readonly Change[]): Trie =>
  all.reduce<Trie>(
    (trie, { kind, name, body }) => put(trie, recordKey(kind, name), recordHash(body ?? emptyRoot)),
    undefined,
  );

/** Everything that the file holds; bytes are in hexadecimal. */
export async function registryVectors(): Promise<Record<string, unknown>> {
  const root: Root = { type: 'root', version: 1, admins: [owner.stack], threshold: 1, nonce, createdAt: 1_000 };
  const mesh = rootHash(root);
  return {
    note: 'The bytes of the registry, as docs/protocol.md describes them. A change here is a change of the protocol.',
    keys: [owner, member].map(({ seed, stack, box }) => ({ seed: toHex(seed), stack, x25519: toHex(box.publicKey) })),
    tries: tries(),
    ...feeds(mesh),
    statements: statements(root, mesh),
    rosters: rosters(),
    ...(await messages()),
    signing: signing(),
    frames: frames(),
    gossipIds: gossipIds(mesh),
    fingerprints: fingerprints(),
    liveness: liveness(mesh),
    zones: zones(),
    parsers: refusals(mesh),
  };
}

function tries() {
  const some = Array.from({ length: 20 }, (_, at) => noteOf(`n${at}`, `${at}`));
  const [first = noteOf('', ''), second = noteOf('', '')] = some;
  const full = trieOfAll(some);
  const sets = [[], [first], some].map((all) => ({
    records: all.map(({ kind, name, body }) => ({
      ...hexOf({ kind, name, body }),
      key: toHex(recordKey(kind, name)),
      hash: toHex(recordHash(body ?? emptyRoot)),
    })),
    root: toHex(rootOf(trieOfAll(all))),
  }));
  const removed = remove(full, recordKey(second.kind, second.name));
  const proofs = [first, { ...first, name: 'absent' }].map(({ kind, name, body }) => {
    const key = recordKey(kind, name);
    const value = name === 'absent' || !body ? null : toHex(recordHash(body));
    return { root: toHex(rootOf(full)), key: toHex(key), value, proof: toHex(toBytes(prove(full, key))) };
  });
  return { sets, afterRemoval: { removed: second.name, root: toHex(rootOf(removed)) }, proofs };
}

function feeds(mesh: string) {
  const [one, two] = [noteOf('a', 'one'), noteOf('b', 'two')];
  const gone: Change = { kind: 'note', name: 'a', body: null };
  const epoch = { counter: 1, nonce };
  const sign = (message: Uint8Array) => owner.sign(message);
  const of = (all: readonly Change[], changes: readonly Change[], sequence: number, previous: Uint8Array) => {
    const place = {
      mesh,
      feed: owner.stack,
      epoch,
      sequence,
      count: all.length,
      root: rootOf(trieOfAll(all)),
      previous,
    };
    return makeDelta(place, changes, sign);
  };
  const first = of([one, two], [one, two], 1, emptyRoot);
  const second = of([two], [gone], 2, first.hash);
  const rival = of([one], [one], 2, first.hash);
  const shown = (delta: VerifiedDelta) => ({
    head: {
      ...delta.head,
      epoch: { counter: delta.head.epoch.counter, nonce: toHex(delta.head.epoch.nonce) },
      root: toHex(delta.head.root),
      previous: toHex(delta.head.previous),
      changes: toHex(delta.head.changes),
    },
    changes: delta.changes.map(hexOf),
    headBytes: toHex(delta.bytes),
    headHash: toHex(delta.hash),
    signature: toHex(delta.signature),
    delta: toHex(delta.wire),
  });
  const proven = [one, { ...one, name: 'absent', body: null }].map((change) => {
    const proof = prove(trieOfAll([one, two]), recordKey(change.kind, change.name));
    return { ...hexOf(change), wire: toHex(makeProvenRecord([first.bytes, first.signature], change, proof)) };
  });
  const all = [positionOf(first), positionOf(second)];
  return {
    deltas: [first, second].map(shown),
    provenRecords: proven,
    positionsDigest: {
      heads: all.map(({ hash }) => toHex(hash)),
      digest: toHex(digestOf(all)),
      ofNone: toHex(digestOf([])),
    },
    gossip: gossip(mesh, first, [second, rival]),
  };
}

function gossip(mesh: string, first: VerifiedDelta, rivals: readonly VerifiedDelta[]) {
  using database = openDatabase(':memory:', [registryMigrations]);
  const kept = new Feeds(new FeedStore(database), member, () => undefined);
  const around = {
    self: member.stack,
    mesh: () => mesh,
    isMember: () => true,
    members: () => [],
    candidates: () => [],
    rosterDigest: () => '',
    chance: () => 0.5,
  };
  const replica = new Replica(kept, around, { batchMs: 100, antiEntropyMs: 1_000 }, 0);
  const published = (deeds: ReturnType<Replica['delta']>) =>
    deeds.flatMap((deed) => (deed.type === 'publish' ? [toHex(deed.message)] : []))[0];
  // What is too large for gossip is told of by its head.
  const told = toBytes({ heads: [[first.bytes, first.signature]] });
  if (replica.hear(told).verdict !== 'accept') throw new Error('A published head was not taken');
  const heads = toHex(told);
  replica.delta(first.wire, owner.stack);
  const [evidence] = rivals.map(({ wire }) => published(replica.delta(wire, owner.stack))).filter(Boolean);
  const statement = makeStatement({ type: 'leave', mesh, certificates: [], at: 1 }, member);
  return {
    deltas: published(replica.committed(first, 0)),
    heads,
    statements: published(replica.stated([statement.wire])),
    evidence,
  };
}

function statements(root: Payload, mesh: string) {
  const certificate: Payload = {
    type: 'certificate',
    mesh,
    stack: member.stack,
    name: 'member',
    role: 'member',
    x25519: member.box.publicKey,
    notBefore: 1_000,
    notAfter: 7_777_000_000,
  };
  const certified = makeStatement(certificate, owner);
  const made = [
    makeStatement(root, owner),
    certified,
    makeStatement({ type: 'revocation', mesh, stack: member.stack, at: 2_000, survivors: [certified.id] }, owner),
    makeStatement({ type: 'leave', mesh, certificates: [certified.id], at: 3_000 }, member),
  ];
  return {
    mesh,
    made: made.map(({ payload, signer, id, wire }) => ({
      type: payload.type,
      payload: toHex(toBytes(payload)),
      signer,
      id,
      wire: toHex(wire),
    })),
  };
}

/** What one stack answers to another that joins it and then compares heads and feeds: asked over the memory network. */
async function messages() {
  const hub = new MemoryHub();
  await using near = hub.open(owner);
  await using far = hub.open(member);
  using database = openDatabase(':memory:', [registryMigrations]);
  let passedMs = 0;
  await using registry = await openRegistry({
    database,
    identity: owner,
    name: 'owner',
    network: near,
    kinds: [noteKind],
    mayStand: () => undefined,
    clock: { ...systemClock, now: () => 1_000, monotonic: () => systemClock.monotonic() + passedMs },
    random: (sizeBytes) => new Uint8Array(sizeBytes).fill(7),
    log: silentLog,
  });
  registry.write([{ kind: 'note', name: 'n', body: { text: 'hello' } }]);
  const { token } = registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 2 });
  const invite = readToken(token);
  const { signal } = new AbortController();
  const bounds = { signal, maxResponseBytes: 1024 * 1024 };
  const ask = async (who: typeof member, facts: { name: string; zone?: string; probe?: boolean; mesh?: string }) => {
    const token = { ...invite, mesh: facts.mesh ?? invite.mesh };
    const request = makeJoinRequest(who, token, { addresses: [], nonce, ...facts });
    const answer = await far.requestWithKey(invite.secret, near.addresses(), joinProtocol, request, bounds);
    return { request: toHex(request), answer: toHex(answer) };
  };
  const probe = await ask(member, { name: 'member', probe: true });
  const wrongMesh = await ask(member, { name: 'member', mesh: 'f'.repeat(64) });
  const nameTaken = await ask(member, { name: 'owner' });
  const join = await ask(member, { name: 'member' });
  const again = await ask(member, { name: 'member' });
  const zoned = await ask(identityOf('zoned'), { name: 'zoned', zone: 'north' });
  const used = await ask(identityOf('late'), { name: 'late' });
  const bad = new Uint8Array(Buffer.from(join.request, 'hex')).map(
    (byte, at, all) => byte ^ Number(at === all.length - 1),
  );
  const told = await far.requestWithKey(invite.secret, near.addresses(), joinProtocol, bad, bounds);
  const badSignature = { request: toHex(bad), answer: toHex(told) };
  far.setGate(() => 'member');
  await far.connect(near.stack, near.addresses(), { signal });
  const known = readJoinAnswer(new Uint8Array(Buffer.from(join.answer, 'hex')), invite.mesh)
    .map(({ id }) => new Uint8Array(Buffer.from(id, 'hex')))
    .slice(0, 2);
  const exchange = async (protocol: string, message: unknown) => {
    const request = toBytes(message);
    const answer = await far.request(near.stack, protocol, request, bounds);
    return { protocol, request: toHex(request), answer: toHex(answer) };
  };
  using stored = openDatabase(':memory:', [registryMigrations]);
  const kept = new Feeds(new FeedStore(stored), identityOf('third'), () => undefined);
  const records = Array.from({ length: 20 }, (_, at) => noteOf(`n${at}`, `${at}`));
  const epoch = { counter: 3, nonce };
  const root = rootOf(trieOfAll(records));
  const place = { mesh: invite.mesh, feed: owner.stack, epoch, sequence: 1, count: 20, root, previous: emptyRoot };
  const delta = makeDelta(place, records, (message) => owner.sign(message));
  kept.apply(delta);
  await using third = hub.open(identityOf('third'));
  third.setGate(() => 'member');
  serveFeeds(third, kept, () => true);
  await far.connect(third.stack, third.addresses(), { signal });
  const of = async (protocol: string, message: unknown) => {
    const request = toBytes(message);
    const answer = await far.request(third.stack, protocol, request, bounds);
    return { protocol, request: toHex(request), answer: toHex(answer) };
  };
  const feed = owner.stack;
  const key = recordKey('note', 'n3');
  const twin = makeDelta({ ...place, count: 3 }, records, (message) => owner.sign(message));
  const pair = [delta, twin].map(({ bytes, signature }) => [bytes, signature]);
  const mark = [keyOf(feed), epoch.counter];
  const older = { feed, epoch: { counter: 2, nonce }, sequence: 5, hash: new Uint8Array(32) };
  return {
    invite: { token, secret: toHex(invite.secret), key: inviteKey(invite.secret), mesh: invite.mesh },
    join,
    joins: { probe, wrongMesh, nameTaken, again, zoned, used, badSignature },
    exchanges: [
      await exchange('/hermesh/heads/1.0.0', { roster: '', heads: new Uint8Array(32) }),
      await exchange('/hermesh/heads/1.0.0', { offer: [] }),
      await exchange('/hermesh/heads/1.0.0', { ask: ['', 'a', 'a0'] }),
      await exchange('/hermesh/roster/1.0.0', { paths: [new Uint8Array()] }),
      await exchange('/hermesh/roster/1.0.0', { want: [], give: [] }),
      await exchange('/hermesh/roster/1.0.0', { want: [new Uint8Array(32), ...known], give: [] }),
      await exchange('/hermesh/renew/1.0.0', { mesh: invite.mesh, show: [] }),
      await exchange('/hermesh/renew/1.0.0', { mesh: 'f'.repeat(64), show: [] }),
      await of('/hermesh/feed/1.0.0', { feed, have: null, after: null }),
      await of('/hermesh/feed/1.0.0', { feed, have: older, after: null }),
      await of('/hermesh/feed/1.0.0', { feed, have: { ...older, epoch, sequence: 0 }, after: null }),
      await of('/hermesh/feed/1.0.0', { feed: member.stack, have: null, after: null }),
      await of('/hermesh/trie/1.0.0', { feed, root, paths: [new Uint8Array(), Uint8Array.of(1)], keys: [key] }),
      await of('/hermesh/trie/1.0.0', { feed, root: emptyRoot, paths: [new Uint8Array()], keys: [] }),
      // After this the owner knows that it runs twice.
      await exchange('/hermesh/evidence/1.0.0', { known: [] }),
      await exchange('/hermesh/evidence/1.0.0', { known: [mark] }),
      await exchange('/hermesh/evidence/1.0.0', { give: [pair] }),
      await exchange('/hermesh/evidence/1.0.0', { known: [] }),
      await exchange('/hermesh/evidence/1.0.0', { known: [mark] }),
    ],
    requests: await requests(feed, (protocol, request) => {
      // A wrong request is forgiven in a minute; the asker of all of these would be cut off.
      passedMs += 61_000;
      return far.request(near.stack, protocol, request, bounds);
    }),
  };
}

if (import.meta.main) {
  const file = path.join(import.meta.dirname, '..', 'vectors', 'registry.json');
  await writeFile(file, `${JSON.stringify(await registryVectors(), null, 2)}\n`);
}
