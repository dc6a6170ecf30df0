// Strangers and members that open more than they need: sockets that say nothing, many connections, addresses that lead nowhere.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import type { Libp2p } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { openLibp2pNetwork } from '#daemon/libp2p';
import type { Access, Network } from '#registry';
import { identityOf, silentLog } from '../../support/constellation.ts';
import { eventually } from '../../support/deadline.ts';

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(10_000) });

async function open(stack: AsyncDisposableStack, word: string, access: Access = 'member'): Promise<Network> {
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const network = stack.use(await openLibp2pNetwork({ identity: identityOf(word), listen, log: silentLog }));
  network.setGate(() => access);
  return network;
}

const portOf = (network: Network): number => Number(network.addresses()[0]?.split('/')[4]);

test('a hundred and twenty sockets that say nothing do not keep a member out', async () => {
  await using stack = new AsyncDisposableStack();
  const [hub, one] = [await open(stack, 'hub'), await open(stack, 'one')];
  const sockets: Socket[] = [];
  stack.defer(() => {
    for (const socket of sockets) socket.destroy();
  });
  // In two waves, since more than a hundred a second from one host are turned away.
  for (let wave = 0; wave < 2; wave += 1) {
    for (let at = 0; at < 60; at += 1) sockets.push(connect(portOf(hub), '127.0.0.1').on('error', () => undefined));
    await Promise.all(sockets.slice(-60).map((socket) => once(socket, 'connect')));
    await pause(1_100);
  }
  await one.connect(hub.stack, hub.addresses(), soon());
  assert.deepEqual(hub.connected(), [one.stack]);
});

for (const [access, most] of [
  ['member', 4],
  ['invite', 64],
] as const) {
  test(`a peer with the right of "${access}" keeps at most ${most} connections`, { timeout: 60_000 }, async () => {
    await using stack = new AsyncDisposableStack();
    const hub = await open(stack, 'hub', access);
    const privateKey = await generateKeyPairFromSeed('Ed25519', identityOf('rogue').seed);
    const make = (): Promise<Libp2p> =>
      createLibp2p({
        privateKey,
        addresses: { listen: [] },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        connectionMonitor: { enabled: false },
      });
    const nodes = await Promise.all(Array.from({ length: most + 6 }, make));
    stack.defer(async () => void (await Promise.all(nodes.map((node) => node.stop()))));
    for (const node of nodes) await node.dial(multiaddr(hub.addresses()[0] ?? '')).catch(() => undefined);
    const count = (): number => nodes.filter((node) => node.getConnections().length > 0).length;
    await eventually(`${most} are left`, () => count() === most, { timeoutMs: 5_000 });
  });
}

test('an address where nobody speaks, one that is none and one of a local socket do not keep the next from being tried', async () => {
  await using stack = new AsyncDisposableStack();
  const [hub, one] = [await open(stack, 'hub'), await open(stack, 'one')];
  const held: Socket[] = [];
  const silent = createServer((socket) => void held.push(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  stack.defer(() => {
    for (const socket of held) socket.destroy();
    silent.close();
  });
  const { port } = silent.address() as AddressInfo;
  const begin = performance.now();
  const nowhere = [`/ip4/127.0.0.1/tcp/${port}`, 'nonsense', '/unix/%2Fvar%2Frun%2Fdocker.sock'];
  await one.connect(hub.stack, [...nowhere, ...hub.addresses()], soon());
  assert.ok(performance.now() - begin < 5_000);
});
