// Every protocol and topic that a member may send by: a flood and a stream of junk are counted, told once, slowed, and end in a cut.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { makeShelf } from '#daemon/deploy';
import { openBlobStore, openPartialStore } from '#manifests';
import type { Network } from '#registry';
import { openExchange } from '#registry/exchange';
import { manners } from '#registry/replication';
import { operationProtocol, serveOperations } from '../../daemon/remote.ts';
import { makeDelta } from '../../registry/feeds/feed.ts';
import { emptyRoot } from '../../registry/feeds/trie.ts';
import { signBeat } from '../../registry/liveness/claims.ts';
import { type Protocol, protocolOf } from '../../registry/replication/manners.ts';
import { makeStatement } from '../../registry/roster/statement.ts';
import { toBytes } from '../../registry/wire.ts';
import { type Besieged, besiege, joinRequest } from '../fuzz/besieged.ts';
import * as wares from '../fuzz/wares.ts';
import { identityOf, silentLog } from '../support/constellation.ts';
import { Daemons } from '../support/daemons.ts';

type Send = (bytes: Uint8Array) => Promise<boolean>;

/** How a message is sent by each, resolving to whether it was taken; messages of its kind; and junk. */
interface Way {
  readonly open: (besieged: Besieged) => Promise<Send>;
  readonly good: (besieged: Besieged, at: number) => Uint8Array;
  /** Beside what can't be read: what can, and no honest stack sends. */
  readonly bad?: (besieged: Besieged, at: number) => Uint8Array;
}

const bytes32 = new Uint8Array(32).fill(3);
const rogue = identityOf('rogue');

const asking = (protocol: string): Way['open'] => {
  return async (besieged) => async (bytes) => {
    const answer = await besieged.ask(protocol, bytes).catch(() => undefined);
    return answer !== undefined;
  };
};

/** A blob that nobody has. */
const noBlob = `sha256:${'0'.repeat(64)}`;

/** Opens the exchange of blobs, with nothing in its store. */
async function openBlobs({ registry, clock }: Besieged): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-manners-'));
  after(() => rm(folder, { recursive: true, force: true }));
  const shelf = makeShelf(await openBlobStore(folder), await openPartialStore(folder));
  const { network, directory } = registry;
  const none = { random: () => 0, log: silentLog, reach: async () => undefined, fault: () => undefined };
  openExchange({ network, shelf, directory, clock, ...none });
}

const reading = (protocol: string): Way['open'] => {
  return async (besieged) => {
    await openBlobs(besieged);
    const { network } = besieged.rogue;
    return async (bytes) => {
      const limits = { signal: AbortSignal.timeout(30_000), maxResponseBytes: 1_000 };
      const answer = await Array.fromAsync(
        network.requestStream(besieged.network.stack, protocol, bytes, limits),
      ).catch(() => undefined);
      return answer !== undefined;
    };
  };
};

const publishing = (topic: string): Way['open'] => {
  return async ({ rogue: { network }, network: { stack }, registry, counted }) => {
    const name = `${topic}/${registry.mesh().id}`;
    const refused = (): number => counted.get('refused_total flood') ?? 0;
    return async (bytes) => {
      const before = refused();
      network.publish(name, bytes);
      await turn();
      return refused() === before && network.connected().includes(stack);
    };
  };
};

function headAt(mesh: string, sequence: number): Uint8Array {
  const epoch = { counter: 70, nonce: new Uint8Array(16) };
  const head = { mesh, feed: rogue.stack, epoch, sequence, count: 0, root: emptyRoot, previous: bytes32 };
  const { bytes, signature } = makeDelta(head, [], (message) => rogue.sign(message));
  return toBytes({ heads: [[bytes, signature]] });
}

const beatAt = (mesh: string, counter: number): Uint8Array =>
  signBeat({ mesh, stack: rogue.stack, incarnation: 9, counter, state: 'running' }, rogue).wire;

/** A wire of three or two parts with its signature spoilt. */
const spoilt = (wire: Uint8Array): Uint8Array => {
  const copy = new Uint8Array(wire);
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
};

const joins = new WeakMap<Besieged, Uint8Array>();
function annas(besieged: Besieged): Uint8Array {
  const request = joins.get(besieged) ?? joinRequest(besieged, 'anna');
  joins.set(besieged, request);
  return request;
}

