// What replication refuses and mends: forged, replayed and foreign heads, two histories, lost databases, hidden records.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { mayStand } from '#governance';
import { type Kind, type Network, RegistryError } from '#registry';
import { type Change, makeDelta, recordHash, recordKey } from '../../registry/feeds/feed.ts';
import { emptyRoot, put, rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { toBytes } from '../../registry/wire.ts';
import {
  Constellation,
  converge,
  identityOf,
  join,
  lawKind,
  type Node,
  noteKind,
  notes,
  write,
} from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const bodyOf = (text: string): Uint8Array => toBytes({ text });

/** A first delta of a feed as its owner would sign it, with one note. */
function deltaOf(
  owner: string,
  mesh: string,
  text: string,
  options: { counter?: number; kind?: string; by?: string } = {},
) {
  const { counter = 9, kind = 'note', by = owner } = options;
  const changes: Change[] = [{ kind, name: 'n', body: bodyOf(text) }];
  let trie: Trie;
  for (const change of changes)
    trie = put(trie, recordKey(change.kind, change.name), recordHash(change.body ?? emptyRoot));
  const head = {
    mesh,
    feed: identityOf(owner).stack,
    epoch: { counter, nonce: new Uint8Array(16).fill(7) },
    sequence: 1,
    count: 1,
    root: rootOf(trie),
    previous: emptyRoot,
  };
  return makeDelta(head, changes, (message) => identityOf(by).sign(message)).wire;
}

/** A mesh of two, a member's network without a registry behind it, and what it can send. */
async function withRogue(
  sky: Constellation,
): Promise<{ one: Node; two: Node; send(...deltas: Uint8Array[]): Promise<void> }> {
  const [one, two, rogue] = await sky.mesh('one', 'two', 'rogue');
  assert.ok(one && two && rogue);
  await rogue[Symbol.asyncDispose]();
  const network: Network = sky.hub.open(rogue.identity);
  network.setGate(() => 'member');
  await network.connect(one.registry.stack, one.network.addresses(), { signal: AbortSignal.timeout(2_000) });
  const topic = `/hermesh/feeds/1.0.0/${one.registry.mesh().id}`;
  let count = 0;
  return {
    one,
    two,
    // A true note at the end shows that what came before was looked at.
    send: async (...deltas) => {
      for (const delta of deltas) network.publish(topic, toBytes({ deltas: [delta] }));
      count += 1;
      write(two, 'marker', `${count}`);
      await eventually('the marker came', () => notes(one).includes(`marker=${count}@two`));
    },
  };
}

test('a forged head, another mesh’s head, bytes of no shape and a stranger’s head change nothing', async () => {
  await using sky = new Constellation();
  const { one, send } = await withRogue(sky);
  const mesh = one.registry.mesh().id;
  await send(
    deltaOf('rogue', mesh, 'forged', { by: 'two' }),
    deltaOf('two', mesh, 'forged', { by: 'rogue' }),
    deltaOf('rogue', 'f'.repeat(64), 'foreign'),
    deltaOf('stranger', mesh, 'strange'),
    Uint8Array.of(1, 2, 3),
    deltaOf('rogue', mesh, 'cut').slice(0, -10),
  );
  assert.deepEqual(notes(one), ['marker=1@two']);
});

test('a delta that was replaced does not come back by being replayed', async () => {
  await using sky = new Constellation();
  const { one, send } = await withRogue(sky);
  const mesh = one.registry.mesh().id;
  await send(deltaOf('rogue', mesh, 'old', { counter: 9 }), deltaOf('rogue', mesh, 'new', { counter: 10 }));
  assert.ok(notes(one).includes('n=new@rogue'));
  await send(deltaOf('rogue', mesh, 'old', { counter: 9 }), deltaOf('rogue', mesh, 'new', { counter: 10 }));
  assert.ok(notes(one).includes('n=new@rogue'));
  assert.deepEqual(one.registry.quarantined(), []);
});

test('two heads of one place quarantine their owner, and the first stays', async () => {
  await using sky = new Constellation();
  const { one, send } = await withRogue(sky);
  const mesh = one.registry.mesh().id;
  await send(deltaOf('rogue', mesh, 'this'), deltaOf('rogue', mesh, 'that'));
  assert.deepEqual(one.registry.quarantined(), [identityOf('rogue').stack]);
  await send(deltaOf('rogue', mesh, 'later', { counter: 20 }));
  assert.ok(notes(one).includes('n=this@rogue'));
});

test('a record of an unknown kind, of a wrong shape or beyond its owner’s right is kept, hidden and told of', async () => {
  await using sky = new Constellation();
  const [one, two] = [
    await sky.open('one'),
    await sky.open('two', {
      kinds: [noteKind, { ...lawKind, writer: 'any-member' }, { ...noteKind, name: 'novelty' }],
    }),
  ];
  await two.registry.join(one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 }).token, {
    signal: AbortSignal.timeout(5_000),
  });
  two.registry.write([
    { kind: 'law', name: 'tax', body: { text: 'more' } },
    { kind: 'novelty', name: 'x', body: { text: 'new' } },
    { kind: 'note', name: 'fine', body: { text: 'ok' } },
  ]);
  await converge([one], ['fine=ok@two']);
  assert.deepEqual(
    one.registry.directory.hidden().map(({ kind, why }) => [kind, why]),
    [
      ['law', 'only an admin may write the kind "law"'],
      ['novelty', 'the kind "novelty" is unknown here'],
    ],
  );
  assert.equal(one.registry.directory.get('law', 'tax'), undefined);
});

