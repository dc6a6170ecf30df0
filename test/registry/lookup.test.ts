// Lookups from memory: whatever happened meanwhile, they say what the store says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Constellation, converge, join, type Node, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';
import { seededRandom } from '../support/seeded-random.ts';

const names = ['a', 'b', 'c', 'd', 'd@one'];

/** `list` always asks the store; lookups may answer from memory. */
function agree({ registry: { directory } }: Node, when: string): void {
  for (const includeUnreachable of [false, true]) {
    for (const name of names) {
      const stored = directory.list({ kind: 'note', name, includeUnreachable });
      assert.deepEqual(directory.claimants('note', name, { includeUnreachable }), stored, when);
      assert.deepEqual(
        directory.get('note', name, { includeUnreachable })?.body,
        stored[0]?.body ?? atStack(name),
        when,
      );
    }
    function atStack(name: string): unknown {
      const [label, stack] = name.split('@');
      if (label === undefined || stack === undefined) return undefined;
      return directory.list({ kind: 'note', name: label, stack, includeUnreachable })[0]?.body;
    }
  }
}

test('lookups from memory agree with the store through random writes, deletions, rollbacks and absences', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const random = seededRandom(7);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  let isCut = false;
  for (let step = 0; step < 600; step += 1) {
    const when = `step ${step}`;
    const node = pick([one, two]);
    const text = random() < 0.3 ? undefined : `${step}`;
    const act = random();
    if (act < 0.5) write(node, pick(names), text);
    else if (act < 0.8) {
      // Read within the transaction, before and after a write that is then taken back in part or whole.
      const isTaken = random() < 0.5;
      try {
        node.database.transaction(() => {
          agree(node, `${when}, begun`);
          write(node, pick(names), text);
          agree(node, `${when}, within`);
          node.database.beforeCommit(() => agree(node, `${when}, at the commit`));
          if (isTaken) throw new Error('taken back');
        });
      } catch (error) {
        assert.match((error as Error).message, /taken back/);
      }
    } else if (act < 0.85) {
      isCut = !isCut;
      if (isCut) sky.hub.cut(one.registry.stack, two.registry.stack);
      else sky.hub.heal(one.registry.stack, two.registry.stack);
    } else await new Promise((resolve) => setImmediate(resolve));
    agree(one, when);
    agree(two, when);
  }
  sky.hub.heal(one.registry.stack, two.registry.stack);
  await eventually('both are up again', () =>
    [one, two].every(({ registry }) =>
      registry.directory.list({ kind: 'stack' }).every((each) => each.presence.state === 'up'),
    ),
  );
  agree(one, 'in the end');
});

test('a lookup forgets a stack that is revoked and finds one that joins', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const three = await sky.open('three');
  write(two, 'a', 'of two');
  write(three, 'a', 'of three');
  await converge([one], ['a=of two@two']);
  assert.equal(one.registry.directory.claimants('note', 'a').length, 1);
  await join(three, one);
  await eventually('both are there', () => one.registry.directory.claimants('note', 'a').length === 2);
  await one.registry.revoke('two');
  assert.deepEqual(
    one.registry.directory.claimants('note', 'a').map(({ stackName }) => stackName),
    ['three'],
  );
  agree(one, 'after the revocation');
});

test('what a lookup gives cannot be changed by who reads it', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  write(one, 'a', 'kept');
  const first = one.registry.directory.get<{ text: string }>('note', 'a');
  assert.throws(() => {
    (first as { body: { text: string } }).body.text = 'changed';
  }, TypeError);
  assert.equal(one.registry.directory.get<{ text: string }>('note', 'a')?.body.text, 'kept');
});
