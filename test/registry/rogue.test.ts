// A member that wants to cost the others something: feeds that never fit their head, answers that never come, records that hide.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Handler, Network } from '#registry';
import { type Change, makeDelta, recordHash, recordKey } from '../../registry/feeds/feed.ts';
import { emptyRoot, put, rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { briefOf } from '../../registry/replication/fingerprints.ts';
import { toBytes } from '../../registry/wire.ts';
import { Constellation, converge, identityOf, type Node, notes, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const bounds = { access: 'member', maxRequestBytes: 1024 * 1024, timeoutMs: 10_000 } as const;

/** A head of the rogue's feed, and the delta it came with. */
function deltaOf(mesh: string, sequence: number, changes: readonly Change[], root?: Uint8Array, previous = emptyRoot) {
  let trie: Trie;
  for (const { kind, name, body } of changes) trie = put(trie, recordKey(kind, name), recordHash(body ?? emptyRoot));
  const epoch = { counter: 50, nonce: new Uint8Array(16).fill(5) };
  const feed = identityOf('rogue').stack;
  const head = { mesh, feed, epoch, sequence, count: changes.length, root: root ?? rootOf(trie), previous };
  return makeDelta(head, changes, (message) => identityOf('rogue').sign(message));
}

/** A mesh of three whose third is only a network: it answers as the test says. */
async function withRogue(sky: Constellation, serve: Readonly<Record<string, (mesh: string) => Handler>>) {
  const [one, two, rogue] = await sky.mesh('one', 'two', 'rogue');
  assert.ok(one && two && rogue);
  await rogue[Symbol.asyncDispose]();
  const mesh = one.registry.mesh().id;
  const network: Network = sky.hub.open(rogue.identity);
  network.setGate(() => 'member');
  for (const [protocol, handler] of Object.entries(serve)) {
    network.serve(`/hermesh/${protocol}/1.0.0`, bounds, handler(mesh));
  }
  for (const node of [one, two]) {
    await network.connect(node.registry.stack, node.network.addresses(), { signal: AbortSignal.timeout(2_000) });
  }
  return { one, two, network, mesh, stack: rogue.identity.stack } as {
    one: Node;
    two: Node;
    network: Network;
    mesh: string;
    stack: string;
  };
}

const headsOf = (mesh: string): Handler => {
  const { head, hash } = deltaOf(mesh, 9, []);
  const at = { feed: head.feed, epoch: head.epoch, sequence: head.sequence, hash };
  return async () => toBytes({ roster: null, parts: [{ prefix: '', briefs: [briefOf(at)] }] });
};

test('a feed that never fits its head is asked for with growing pauses', async () => {
  await using sky = new Constellation({ antiEntropyMs: 10 });
  let asked = 0;
  const { one, two } = await withRogue(sky, {
    heads: headsOf,
    feed: (mesh) => async () => {
      asked += 1;
      const { bytes, signature } = deltaOf(mesh, 9, [], new Uint8Array(32).fill(1));
      return toBytes({ head: [bytes, signature], records: [['note', 'n', toBytes({ text: 'x' })]], next: null });
    },
  });
  for (let round = 0; round < 40; round += 1) {
    write(one, 'round', `${round}`);
    await converge([one, two], [`round=${round}@one`]);
  }
  await eventually('it was asked', () => asked > 0);
  assert.ok(asked < 20, `asked ${asked} times`);
});

test('a snapshot whose pages go round in a circle is given up', async () => {
  await using sky = new Constellation({ antiEntropyMs: 10 });
  let asked = 0;
  const { one, two } = await withRogue(sky, {
    heads: headsOf,
    feed: (mesh) => async () => {
      asked += 1;
      const { bytes, signature } = deltaOf(mesh, 9, []);
      return toBytes({ head: [bytes, signature], records: [], next: new Uint8Array(32).fill(3) });
    },
  });
  for (let round = 0; round < 20; round += 1) {
    write(one, 'round', `${round}`);
    await converge([one, two], [`round=${round}@one`]);
  }
  assert.ok(asked > 0 && asked < 20, `asked ${asked} times`);
});

test('a member that never answers a pull does not keep the others from pulling', async () => {
  await using sky = new Constellation({ antiEntropyMs: 20 });
  const never: Handler = () => new Promise(() => undefined);
  const { one, two } = await withRogue(sky, {
    // It claims to be ahead in its own feed and in those of whom it knows.
    heads: () => async () => {
      const nodes = ['rogue', 'one', 'two'].map((word) => identityOf(word).stack);
      const epoch = { counter: 99, nonce: new Uint8Array(16) };
      const briefs = nodes.map((feed) => briefOf({ feed, epoch, sequence: 1, hash: new Uint8Array(32) }));
      return toBytes({ roster: null, parts: [{ prefix: '', briefs }] });
    },
    feed: () => never,
  });
  await eventually('one was asked', () => one.network.connected().length === 2);
  sky.hub.losesPublished = true;
  const three = await sky.open('three');
  const { token } = one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 });
  await three.registry.join(token, { signal: AbortSignal.timeout(5_000) });
  write(three, 'after', 'all');
  await eventually('it comes through', () => notes(one).includes('after=all@three'), { timeoutMs: 5_000 });
  await eventually('there too', () => notes(two).includes('after=all@three'), { timeoutMs: 5_000 });
});

