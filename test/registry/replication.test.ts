// What one stack writes, every stack of its mesh comes to hold: over a good network, a bad one, and after a while away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Constellation, converge, write } from '../support/constellation.ts';

test('two stacks of a mesh converge', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  write(one, 'greeting', 'hello');
  write(two, 'answer', 'yes');
  await converge([one, two], ['greeting=hello@one', 'answer=yes@two']);
});

test('five stacks converge, and deletes travel', async () => {
  await using sky = new Constellation();
  const nodes = await sky.mesh('a', 'b', 'c', 'd', 'e');
  for (const node of nodes) for (const name of ['x', 'y']) write(node, name, `of ${node.name}`);
  await converge(
    nodes,
    nodes.flatMap(({ name }) => [`x=of ${name}@${name}`, `y=of ${name}@${name}`]),
  );
  for (const node of nodes) write(node, 'x', undefined);
  await converge(
    nodes,
    nodes.map(({ name }) => `y=of ${name}@${name}`),
  );
});

test('with everything published lost, the mesh converges by asking', async () => {
  await using sky = new Constellation();
  const nodes = await sky.mesh('a', 'b', 'c');
  sky.hub.losesPublished = true;
  for (const node of nodes) write(node, 'note', node.name);
  await converge(
    nodes,
    nodes.map(({ name }) => `note=${name}@${name}`),
  );
});