const ways: Readonly<Record<Protocol, Way>> = {
  '/hermesh/feeds/1.0.0': {
    open: publishing('/hermesh/feeds/1.0.0'),
    good: ({ registry }, at) => headAt(registry.mesh().id, at + 1),
    bad: (_, at) => headAt('0'.repeat(64), at + 1),
  },
  '/hermesh/liveness/1.0.0': {
    open: publishing('/hermesh/liveness/1.0.0'),
    good: ({ registry }, at) => toBytes({ beats: [beatAt(registry.mesh().id, at)] }),
    bad: ({ registry }, at) => toBytes({ beats: [spoilt(beatAt(registry.mesh().id, at))] }),
  },
  '/hermesh/heads/1.0.0': { open: asking('/hermesh/heads/1.0.0'), good: () => toBytes({}) },
  '/hermesh/evidence/1.0.0': {
    open: asking('/hermesh/evidence/1.0.0'),
    good: () => toBytes({ known: [] }),
    bad: () => {
      const pair = [1, 2].map(() => [Uint8Array.of(0xa0), new Uint8Array(64)]);
      return toBytes({ give: [pair] });
    },
  },
  '/hermesh/roster/1.0.0': {
    open: asking('/hermesh/roster/1.0.0'),
    good: () => toBytes({ want: [], give: [] }),
    bad: ({ registry }, at) => {
      const leave = { type: 'leave' as const, mesh: registry.mesh().id, certificates: ['ab'.repeat(32)], at };
      return toBytes({ want: [], give: [spoilt(makeStatement(leave, rogue).wire)] });
    },
  },
  '/hermesh/feed/1.0.0': {
    open: asking('/hermesh/feed/1.0.0'),
    good: () => toBytes({ feed: rogue.stack, have: null, after: null }),
  },
  '/hermesh/trie/1.0.0': {
    open: asking('/hermesh/trie/1.0.0'),
    good: () => toBytes({ feed: rogue.stack, root: bytes32, paths: [], keys: [] }),
  },
  '/hermesh/beats/1.0.0': {
    open: asking('/hermesh/beats/1.0.0'),
    good: () => toBytes({ digest: bytes32 }),
    bad: ({ registry }, at) => toBytes({ give: [[spoilt(beatAt(registry.mesh().id, at)), 0]], want: [] }),
  },
  '/hermesh/ping/1.0.0': {
    open: async ({ rogue: { network }, network: { stack } }) => {
      let answers = 0;
      const message = (): void => {
        answers += 1;
      };
      const listener = { message, closed: () => undefined };
      const { signal } = new AbortController();
      const channel = await network.openChannel(stack, '/hermesh/ping/1.0.0', listener, { signal });
      return async (bytes) => {
        const before = answers;
        channel.send(bytes);
        for (let turns = 0; turns < 3; turns += 1) await turn();
        return answers > before;
      };
    },
    good: () => Uint8Array.of(1),
  },
  '/hermesh/zone/1.0.0': {
    open: asking('/hermesh/zone/1.0.0'),
    good: () => toBytes({ digest: bytes32 }),
    // Of another mesh.
    bad: () => toBytes({ have: [], summaries: wares.proven.slice(0, 1) }),
  },
  '/hermesh/record/1.0.0': {
    open: asking('/hermesh/record/1.0.0'),
    good: () => toBytes({ kind: 'note', name: 'none' }),
  },
  '/hermesh/join/1.0.0': {
    open: async (besieged) => async (bytes) => {
      const answer = await besieged.askInvited(bytes).catch(() => undefined);
      return answer !== undefined;
    },
    good: annas,
    bad: (besieged) => spoilt(annas(besieged)),
  },
  '/hermesh/renew/1.0.0': {
    open: asking('/hermesh/renew/1.0.0'),
    good: ({ registry }) => toBytes({ mesh: registry.mesh().id, show: [] }),
  },
  '/hermesh/blob/1.0.0': {
    open: async (besieged) => {
      await openBlobs(besieged);
      return asking('/hermesh/blob/1.0.0')(besieged);
    },
    good: () => toBytes({ blob: noBlob, list: false }),
  },
  '/hermesh/blob-ranges/1.0.0': {
    open: reading('/hermesh/blob-ranges/1.0.0'),
    good: () => toBytes({ blob: noBlob, root: '0'.repeat(64), ranges: [0] }),
  },
  '/hermesh/blob-chunks/1.0.0': {
    open: reading('/hermesh/blob-chunks/1.0.0'),
    good: () => toBytes({ blob: noBlob }),
  },
  '/hermesh/operation/1.0.0': {
    open: async (besieged) => {
      const { network } = besieged.registry;
      const problem = (error: unknown) => ({ code: 'internal', message: String(error) });
      serveOperations(
        network,
        () => 'member',
        async () => 'done',
        problem,
      );
      return asking(operationProtocol)(besieged);
    },
    good: () => toBytes({ operation: 'look', input: {}, principal: { name: 'a', role: 'member' } }),
  },
};

/** The points at which a peer is cut, in faults of a flood (0.2) and of what no stack makes (10). */
const floods = 500;
const junks = 10;

