// Programs of several versions in one mesh: kinds and protocols that only some know, one after the other replaced and put back.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { defineKind, type Kind, type Log } from '#registry';
import { toBytes } from '../../registry/wire.ts';
import { Constellation, identityOf, join, lawKind, type Node, noteKind } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

/** What the newer program knows besides: a kind, and one more field of an old one. */
const planKind = defineKind({
  name: 'plan',
  schema: z.strictObject({ steps: z.array(z.string().max(100)).max(10) }),
  maxBytes: 4_000,
  writer: 'any-member',
});
const newerNoteKind = defineKind({
  ...noteKind,
  schema: z.strictObject({ text: z.string().max(15_000), color: z.string().max(20).optional() }),
});
const older: readonly Kind[] = [noteKind, lawKind];
const newer: readonly Kind[] = [newerNoteKind, lawKind, planKind];
const names = ['one', 'two', 'three'];
const nextProtocol = '/hermesh/next/1.0.0';

/** All that a stack shows of a kind. */
function shown(node: Node, kind: string): string[] {
  return node.registry.directory
    .list({ kind, includeUnreachable: true })
    .map(({ name }) => name)
    .sort();
}

async function shows(nodes: readonly Node[], kind: string, expected: readonly string[]): Promise<void> {
  for (const node of nodes) {
    const sorted = [...expected].sort();
    await eventually(
      `"${node.name}" shows ${expected} of "${kind}"`,
      () => {
        assert.deepEqual(shown(node, kind), sorted);
        return true;
      },
      { timeoutMs: 20_000 },
    );
  }
}

test('stacks of two versions work side by side, are replaced one by one and put back, and no record is lost (failure mode 31)', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-mixed-'));
  try {
    await using sky = new Constellation({ kinds: older });
    const nodes = new Map<string, Node>();
    const run = async (name: string, kinds: readonly Kind[]): Promise<Node> => {
      await nodes.get(name)?.[Symbol.asyncDispose]();
      const node = await sky.open(name, { kinds, file: path.join(folder, `${name}.db`) });
      if (kinds === newer) {
        const bounds = { access: 'member', maxRequestBytes: 100, timeoutMs: 1_000 } as const;
        node.network.serve(nextProtocol, bounds, async (request) => request);
      }
      nodes.set(name, node);
      return node;
    };
    const all = (): Node[] => [...nodes.values()];
    /** One by one: each is there again, at its new address, before the next one goes. */
    const replace = async (name: string, kinds: readonly Kind[]): Promise<Node> => {
      const node = await run(name, kinds);
      for (const each of all()) {
        await eventually(`"${each.name}" is connected with both`, () => each.network.connected().length === 2);
      }
      return node;
    };
    for (const name of names) await run(name, older);
    const [one, two, three] = all();
    assert.ok(one && two && three);
    await join(two, one);
    await join(three, one);
    one.registry.write([{ kind: 'note', name: 'of-old', body: { text: 'x' } }]);
    await shows(all(), 'note', ['of-old']);

    // Up, one by one: the newer ones write what the older ones can't read, and these go on with the rest.
    const up = await replace('three', newer);
    up.registry.write([
      { kind: 'plan', name: 'plan', body: { steps: ['a'] } },
      { kind: 'note', name: 'colored', body: { text: 'x', color: 'red' } },
      { kind: 'note', name: 'plain', body: { text: 'x' } },
    ]);
    await shows([up], 'note', ['of-old', 'colored', 'plain']);
    await shows([one, two], 'note', ['of-old', 'plain']);
    assert.deepEqual(shown(two, 'plan'), []);
    // The newer program finds that the older doesn't serve what is new, and nothing else comes of it.
    const options = { signal: AbortSignal.timeout(2_000), maxResponseBytes: 100 };
    await assert.rejects(up.network.request(two.registry.stack, nextProtocol, new Uint8Array(1), options), {
      code: 'refused',
    });
    for (const name of ['two', 'one']) await replace(name, newer);
    await shows(all(), 'note', ['of-old', 'colored', 'plain']);
    await shows(all(), 'plan', ['plan']);
    // And down again.
    for (const name of names) await replace(name, older);
    await shows(all(), 'note', ['of-old', 'plain']);
    (nodes.get('three') as Node).registry.write([{ kind: 'note', name: 'after', body: { text: 'x' } }]);
    await shows(all(), 'note', ['of-old', 'plain', 'after']);
    for (const node of all()) assert.deepEqual(node.registry.quarantined(), []);
    // What the older program could not read was kept for the newer one, the owner's too.
    for (const name of names) await replace(name, newer);
    await shows(all(), 'note', ['of-old', 'colored', 'plain', 'after']);
    await shows(all(), 'plan', ['plan']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

interface Told {
  readonly log: Log;
  readonly lines: string[];
}

function listen(): Told {
  const lines: string[] = [];
  const say = (_: object, message: string): void => void lines.push(message);
  return { log: { debug: () => {}, info: () => {}, warn: say, error: say }, lines };
}

test('a message with a key that is not known is refused and told, and the member that sent it stays (failure mode 31)', async () => {
  const { log, lines } = listen();
  await using sky = new Constellation();
  const one = await sky.open('one', { log });
  const two = await sky.open('two');
  await join(two, one);
  await eventually('they are connected', () => two.network.connected().includes(one.registry.stack));
  const request = toBytes({ roster: two.registry.mesh().id.slice(0, 64), future: true });
  const options = { signal: AbortSignal.timeout(2_000), maxResponseBytes: 100_000 };
  await assert.rejects(two.network.request(one.registry.stack, '/hermesh/heads/1.0.0', request, options));
  assert.ok(lines.includes('refused what a peer sent'), lines.join());
  two.registry.write([{ kind: 'note', name: 'after', body: { text: 'x' } }]);
  await shows([one], 'note', ['after']);
  assert.ok(one.network.connected().includes(two.registry.stack));
  assert.deepEqual(
    lines.filter((line) => line.includes('cut')),
    [],
  );
});

test('a member that speaks only protocols of the future is left alone (failure mode 31)', async () => {
  const { log, lines } = listen();
  await using sky = new Constellation({ antiEntropyMs: 20 });
  const one = await sky.open('one', { log });
  const two = await sky.open('two', { log });
  await join(two, one);
  const future = await sky.open('future');
  await join(future, one);
  await eventually('all know it', () => two.registry.members().length === 3);
  await future[Symbol.asyncDispose]();
  await using network = sky.hub.open(identityOf('future'));
  network.setGate(() => 'member');
  let asked = 0;
  const bounds = { access: 'member', maxRequestBytes: 1_000, timeoutMs: 1_000 } as const;
  network.serve('/hermesh/heads/2.0.0', bounds, async (request) => {
    asked += 1;
    return request;
  });
  for (const node of [one, two]) {
    await network.connect(node.registry.stack, node.network.addresses(), { signal: AbortSignal.timeout(5_000) });
  }
  for (let at = 0; at < 20; at += 1) {
    one.registry.write([{ kind: 'note', name: `n${at}`, body: { text: 'x' } }]);
    await eventually('it is there', () => shown(two, 'note').length === at + 1);
  }
  assert.equal(asked, 0);
  assert.equal(network.connected().length, 2, 'nobody closed its connections');
  assert.deepEqual(lines, []);
});
