// Zones over several registries in one process: what stays within one, what is told between them, and what is believed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewaysOf } from '#registry/zones';
import { Constellation, converge, join, type Node, notes, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const limit = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(10_000) });

const zones = ['', 'east', 'west'];

/** Three zones of so many stacks, named by zone and number; the first of the first zone founded the mesh. */
async function threeZones(constellation: Constellation, size: number): Promise<Map<string, Node[]>> {
  const founder = await constellation.open('main-1');
  const all = new Map<string, Node[]>(zones.map((zone) => [zone, zone === '' ? [founder] : []]));
  for (const zone of zones) {
    const nodes = all.get(zone) ?? [];
    while (nodes.length < size) {
      const node = await constellation.open(`${zone || 'main'}-${nodes.length + 1}`, { zone });
      await join(node, founder);
      nodes.push(node);
    }
  }
  return all;
}

function nodesOf(all: ReadonlyMap<string, readonly Node[]>): Node[] {
  return [...all.values()].flat();
}

/** Resolves once each stack hears of all zones by summaries that count all of their stacks as up. */
async function heardEverywhere(nodes: readonly Node[], size: number): Promise<void> {
  for (const node of nodes) {
    await eventually(
      `"${node.name}" hears of all zones`,
      () => node.registry.zones().filter(({ heard, stale }) => heard?.up === size && !stale).length === zones.length,
      { timeoutMs: 20_000, everyMs: 20 },
    );
  }
}

test('feeds stay within their zone, and a summary of each zone arrives everywhere', async () => {
  await using constellation = new Constellation();
  const all = await threeZones(constellation, 4);
  for (const [zone, nodes] of all) for (const node of nodes) write(node, `of-${node.name}`, `in ${zone}`);
  await heardEverywhere(nodesOf(all), 4);
  for (const [zone, nodes] of all) {
    for (const node of nodes) {
      await eventually(`"${node.name}" has the notes of its zone`, () => notes(node).length === 4);
      assert.deepEqual(
        notes(node).map((note) => note.split('@')[1]),
        nodes.map(({ name }) => name).sort(),
      );
      const own = node.registry.zones().filter((each) => each.own);
      assert.deepEqual(
        own.map((each) => each.zone),
        [zone],
      );
      const feeds = node.database.prepare<{ feed: string }>('SELECT feed FROM registry_head').all();
      assert.deepEqual(feeds.map(({ feed }) => feed).sort(), nodes.map((each) => each.identity.stack).sort());
    }
  }
});

test('a record of another zone is found from any stack, with the one that owns it', async () => {
  await using constellation = new Constellation();
  const all = await threeZones(constellation, 3);
  await heardEverywhere(nodesOf(all), 3);
  const [, , owner] = all.get('west') ?? [];
  assert.ok(owner);
  write(owner, 'menu', 'soup');
  await converge(all.get('west') ?? [], ['menu=soup@west-3']);
  for (const node of nodesOf(all)) {
    for (const label of ['menu', 'menu@west-3', `menu@${owner.identity.stack}`]) {
      const { records, unanswered } = await node.registry.find('note', label, limit());
      assert.deepEqual(
        records.map(({ name, stackName, stack, zone, body }) => ({ name, stackName, stack, zone, body })),
        [{ name: 'menu', stackName: 'west-3', stack: owner.identity.stack, zone: 'west', body: { text: 'soup' } }],
      );
      assert.deepEqual(unanswered, []);
    }
    const other = await node.registry.find('note', 'menu@west-1', limit());
    assert.deepEqual(other.records, []);
  }
});

test('the own zone comes before the others, and claimants of a name are all told', async () => {
  await using constellation = new Constellation();
  const all = await threeZones(constellation, 2);
  const [one] = all.get('') ?? [];
  assert.ok(one);
  await heardEverywhere(nodesOf(all), 2);
  for (const name of ['east', 'west']) {
    const [node] = all.get(name) ?? [];
    assert.ok(node);
    write(node, 'menu', name);
    await converge(all.get(name) ?? [], [`menu=${name}@${name}-1`]);
  }
  await eventually(
    'both are found',
    async () => {
      const { records } = await one.registry.find('note', 'menu', limit());
      return JSON.stringify(records.map(({ zone }) => zone).sort()) === '["east","west"]';
    },
    { timeoutMs: 20_000, everyMs: 50 },
  );
  write(one, 'menu', 'here');
  const here = await one.registry.find('note', 'menu', limit());
  assert.deepEqual(
    here.records.map(({ zone, stackName }) => `${zone} ${stackName}`),
    [' main-1'],
  );
});

