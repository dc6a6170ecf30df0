// What other members answer when they are asked: each answer is read by the driver that asked, whose other questions are answered truly.
import assert from 'node:assert/strict';
import type { Database } from '#registry';
import { FeedStore, Feeds, nodesAt, positionOf, rootOf, verifyWhole } from '#registry/feeds';
import { Guard, Replica, Spread } from '#registry/replication';
import { Membership, Renewal, RosterStore } from '#registry/roster';
import { leavesOf } from '../../registry/feeds/trie.ts';
import { exchangeBeats } from '../../registry/liveness/beats.ts';
import { Detector } from '../../registry/liveness/detector.ts';
import { noMetrics } from '../../registry/metrics.ts';
import { findDifference } from '../../registry/replication/difference.ts';
import { Source, serveFeeds } from '../../registry/replication/feed-exchange.ts';
import { RosterExchange } from '../../registry/replication/roster-exchange.ts';
import { takeSnapshot } from '../../registry/replication/snapshot.ts';
import { readRoster } from '../../registry/roster/roster.ts';
import { readValue, toBytes, toHex } from '../../registry/wire.ts';
import { ZoneExchange } from '../../registry/zones/exchange.ts';
import { Finder } from '../../registry/zones/find.ts';
import { ZoneStore } from '../../registry/zones/store.ts';
import { Summaries } from '../../registry/zones/summaries.ts';
import { identityOf, silentLog } from '../support/constellation.ts';
import { HandClock } from './besieged.ts';
import { evidence, noEvidence } from './evidence.ts';
import type { Target } from './fuzz.ts';
import { below, encode, oneOf, spoilValue } from './mutate.ts';
import * as wares from './wares.ts';
import { gateOf, oneSpoilt, openMembership, openStore, resigned, self, Wire } from './wire.ts';

const { mesh, owner, members, statements } = wares;
const { signal } = new AbortController();
const evidenceProtocol = '/hermesh/evidence/1.0.0';

function beats(): Target {
  const wire = new Wire();
  const clock = new HandClock();
  const detector = new Detector({ identity: self, incarnation: 0, wall: () => 0 }, 0);
  const stacks = [owner, ...members].map(({ stack }) => stack);
  detector.setRoster({ mesh, digest: 'roster', members: [...stacks, self.stack] }, 0);
  const name = new Uint8Array(8).fill(1);
  const truths = [
    toBytes({ now: 1_800_000_000_000, names: [[name, 3, 1, 0]] }),
    toBytes({ claims: wares.beats.map((each, at) => [each.wire, at]) }),
    toBytes({ claims: wares.suspicions.map((each) => [each.wire, 5]) }),
    toBytes({ now: 5, names: null }),
  ];
  return {
    name: 'an answer about beats',
    valid: (chance) => oneOf(chance, truths),
    resigned: resigned(truths),
    async take(bytes, chance) {
      clock.pass(10);
      wire.answer = oneSpoilt(bytes, truths.slice(0, 3), chance);
      const take = (claims: Parameters<Detector['claims']>[0]): void => {
        assert.ok(claims.length <= 256);
        detector.claims(claims, clock.monotonic());
      };
      const timeSample = (_: string, offsetMs: number): void => assert.ok(Number.isFinite(offsetMs));
      const parts = { network: wire.network, ledger: detector.ledger, clock, signal, take, timeSample };
      return exchangeBeats(owner.stack, parts).then(() => 'taken', gateOf);
    },
    check() {
      assert.ok(detector.ledger.names(clock.monotonic()).length <= stacks.length + 1 + stacks.length ** 2);
      assert.ok(clock.waiting < 10);
    },
    least: { shape: 0.3, taken: 0.05 },
  };
}

