// Presence as stacks of one process show it, over the twin of the network.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Constellation, converge, type Node, noteKind, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

/** Short times, so that a silent stack is found in half a second. */
const liveness = { pingMs: 200, answerMs: 150, retryMs: 100, probeMs: 500, graceMs: 1_000, crowdMs: 500 };

/** Five stacks that all see one another as up. */
async function five(sky: Constellation): Promise<Node[]> {
  const nodes = await sky.mesh('a', 'b', 'c', 'd', 'e');
  await eventually('all are up', () => nodes.every((node) => statesAt(node).every((state) => state === 'up')));
  return nodes;
}

function presence(at: Node, name: string) {
  const member = at.registry.members().find((each) => each.name === name);
  assert.ok(member);
  return member.liveness;
}

/** Of all members, by name. */
function statesAt(node: Node): string[] {
  return node.registry.members().map(({ liveness: { state } }) => state);
}

function shows(nodes: readonly Node[], name: string, state: string): Promise<unknown> {
  return eventually(`${nodes.map((node) => node.name)} show "${name}" as ${state}`, () =>
    nodes.every((node) => presence(node, name).state === state),
  );
}

/** Breaks or silences all links between two sides. */
function between(some: readonly Node[], others: readonly Node[], act: (one: string, other: string) => void): void {
  for (const one of some) for (const other of others) act(one.identity.stack, other.identity.stack);
}

test('one of five that is cut off is down at all the others, with who says so, and its records are left out till it is back', async () => {
  await using sky = new Constellation({ liveness });
  const nodes = await five(sky);
  const [lost, ...others] = nodes;
  assert.ok(lost);
  write(lost, 'note', 'kept');
  await converge(nodes, ['note=kept@a']);
  between([lost], others, (one, other) => sky.hub.cut(one, other));
  await shows(others, 'a', 'down');
  const ids = new Set(others.map(({ identity }) => identity.stack));
  for (const node of others) {
    const { by, why } = presence(node, 'a');
    assert.ok(by.length >= 3 && by.every((stack) => ids.has(stack)), `${by}`);
    assert.match(why, /^\d of its 4 observers can't reach it$/);
    assert.equal(node.registry.directory.get(noteKind, 'note'), undefined);
    assert.equal(node.registry.directory.get(noteKind, 'note', { includeUnreachable: true })?.body.text, 'kept');
  }
  assert.deepEqual(statesAt(lost).slice(1), ['unreachable', 'unreachable', 'unreachable', 'unreachable']);
  between([lost], others, (one, other) => sky.hub.heal(one, other));
  await eventually('all are up', () => nodes.every((node) => statesAt(node).every((state) => state === 'up')));
  for (const node of others) assert.equal(node.registry.directory.get(noteKind, 'note')?.body.text, 'kept');
});

test('where links go silent between two and three, the three mark the two down and are not marked, and all heal (failure mode 8)', async () => {
  await using sky = new Constellation({ liveness });
  const nodes = await five(sky);
  const [few, many] = [nodes.slice(0, 2), nodes.slice(2)];
  const silence = (one: string, other: string): void => {
    sky.hub.silence(one, other);
    sky.hub.silence(other, one);
  };
  between(few, many, silence);
  await shows(many, 'a', 'down');
  await shows(many, 'b', 'down');
  for (const name of ['c', 'd', 'e']) await shows(few, name, 'unreachable');
  for (const name of ['c', 'd', 'e']) await shows(many, name, 'up');
  between(few, many, (one, other) => sky.hub.heal(one, other));
  await eventually('all are up', () => nodes.every((node) => statesAt(node).every((state) => state === 'up')), {
    timeoutMs: 20_000,
  });
});

test('a link that is silent one way makes nobody down (failure mode 8)', async () => {
  await using sky = new Constellation({ liveness });
  const nodes = await five(sky);
  const [one, two] = nodes;
  assert.ok(one && two);
  sky.hub.silence(one.identity.stack, two.identity.stack);
  await eventually('somebody doubts', () => nodes.some((node) => statesAt(node).some((state) => state !== 'up')));
  const shown = new Set<string>();
  let rounds = 0;
  await eventually('many rounds', () => {
    for (const state of nodes.flatMap(statesAt)) shown.add(state);
    rounds += 1;
    return rounds > 60;
  });
  assert.ok(!shown.has('down'), [...shown].join(', '));
  sky.hub.heal(one.identity.stack, two.identity.stack);
  await eventually('all are up', () => nodes.every((node) => statesAt(node).every((state) => state === 'up')), {
    timeoutMs: 20_000,
  });
});

test('with all that is published lost, a stack that is gone is down at the others all the same (failure mode 6)', async () => {
  await using sky = new Constellation({ liveness });
  const nodes = await five(sky);
  const [lost, ...others] = nodes;
  assert.ok(lost);
  sky.hub.losesPublished = true;
  between([lost], others, (one, other) => sky.hub.cut(one, other));
  await shows(others, 'a', 'down');
  between([lost], others, (one, other) => sky.hub.heal(one, other));
  await eventually('all are up', () => nodes.every((node) => statesAt(node).every((state) => state === 'up')), {
    timeoutMs: 20_000,
  });
});

test('a daemon that stops says so, and the others believe it alone', async () => {
  await using sky = new Constellation({ liveness });
  const [stopped, ...others] = await five(sky);
  assert.ok(stopped);
  await stopped[Symbol.asyncDispose]();
  await shows(others, 'a', 'down');
  for (const node of others) {
    const { why, by } = presence(node, 'a');
    assert.deepEqual([why, by], ['it stopped', [stopped.identity.stack]]);
  }
});

test('an exchange tells how far the clock of the other is ahead, and how long asking took', async () => {
  const aheadMs = 20_000;
  const samples: { stack: string; offsetMs: number; roundTripMs: number }[] = [];
  await using sky = new Constellation({ liveness });
  const one = await sky.open('one', {
    timeSample: (stack, offsetMs, roundTripMs) => samples.push({ stack, offsetMs, roundTripMs }),
  });
  const two = await sky.open('two', { now: () => Date.now() + aheadMs });
  const { token } = one.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 });
  await two.registry.join(token, { signal: AbortSignal.timeout(5_000) });
  const sample = await eventually('a sample', () => samples[0]);
  assert.equal(sample.stack, two.identity.stack);
  assert.ok(Math.abs(sample.offsetMs - aheadMs) <= sample.roundTripMs + 2, `${sample.offsetMs}`);
  assert.ok(sample.roundTripMs >= 0 && sample.roundTripMs < 5_000);
});