test('a quarantined owner is not asked again in each round', async () => {
  await using sky = new Constellation({ antiEntropyMs: 10 });
  let asked = 0;
  const { one, network, mesh } = await withRogue(sky, {
    heads: headsOf,
    feed: () => async () => {
      asked += 1;
      return toBytes({ none: true });
    },
  });
  const topic = `/hermesh/feeds/1.0.0/${mesh}`;
  for (const text of ['a', 'b']) {
    const delta = deltaOf(mesh, 1, [{ kind: 'note', name: 'n', body: toBytes({ text }) }]);
    network.publish(topic, toBytes({ deltas: [delta.wire] }));
  }
  await eventually('it is quarantined', () => one.registry.quarantined().length === 1);
  let rounds = 0;
  const before = asked;
  await eventually('rounds went by', () => {
    rounds += 1;
    return rounds > 20;
  });
  assert.ok(asked - before <= 45, `asked ${asked - before} times`);
});

test('names that would write over a terminal, and those of prototypes, are kept, hidden or shown as they are', async () => {
  await using sky = new Constellation();
  const { one, network, mesh, stack } = await withRogue(sky, {
    heads: headsOf,
    feed: () => async () => toBytes({ none: true }),
  });
  const body = toBytes({ text: 'x' });
  const changes: Change[] = ['__proto__', 'constructor', 'a\u001b[2Jb', 'new\nline', 'right\u202eleft'].map((name) => ({
    kind: 'note',
    name,
    body,
  }));
  const odd: Change[] = [...changes, { kind: '__proto__', name: 'n', body }, { kind: 'no\nte', name: 'n', body }];
  network.publish(`/hermesh/feeds/1.0.0/${mesh}`, toBytes({ deltas: [deltaOf(mesh, 1, odd).wire] }));
  await eventually('they came', () => one.registry.directory.hidden().length > 0);
  const shown = one.registry.directory.list({ kind: 'note', stack, includeUnreachable: true }).map(({ name }) => name);
  assert.deepEqual(shown, ['__proto__', 'constructor']);
  assert.equal(one.registry.directory.hidden().length, 5);
  assert.ok(one.registry.directory.hidden().every(({ why }) => !/\p{C}/u.test(why)));
  assert.throws(() => write(one, 'bell\u0007', 'x'), /control/);
});

test('the deltas that are kept of one feed stay within four megabytes', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  for (let round = 0; round < 12; round += 1) {
    const text = `${round % 10}`.repeat(14_000);
    one.registry.write(Array.from({ length: 40 }, (_, at) => ({ kind: 'note', name: `n${at}`, body: { text } })));
  }
  const kept = one.database
    .prepare<{ count: number; bytes: number }>(
      'SELECT count(*) AS count, sum(length(wire)) AS bytes FROM registry_delta WHERE feed = ?',
    )
    .get(one.identity.stack);
  assert.ok(kept && kept.count > 1 && kept.bytes <= 4 * 1024 * 1024, JSON.stringify(kept));
});
