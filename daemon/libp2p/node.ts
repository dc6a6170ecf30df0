// How a libp2p node is put together here: transports, limits, and the services that a member runs.
import { createHash } from 'node:crypto';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { type GossipSub, gossipsub } from '@libp2p/gossipsub';
import { type Identify, identify } from '@libp2p/identify';
import { type Libp2p, type PeerId, serviceCapabilities } from '@libp2p/interface';
import type { Registrar } from '@libp2p/interface-internal';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import type { Gate } from './gate.ts';
import { gathering } from './gather.ts';

/** The services of a member's node. */
export type MemberNode = Libp2p<{ guard: object; ping: object; identify: Identify; pubsub: GossipSub }>;

/** A member of a mesh of 1,000 keeps a connection to each at most: about 160 KB each. */
const maxConnections = 1_100;
/** What one stream may have under way: a muxed stream that isn't read is reset where it holds 4 MiB. */
const maxStreamWindowSize = 2 * 1024 * 1024;
/** New connections a second from one host: a fleet of 30 may stand behind one address and join at once. */
const inboundConnectionThreshold = 100;
/**
 * Connections that haven't proven a key yet, and how long they may take: more than one host can open in that time, so that
 * sockets that say nothing don't keep members out.
 */
const maxIncomingPendingConnections = 1_000;
export const inboundUpgradeTimeoutMs = 4_000;
/** The most that one gossip message carries. */
export const maxPublishBytes = 256 * 1024;
/** Gossip that waits for one slow peer. */
const maxGossipBufferBytes = 4 * 1024 * 1024;

const dhtProtocol = '/hermesh/kad/1.0.0';

export interface NodeOptions {
  readonly seed: Uint8Array;
  readonly listen: readonly string[];
  readonly announce: readonly string[];
  readonly gate: Gate;
  readonly dht: boolean;
  /** Proves that a member answers; the DHT asks before it keeps or drops one. */
  readonly ping: (peer: PeerId) => Promise<number>;
}

/** A node with all that a member serves, not yet started. */
export async function makeMemberNode(options: NodeOptions): Promise<MemberNode> {
  const { gate, ping } = options;
  const dht = options.dht ? await kademlia() : undefined;
  const node = await createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', options.seed),
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    // Members say nothing for long; whether one is still there is asked by TCP, and by its observers.
    transports: [tcp({ inboundSocketInactivityTimeout: 0, outboundSocketInactivityTimeout: 0 })],
    connectionEncrypters: [gathering(noise())],
    streamMuxers: [yamux({ enableKeepAlive: false, streamOptions: { maxStreamWindowSize } })],
    connectionGater: gate.gater(),
    connectionManager: {
      maxConnections,
      inboundConnectionThreshold,
      maxIncomingPendingConnections,
      inboundUpgradeTimeout: inboundUpgradeTimeoutMs,
      reconnectRetries: 0,
    },
    connectionMonitor: { enabled: false },
    services: {
      // First of all, so that every handler that the others register stands behind the gate.
      guard: ({ registrar }: { registrar: Registrar }) => {
        gate.guard(registrar);
        return {};
      },
      ping: () => ({ [serviceCapabilities]: ['@libp2p/ping'], ping }),
      // Run by hand, once a connection is admitted: a peer with an invite is never asked nor told anything.
      identify: identify({ runOnConnectionOpen: false }),
      pubsub: gossip(),
      ...(dht && { dht }),
    },
  });
  return node as unknown as MemberNode;
}

/** A node that only dials, under the key of that seed. */
export async function openDiallingNode(seed: Uint8Array): Promise<Libp2p> {
  return createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', seed),
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyInboundConnection: () => true },
    connectionMonitor: { enabled: false },
  });
}

function gossip(): ReturnType<typeof gossipsub> {
  return gossipsub({
    // What is published is signed by its owner; a second signature would double the cost.
    globalSignaturePolicy: 'StrictNoSign',
    msgIdFn: ({ topic, data }) => createHash('sha256').update(`${topic}\0`).update(data).digest(),
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    fallbackToFloodsub: false,
    floodPublish: true,
    emitSelf: false,
    doPX: false,
    tagMeshPeers: false,
    maxInboundDataLength: maxPublishBytes + 1024,
    maxOutboundBufferSize: maxGossipBufferBytes,
    // Members are admitted by certificate. A score would only punish those that share an address: from the 11th on they
    // would be left without a mesh.
    scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0, appSpecificWeight: 0 },
  });
}

/** Loaded where it is asked for: it costs memory that most stacks don't need. */
async function kademlia() {
  const { kadDHT, passthroughMapper } = await import('@libp2p/kad-dht');
  return kadDHT({ protocol: dhtProtocol, clientMode: false, peerInfoMapper: passthroughMapper });
}
