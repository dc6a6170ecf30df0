// Processes that stand still and go on: stopped by a signal, on either side of a connection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type FleetStack, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';

/** Longer than a ping may take, shorter than a lease. */
const stoppedMs = 12_000;
const recoverWithinMs = 90_000;

test('a stack that was stopped for 12 s and goes on has what the others wrote, and they what it writes (failure modes 9 and 10)', async () => {
  await using fleet = await startFleet(['one', 'two', 'stopped']);
  const [one, two, stopped] = fleet.stacks;
  assert.ok(one && two && stopped);
  await stopped.register('before');
  await showComponents(fleet.stacks, ['before']);
  stopped.freeze();
  await one.register('meanwhile-one');
  await two.register('meanwhile-two');
  await showComponents([one, two], ['meanwhile-one', 'meanwhile-two'], { exactly: false });
  await pause(stoppedMs);
  stopped.thaw();
  await stopped.register('after');
  await showComponents(fleet.stacks, ['before', 'meanwhile-one', 'meanwhile-two', 'after'], {
    timeoutMs: recoverWithinMs,
  });
  await seeOneAnother(fleet.stacks, recoverWithinMs);
});

test('a stack that was stopped accuses nobody when it goes on: all it watched are up for the others throughout (failure modes 9 and 10)', async () => {
  await using fleet = await startFleet(['observer', 'two', 'three', 'four']);
  const [observer, ...others] = fleet.stacks;
  assert.ok(observer);
  observer.freeze();
  await pause(stoppedMs);
  observer.thaw();
  const end = performance.now() + stoppedMs;
  while (performance.now() < end) {
    for (const stack of others) assert.deepEqual(await notUp(stack, others), []);
    await pause(250);
  }
  await seeOneAnother(fleet.stacks, recoverWithinMs);
});

/** Those of them that this one doesn't hold to be up. */
async function notUp(stack: FleetStack, among: readonly FleetStack[]): Promise<string[]> {
  const names = among.map(({ name }) => name);
  return (await stack.stacks())
    .filter(({ name, liveness }) => names.includes(name) && liveness.state !== 'up')
    .map(({ name, liveness }) => `${stack.name} holds ${name} for ${liveness.state}: ${liveness.why}`);
}
