// Stacks that go without a word: each other one holds them for down, shows none of their records, and all come back by themselves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';
import { type FleetStack, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';
import { openTestNetwork, whyNoNetworks } from '../support/namespaces.ts';

const names = ['one', 'two', 'three', 'four', 'gone'];
/** The claims of seconds are the bench's, on a machine that does nothing else. */
const withinMs = 90_000;

test('a stack that is killed is down for each other one, and its records are away until it is back', async (t) => {
  await using fleet = await startFleet(names);
  const { rest, gone } = await withRecords(fleet.stacks);
  const began = performance.now();
  await gone.kill('SIGKILL');
  await isDown(rest, gone);
  t.diagnostic(`down everywhere after ${Math.round(performance.now() - began)} ms`);
  await showComponents(rest, ['of-one']);
  await gone.start();
  await seeOneAnother(fleet.stacks, withinMs);
  await showComponents(fleet.stacks, ['of-one', 'of-gone']);
});

test('a stack that is cut off silently is down for each other one, and up again once the network is mended (failure mode 7)', {
  skip: whyNoNetworks() ?? false,
}, async (t) => {
  await using network = await openTestNetwork(names.length);
  await using fleet = await startFleet(names, { hosts: network.hosts });
  const { rest, gone } = await withRecords(fleet.stacks);
  const began = performance.now();
  await gone.host?.silence();
  await isDown(rest, gone);
  t.diagnostic(`down everywhere after ${Math.round(performance.now() - began)} ms`);
  await showComponents(rest, ['of-one']);
  await network.mend();
  await seeOneAnother(fleet.stacks, withinMs);
  await showComponents(fleet.stacks, ['of-one', 'of-gone']);
});

async function withRecords(stacks: readonly FleetStack[]) {
  const [one] = stacks;
  const gone = stacks.at(-1);
  assert.ok(one && gone);
  await one.register('of-one');
  await gone.register('of-gone');
  await showComponents(stacks, ['of-one', 'of-gone']);
  return { rest: stacks.slice(0, -1), gone };
}

async function isDown(stacks: readonly FleetStack[], gone: FleetStack): Promise<void> {
  for (const stack of stacks) {
    await eventually(
      `"${stack.name}" holds "${gone.name}" for down`,
      async () => {
        const state = (await stack.stacks()).find(({ name }) => name === gone.name)?.liveness.state;
        if (state === 'down') return true;
        throw new Error(`it holds it for ${state}`);
      },
      { timeoutMs: withinMs, everyMs: 100 },
    );
  }
}