function roster(): Target {
  const wire = new Wire();
  const whole = readRoster(mesh, statements);
  let held = openMembership();
  const clock = new HandClock();
  const answers = [
    toBytes({ nodes: [null] }),
    ...statements.map((each) => toBytes({ statements: [each.wire] })),
    toBytes({ statements: statements.slice(2, 5).map((each) => each.wire) }),
  ];
  const truth = async (request: Uint8Array): Promise<Uint8Array> => {
    const other = new Wire();
    const parts = { network: other.network, membership: { roster: whole, statements, add: () => [] } };
    void new RosterExchange({ ...parts, clock, signal, stated: () => undefined } as never);
    return (other.served.get('/hermesh/roster/1.0.0') as (bytes: Uint8Array) => Promise<Uint8Array>)(request);
  };
  return {
    name: 'an answer about the roster',
    valid: (chance) => oneOf(chance, answers),
    resigned: resigned(answers),
    async take(bytes, chance) {
      let stated = 0;
      const news = (all: readonly unknown[]): void => {
        stated += all.length;
      };
      const parts = { network: wire.network, membership: held.membership, clock, signal };
      const exchange = new RosterExchange({ ...parts, stated: news });
      const place = chance() < 0.4 ? 0 : below(chance, 4);
      let asked = 0;
      wire.answer = (_, request) => {
        assert.ok(asked < 200, 'an exchange ends');
        asked += 1;
        return asked - 1 === place ? bytes : asked <= place ? truth(request) : undefined;
      };
      const gate = await exchange.with(owner.stack, whole.digest).then(() => 'read', gateOf);
      if (stated > 0) {
        held.database[Symbol.dispose]();
        held = openMembership();
      }
      return stated > 0 ? 'stated' : gate;
    },
    least: { read: 0.1, stated: 0.01 },
  };
}

/** Heads as another member answers them: they lead to questions, and never to another epoch, for which its own key would be needed. */
function heads(): Target {
  const wire = new Wire();
  const clock = new HandClock();
  const { membership, database } = openMembership(3);
  const never = (): void => assert.fail('nobody signed another history of the own feed');
  const stacks = [self, owner, ...members].map(({ stack }) => stack);
  const around = {
    ...{ self: self.stack, mesh: () => mesh, isMember: () => true, rosterDigest: () => '', chance: () => 0.5 },
    ...{ members: () => stacks, candidates: () => [] },
  };
  const openReplica = (of: typeof self, on: Database): { feeds: Feeds; replica: Replica } => {
    const feeds = new Feeds(new FeedStore(on), of, () => undefined);
    return { feeds, replica: new Replica(feeds, around, { batchMs: 100, antiEntropyMs: 1e12 }, 0) };
  };
  const theirs = openReplica(identityOf('other'), openStore());
  for (const each of wares.deltas) assert.equal(theirs.feeds.apply(each), 'applied');
  const parts = theirs.replica.part('');
  const other = 'ab'.repeat(32);
  const answers = [
    toBytes({ roster: null, parts: [parts] }),
    toBytes({ roster: other, parts: null }),
    toBytes({ roster: null, parts: [{ prefix: 'a', split: Array.from({ length: 16 }, () => new Uint8Array(8)) }] }),
    toBytes({ roster: other, parts: [parts, theirs.replica.part('a1')] }),
  ];
  let compared = 0;
  const guard = new Guard({ network: wire.network, clock, log: silentLog, metrics: noMetrics, batchMs: 100 });
  const spread = new Spread({
    ...{ network: wire.network, membership, clock, signal, log: silentLog, metrics: noMetrics },
    ...{
      conduct: guard.conduct,
      fault: (...told) => guard.fault(...told),
      reach: async () => undefined,
      ...openReplica(self, database),
    },
    ...{ changed: () => undefined, stated: () => undefined, moved: () => undefined, due: () => undefined },
    ...{ renew: never, cloned: never },
    exchanged: () => {
      compared += 1;
    },
  });
  return {
    name: 'an answer about heads',
    valid: (chance) => oneOf(chance, answers),
    resigned: (chance, odd) => encode(spoilValue(readValue(oneOf(chance, answers)), odd, chance), chance, 0),
    async take(bytes, chance) {
      clock.jump(70_000);
      const place = chance() < 0.7 ? 0 : 1;
      let [asked, pulls] = [0, 0];
      wire.answer = (protocol) => {
        if (protocol === evidenceProtocol) return noEvidence;
        if (protocol !== '/hermesh/heads/1.0.0') {
          pulls += 1;
          return undefined;
        }
        assert.ok(asked < 10, 'an exchange ends');
        asked += 1;
        return asked - 1 === place ? bytes : answers[0];
      };
      compared = 0;
      await spread.exchange(owner.stack);
      return compared === 0 ? 'refused' : pulls > 0 ? 'led on' : 'compared';
    },
    check: () => assert.ok(clock.waiting < 20, `${clock.waiting} timers wait`),
    least: { refused: 0.2, 'led on': 0.2 },
  };
}

