// Reading: names and their order, who is away, and following changes from a position.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DirectoryChange, RegistryError, stackKind } from '#registry';
import { Constellation, converge, noteKind, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

test('a name with several claimants means the same one on every stack, and each is reachable by its stack', async () => {
  await using sky = new Constellation();
  const nodes = await sky.mesh('a', 'b', 'c');
  for (const node of nodes) write(node, 'web', `of ${node.name}`);
  await converge(
    nodes,
    nodes.map(({ name }) => `web=of ${name}@${name}`),
  );
  await eventually('all are up', () =>
    nodes.every(({ registry }) => registry.directory.claimants('note', 'web').length === 3),
  );
  const meant = nodes.map(({ registry }) => registry.directory.get(noteKind, 'web')?.body.text);
  assert.equal(new Set(meant).size, 1);
  for (const { registry } of nodes) {
    const claimants = await eventually('all are up', () => {
      const all = registry.directory.claimants(noteKind, 'web');
      return all.length === 3 && all;
    });
    assert.equal(claimants[0]?.body.text, meant[0]);
    assert.equal(registry.directory.get(noteKind, 'web@b')?.body.text, 'of b');
    assert.equal(registry.directory.get(noteKind, `web@${nodes[2]?.registry.stack}`)?.body.text, 'of c');
    assert.equal(registry.directory.get(noteKind, 'web@nobody'), undefined);
  }
});

test('records of a stack that went are left out until it comes back, and never deleted', async () => {
  await using sky = new Constellation();
  const [one, two] = await sky.mesh('one', 'two');
  assert.ok(one && two);
  write(two, 'note', 'here');
  await converge([one], ['note=here@two']);
  sky.hub.cut(one.registry.stack, two.registry.stack);
  const { directory } = one.registry;
  await eventually('left out', () => directory.get('note', 'note') === undefined);
  const away = one.registry.members().find(({ name }) => name === 'two')?.liveness;
  assert.equal(away?.state, 'unreachable');
  assert.equal(away?.by[0], one.registry.stack);
  assert.match(away?.why ?? '', /Cannot connect/);
  assert.equal(directory.get(noteKind, 'note', { includeUnreachable: true })?.body.text, 'here');
  assert.equal(directory.list({ kind: stackKind }).length, 2, 'what a stack says of itself outlasts it');
  write(two, 'note', 'meanwhile');
  sky.hub.heal(one.registry.stack, two.registry.stack);
  await eventually('back', () => directory.get(noteKind, 'note')?.body.text === 'meanwhile');
});

test('who follows from a position sees what was, then what happens, deletions too', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  const start = one.registry.directory.position();
  write(one, 'a', '1');
  const end = new AbortController();
  const seen: DirectoryChange[] = [];
  const done = (async () => {
    for await (const change of one.registry.directory.follow({ from: start, signal: end.signal })) seen.push(change);
  })();
  await eventually('backfilled', () => seen.length === 1);
  write(one, 'b', '2');
  write(one, 'a', undefined);
  await eventually('followed', () => seen.length === 3);
  end.abort();
  await done;
  assert.deepEqual(
    seen.map(({ name, entry }) => [name, entry !== undefined]),
    [
      ['a', true],
      ['b', true],
      ['a', false],
    ],
  );
  assert.equal(seen.at(-1)?.position, one.registry.directory.position());
});

test('a reader that falls behind is cut', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  const reader = one.registry.directory.follow({ signal: AbortSignal.timeout(10_000) });
  const first = reader.next();
  write(one, 'first', 'x');
  assert.equal((await first).done, false);
  const caughtUp = reader.next();
  write(one, 'second', 'x');
  await caughtUp;
  const many = (text: string) =>
    Array.from({ length: 9_000 }, (_, at) => ({ kind: 'note', name: `n${at}`, body: { text } }));
  for (const text of ['x', 'y', 'z']) one.registry.write(many(text));
  await assert.rejects(
    async () => {
      for (;;) await reader.next();
    },
    (error) => error instanceof RegistryError && error.code === 'too-slow',
  );
});

test('a write that is not valid is refused with the place, and nothing of it is kept', async () => {
  await using sky = new Constellation();
  const one = await sky.open('one');
  const attempt = (kind: string, body: unknown) => () =>
    one.registry.write([
      { kind: 'note', name: 'good', body: { text: 'x' } },
      { kind, name: 'bad', body },
    ]);
  const isCode = (code: string, place: RegExp) => (error: unknown) =>
    error instanceof RegistryError && error.code === code && place.test(error.message);
  assert.throws(attempt('note', { text: 5 }), isCode('invalid-record', /at "\/text"/));
  assert.throws(attempt('nothing', {}), isCode('unknown-kind', /no such kind/));
  assert.throws(
    attempt('stack', {
      name: 'x',
      labels: Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`l${at}`, 'v'.repeat(190)])),
    }),
    isCode('record-too-large', /may have/),
  );
  assert.deepEqual(one.registry.directory.list({ kind: noteKind }), []);
});
