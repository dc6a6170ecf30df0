// A member that floods, repeats itself and sends what nobody of the mesh makes: it is counted, told once, and cut off.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log, Metrics, Network } from '#registry';
import { makeDelta, recordHash, recordKey } from '../../registry/feeds/feed.ts';
import { emptyRoot, put, rootOf } from '../../registry/feeds/trie.ts';
import { toBytes } from '../../registry/wire.ts';
import { Constellation, converge, identityOf, type Node, notes, silentLog, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) });

/** A mesh of two that count and log, and a member's network without a registry behind it, connected to the first. */
async function open(sky: Constellation) {
  const counted = new Map<string, number>();
  const told: unknown[] = [];
  const metrics: Metrics = {
    count: (name, labels = {}, by = 1) => {
      const key = `${name} ${labels.what ?? ''}`.trim();
      counted.set(key, (counted.get(key) ?? 0) + by);
    },
  };
  const log: Log = { ...silentLog, warn: (fields) => told.push(fields) };
  const one = await sky.open('one', { metrics, log });
  const [two, rogue] = [await sky.open('two'), await sky.open('rogue')];
  for (const joiner of [two, rogue]) {
    const { token } = one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 });
    await joiner.registry.join(token, soon());
  }
  await rogue[Symbol.asyncDispose]();
  const network = sky.hub.open(rogue.identity);
  network.setGate(() => 'member');
  await network.connect(one.registry.stack, one.network.addresses(), soon());
  return { one, two, network, topic: `/hermesh/feeds/1.0.0/${one.registry.mesh().id}`, counted, told };
}

const hasLost = (network: Network, { registry }: Node): boolean => !network.connected().includes(registry.stack);

test('a member that publishes junk is told of once, counted each time, cut off, and not let in again (failure mode 36)', async () => {
  await using sky = new Constellation();
  const { one, two, network, topic, counted, told } = await open(sky);
  for (let at = 0; at < 20; at += 1) network.publish(topic, Uint8Array.of(1, 2, at));
  await eventually('it is cut off', () => hasLost(network, one));
  assert.ok((counted.get('refused_total refused-shape') ?? 0) >= 10);
  assert.equal(counted.get('cut_total'), 1);
  const lines = told.filter((each) => JSON.stringify(each).includes(network.stack));
  assert.equal(lines.length, 2, JSON.stringify(lines));
  await assert.rejects(network.connect(one.registry.stack, one.network.addresses(), soon()), /does not let/);
  assert.ok((counted.get('refused_total cut') ?? 0) >= 1);
  write(two, 'a', 'the others go on');
  await converge([one, two], ['a=the others go on@two']);
});

