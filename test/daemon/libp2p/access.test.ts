// Every protocol of a whole stack, tried by everybody who is no member: a stranger, an invite, an expired and a revoked one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import type { Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { requestWithKey } from '#daemon/libp2p';
import { type Identity, makeIdentity } from '#registry';
import { readToken } from '../../../registry/roster/token.ts';
import { identityOf } from '../../support/constellation.ts';
import { eventually } from '../../support/deadline.ts';
import { type Libp2pStack, openStack } from './stacks.ts';

const listen = ['/ip4/127.0.0.1/tcp/0'];
const day = 24 * 60 * 60 * 1000;
const soon = (ms = 30_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) });

const openOne = (parts: AsyncDisposableStack, name: string, now = Date.now): Promise<Libp2pStack> =>
  openStack(parts, name, { now, dht: true, replicate: { batchMs: 10, antiEntropyMs: 200 }, retryMs: 100 });

/** A node of libp2p itself with gossip, without any of our manners. */
async function openRaw(parts: AsyncDisposableStack, identity: Pick<Identity, 'seed'>) {
  const node = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', identity.seed),
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      pubsub: gossipsub({ globalSignaturePolicy: 'StrictNoSign', allowPublishToZeroTopicPeers: true }),
    },
  });
  parts.defer(() => node.stop());
  return node;
}
type Raw = Awaited<ReturnType<typeof openRaw>>;

/** Whether the other side gave anything on that protocol, or kept its stream open. */
async function opens(node: Raw, address: string, protocol: string): Promise<boolean> {
  const limit = AbortSignal.timeout(10_000);
  let stream: Stream | undefined;
  try {
    stream = await node.dialProtocol(multiaddr(address), protocol, { signal: limit });
    limit.addEventListener('abort', () => stream?.abort(new Error('too late')));
    if (protocol.startsWith('/hermesh/') && !protocol.includes('/kad/')) {
      stream.send(Uint8Array.of(0, 0, 0, 1, 0));
      await stream.close({ signal: limit });
    }
    for await (const part of stream) if (part.byteLength > 0) return true;
    return false;
  } catch {
    return limit.aborted;
  } finally {
    stream?.abort(new Error('done'));
  }
}

test('every protocol of a mesh, gossip included, is closed to a stranger, to an invite, to one that ran out and to a revoked member that is still connected (failure mode 16)', async () => {
  await using parts = new AsyncDisposableStack();
  let now = Date.now();
  const one = await openOne(parts, 'one', () => now);
  const two = await openOne(parts, 'two', () => now);
  const three = await openOne(parts, 'three', () => now);
  const invite = () => one.registry.createInvite({ role: 'member', expiresInMs: 29 * day, uses: 1 }).token;
  for (const { registry } of [two, three]) await registry.join(invite(), soon());
  const mesh = one.registry.mesh().id;

  // Whatever a running stack serves: a list that this test can't forget to extend.
  const member = await openRaw(parts, two.identity);
  await two.registry[Symbol.asyncDispose]();
  await two.network[Symbol.asyncDispose]();
  await member.dial(multiaddr(one.address));
  const served = [...(await protocolsOf(member, one.address))];
  const own = served.filter((protocol) => protocol.startsWith('/hermesh/'));
  for (const name of ['join', 'renew', 'heads', 'roster', 'feed', 'hello', 'kad']) {
    assert.ok(
      own.some((protocol) => protocol.startsWith(`/hermesh/${name}/`)),
      name,
    );
  }
  assert.ok(served.some((protocol) => protocol.startsWith('/meshsub/')));
  assert.ok(await opens(member, one.address, '/ipfs/id/1.0.0'), 'a member opens identify, so that this test can fail');
  assert.ok((await opens(member, one.address, '/hermesh/hello/1.0.0')) === false, 'which takes no request of a byte');

  const openTo = async (node: Raw): Promise<string[]> => {
    const found = [];
    for (const protocol of served) if (await opens(node, one.address, protocol)) found.push(protocol);
    return found;
  };
  const stranger = await openRaw(parts, identityOf('stranger'));
  assert.deepEqual(await openTo(stranger), []);
  const { secret } = readToken(invite());
  const invited = await openRaw(parts, makeIdentity(secret, secret));
  assert.deepEqual(await openTo(invited), ['/hermesh/join/1.0.0']);

  // Revoked while it is connected: gossip that it already takes part in ends, and nothing else opens.
  const topic = `/hermesh/feeds/1.0.0/${mesh}`;
  const heard: Uint8Array[] = [];
  member.services.pubsub.subscribe(topic);
  member.services.pubsub.addEventListener('gossipsub:message', ({ detail }) => heard.push(detail.msg.data));
  let notes = 0;
  const note = (): void => {
    notes += 1;
    one.registry.write([{ kind: 'note', name: 'n', body: { text: `number ${notes}` } }]);
  };
  await eventually(
    'a member hears',
    () => {
      note();
      return heard.length > 0;
    },
    { everyMs: 200, timeoutMs: 20_000 },
  );
  await one.registry.revoke('two');
  await eventually('it is cut off', () => member.getConnections().length === 0);
  const before = heard.length;
  await member.dial(multiaddr(one.address)).catch(() => undefined);
  assert.deepEqual(await openTo(member), []);
  note();
  note();
  await eventually(
    'three has it',
    () => three.registry.directory.get<{ text: string }>('note', 'n')?.body.text === `number ${notes}`,
  );
  assert.equal(heard.length, before);
  assert.deepEqual(one.network.connected(), [three.network.stack]);

  // One whose certificate ran out opens what renews it, and nothing else.
  await three.registry[Symbol.asyncDispose]();
  await three.network[Symbol.asyncDispose]();
  now += 100 * day;
  await eventually('the founder renewed itself', () => (one.registry.member(one.registry.stack)?.expires ?? 0) > now);
  const expired = await openRaw(parts, three.identity);
  const open = await openTo(expired);
  assert.deepEqual(open, ['/hermesh/renew/1.0.0']);
  await assert.rejects(
    requestWithKey(two.identity.seed, [one.address], '/hermesh/renew/1.0.0', new Uint8Array(), {
      ...soon(),
      maxResponseBytes: 1e6,
    }),
    /does not let this stack in|closed/,
  );
});

/** What the other side says that it serves, by identify. */
async function protocolsOf(node: Raw, address: string): Promise<readonly string[]> {
  const peer = multiaddr(address)
    .getComponents()
    .find(({ name }) => name === 'p2p')?.value;
  return eventually('identified', async () => {
    const all = await node.peerStore.all();
    const found = all.find(({ id }) => id.toString() === peer)?.protocols ?? [];
    return found.length > 0 && found;
  });
}
