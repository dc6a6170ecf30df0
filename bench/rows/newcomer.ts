// The row of a newcomer: the feeds of fifty owners taken whole from one member, against SQLite storing the same rows.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MemoryHub, openDatabase, registryMigrations, systemClock } from '#registry';
import { FeedStore, Feeds, recordHash, recordKey, trieOf, verifyDelta, verifyWhole } from '#registry/feeds';
import { makeDelta } from '../../registry/feeds/feed.ts';
import { emptyRoot, rootOf } from '../../registry/feeds/trie.ts';
import { Kinds } from '../../registry/kind.ts';
import { Source, serveFeeds } from '../../registry/replication/feed-exchange.ts';
import { Intake } from '../../registry/replication/intake.ts';
import { takeSnapshot } from '../../registry/replication/snapshot.ts';
import { toBytes } from '../../registry/wire.ts';
import { identityOf, noteKind } from '../../test/support/constellation.ts';
import type { Row } from '../row.ts';

const mesh = 'b'.repeat(64);
const owners = 50;
const recordsEach = 2_000;

export const newcomerRow: Row = {
  name: 'newcomer',
  claim:
    'taking, verifying and keeping 100,000 records of 50 owners, the sender included, against SQLite inserting the same rows in one transaction; processor time of the one thread',
  unit: 'ms',
  figure: 'median',
  limitRatio: 3,
  async measure(rounds, say) {
    const samples: number[] = [];
    const peer: number[] = [];
    const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-newcomer-'));
    try {
      const member = fill(openFeeds('member', ':memory:'));
      for (let round = 0; round < rounds; round += 1) {
        const file = path.join(folder, `newcomer-${round}.db`);
        samples.push(await takeAll(member, file));
        const loadMs = measureLoad(file);
        peer.push(insertAll(file, path.join(folder, `peer-${round}.db`)));
        say(
          `round ${round + 1} of ${rounds}: ${samples.at(-1)?.toFixed(0)} ms, SQLite ${peer.at(-1)?.toFixed(0)} ms, opening the home again ${loadMs.open.toFixed(0)} ms and building all tries ${loadMs.tries.toFixed(0)} ms`,
        );
      }
      return { samples, peer: { name: 'SQLite', samples: peer } };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function openFeeds(word: string, file: string) {
  const identity = identityOf(word);
  const database = openDatabase(file, [registryMigrations]);
  const kinds = new Kinds([noteKind]);
  const feeds = new Feeds(new FeedStore(database), identity, (_, { kind, name, body }) => {
    const read = body ? kinds.read(kind, name, body) : { fault: 'nothing' };
    return 'fault' in read ? read.fault : undefined;
  });
  return { identity, database, feeds };
}

type Side = ReturnType<typeof openFeeds>;

/** Feeds of fifty owners, with bodies of about 400 bytes. */
function fill(side: Side): Side {
  for (let owner = 0; owner < owners; owner += 1) {
    const identity = identityOf(`owner ${owner}`);
    const records = Array.from({ length: recordsEach }, (_, at) => {
      const name = `service-${at}-of-${owner}`;
      const body = toBytes({ text: `${name} `.repeat(40).slice(0, 390) });
      return { kind: 'note', name, body, key: recordKey('note', name), value: recordHash(body) };
    }).sort((a, b) => Buffer.compare(a.key, b.key));
    const epoch = { counter: 1, nonce: new Uint8Array(16) };
    const root = rootOf(trieOf(records));
    const place = { mesh, feed: identity.stack, epoch, sequence: 1, count: recordsEach, root, previous: emptyRoot };
    const delta = verifyDelta(makeDelta(place, [], (message) => identity.sign(message)).wire, mesh);
    if (typeof delta === 'string' || side.feeds.replace(delta, records) !== 'applied') throw new Error('not filled');
  }
  return side;
}

async function takeAll(member: Side, file: string): Promise<number> {
  const hub = new MemoryHub();
  await using there = hub.open(member.identity);
  const newcomer = openFeeds('newcomer', file);
  using _database = newcomer.database;
  await using here = hub.open(newcomer.identity);
  for (const network of [there, here]) network.setGate(() => 'member');
  serveFeeds(there, member.feeds, () => true);
  const { signal } = new AbortController();
  await here.connect(there.stack, there.addresses(), { signal });
  const from = there.stack;
  const begun = process.threadCpuUsage();
  const intake = new Intake(newcomer.feeds, systemClock, { signal });
  const kept: Promise<void>[] = [];
  const positions = member.feeds.positions();
  for (const [at, { feed }] of positions.entries()) {
    const source = new Source({ network: here, clock: systemClock }, { feed, from, mesh }, { signal });
    const page = await source.ask(null, null);
    const found = 'records' in page ? await takeSnapshot(source, page) : 'refused';
    const whole = typeof found === 'string' ? undefined : verifyWhole(found.head, found.records);
    if (!whole) throw new Error('A feed was not taken whole');
    kept.push(intake.keep(whole, { follows: at < positions.length - 1 }).then(requireApplied));
  }
  await Promise.all(kept);
  return cpuMs(begun);
}

function requireApplied(outcome: string): void {
  if (outcome !== 'applied') throw new Error(`A feed was not kept: ${outcome}`);
}

/** The rows that the newcomer stored, put into tables of the same shape in one transaction. */
function insertAll(from: string, file: string): number {
  using source = openDatabase(from, [registryMigrations]);
  const records = source.prepare<Record<string, unknown>>('SELECT * FROM registry_record ORDER BY feed, key').all();
  const heads = source.prepare<Record<string, unknown>>('SELECT * FROM registry_head').all();
  using database = openDatabase(file, [registryMigrations]);
  const marks = (row: Record<string, unknown> | undefined) =>
    Object.keys(row ?? {})
      .map(() => '?')
      .join(', ');
  const begun = process.threadCpuUsage();
  database.transaction(() => {
    const change = database.prepare('INSERT INTO registry_change (feed, kind, name) VALUES (?, ?, ?)');
    const record = database.prepare(`INSERT INTO registry_record VALUES (${marks(records[0])})`);
    const head = database.prepare(`INSERT INTO registry_head VALUES (${marks(heads[0])})`);
    for (const row of heads) head.run(...Object.values(row));
    for (const row of records) {
      change.run(row.feed, row.kind, row.name);
      record.run(...Object.values(row));
    }
  });
  return cpuMs(begun);
}

/**
 * Time of the processor, both of the program and of the system for it: what waits for a shared disk or core isn't in it.
 * Of this thread alone: on a quiet machine that is the time that passes, since V8's helpers work beside it.
 */
function cpuMs(since: ReturnType<typeof process.threadCpuUsage>): number {
  const { user, system } = process.threadCpuUsage(since);
  return (user + system) / 1000;
}

/** What a start costs with all of it in the home: opening reads heads alone, and a trie is built when it is needed. */
function measureLoad(file: string): { readonly open: number; readonly tries: number } {
  const begun = performance.now();
  const { feeds, database } = openFeeds('newcomer', file);
  using _database = database;
  const opened = performance.now();
  for (const { feed } of feeds.positions()) rootOf(feeds.trie(feed));
  return { open: opened - begun, tries: performance.now() - opened };
}
