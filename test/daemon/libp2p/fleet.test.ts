// Several libp2p nodes of one host: joining at once, gossip beyond ten of them, and finding one whose address is not known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLibp2pNetwork } from '#daemon/libp2p';
import type { Network } from '#registry';
import { identityOf, silentLog } from '../../support/constellation.ts';
import { eventually } from '../../support/deadline.ts';

const listen = ['/ip4/127.0.0.1/tcp/0'];
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(20_000) });

async function open(stack: AsyncDisposableStack, word: string, dht = false): Promise<Network> {
  const network = stack.use(await openLibp2pNetwork({ identity: identityOf(word), listen, dht, log: silentLog }));
  network.setGate(() => 'member');
  return network;
}

test('thirty stacks of one host connect to one at once, and gossip reaches them all', async () => {
  await using stack = new AsyncDisposableStack();
  const hub = await open(stack, 'hub');
  const others = await Promise.all(Array.from({ length: 30 }, (_, at) => open(stack, `spoke ${at}`)));
  await Promise.all(others.map((other) => other.connect(hub.stack, hub.addresses(), soon())));
  assert.equal(hub.connected().length, 30);
  const heard = new Set<string>();
  hub.subscribe('news', () => 'accept');
  for (const other of others)
    other.subscribe('news', () => {
      heard.add(other.stack);
      return 'accept';
    });
  let sent = 0;
  await eventually(
    'all heard',
    () => {
      sent += 1;
      hub.publish('news', new TextEncoder().encode(`number ${sent}`));
      return heard.size === 30;
    },
    { everyMs: 250, timeoutMs: 20_000 },
  );
});

test('a member whose address is not known is found through another one, where the DHT is on', async () => {
  await using stack = new AsyncDisposableStack();
  const [one, two, three] = [
    await open(stack, 'one', true),
    await open(stack, 'two', true),
    await open(stack, 'three', true),
  ];
  await one.connect(two.stack, two.addresses(), soon());
  await three.connect(two.stack, two.addresses(), soon());
  await eventually('found', async () => {
    await one.connect(three.stack, ['/ip4/127.0.0.1/tcp/1'], { signal: AbortSignal.timeout(3_000) });
    return true;
  });
  assert.ok(one.connected().includes(three.stack));
});