test('a gateway that goes is replaced, and the zone is heard of further on', async () => {
  await using constellation = new Constellation();
  const all = await threeZones(constellation, 4);
  await heardEverywhere(nodesOf(all), 4);
  const [one] = all.get('') ?? [];
  const east = all.get('east') ?? [];
  assert.ok(one);
  const ranked = gatewaysOf(
    'east',
    east.map(({ identity }) => identity.stack),
  );
  const gone = east.find(({ identity }) => identity.stack === ranked[0]);
  const left = east.filter((node) => node !== gone);
  await gone?.[Symbol.asyncDispose]();
  const next = gatewaysOf(
    'east',
    left.map(({ identity }) => identity.stack),
  ).sort();
  await eventually(
    'the next in rank speaks',
    () => {
      const seen = one.registry.zones().find(({ zone }) => zone === 'east');
      return seen?.heard?.up === 3 && JSON.stringify([...seen.gateways].sort()) === JSON.stringify(next);
    },
    { timeoutMs: 20_000, everyMs: 20 },
  );
  const [writer] = left;
  assert.ok(writer);
  write(writer, 'after', 'the gateway went');
  await eventually(
    'its records are found',
    async () => {
      const { records } = await one.registry.find('note', 'after', limit());
      return records[0]?.stackName === writer.name;
    },
    { timeoutMs: 20_000, everyMs: 50 },
  );
});

test('a zone that is cut off is shown as stale, and said to be unanswered where something is not found', async () => {
  await using constellation = new Constellation();
  const all = await threeZones(constellation, 2);
  await heardEverywhere(nodesOf(all), 2);
  const [one] = all.get('') ?? [];
  assert.ok(one);
  for (const west of all.get('west') ?? []) {
    for (const other of [...(all.get('') ?? []), ...(all.get('east') ?? [])]) {
      constellation.hub.cut(west.identity.stack, other.identity.stack);
    }
  }
  const found = await one.registry.find('note', 'nothing', limit());
  assert.deepEqual(found, { records: [], unanswered: ['west'] });
  await eventually('it is stale', () => one.registry.zones().find(({ zone }) => zone === 'west')?.stale === true, {
    timeoutMs: 20_000,
    everyMs: 20,
  });
  assert.equal(one.registry.zones().find(({ zone }) => zone === 'east')?.stale, false);
});

test('a zone that is full refuses, and says how to mend it', async () => {
  await using constellation = new Constellation({ maxZoneMembers: 2 });
  const [one] = await constellation.mesh('one', 'two');
  assert.ok(one);
  const three = await constellation.open('three');
  await assert.rejects(join(three, one), { code: 'zone-full', message: /--zone/ });
  assert.equal(three.registry.mesh().foundedHere, true);
  const four = await constellation.open('four', { zone: 'annex' });
  await join(four, one);
  assert.equal(one.registry.members().find(({ name }) => name === 'four')?.zone, 'annex');
});

test('a revocation reaches the other zones', async () => {
  await using constellation = new Constellation();
  const all = await threeZones(constellation, 2);
  await heardEverywhere(nodesOf(all), 2);
  const [one] = all.get('') ?? [];
  await one?.registry.revoke('west-2');
  for (const node of [...(all.get('east') ?? []), ...(all.get('west') ?? []).slice(0, 1)]) {
    await eventually(
      `"${node.name}" knows`,
      () => {
        const gone = node.registry.members().find(({ name }) => name === 'west-2');
        return gone?.liveness.state === 'revoked';
      },
      { timeoutMs: 20_000, everyMs: 20 },
    );
  }
});

test('a mesh of one zone writes no summaries', async () => {
  await using constellation = new Constellation();
  const nodes = await constellation.mesh('one', 'two');
  for (const node of nodes) {
    assert.deepEqual(
      node.registry.zones().map(({ zone, own, stacks, stale, heard }) => ({ zone, own, stacks, stale, heard })),
      [{ zone: '', own: true, stacks: 2, stale: false, heard: undefined }],
    );
    assert.deepEqual(node.registry.directory.list({ kind: 'zone', includeUnreachable: true }), []);
  }
});
