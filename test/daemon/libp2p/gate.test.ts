// What a stranger and a peer with an invite can open at a node: nothing, and nothing but what is served for invites.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noise as olderNoise } from '@chainsafe/libp2p-noise';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import type { Libp2p, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { openLibp2pNetwork } from '#daemon/libp2p';
import { identityOf, silentLog } from '../../support/constellation.ts';
import { eventually } from '../../support/deadline.ts';

const listen = ['/ip4/127.0.0.1/tcp/0'];
const bounds = { maxRequestBytes: 1_000, timeoutMs: 2_000 };

/** A node of libp2p itself, without any of our manners. */
async function rawNode(word: string, encrypter = noise()): Promise<Libp2p> {
  return createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', identityOf(word).seed),
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [encrypter],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
}

/** What comes of opening a protocol: an answer, a stream that stays open, or one that is refused or reset. */
async function tryOut(node: Libp2p, address: string, protocol: string): Promise<'answered' | 'open' | 'closed'> {
  const signal = AbortSignal.timeout(500);
  let stream: Stream | undefined;
  try {
    stream = await node.dialProtocol(multiaddr(address), protocol, { signal });
    signal.addEventListener('abort', () => stream?.abort(new Error('too late')));
    // An empty request of ours; protocols of libp2p are only listened to, since they end on what they can't read.
    if (protocol.startsWith('/hermesh/') && !protocol.includes('/kad/')) {
      stream.send(Uint8Array.of(0, 0, 0, 0));
      await stream.close({ signal });
    }
    for await (const part of stream) if (part.byteLength > 0) return 'answered';
    return 'closed';
  } catch {
    return signal.aborted ? 'open' : 'closed';
  } finally {
    stream?.abort(new Error('done'));
  }
}

test('a peer with an invite opens the protocol for invites, and neither gossip, identify, ping, DHT nor what members open', async () => {
  const invite = identityOf('invite').stack;
  await using network = await openLibp2pNetwork({ identity: identityOf('one'), listen, dht: true, log: silentLog });
  network.setGate((peer) => (peer === invite ? 'invite' : undefined));
  network.serve('/hermesh/join/1.0.0', { access: 'invite', ...bounds }, async () => Uint8Array.of(1));
  network.serve('/hermesh/heads/1.0.0', { access: 'member', ...bounds }, async () => Uint8Array.of(2));
  network.subscribe('topic', () => 'accept');
  const [address] = network.addresses();
  assert.ok(address);
  const raw = await rawNode('invite');
  try {
    const opened: string[] = [];
    raw.addEventListener('connection:open', ({ detail }) => {
      setInterval(
        () => opened.push(...detail.streams.map((stream) => `${stream.direction} ${stream.protocol}`)),
        10,
      ).unref();
    });
    assert.equal(await tryOut(raw, address, '/hermesh/join/1.0.0'), 'answered');
    for (const protocol of [
      '/hermesh/heads/1.0.0',
      '/hermesh/hello/1.0.0',
      '/hermesh/kad/1.0.0',
      '/ipfs/id/1.0.0',
      '/ipfs/id/push/1.0.0',
      '/ipfs/ping/1.0.0',
      '/meshsub/1.2.0',
      '/meshsub/1.1.0',
      '/meshsub/1.0.0',
      '/floodsub/1.0.0',
    ]) {
      assert.equal(await tryOut(raw, address, protocol), 'closed', protocol);
    }
    assert.deepEqual(
      opened.filter((stream) => stream.startsWith('inbound')),
      [],
      'the node opens nothing towards a peer with an invite',
    );
    assert.deepEqual(network.connected(), []);
  } finally {
    await raw.stop();
  }
});

test('a member opens identify, gossip and the DHT, so that the test above can fail', async () => {
  const member = identityOf('member').stack;
  await using network = await openLibp2pNetwork({ identity: identityOf('one'), listen, dht: true, log: silentLog });
  network.setGate((peer) => (peer === member ? 'member' : undefined));
  const [address] = network.addresses();
  assert.ok(address);
  const raw = await rawNode('member');
  try {
    assert.equal(await tryOut(raw, address, '/ipfs/id/1.0.0'), 'answered');
    assert.equal(await tryOut(raw, address, '/hermesh/hello/1.0.0'), 'answered');
    assert.notEqual(await tryOut(raw, address, '/meshsub/1.1.0'), 'closed');
    assert.notEqual(await tryOut(raw, address, '/hermesh/kad/1.0.0'), 'closed');
  } finally {
    await raw.stop();
  }
});

test('a stranger is closed before any protocol', async () => {
  await using network = await openLibp2pNetwork({ identity: identityOf('one'), listen, log: silentLog });
  network.setGate(() => undefined);
  const [address] = network.addresses();
  assert.ok(address);
  const raw = await rawNode('stranger');
  try {
    assert.equal(await tryOut(raw, address, '/ipfs/id/1.0.0'), 'closed');
    await eventually('closed', () => raw.getConnections().length === 0);
  } finally {
    await raw.stop();
  }
});

test('a node with the older Noise package talks with this one', async () => {
  const member = identityOf('member').stack;
  await using network = await openLibp2pNetwork({ identity: identityOf('one'), listen, log: silentLog });
  network.setGate((peer) => (peer === member ? 'member' : undefined));
  network.serve('/hermesh/heads/1.0.0', { access: 'member', ...bounds }, async () => Uint8Array.of(2));
  const [address] = network.addresses();
  assert.ok(address);
  const raw = await rawNode('member', olderNoise() as unknown as ReturnType<typeof noise>);
  try {
    assert.equal(await tryOut(raw, address, '/hermesh/heads/1.0.0'), 'answered');
  } finally {
    await raw.stop();
  }
});
