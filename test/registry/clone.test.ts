// One identity that runs twice, and evidence that says so: who is told, whatever gets lost, and what isn't believed.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { RegistryError } from '#registry';
import { makeDelta, type VerifiedDelta } from '../../registry/feeds/feed.ts';
import { emptyRoot } from '../../registry/feeds/trie.ts';
import { memberBounds } from '../../registry/replication/ask.ts';
import { toBytes } from '../../registry/wire.ts';
import { Constellation, converge, identityOf, join, type Node, notes, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const evidenceProtocol = '/hermesh/evidence/1.0.0';

function isRefused(node: Node, text: string): boolean {
  try {
    write(node, 'a', text);
    return false;
  } catch (error) {
    assert.ok(error instanceof RegistryError && error.code === 'quarantined', String(error));
    return true;
  }
}

/** Two stacks of one home, started after it was copied, in a mesh with these others. */
async function openTwins(sky: Constellation, folder: string, others: readonly string[]): Promise<[Node[], Node, Node]> {
  const rest = await sky.mesh(...others);
  const [founder] = rest;
  assert.ok(founder);
  const before = await sky.open('two', { file: path.join(folder, 'two.db') });
  await join(before, founder);
  write(before, 'a', 'before');
  await converge(rest, ['a=before@two']);
  await before[Symbol.asyncDispose]();
  copyFileSync(path.join(folder, 'two.db'), path.join(folder, 'copy.db'));
  const first = await sky.open('two', { file: path.join(folder, 'two.db') });
  const copy = await sky.open('two', { file: path.join(folder, 'copy.db') });
  for (const twin of [first, copy]) await eventually('it may sign', () => twin.registry.confirmed());
  return [rest, first, copy];
}

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-clone-'));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Both write until neither may. */
async function bothRefused(...twins: readonly [Node, Node]): Promise<void> {
  let round = 0;
  await eventually('both are refused', () => {
    round += 1;
    return twins.map((twin, at) => isRefused(twin, `${at} ${round}`)).every((each) => each);
  });
}

for (const isLost of [false, true]) {
  const how = isLost ? 'everything published is lost' : 'what is published reaches one of them only';
  test(`both of two copies of a home are told, and every other stack takes nothing more of them, where ${how} (failure mode 13)`, async () => {
    await withFolder(async (folder) => {
      await using sky = new Constellation({ antiEntropyMs: 100 });
      // The transport reaches of two stacks with one identity the one that connected last, as libp2p does.
      const [rest, first, copy] = await openTwins(sky, folder, ['one', 'three', 'four']);
      sky.hub.losesPublished = isLost;
      await bothRefused(first, copy);
      for (const { registry } of rest) {
        await eventually('it is known', () => registry.quarantined().includes(first.registry.stack), {
          timeoutMs: 30_000,
        });
      }
      for (const { registry } of [first, copy]) assert.match(registry.member(registry.stack)?.quarantine ?? '', /two/);
    });
  });
}

test('a stack that was told that it runs twice knows it after a restart, alone, and goes on once it is pardoned (failure mode 13)', async () => {
  await withFolder(async (folder) => {
    await using sky = new Constellation({ antiEntropyMs: 100 });
    const [[one], first, copy] = await openTwins(sky, folder, ['one']);
    assert.ok(one);
    await bothRefused(first, copy);
    for (const twin of [first, copy]) await twin[Symbol.asyncDispose]();
    sky.hub.cut(one.identity.stack, first.identity.stack);
    const again = await sky.open('two', { file: path.join(folder, 'copy.db') });
    await eventually('it refuses', () => isRefused(again, 'again'));
    sky.hub.heal(one.identity.stack, first.identity.stack);
    one.registry.pardon(first.identity.stack);
    await eventually('it may write', () => !isRefused(again, 'after'), { timeoutMs: 30_000 });
    await eventually('it is taken', () => notes(one).includes('a=after@two'), { timeoutMs: 30_000 });
    assert.deepEqual(one.registry.quarantined(), []);
  });
});

test('evidence that its owner did not sign, that proves nothing, or that a pardon made void stops nobody (failure modes 13, 15)', async () => {
  await using sky = new Constellation({ antiEntropyMs: 100 });
  const [one, two, liar] = await sky.mesh('one', 'two', 'liar');
  assert.ok(one && two && liar);
  const head = (signer: string, facts: { counter?: number; sequence?: number; count?: number }): VerifiedDelta => {
    const { counter = 50, sequence = 1, count = 0 } = facts;
    const epoch = { counter, nonce: new Uint8Array(16) };
    const place = { mesh: one.registry.mesh().id, feed: two.identity.stack, epoch, sequence, previous: emptyRoot };
    return makeDelta({ ...place, count, root: emptyRoot }, [], (message) => identityOf(signer).sign(message));
  };
  let pair = [head('liar', {}), head('liar', { count: 1 })];
  let asked = 0;
  liar.network.serve(evidenceProtocol, memberBounds, async () => {
    asked += 1;
    return toBytes({ evidence: [pair.map(({ bytes, signature }) => [bytes, signature])], want: [] });
  });
  /** Each round with the liar hears it: what is written makes the roots differ. */
  const hear = async (what: string): Promise<void> => {
    const before = asked;
    let at = 0;
    await eventually(
      what,
      () => {
        at += 1;
        write(liar, 'liar', `${what} ${at}`);
        assert.ok(!isRefused(two, `${what} ${at}`), what);
        assert.deepEqual(one.registry.quarantined(), []);
        return asked > before + 1;
      },
      { timeoutMs: 30_000 },
    );
  };
  await hear('signed by another key');
  pair = [head('two', {}), head('two', { sequence: 2 })];
  await hear('of two places');
  const { counter } = one.registry.pardon('two');
  await eventually('the pardon is known', () => {
    write(two, 'a', 'pardoned');
    return notes(one).includes('a=pardoned@two');
  });
  // From here on roots differ at each round.
  sky.hub.losesPublished = true;
  pair = [head('two', { counter }), head('two', { counter, count: 1 })];
  await hear('void');
  // What is true is believed, by the same way.
  pair = [head('two', { counter: counter + 9 }), head('two', { counter: counter + 9, count: 1 })];
  let at = 0;
  await eventually(
    'both are told',
    () => {
      at += 1;
      write(liar, 'liar', `true ${at}`);
      return isRefused(two, `true ${at}`) && one.registry.quarantined().length === 1;
    },
    { timeoutMs: 30_000 },
  );
});