test('a viewer tells of itself and its CIs, and of nothing else', async () => {
  const ci: Kind = { ...noteKind, name: 'ci' };
  await using sky = new Constellation({ mayStand, kinds: [noteKind, ci] });
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  await join(two, one, 'viewer');
  two.registry.write([{ kind: 'ci', name: 'two', body: { text: 'here' } }]);
  await eventually('it is seen', () => one.registry.directory.get('ci', 'two'));
  assert.throws(() => write(two, 'n', 'x'), /a viewer may not publish a "note"/);
});

test('what governance says may not stand is hidden, and not written', async () => {
  await using sky = new Constellation();
  const mayStand = ({ body }: { body: unknown }) =>
    JSON.stringify(body).includes('secret') ? 'it names a secret' : undefined;
  const [one, two] = [await sky.open('one', { mayStand }), await sky.open('two')];
  await two.registry.join(one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 }).token, {
    signal: AbortSignal.timeout(5_000),
  });
  write(two, 'open', 'yes');
  write(two, 'closed', 'secret');
  await converge([one], ['open=yes@two']);
  await eventually('hidden', () => one.registry.directory.hidden()[0]?.why === 'it names a secret');
  assert.throws(
    () => write(one, 'own', 'secret'),
    (error) => error instanceof RegistryError && error.code === 'invalid-record',
  );
});

test('a stack goes on after a restart where it was', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-restart-'));
  try {
    await using sky = new Constellation();
    const one = await sky.open('one');
    const two = await sky.open('two', { file: path.join(folder, 'two.db') });
    await two.registry.join(one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 }).token, {
      signal: AbortSignal.timeout(5_000),
    });
    write(two, 'a', '1');
    await converge([one, two], ['a=1@two']);
    await two[Symbol.asyncDispose]();
    write(one, 'b', '2');
    const again = await sky.open('two', { file: path.join(folder, 'two.db') });
    assert.equal(again.registry.mesh().id, one.registry.mesh().id);
    write(again, 'c', '3');
    await converge([one, again], ['a=1@two', 'b=2@one', 'c=3@two']);
    assert.deepEqual(one.registry.quarantined(), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a stack that lost its database joins again, and begins above what was heard of it', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  for (let at = 0; at < 5; at += 1) write(two, 'old', `${at}`);
  await converge([one], ['old=4@two']);
  await two[Symbol.asyncDispose]();
  const again = await sky.open('two');
  await again.registry.join(one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 }).token, {
    signal: AbortSignal.timeout(5_000),
  });
  write(again, 'new', 'life');
  await converge([one, again], ['new=life@two']);
  assert.deepEqual(one.registry.quarantined(), []);
});
