// What other members answer who are asked for evidence of equivocation.
import assert from 'node:assert/strict';
import { FeedStore, Feeds } from '#registry/feeds';
import { Replica } from '#registry/replication';
import { EvidenceExchange } from '../../registry/replication/evidence-exchange.ts';
import { keyBytes } from '../../registry/replication/fingerprints.ts';
import { readValue, toBytes } from '../../registry/wire.ts';
import { silentLog } from '../support/constellation.ts';
import { HandClock } from './besieged.ts';
import type { Target } from './fuzz.ts';
import { encode, oneOf, spoilValue } from './mutate.ts';
import * as wares from './wares.ts';
import { openMembership, self, Wire } from './wire.ts';

const { mesh, owner, members } = wares;
const { signal } = new AbortController();

/** The answer of who has none, and wants none. */
export const noEvidence = toBytes({ evidence: [], want: [] });

/** Evidence as another member gives it: it is believed where the accused signed both, whoever gives it. */
export function evidence(): Target {
  const wire = new Wire();
  const clock = new HandClock();
  const { membership, database } = openMembership(3);
  const [, second] = wares.deltas;
  assert.ok(second);
  const around = {
    ...{ self: self.stack, mesh: () => mesh, isMember: () => true, rosterDigest: () => '', chance: () => 0.5 },
    ...{ members: () => [self, owner, ...members].map(({ stack }) => stack), candidates: () => [] },
  };
  const feeds = new Feeds(new FeedStore(database), self, () => undefined);
  const replica = new Replica(feeds, around, { batchMs: 100, antiEntropyMs: 1e12 }, 0);
  const pair = [[second.bytes, second.signature], wares.signHead({ ...second.head, count: 3 })];
  const key = new Uint8Array(keyBytes);
  const answers = [
    noEvidence,
    toBytes({ evidence: [pair], want: [] }),
    toBytes({ evidence: [pair, pair, pair], want: [key, key] }),
    toBytes({ evidence: [], want: [key] }),
  ];
  let outcome = 'read';
  const exchange = new EvidenceExchange({
    ...{ network: wire.network, feeds, replica, membership, clock, log: silentLog, signal },
    do: (deeds) => {
      if (deeds.length > 0) outcome = 'accused';
    },
    fault: () => {
      outcome = 'refused';
    },
  });
  return {
    name: 'an answer about evidence',
    valid: (chance) => oneOf(chance, answers),
    resigned: (chance, odd) => encode(spoilValue(readValue(oneOf(chance, answers)), odd, chance), chance, 0),
    async take(bytes) {
      clock.jump(70_000);
      outcome = 'read';
      wire.answer = () => bytes;
      await exchange.with(owner.stack);
      return outcome;
    },
    least: { read: 0.05, refused: 0.3 },
  };
}
