// Nobody stops a stack by what it says about that stack's own feed: only two heads that its key signed do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryError } from '#registry';
import { makeDelta, positionOf, type VerifiedDelta, verifyDelta } from '../../registry/feeds/feed.ts';
import { briefOf } from '../../registry/replication/fingerprints.ts';
import { readValue, toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';
import { type Besieged, besiege } from './besieged.ts';
import * as wares from './wares.ts';

const self = identityOf('besieged');
type Pair = [Uint8Array, Uint8Array];
const pairOf = ({ bytes, signature }: { bytes: Uint8Array; signature: Uint8Array }): Pair => [bytes, signature];

/** The deltas that the besieged signed, the oldest first, as any member has them. */
function historyOf({ database, registry }: Besieged): VerifiedDelta[] {
  const rows = database.prepare<{ wire: Uint8Array }>('SELECT wire FROM registry_delta WHERE feed = ?').all(self.stack);
  const all = rows.map(({ wire }) => verifyDelta(new Uint8Array(wire), registry.mesh().id));
  return all.flatMap((each) => (typeof each === 'string' ? [] : [each])).sort((a, b) => order(a) - order(b));
}

const order = ({ head }: VerifiedDelta): number => head.epoch.counter * 1_000_000 + head.sequence;

/** Hands each of them to the besieged on the topic of feeds, some time apart, as the attacker. */
async function publish(besieged: Besieged, messages: readonly object[]): Promise<void> {
  for (const message of messages) {
    await besieged.connect();
    const topic = `/hermesh/feeds/1.0.0/${besieged.registry.mesh().id}`;
    besieged.rogue.network.publish(topic, toBytes(message));
    await besieged.pass(300);
  }
}

function write(besieged: Besieged, text: string): void {
  besieged.registry.write([{ kind: 'note', name: 'kept', body: { text } }]);
}

test('a stack goes on writing, whatever a member that has not its key replays, forges or claims of its own feed', async () => {
  await using besieged = await besiege(7);
  const before = historyOf(besieged);
  for (let count = 0; count < 5; count += 1) write(besieged, `${count}`);
  await besieged.pass(1_000);
  const history = historyOf(besieged);
  const [first, last] = [history[0], history.at(-1)] as [VerifiedDelta, VerifiedDelta];
  assert.ok(history.length > before.length && history.length >= 5);
  // With the attacker's key in place of the owner's, which nobody else has.
  const forged = (over: object): Pair => wares.signHead({ ...(readValue(last.bytes) as object), ...over });
  const forgeries = [
    forged({ count: 77 }),
    forged({ sequence: last.head.sequence + 5 }),
    forged({ epoch: { ...last.head.epoch, counter: last.head.epoch.counter + 9 } }),
    forged({ epoch: { ...last.head.epoch, nonce: new Uint8Array(16).fill(9) } }),
  ];
  await publish(besieged, [
    ...history.map(({ wire }) => ({ deltas: [wire] })),
    { deltas: history.toReversed().map(({ wire }) => wire) },
    ...history.map((each) => ({ heads: [pairOf(each)] })),
    ...history.map((each) => ({ evidence: [pairOf(each), pairOf(last)] })),
    { evidence: [pairOf(first), pairOf(last)] },
    ...forgeries.flatMap((each) => [{ heads: [each] }, { evidence: [pairOf(last), each] }, { evidence: [each, each] }]),
  ]);
  const { counter, nonce } = last.head.epoch;
  const position = positionOf(last);
  for (const [at, sequence, hash] of [
    [counter, last.head.sequence, new Uint8Array(32).fill(1)],
    [counter, 2 ** 40, position.hash],
    [counter + 1_000, 1, position.hash],
    [counter, 1, new Uint8Array(32).fill(2)],
  ] as const) {
    await besieged.connect();
    const brief = briefOf({ feed: self.stack, epoch: { counter: at, nonce }, sequence, hash });
    await besieged.ask('/hermesh/heads/1.0.0', toBytes({ offer: [brief] })).catch((error: unknown) => {
      assert.ok(error instanceof RegistryError, String(error));
    });
    await besieged.pass(2_000);
  }
  assert.deepEqual(besieged.faults, []);
  write(besieged, 'on');
  const [kept] = besieged.registry.directory.list({ kind: 'note', stack: self.stack, includeUnreachable: true });
  assert.deepEqual(kept?.body, { text: 'on' });
  assert.equal(historyOf(besieged).at(-1)?.head.epoch.counter, counter, 'and in the same epoch');
});

test('a stack stops once it is shown two heads that its own key signed for one place', async () => {
  await using besieged = await besiege(8);
  write(besieged, 'once more');
  await besieged.pass(1_000);
  const last = historyOf(besieged).at(-1) as VerifiedDelta;
  const other = makeDelta({ ...last.head, count: last.head.count + 1 }, [], (message) => self.sign(message));
  await publish(besieged, [{ evidence: [pairOf(last), pairOf(other)] }]);
  assert.match(JSON.stringify(besieged.faults), /another stack runs with this identity/);
  assert.throws(
    () => write(besieged, 'more'),
    (error: unknown) => error instanceof RegistryError && error.code === 'quarantined',
  );
});
