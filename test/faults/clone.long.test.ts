// One home that runs twice: both copies stop, say how that is mended, and after one ended and a pardon all goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';
import { type FleetStack, makeFleetStack, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';
import { copyOf, quarantined, stackOf } from './homes.ts';

/** Some rounds of anti-entropy, of up to 22.5 s: either a fork is met, or they outbid one another twice; then each asks what is held against it. */
const toldWithinMs = 240_000;

interface Refusal {
  readonly code?: string;
  readonly mend?: string;
  readonly message: string;
}

test('both copies of one home that are started at once are refused writes with how to mend it, and after one ended and a pardon all goes on (failure mode 13)', async (t) => {
  await using fleet = await startFleet(['one', 'cloned', 'three']);
  const [one, cloned, three] = ['one', 'cloned', 'three'].map((name) => stackOf(fleet.stacks, name)) as [
    FleetStack,
    FleetStack,
    FleetStack,
  ];
  await cloned.register('of-the-first');
  await showComponents(fleet.stacks, ['of-the-first']);
  await cloned.kill('SIGTERM');
  await using copy = await copyOf(cloned);
  await using twin = await makeFleetStack('cloned', { home: copy.directory });
  await Promise.all([cloned.start(), twin.start()]);
  const began = performance.now();
  const refusals = new Map<FleetStack, Refusal>();
  let round = 0;
  await eventually(
    'both are refused',
    async () => {
      round += 1;
      for (const stack of [cloned, twin]) {
        if (refusals.has(stack)) continue;
        await stack.register(`round-${round}`).catch((error: Refusal) => {
          t.diagnostic(
            `${stack === twin ? 'the copy' : 'the first'} is refused after ${Math.round(performance.now() - began)} ms`,
          );
          refusals.set(stack, error);
        });
      }
      return refusals.size === 2;
    },
    { timeoutMs: toldWithinMs, everyMs: 500 },
  );
  for (const [stack, { code, mend, message }] of refusals) {
    assert.equal(code, 'quarantined', message);
    assert.match(`${message} ${mend}`, /hermesh stacks pardon/);
    assert.deepEqual(await quarantined(stack), ['cloned']);
    assert.match((await stack.daemon.run('hermesh', ['stacks'])).stdout, /cloned.*quarantined/);
  }
  for (const stack of [one, three]) {
    await eventually('the others take nothing more of it', async () => (await quarantined(stack)).includes('cloned'));
  }
  await twin.kill('SIGKILL');
  await one.daemon.json('hermesh', 'stacks', 'pardon', 'cloned');
  await eventually('it may write again', async () => {
    await cloned.register('after-the-pardon');
    return true;
  });
  await one.register('of-one');
  await showComponents(fleet.stacks, ['of-the-first', 'after-the-pardon', 'of-one'], { exactly: false });
  await seeOneAnother(fleet.stacks);
  for (const stack of fleet.stacks) assert.deepEqual(await quarantined(stack), []);
});
