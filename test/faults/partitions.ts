// A mesh that is cut in two for a while, with writes on both sides, and heals with no manual step.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { type FleetStack, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';
import { openTestNetwork } from '../support/namespaces.ts';

/** After a partition heals, dials are tried again within a minute, and a round of anti-entropy follows each connection. */
const healWithinMs = 120_000;
/** A registration that says nothing is let go of after 180 s. */
const beatEveryMs = 30_000;

/** Cuts five stacks into two and three for so long; resolves with the milliseconds until all showed everything again. */
export async function partitionFor(cutMs: number): Promise<{ readonly healedMs: number }> {
  await using network = await openTestNetwork(5);
  const names = ['left-a', 'left-b', 'right-a', 'right-b', 'right-c'];
  await using fleet = await startFleet(names, { hosts: network.hosts });
  const { stacks } = fleet;
  const left = stacks.slice(0, 2);
  const right = stacks.slice(2);
  const written: string[] = [];
  const write = async (when: string): Promise<void> => {
    for (const stack of stacks) {
      await stack.register(`${when}-${stack.name}`);
      written.push(`${when}-${stack.name}`);
    }
  };
  await write('before');
  await showComponents(stacks, written);

  await network.partition(network.hosts.slice(0, 2), network.hosts.slice(2));
  await write('during');
  const side = (mine: readonly FleetStack[]): string[] =>
    mine.flatMap(({ name }) => [`before-${name}`, `during-${name}`]);
  // Each side goes on by itself.
  await showComponents(left, side(left), { exactly: false });
  await showComponents(right, side(right), { exactly: false });
  for (let waitedMs = 0; waitedMs < cutMs; waitedMs += beatEveryMs) {
    await pause(Math.min(beatEveryMs, cutMs - waitedMs));
    for (const stack of stacks) await stack.beat();
  }
  const notYet = (await left[0]?.components())?.filter((name) => name.startsWith('during-right'));
  assert.deepEqual(notYet, [], 'the partition was none');

  await network.mend();
  const begin = performance.now();
  await showComponents(stacks, written, { timeoutMs: healWithinMs });
  const healedMs = performance.now() - begin;
  await seeOneAnother(stacks, healWithinMs);
  await write('after');
  await showComponents(stacks, written);
  for (const stack of stacks) {
    const members = (await stack.stacks()).map(({ name }) => name);
    assert.deepEqual(members.sort(), [...names].sort(), 'nobody is there twice');
  }
  return { healedMs };
}
