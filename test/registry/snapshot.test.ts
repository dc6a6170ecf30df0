// Late joiners and large feeds: what is behind by more than the kept deltas comes as a snapshot, page by page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryError } from '#registry';
import { Constellation, converge, join, type Node, notes, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

test('a late joiner gets everything that is there, and nothing that was deleted', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  for (let at = 0; at < 300; at += 1) write(one, `n${at % 50}`, `${at}`);
  for (let at = 0; at < 40; at += 1) write(one, `n${at}`, undefined);
  const late = await sky.open('late');
  await join(late, one);
  const expected = Array.from({ length: 10 }, (_, at) => `n${at + 40}=${at + 290}@one`);
  await converge([one, two, late], expected);
});

test('a feed of 10,000 records comes through, also while it is written to, and one more is refused', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  const many = Array.from({ length: 9_999 }, (_, at) => ({
    kind: 'note',
    name: `n${at}`,
    body: { text: 'x'.repeat(300) },
  }));
  one.registry.write(many);
  assert.throws(
    () => write(one, 'more', 'x'),
    (error) => error instanceof RegistryError && error.code === 'feed-full',
  );
  assert.equal(one.registry.directory.get('note', 'more'), undefined);
  const two = await sky.open('two');
  await join(two, one);
  for (let at = 0; at < 20; at += 1) {
    write(one, `n${at}`, 'changed');
    await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually(
    'all there',
    () => {
      const all = notes(two);
      return all.length === 9_999 && all.filter((note) => note.includes('=changed@')).length === 20;
    },
    { timeoutMs: 20_000, everyMs: 200 },
  );
});

test('a stack brings a large feed along when it joins', async () => {
  await using sky = new Constellation();
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  two.registry.write(
    Array.from({ length: 500 }, (_, at) => ({ kind: 'note', name: `n${at}`, body: { text: 'x'.repeat(1_000) } })),
  );
  await join(two, one);
  await eventually('all there', () => notes(one).length === 500);
  write(two, 'n0', undefined);
  await eventually('one fewer', () => notes(one).length === 499);
});

test('many changes in one transaction are one delta, and a transaction that fails leaves none', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  const before = sequenceOf(one);
  assert.throws(() =>
    one.database.transaction(() => {
      write(one, 'never', 'x');
      throw new Error('no');
    }),
  );
  one.database.transaction(() => {
    for (let at = 0; at < 10; at += 1) write(one, `n${at}`, 'x');
    assert.throws(() =>
      one.database.transaction(() => {
        write(one, 'inner', 'x');
        throw new Error('no');
      }),
    );
    write(one, 'n9', undefined);
  });
  await converge(
    [one, two],
    Array.from({ length: 9 }, (_, at) => `n${at}=x@one`),
  );
  assert.equal(sequenceOf(one), before + 1);
});

function sequenceOf({ database, registry }: Node): number {
  const head = database.prepare<{ sequence: number }>('SELECT sequence FROM registry_head WHERE feed = ?');
  return head.get(registry.stack)?.sequence ?? 0;
}