/** A feed as another member answers about it: pages, deltas, nodes and records; nothing false gets under a signed root. */
function feed(): Target {
  const wire = new Wire();
  const clock = new HandClock();
  const database = openStore();
  const theirs = new Feeds(new FeedStore(database), identityOf('other'), () => undefined);
  for (const each of wares.deltas) assert.equal(theirs.apply(each), 'applied');
  const other = new Wire();
  serveFeeds(other.network, theirs, () => true);
  const parts = { network: wire.network, clock };
  const source = new Source(parts, { feed: owner.stack, from: owner.stack, mesh }, { signal });
  const last = wares.deltas.at(-1) ?? assert.fail('no delta');
  const root = rootOf(theirs.trie(owner.stack));
  const pair = [last.bytes, last.signature];
  const records = [...(wares.deltas[0]?.changes ?? [])].slice(0, 3).map(({ kind, name, body }) => [kind, name, body]);
  const answers = [
    toBytes({ head: pair, records, next: null }),
    toBytes({ head: pair, records, next: new Uint8Array(32).fill(8) }),
    toBytes({ deltas: wares.deltas.map((each) => each.wire) }),
    toBytes({ head: pair }),
    toBytes({ nodes: [[new Uint8Array(32), new Uint8Array(32)]], records }),
    toBytes({ none: true }),
    ...[[new Uint8Array()], [Uint8Array.of(3), Uint8Array.of(9)]].map((at) =>
      toBytes({ nodes: nodesAt(theirs.trie(owner.stack), at), records: records.slice(0, 1) }),
    ),
  ];
  return {
    name: 'an answer about a feed',
    valid: (chance) => oneOf(chance, answers),
    resigned: resigned(answers),
    async take(bytes, chance) {
      const place = below(chance, 3);
      let asked = 0;
      wire.answer = (protocol, request) => {
        assert.ok(asked < 300, 'a pull ends');
        asked += 1;
        return asked - 1 === place ? bytes : other.served.get(protocol)?.(request);
      };
      if (chance() < 0.5) {
        const found = await findDifference(source, last, chance() < 0.5 ? undefined : wares.trie).catch(gateOf);
        if (typeof found === 'string') return found;
        const isOld = toHex(found.head.hash) !== toHex(last.hash);
        assert.ok(isOld || found.records.length <= [...leavesOf(theirs.trie(owner.stack))].length);
        return 'difference';
      }
      const first = await source.ask(chance() < 0.3 ? positionOf(wares.deltas[0] ?? last) : null, null);
      if (!('records' in first)) return 'head' in first ? (source.verify(first.head) ? 'head' : 'refused') : 'none';
      const found = await takeSnapshot(source, first).catch(gateOf);
      if (typeof found === 'string') return found;
      const verified = verifyWhole(found.head, found.records);
      if (verified && toHex(found.head.hash) === toHex(last.hash))
        assert.equal(toHex(found.head.head.root), toHex(root));
      return verified ? 'snapshot' : 'refused';
    },
    least: { difference: 0.01, snapshot: 0.05, refused: 0.05 },
  };
}

