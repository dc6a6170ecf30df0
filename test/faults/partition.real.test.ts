// Networks that break and heal: partitions, one-way loss, loss by chance, and a thin line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { haveComponents, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';
import { openTestNetwork, whyNoNetworks } from '../support/namespaces.ts';
import { partitionFor } from './partitions.ts';

const skip = whyNoNetworks() ?? false;
const recoverWithinMs = 120_000;

test('a mesh that was cut in two for 10 s has every record everywhere again, once, with no manual step (failure mode 7)', {
  skip,
}, async (t) => {
  const { healedMs } = await partitionFor(10_000);
  t.diagnostic(`${Math.round(healedMs)} ms after the network was mended, each stack showed all`);
});

test('a stack that hears nothing of one other has its records by way of the third (failure mode 8)', {
  skip,
}, async () => {
  await using network = await openTestNetwork(3);
  const [deaf, mute, third] = network.hosts;
  assert.ok(deaf && mute && third);
  await using fleet = await startFleet(['deaf', 'mute', 'third'], { hosts: network.hosts });
  await deaf.deafTo([mute]);
  const written = [];
  for (const stack of fleet.stacks) {
    for (const index of [1, 2, 3]) {
      await stack.register(`${stack.name}-${index}`);
      written.push(`${stack.name}-${index}`);
    }
  }
  // What of another stack is shown depends on whether it is held to be there; the records themselves must arrive.
  await haveComponents(fleet.stacks, written);
  await network.mend();
  await showComponents(fleet.stacks, written, { timeoutMs: recoverWithinMs });
  await seeOneAnother(fleet.stacks, recoverWithinMs);
});

test('three stacks that lose one packet in five, on a line of 1 Mbit/s, still show one another all they write', {
  skip,
}, async () => {
  await using network = await openTestNetwork(3);
  await using fleet = await startFleet(['one', 'two', 'three'], { hosts: network.hosts });
  for (const host of network.hosts) {
    await host.lose(0.2);
    await host.limit(1_000_000);
  }
  const written = [];
  for (const stack of fleet.stacks) {
    for (let index = 0; index < 10; index += 1) {
      await stack.register(`${stack.name}-${index}`);
      written.push(`${stack.name}-${index}`);
    }
  }
  await haveComponents(fleet.stacks, written);
  await network.mend();
  await showComponents(fleet.stacks, written, { timeoutMs: recoverWithinMs });
});