test('the same delta in ever new envelopes is counted and not handed on (failure mode 3)', async () => {
  await using sky = new Constellation();
  const { one, two, network, topic, counted } = await open(sky);
  const mesh = one.registry.mesh().id;
  const body = toBytes({ text: 'x' });
  const root = rootOf(put(undefined, recordKey('note', 'n'), recordHash(body)));
  const { stack, sign } = identityOf('rogue');
  const epoch = { counter: 90, nonce: new Uint8Array(16) };
  const head = { mesh, feed: stack, epoch, sequence: 1, count: 1, root, previous: emptyRoot };
  const { wire } = makeDelta(head, [{ kind: 'note', name: 'n', body }], (message) => sign(message));
  network.publish(topic, toBytes({ deltas: [wire] }));
  await eventually('it came', () => notes(two).includes('n=x@rogue'));
  let heard = 0;
  two.network.subscribe(topic, () => {
    heard += 1;
    return 'accept';
  });
  // Each envelope is another message: it holds the delta another number of times.
  for (let at = 2; at < 1_000; at += 1) {
    if (hasLost(network, one)) break;
    network.publish(topic, toBytes({ deltas: Array.from({ length: at }, () => wire) }));
    if (at % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually('they were heard', () => (counted.get('refused_total republish') ?? 0) > 300);
  assert.equal(heard, 0);
});

test('a flood of requests is refused beyond its budget, and its sender cut off (failure mode 36)', async () => {
  await using sky = new Constellation();
  const { one, network, counted } = await open(sky);
  let answered = 0;
  for (let at = 0; at < 40 && !hasLost(network, one); at += 1) {
    const asks = Array.from({ length: 50 }, () =>
      network
        .request(one.registry.stack, '/hermesh/heads/1.0.0', toBytes({}), { ...soon(), maxResponseBytes: 1_000_000 })
        .then(() => {
          answered += 1;
        })
        .catch(() => undefined),
    );
    await Promise.all(asks);
  }
  assert.ok(answered < 500, `${answered} answered`);
  assert.ok((counted.get('refused_total flood') ?? 0) >= 500);
  assert.ok(hasLost(network, one));
});

test('positions that nobody can fit, giant lists and prefixes of no shape are refused (failure mode 36)', async () => {
  await using sky = new Constellation();
  const { one, network, counted } = await open(sky);
  const ask = (request: unknown) =>
    network.request(one.registry.stack, '/hermesh/heads/1.0.0', toBytes(request), {
      ...soon(),
      maxResponseBytes: 1_000_000,
    });
  const brief = [new Uint8Array(8), 1, 1, new Uint8Array(8), new Uint8Array(16)];
  const faults = [
    { offer: Array.from({ length: 4_001 }, () => brief) },
    { ask: Array.from({ length: 257 }, () => '') },
    { ask: ['abc'] },
    { ask: ['G'] },
    { heads: new Uint8Array(31) },
    { offer: [[new Uint8Array(8), -1, 1, new Uint8Array(8), new Uint8Array(16)]] },
  ];
  for (const each of faults) await assert.rejects(ask(each));
  assert.equal(counted.get('refused_total refused-shape'), faults.length);
  // The same part asked for many times is told once.
  const answer = await ask({ ask: Array.from({ length: 256 }, () => '0') });
  assert.ok(answer.byteLength < 2_000);
});

test('a mesh that publishes nothing converges by anti-entropy alone (failure mode 6)', async () => {
  await using sky = new Constellation({ antiEntropyMs: 50 });
  const nodes = await sky.mesh('one', 'two', 'three', 'four', 'five');
  sky.hub.losesPublished = true;
  for (const node of nodes) write(node, 'from', node.name);
  await converge(
    nodes,
    nodes.map(({ name }) => `from=${name}@${name}`),
  );
});

test('two stacks in step exchange less than 200 bytes in a round, and publish nothing', async (context) => {
  await using sky = new Constellation({ antiEntropyMs: 30 });
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  write(one, 'a', '1');
  await converge([one, two], ['a=1@one']);
  await eventually('they are in step', () => !one.registry.syncing() && !two.registry.syncing());
  let published = 0;
  two.network.subscribe(`/hermesh/feeds/1.0.0/${one.registry.mesh().id}`, () => {
    published += 1;
    return 'accept';
  });
  let rounds = 0;
  let most = 0;
  const request = one.network.request.bind(one.network);
  one.network.request = async (stack, protocol, bytes, options) => {
    const answer = await request(stack, protocol, bytes, options);
    if (protocol.startsWith('/hermesh/heads/')) {
      rounds += 1;
      most = Math.max(most, bytes.byteLength + answer.byteLength);
    }
    return answer;
  };
  await eventually('some rounds went by', () => rounds >= 5);
  context.diagnostic(`${most} bytes at most, both ways`);
  assert.ok(most <= 200, `${most} bytes`);
  assert.equal(published, 0);
});

test('members that write as fast as they can and join and leave are not slowed nor told of', async () => {
  await using sky = new Constellation();
  const { one, two, network, counted, told } = await open(sky);
  await network[Symbol.asyncDispose]();
  for (let at = 0; at < 300; at += 1) {
    write(two, `n${at % 20}`, `${at}`);
    write(one, `m${at % 20}`, `${at}`);
    if (at % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually('all came', () => notes(one).includes('n19=299@two') && notes(two).includes('m19=299@one'));
  assert.deepEqual(
    [...counted.keys()].filter((name) => name.startsWith('refused_total') && !name.endsWith('gate')),
    [],
  );
  assert.deepEqual(told, []);
});