/** Summaries of zones and proven records, as gateways answer. */
function zones(): Target {
  const wire = new Wire();
  const clock = new HandClock();
  const open = () => {
    const database = openStore();
    const member = (stack: string) => ({ zone: 'south', role: 'member', name: stack === owner.stack ? 'owner' : 'x' });
    const parts = {
      store: new ZoneStore(database),
      clock,
      meshNow: clock.now,
      mesh: () => mesh,
      member,
      staleMs: 60_000,
    };
    return { database, member, summaries: new Summaries(parts) };
  };
  const held = open();
  const truths = wares.summaries.map((each) => toBytes({ summaries: [each] }));
  const answers = [
    toBytes({ have: [[owner.stack, 1, 1]] }),
    ...truths,
    toBytes({ summaries: [...wares.summaries, ...wares.proven] }),
    ...wares.proven.map((each) => toBytes({ records: [each] })),
  ];
  return {
    name: 'an answer of a gateway of a zone',
    valid: (chance) => oneOf(chance, answers),
    resigned: resigned(answers),
    async take(bytes, chance) {
      clock.jump(400_000);
      const common = { network: wire.network, clock, metrics: noMetrics, log: silentLog, signal };
      if (chance() < 0.4) {
        const finder = new Finder({
          ...{ ...common, mesh: () => mesh, member: held.member, prove: () => [] },
          judge: (_owner, { body }) => ({ body: readValue(body) }),
          askZone: async (_zone, ask) => ask(owner.stack),
        });
        wire.answer = () => bytes;
        const { records, unanswered } = await finder.find('note', 'n5', ['south'], { signal });
        for (const each of records) assert.equal(`${each.kind}/${each.name}`, 'note/n5');
        return unanswered.length > 0 ? 'refused' : records.length > 0 ? 'found' : 'none';
      }
      const exchange = new ZoneExchange({ ...common, summaries: held.summaries });
      wire.answer = oneSpoilt(bytes, [answers[0] ?? bytes, oneOf(chance, truths)], chance);
      const before = toHex(held.summaries.digest());
      const isAnswered = await exchange.with(owner.stack);
      assert.ok(held.summaries.all().length <= 3, 'three speak for a zone');
      if (toHex(held.summaries.digest()) === before) return isAnswered ? 'read' : 'refused';
      // What is known is no news: all is forgotten, so that the next one is.
      held.summaries.clear();
      return 'taken';
    },
    check: () => assert.ok(clock.waiting < 10),
    least: { refused: 0.3, taken: 0.01, found: 0.001 },
  };
}

/** What an admin answers that was asked for a new certificate. */
function renewal(): Target {
  const wire = new Wire();
  const clock = new HandClock();
  const one = members[0] ?? owner;
  const database = openStore();
  const open = (): Membership => {
    // Its certificate ended long before: a new one is due.
    const membership = new Membership(new RosterStore(database), one, () => 1_800_000_000_000);
    membership.enter(mesh, statements.slice(0, 5));
    return membership;
  };
  let membership = open();
  const answers = [
    ...statements.map((each) => toBytes({ statements: [each.wire] })),
    toBytes({ statements: statements.map((each) => each.wire) }),
    toBytes({ code: 'not-admin', message: 'ask another one' }),
  ];
  return {
    name: 'the answer to a renewal',
    valid: (chance) => oneOf(chance, answers),
    resigned: resigned(answers),
    async take(bytes) {
      clock.jump(3_600_000);
      let stated = 0;
      let said = '';
      const log = {
        ...silentLog,
        debug(about: unknown) {
          said = gateOf((about as { error: unknown }).error);
        },
      };
      const { promise, resolve } = Promise.withResolvers<void>();
      const chance = (): number => 0.5;
      const renewal = new Renewal({
        ...{ identity: one, network: wire.network, membership, clock, log, signal, chance, retryMs: 1_000 },
        addressesOf: () => [],
        stated: (all) => {
          stated += all.length;
        },
      });
      wire.answer = () => {
        setImmediate(resolve);
        return bytes;
      };
      assert.ok(membership.isDue(one.stack));
      renewal.due();
      await promise;
      if (stated > 0) membership = open();
      return stated > 0 ? 'stated' : said === '' ? 'read' : said;
    },
    check: () => assert.ok(clock.waiting < 10),
    least: { shape: 0.2, read: 0.05 },
  };
}

/** Fresh ones each time: they keep what they are given. */
export function replies(): Target[] {
  return [beats(), roster(), heads(), evidence(), feed(), zones(), renewal()];
}
