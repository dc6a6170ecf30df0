// The servers of a registry and the topics that it listens to: each with requests that it takes, and what it promises of every other.
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { recordKey } from '#registry/feeds';
import { signBeat, signSuspicion } from '../../registry/liveness/claims.ts';
import { makeStatement, type Payload } from '../../registry/roster/statement.ts';
import { readValue, sha256, toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';
import { type Besieged, besiege, joinRequest, refusalOf } from './besieged.ts';
import { seed, type Target } from './fuzz.ts';
import { type Chance, oneOf } from './mutate.ts';
import * as wares from './wares.ts';

const founder = identityOf('besieged');
const rogue = identityOf('rogue');
const one = identityOf('one');
const nonce = new Uint8Array(16).fill(5);

interface Server {
  readonly name: string;
  readonly protocol: string;
  /** Requests that are answered. */
  readonly requests: (besieged: Besieged) => readonly Uint8Array[];
  readonly least: Readonly<Record<string, number>>;
}

/** What the founder of the mesh itself might state: it has effect, however odd it is. */
function statedIn(mesh: string): Uint8Array[] {
  const at = 1_800_000_000_000;
  const { stack, box } = one;
  const certificate = { type: 'certificate', mesh, stack, name: 'one', x25519: box.publicKey } as const;
  const span = { notBefore: at - 1_000, notAfter: at + 80 * 86_400_000 };
  const all: readonly [Payload, typeof founder][] = [
    [{ ...certificate, ...span, role: 'member' }, founder],
    [{ ...certificate, ...span, role: 'admin' }, founder],
    [{ type: 'pardon', mesh, stack, counter: 3, at }, founder],
    [{ type: 'revocation', mesh, stack, at, survivors: [] }, founder],
    [{ type: 'leave', mesh, certificates: ['ab'.repeat(32)], at }, rogue],
  ];
  return all.map(([payload, signer]) => makeStatement(payload, signer).wire);
}

/** Two heads of one place by a stack that is no member: true, and of nobody's concern. */
function historiesOf(mesh: string): (readonly [Uint8Array, Uint8Array])[] {
  const hash = new Uint8Array(32);
  const place = { mesh, feed: one.stack, epoch: { counter: 4, nonce }, sequence: 2, root: hash, previous: hash };
  return [1, 2].map((count) => wares.signHead({ ...place, count, changes: hash }));
}

function claimsIn(mesh: string): Uint8Array[] {
  const order: [number, number] = [1, 2];
  const suspicion = { mesh, subject: founder.stack, incarnation: 1, observer: rogue.stack, order, roster: '' } as const;
  return [
    signBeat({ mesh, stack: rogue.stack, incarnation: 5, counter: 1, state: 'running' }, rogue).wire,
    signBeat({ mesh, stack: founder.stack, incarnation: 9, counter: 1, state: 'stopping' }, founder).wire,
    signSuspicion({ ...suspicion, seen: 'silent', withdrawn: false }, rogue).wire,
    signSuspicion({ ...suspicion, seen: 'unreachable', withdrawn: true }, rogue).wire,
  ];
}

const have = (feed: string, sequence: number): object => ({
  feed,
  epoch: { counter: 1, nonce },
  sequence,
  hash: new Uint8Array(32),
});
const briefOf = (stack: string, counter: number): unknown[] => [
  ...[sha256(Buffer.from(stack)).slice(0, 8), counter, 4, nonce.slice(0, 8), nonce],
];

const servers: readonly Server[] = [
  {
    name: 'a request for heads',
    protocol: '/hermesh/heads/1.0.0',
    requests: () => [
      toBytes({ roster: '', heads: new Uint8Array(32) }),
      toBytes({ ask: ['', '0', 'a1'] }),
      toBytes({ offer: [briefOf(rogue.stack, 9), briefOf(founder.stack, 9)] }),
    ],
    least: { answered: 0.05, refused: 0.3 },
  },
  {
    name: 'a request for evidence',
    protocol: '/hermesh/evidence/1.0.0',
    requests: ({ registry }) => [
      toBytes({ known: [] }),
      toBytes({ known: [briefOf(rogue.stack, 9).slice(0, 2), briefOf(founder.stack, 9).slice(0, 2)] }),
      toBytes({ give: [historiesOf(registry.mesh().id)] }),
    ],
    least: { answered: 0.05, refused: 0.3 },
  },
  {
    name: 'a request for the roster',
    protocol: '/hermesh/roster/1.0.0',
    requests: ({ registry }) => [
      toBytes({ paths: [new Uint8Array(), Uint8Array.of(1, 2)] }),
      ...statedIn(registry.mesh().id).map((wire) => toBytes({ want: [new Uint8Array(32)], give: [wire] })),
    ],
    least: { answered: 0.05, refused: 0.3 },
  },
  {
    name: 'a request for a feed',
    protocol: '/hermesh/feed/1.0.0',
    requests: () => [
      toBytes({ feed: founder.stack, have: null, after: null }),
      toBytes({ feed: founder.stack, have: null, after: nonce32 }),
      toBytes({ feed: founder.stack, have: have(founder.stack, 0), after: null }),
      toBytes({ feed: rogue.stack, have: have(founder.stack, 1), after: nonce32 }),
    ],
    least: { answered: 0.05, refused: 0.3 },
  },
  {
    name: 'a request for nodes of a trie',
    protocol: '/hermesh/trie/1.0.0',
    requests: () => [
      toBytes({ feed: founder.stack, root: nonce32, paths: [new Uint8Array()], keys: [] }),
      toBytes({ feed: founder.stack, root: nonce32, paths: [Uint8Array.of(1)], keys: [recordKey('note', 'kept')] }),
    ],
    least: { answered: 0.05, refused: 0.3 },
  },
  {
    name: 'a request for beats',
    protocol: '/hermesh/beats/1.0.0',
    requests: ({ registry }) => [
      toBytes({ digest: nonce32 }),
      toBytes({ give: claimsIn(registry.mesh().id).map((wire, at) => [wire, at]), want: [nonce.slice(0, 8)] }),
    ],
    least: { answered: 0.05, refused: 0.3 },
  },
  {
    name: 'a request to renew',
    protocol: '/hermesh/renew/1.0.0',
    requests: ({ registry }) => [
      toBytes({ mesh: registry.mesh().id, show: [] }),
      ...statedIn(registry.mesh().id).map((wire) => toBytes({ mesh: registry.mesh().id, show: [wire] })),
    ],
    least: { answered: 0.5 },
  },
  {
    name: 'a request about zones',
    protocol: '/hermesh/zone/1.0.0',
    requests: ({ registry }) => [
      toBytes({ digest: nonce32 }),
      toBytes({ have: [[founder.stack, 1, 1]], summaries: [] }),
      toBytes({ have: [], summaries: [wares.provenIn(registry.mesh().id, rogue)] }),
    ],
    least: { answered: 0.05, refused: 0.3 },
  },
  {
    name: 'a request for records of a zone',
    protocol: '/hermesh/record/1.0.0',
    requests: () => [toBytes({ kind: 'note', name: 'kept' }), toBytes({ kind: 'stack', name: 'besieged@x' })],
    least: { answered: 0.05, refused: 0.3 },
  },
  {
    name: 'a request to join',
    protocol: 'join',
    requests: (besieged) => ['anna', 'berta', 'carla', 'dora'].map((name) => joinRequest(besieged, name)),
    least: { answered: 0.5 },
  },
];
const nonce32 = new Uint8Array(32).fill(3);

/** Each of them against a registry of its own, which is replaced by a fresh one after some inputs. */
export async function openServers(): Promise<{ targets: Target[] } & AsyncDisposable> {
  await using parts = new AsyncDisposableStack();
  for (const name of ['besieged', 'rogue', 'one', 'anna', 'berta', 'carla', 'dora']) wares.addKey(identityOf(name));
  const targets = [];
  for (const server of servers) targets.push(await serverTarget(server, parts));
  for (const topic of ['feeds', 'liveness'] as const) targets.push(await topicTarget(topic, parts));
  targets.push(await pingTarget(parts));
  const all = parts.move();
  return { targets, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Holds one besieged registry, opened anew when it is asked to. */
async function holder(parts: AsyncDisposableStack): Promise<{ readonly now: Besieged; renew(): Promise<void> }> {
  let count = 0;
  let now = await besiege(seed);
  parts.defer(() => now[Symbol.asyncDispose]());
  return {
    get now() {
      return now;
    },
    async renew() {
      const before = now;
      count += 1;
      now = await besiege(seed + count);
      await before[Symbol.asyncDispose]();
    },
  };
}

/** It stands as it did: its own records are there, nothing was logged as a fault, timers don't pile up. */
function stands({ registry, clock, faults }: Besieged): void {
  assert.deepEqual(faults, []);
  assert.ok(clock.waiting < 100, `${clock.waiting} timers wait`);
  const own = registry.directory.list({ kind: 'note', stack: founder.stack, includeUnreachable: true });
  assert.deepEqual(
    own.map(({ name }) => name),
    ['kept'],
  );
}

const isIn = ({ registry, rogue: { identity } }: Besieged): boolean => {
  const state = registry.member(identity.stack)?.liveness.state;
  return state !== 'revoked' && state !== 'left' && state !== 'expired';
};

function incarnationOf({ database }: Besieged): unknown {
  return database.prepare("SELECT value FROM registry_setting WHERE name = 'incarnation'").pluck().get();
}

async function serverTarget({ name, protocol, requests, least }: Server, parts: AsyncDisposableStack): Promise<Target> {
  const held = await holder(parts);
  const isJoin = protocol === 'join';
  const made = new WeakMap<Besieged, readonly Uint8Array[]>();
  const known = (): readonly Uint8Array[] => {
    const all = made.get(held.now) ?? requests(held.now);
    made.set(held.now, all);
    return all;
  };
  const valid = (chance: Chance): Uint8Array => oneOf(chance, known());
  const ask = (bytes: Uint8Array): Promise<Uint8Array> =>
    isJoin ? held.now.askInvited(bytes) : held.now.ask(protocol, bytes);
  return {
    name,
    valid,
    resigned: (chance, odd) =>
      isJoin
        ? wares.resignJoin(valid(chance), chance, odd)
        : toBytes(wares.resignWithin(readValue(valid(chance)), chance, odd)),
    async before() {
      if (!isIn(held.now)) await held.renew();
      // Under the key of an invite nobody is connected: what is junk is forgiven first, in a minute each.
      held.now.clock.jump(isJoin ? 61_000 : 60);
      if (!isJoin) await held.now.connect();
    },
    async take(bytes) {
      const besieged = held.now;
      const [before, incarnation] = [besieged.changes(), incarnationOf(besieged)];
      const refusal = await refusalOf(ask(bytes));
      if (refusal === undefined) return 'answered';
      // Meanwhile it may itself have answered a suspicion that it was told of before.
      const own = incarnationOf(besieged) === incarnation ? 0 : 1;
      assert.equal(besieged.changes(), before + own, `refused as "${refusal}", and yet something was written`);
      return 'refused';
    },
    async check() {
      if (isIn(held.now)) {
        const { now } = held;
        await now.connect();
        for (const request of known()) assert.equal(await refusalOf(ask(request)), undefined);
        stands(now);
      }
      await held.renew();
    },
    least,
  };
}

async function topicTarget(topic: 'feeds' | 'liveness', parts: AsyncDisposableStack): Promise<Target> {
  const held = await holder(parts);
  const made = new WeakMap<Besieged, readonly Uint8Array[]>();
  const messages = (): readonly Uint8Array[] => {
    const all = made.get(held.now) ?? make();
    made.set(held.now, all);
    return all;
  };
  const make = (): Uint8Array[] => {
    const { id } = held.now.registry.mesh();
    const claims = claimsIn(id);
    if (topic === 'liveness') return [toBytes({ beats: claims.slice(0, 2) }), toBytes({ suspicions: claims.slice(2) })];
    const delta = wares.deltaIn(id, rogue);
    const [head, signature] = readValue(delta) as [Uint8Array, Uint8Array];
    return [
      toBytes({ deltas: [delta] }),
      toBytes({ heads: [[head, signature]] }),
      ...statedIn(id).map((wire) => toBytes({ statements: [wire] })),
    ];
  };
  return {
    name: `what is published of ${topic}`,
    valid: (chance) => oneOf(chance, messages()),
    resigned: (chance, odd) => toBytes(wares.resignWithin(readValue(oneOf(chance, messages())), chance, odd)),
    async before() {
      if (!isIn(held.now)) await held.renew();
      await held.now.connect();
    },
    async take(bytes) {
      const besieged = held.now;
      const before = besieged.changes();
      besieged.rogue.network.publish(`/hermesh/${topic}/1.0.0/${besieged.registry.mesh().id}`, bytes);
      await turn();
      await turn();
      besieged.clock.jump(100);
      await turn();
      return besieged.changes() === before ? 'nothing written' : 'written';
    },
    async check() {
      stands(held.now);
      await held.renew();
    },
    least: topic === 'feeds' ? { written: 0.005 } : {},
  };
}

/** Frames on a kept channel: odd ones are a sign of life and a fault, long ones end the channel, and pings are answered. */
async function pingTarget(parts: AsyncDisposableStack): Promise<Target> {
  const held = await holder(parts);
  let answers = 0;
  const open = () =>
    held.now.rogue.network.openChannel(
      held.now.network.stack,
      '/hermesh/ping/1.0.0',
      {
        message: () => {
          answers += 1;
        },
        closed: () => undefined,
      },
      { signal: new AbortController().signal },
    );
  await held.now.connect();
  let channel = await open();
  return {
    name: 'a frame on the channel of pings',
    valid: (chance) => Uint8Array.of(chance() < 0.7 ? 1 : 2),
    decodes: (bytes) => bytes.byteLength <= 1,
    async take(bytes) {
      await held.now.connect();
      if (!channel.send(bytes)) channel = await open();
      await turn();
      held.now.clock.jump(100);
      return bytes.byteLength <= 1 ? 'heard' : 'too long';
    },
    async check() {
      answers = 0;
      await held.now.connect();
      channel = await open();
      channel.send(Uint8Array.of(1));
      for (let turns = 0; turns < 5; turns += 1) await turn();
      assert.ok(answers >= 1, 'a ping is answered');
      stands(held.now);
      await held.renew();
      await held.now.connect();
      channel = await open();
    },
    least: { heard: 0.3, 'too long': 0.1 },
  };
}