/** Who did it and what was told: one line for each kind of fault, and one for the cut. */
function verdict({ told, counted, rogue: { identity }, invite }: Besieged, protocol: string) {
  const lines = told.filter(({ protocol: by }) => by === undefined || by === protocol);
  assert.ok(lines.length > 0 && lines.every(({ peer }) => peer === identity.stack || typeof peer === 'string'));
  assert.equal(new Set(lines.map(({ peer }) => peer)).size, 1, `one peer, ${invite.stack}`);
  return {
    cuts: counted.get('cut_total') ?? 0,
    refused: lines.filter(({ forMs }) => forMs === undefined).map(({ what }) => what),
    cutFor: lines.flatMap(({ forMs }) => (forMs === undefined ? [] : [forMs])),
  };
}

const refusedOf = (counted: ReadonlyMap<string, number>, what: string): number =>
  counted.get(`refused_total ${what}`) ?? 0;

for (const [protocol, way] of Object.entries(ways) as [Protocol, Way][]) {
  test(`a flood by ${protocol} is slowed to its bound, counted, told once, and its sender cut off (failure mode 36)`, async () => {
    await using besieged = await besiege(1);
    const send = await way.open(besieged);
    const { requests } = manners[protocol];
    let taken = 0;
    for (let at = 0; (besieged.counted.get('cut_total') ?? 0) === 0; at += 1) {
      assert.ok(at <= requests.burst + floods + 10, `still there after ${at}`);
      if (await send(way.good(besieged, at))) taken += 1;
    }
    assert.ok(taken > 0 && taken <= requests.burst, `${taken} taken`);
    assert.ok(refusedOf(besieged.counted, 'flood') >= floods);
    assert.deepEqual(verdict(besieged, protocol), { cuts: 1, refused: ['flood'], cutFor: [60_000] });
    assert.equal(await send(way.good(besieged, 0)), false, 'and nothing more is taken');
  });

  const junk: readonly (readonly [string, NonNullable<Way['bad']>])[] = [
    ['what cannot be read', (_, at) => (protocol.includes('/ping/') ? Uint8Array.of(7) : Uint8Array.of(0xff, at))],
    ...(way.bad ? [['what nobody signed so', way.bad] as const] : []),
  ];
  for (const [what, make] of junk) {
    test(`${what}, by ${protocol}, is counted, told once, and cuts its sender off (failure mode 36)`, async () => {
      await using besieged = await besiege(2);
      const send = await way.open(besieged);
      for (let at = 0; at < junks; at += 1) {
        assert.equal(besieged.counted.get('cut_total'), undefined, `cut after ${at}`);
        await send(make(besieged, at));
      }
      const { cuts, refused, cutFor } = verdict(besieged, protocol);
      assert.deepEqual([cuts, cutFor, refused.length], [1, [60_000], 1]);
      assert.equal(refusedOf(besieged.counted, String(refused[0])), junks);
    });
  }
}

test('a request that is too long is a fault of its sender, whatever the protocol (failure mode 24)', async () => {
  await using besieged = await besiege(3);
  const long = new Uint8Array(1024 * 1024 + 1);
  for (let at = 0; at < junks; at += 1) await besieged.ask('/hermesh/roster/1.0.0', long).catch(() => undefined);
  const { cuts, refused } = verdict(besieged, '/hermesh/roster/1.0.0');
  assert.deepEqual([cuts, refused], [1, ['oversized']]);
});

test('each protocol and topic that a daemon serves to peers has its bound, and each bound is of one that is served', async () => {
  await using daemons = new Daemons();
  const served = new Set<string>();
  const open = daemons.hub.open.bind(daemons.hub);
  daemons.hub.open = (identity) => watched(open(identity), served);
  await daemons.open('berlin');
  assert.deepEqual([...served].map(protocolOf).sort(), Object.keys(manners).sort());
  assert.throws(() => protocolOf('/hermesh/new/1.0.0'), /add a row to manners/);
});

/** The same network, telling by what it is reached. */
function watched(network: Network, served: Set<string>): Network {
  const [serve, serveChannel] = [network.serve.bind(network), network.serveChannel.bind(network)];
  const [serveStream, subscribe] = [network.serveStream.bind(network), network.subscribe.bind(network)];
  network.serveStream = (protocol, ...rest) => {
    served.add(protocol);
    serveStream(protocol, ...rest);
  };
  network.serve = (protocol, ...rest) => {
    served.add(protocol);
    serve(protocol, ...rest);
  };
  network.serveChannel = (protocol, ...rest) => {
    served.add(protocol);
    serveChannel(protocol, ...rest);
  };
  network.subscribe = (topic, listener) => {
    served.add(topic);
    return subscribe(topic, listener);
  };
  return network;
}
