// Addresses as networks give them: IPv6 alone, short packets, and another address and port after a restart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenAt, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';
import { openTestNetwork, whyNoNetworks } from '../support/namespaces.ts';

const skip = whyNoNetworks() ?? false;
const recoverWithinMs = 90_000;

test('two stacks that have IPv6 alone, on a line of 1,280-byte packets, are one mesh with all records (failure mode 34)', {
  skip,
}, async () => {
  await using network = await openTestNetwork(2, { family: 6, mtu: 1_280 });
  await using fleet = await startFleet(['one', 'two'], { hosts: network.hosts });
  const [one, two] = fleet.stacks;
  assert.ok(one && two);
  assert.ok(two.daemon.announced.addresses.every((address) => address.startsWith('/ip6/fd77::2/')));
  const written = [];
  for (let index = 0; index < 50; index += 1) {
    await one.register(`of-one-${index}`);
    written.push(`of-one-${index}`);
  }
  await showComponents(fleet.stacks, written);
  // A feed that is fetched whole fills packets.
  await two.kill('SIGKILL');
  await two.start();
  await two.register('of-two');
  await showComponents(fleet.stacks, [...written, 'of-two']);
  await seeOneAnother(fleet.stacks);
});

test('a stack that comes back at another address and port is found again, by one too that was away meanwhile (failure mode 34)', {
  skip,
}, async () => {
  await using network = await openTestNetwork(3);
  await using fleet = await startFleet(['founder', 'third', 'moved'], { hosts: network.hosts });
  const [founder, third, moved] = fleet.stacks;
  assert.ok(founder && third && moved?.host);
  await moved.register('before');
  await showComponents(fleet.stacks, ['before']);
  await moved.kill('SIGKILL');
  await founder.kill('SIGKILL');
  await moved.host.moveTo('10.77.0.99');
  await moved.start({ listen: listenAt(moved.host, 4_999) });
  await seeOneAnother([third, moved], recoverWithinMs);
  await founder.start();
  await seeOneAnother(fleet.stacks, recoverWithinMs);
  await moved.register('after');
  await founder.register('of-founder');
  await showComponents(fleet.stacks, ['before', 'after', 'of-founder'], { timeoutMs: recoverWithinMs });
  const addresses = (await founder.stacks()).find(({ name }) => name === 'moved');
  assert.match(JSON.stringify(addresses), /10\.77\.0\.99\/tcp\/4999/);
});
