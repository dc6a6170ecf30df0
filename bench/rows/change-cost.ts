// The row of one change in a large feed: what it costs the owner's processor, and that of each stack that takes it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openDatabase, registryMigrations } from '#registry';
import { FeedStore, Feeds, maxFeedRecords, verifyDelta, verifyHead } from '#registry/feeds';
import { toBytes } from '../../registry/wire.ts';
import { identityOf } from '../../test/support/constellation.ts';
import type { Row } from '../row.ts';

const mesh = 'b'.repeat(64);
/** One sample is the mean of as many: the processor's time is told in coarse steps. */
const changes = 100;

export const changeCostRow: Row = {
  name: 'change-cost',
  claim: 'processor time of one change in a feed of 10,000 records, at its owner or at a receiver, whichever is more',
  unit: 'ms',
  figure: 'median',
  limit: 2,
  async measure(rounds, say) {
    const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-change-'));
    try {
      using owner = open('owner', path.join(folder, 'owner.db'));
      using receiver = open('receiver', path.join(folder, 'receiver.db'));
      const { stack } = identityOf('owner');
      const records = Array.from({ length: maxFeedRecords }, (_, at) => noteOf(at, 'first'));
      owner.database.transaction(() => owner.feeds.beginEpoch(mesh, { counter: 1, nonce: new Uint8Array(16) }));
      owner.database.transaction(() => owner.feeds.commit(mesh, records));
      const [bytes, signature] = owner.feeds.served.head(stack) ?? [];
      const head = bytes && signature && verifyHead(bytes, signature, mesh);
      if (!head || typeof head === 'string' || receiver.feeds.replace(head, records) !== 'applied') {
        throw new Error('The feed was not filled');
      }
      const samples: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const spent = { owner: 0, receiver: 0 };
        for (let at = 0; at < changes; at += 1) {
          const change = noteOf((at * 97) % maxFeedRecords, `round ${round}`);
          const begun = process.cpuUsage();
          const delta = owner.database.transaction(() => owner.feeds.commit(mesh, [change]));
          spent.owner += cpuMs(begun);
          if (!delta) throw new Error('Nothing changed');
          const received = process.cpuUsage();
          const read = verifyDelta(delta.wire, mesh);
          if (typeof read === 'string' || receiver.feeds.apply(read) !== 'applied')
            throw new Error('It was not applied');
          spent.receiver += cpuMs(received);
        }
        const [own, other] = [spent.owner / changes, spent.receiver / changes];
        samples.push(Math.max(own, other));
        say(`round ${round + 1} of ${rounds}: owner ${own.toFixed(2)} ms, receiver ${other.toFixed(2)} ms`);
      }
      return { samples };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function noteOf(at: number, text: string) {
  return { kind: 'note', name: `service-${at}`, body: toBytes({ text: `${text} ${at} `.repeat(40).slice(0, 390) }) };
}

function open(word: string, file: string) {
  const database = openDatabase(file, [registryMigrations]);
  const feeds = new Feeds(new FeedStore(database), identityOf(word), () => undefined);
  return { database, feeds, [Symbol.dispose]: () => database[Symbol.dispose]() };
}

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}
