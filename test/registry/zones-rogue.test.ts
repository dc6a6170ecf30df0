// A member of another zone that wants to be believed or to be fed: what it offers, forges and asks for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Handler, Network } from '#registry';
import { makeDelta, recordHash, recordKey } from '../../registry/feeds/feed.ts';
import { prove } from '../../registry/feeds/proof.ts';
import { makeProvenRecord } from '../../registry/feeds/proven.ts';
import { emptyRoot, put, rootOf } from '../../registry/feeds/trie.ts';
import { briefOf } from '../../registry/replication/fingerprints.ts';
import { readValue, toBytes } from '../../registry/wire.ts';
import { Constellation, converge, identityOf, join, type Node, notes, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const bounds = { access: 'member', maxRequestBytes: 1024 * 1024, timeoutMs: 5_000 } as const;
const limit = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) });

interface Scene {
  readonly here: Node;
  readonly east: Node;
  /** A member of zone "west", of which nothing but its network runs. */
  readonly rogue: Network;
  readonly ask: (protocol: string, message: unknown) => Promise<Record<string, unknown>>;
}

/** One stack of the zone without a name, one of "east", and a network that has a certificate of "west". */
async function withRogue(sky: Constellation, serve: Readonly<Record<string, Handler>> = {}): Promise<Scene> {
  const here = await sky.open('here');
  const east = await sky.open('east', { zone: 'east' });
  const west = await sky.open('rogue', { zone: 'west' });
  await join(east, here);
  await join(west, here);
  await west[Symbol.asyncDispose]();
  const rogue = sky.hub.open(west.identity);
  rogue.setGate(() => 'member');
  const quiet: Handler = async () => toBytes({ roster: null, parts: null });
  for (const [protocol, handler] of Object.entries({ heads: quiet, ...serve })) {
    rogue.serve(`/hermesh/${protocol}/1.0.0`, bounds, handler);
  }
  await rogue.connect(here.registry.stack, here.network.addresses(), limit());
  const ask: Scene['ask'] = async (protocol, message) => {
    const options = { ...limit(), maxResponseBytes: 1024 * 1024 };
    const bytes = await rogue.request(here.registry.stack, `/hermesh/${protocol}/1.0.0`, toBytes(message), options);
    return readValue(bytes) as Record<string, unknown>;
  };
  return { here, east, rogue, ask };
}

/** A record that the rogue's feed holds, with its proof; and the delta of that feed. */
function ownRecord(mesh: string, kind: string, name: string, body: unknown) {
  const change = { kind, name, body: toBytes(body) };
  const trie = put(undefined, recordKey(kind, name), recordHash(change.body));
  const epoch = { counter: 90, nonce: new Uint8Array(16).fill(7) };
  const feed = identityOf('rogue').stack;
  const head = { mesh, feed, epoch, sequence: 1, count: 1, root: rootOf(trie), previous: emptyRoot };
  const delta = makeDelta(head, [change], (message) => identityOf('rogue').sign(message));
  const wire = makeProvenRecord([delta.bytes, delta.signature], change, prove(trie, recordKey(kind, name)));
  return { delta, wire };
}

/** The record with another body under the same head and proof. */
function withBody(wire: Uint8Array, change: (body: Record<string, unknown>) => object): Uint8Array {
  const parts = readValue(wire) as unknown[];
  return toBytes([...parts.slice(0, 4), toBytes(change(readValue(parts[4] as Uint8Array) as never)), parts[5]]);
}

test('a forged summary, and one of a zone that its owner is not of, are refused (failure mode 15)', async () => {
  await using sky = new Constellation();
  const { here, east, ask } = await withRogue(sky);
  const heard = () => here.registry.zones().find(({ zone }) => zone === 'east')?.heard;
  await eventually('east is heard of', () => heard()?.by === east.registry.stack);
  const { summaries } = (await ask('zone', { have: [], summaries: [] })) as { summaries: Uint8Array[] };
  const ofEast = summaries.find((wire) => (readValue(wire) as unknown[])[3] === 'east');
  assert.ok(ofEast);
  const forged = withBody(ofEast, (body) => ({ ...body, up: 99 }));
  const body = readValue((readValue(ofEast) as unknown[])[4] as Uint8Array) as object;
  const alien = ownRecord(here.registry.mesh().id, 'zone', 'east', { ...body, up: 98 }).wire;
  await assert.rejects(ask('zone', { have: [], summaries: [forged, alien] }), { code: 'refused' });
  await ask('zone', { have: [], summaries: [alien] });
  assert.equal(heard()?.up, 1);
  assert.equal(heard()?.by, east.registry.stack);
  const own = ownRecord(here.registry.mesh().id, 'zone', 'west', { ...body, zone: 'west', up: 7 }).wire;
  await ask('zone', { have: [], summaries: [own] });
  const west = here.registry.zones().find(({ zone }) => zone === 'west');
  assert.deepEqual([west?.heard?.up, west?.stale], [7, false]);
});

test('what a gateway said long ago is not fresh to who hears it for the first time (failure mode 15)', async () => {
  await using sky = new Constellation();
  const { here, east, ask } = await withRogue(sky);
  const of = (name: string) => here.registry.zones().find(({ zone }) => zone === name);
  await eventually('east is heard of', () => of('east')?.heard?.by === east.registry.stack);
  const { summaries } = (await ask('zone', { have: [], summaries: [] })) as { summaries: Uint8Array[] };
  const ofEast = summaries.find((wire) => (readValue(wire) as unknown[])[3] === 'east');
  const body = readValue((readValue(ofEast ?? new Uint8Array()) as unknown[])[4] as Uint8Array) as object;
  const longAgo = { ...body, zone: 'west', up: 7, at: Date.now() - 10 * 60_000 };
  await ask('zone', { have: [], summaries: [ownRecord(here.registry.mesh().id, 'zone', 'west', longAgo).wire] });
  assert.deepEqual([of('west')?.heard?.up, of('west')?.stale], [7, true]);
  assert.equal(of('east')?.stale, false);
});

test('a record that its owner did not sign, or that another zone owns, is not found (failure mode 15)', async () => {
  await using sky = new Constellation();
  let answer: Uint8Array[] = [];
  const { here, east, ask } = await withRogue(sky, { record: async () => toBytes({ records: answer }) });
  write(east, 'menu', 'soup');
  await eventually('east is heard of', () =>
    here.registry.zones().some(({ zone, heard }) => zone === 'east' && heard !== undefined),
  );
  await eventually(
    'the record is found',
    async () => {
      const { records } = await here.registry.find('note', 'menu', limit());
      return records.some(({ zone }) => zone === 'east');
    },
    { everyMs: 50 },
  );
  const real = ownRecord(here.registry.mesh().id, 'note', 'dish', { text: 'fish' }).wire;
  const { summaries } = (await ask('zone', { have: [], summaries: [] })) as { summaries: Uint8Array[] };
  const ofOther = summaries.find((wire) => (readValue(wire) as unknown[])[3] === 'east') ?? real;
  for (const [name, given] of Object.entries({
    forged: withBody(real, () => ({ text: 'poison' })),
    misnamed: ownRecord(here.registry.mesh().id, 'note', 'other', { text: 'fish' }).wire,
    shapeless: ownRecord(here.registry.mesh().id, 'note', 'shapeless', { text: 7 }).wire,
    foreign: ofOther,
  })) {
    answer = [given];
    const { records, unanswered } = await here.registry.find('note', name, limit());
    assert.deepEqual(records, [], name);
    assert.deepEqual(unanswered, ['west'], name);
  }
  answer = [real];
  const { records } = await here.registry.find('note', 'dish', limit());
  assert.deepEqual(
    records.map(({ zone, stackName, body }) => ({ zone, stackName, body })),
    [{ zone: 'west', stackName: 'rogue', body: { text: 'fish' } }],
  );
});

test('a member of another zone is given no heads and no feed, and what it offers or publishes is not taken', async () => {
  await using sky = new Constellation({ antiEntropyMs: 20 });
  let asked = 0;
  const { here, rogue, ask } = await withRogue(sky, {
    feed: async () => {
      asked += 1;
      return toBytes({ none: true });
    },
  });
  const two = await sky.open('two');
  await join(two, here);
  write(here, 'a', '1');
  await converge([here, two], ['a=1@here']);
  const mesh = here.registry.mesh().id;
  const { delta } = ownRecord(mesh, 'note', 'intruder', { text: 'x' });
  const { feed, epoch, sequence } = delta.head;
  const offer = [briefOf({ feed, epoch, sequence, hash: delta.hash })];
  const heads = await ask('heads', { heads: new Uint8Array(32), offer });
  assert.equal(heads['parts'], null);
  assert.deepEqual(await ask('feed', { feed: here.registry.stack, have: null, after: null }), { none: true });
  rogue.publish(`/hermesh/feeds/1.0.0/${mesh}`, toBytes({ deltas: [delta.wire] }));
  write(here, 'b', '2');
  await converge([here, two], ['a=1@here', 'b=2@here']);
  assert.equal(asked, 0);
  for (const node of [here, two]) {
    assert.equal(
      notes(node).some((note) => note.startsWith('intruder')),
      false,
    );
    const kept = node.database.prepare<{ feed: string }>('SELECT feed FROM registry_head').all();
    assert.equal(
      kept.some((row) => row.feed === feed),
      false,
    );
  }
});
