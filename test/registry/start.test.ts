// How a stack starts among others: what it signs, what it holds back, and what it takes back from them.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { RegistryError } from '#registry';
import { Barrier } from '../../registry/replication/barrier.ts';
import { Constellation, converge, identityOf, join, type Node, notes, write } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

test('a stack that is alone waits for nobody (failure mode 38)', () => {
  const barrier = new Barrier({ others: 0, limitMs: 5_000 }, 0);
  assert.deepEqual(barrier.settled, { confirmed: true });
});

test('a barrier ends once three members were met, or all where there are fewer, and the own feed is here', () => {
  const barrier = new Barrier({ others: 9, limitMs: 5_000 }, 0);
  for (const peer of ['a', 'b', 'b']) barrier.met(peer);
  assert.equal(barrier.look(10, false), undefined);
  barrier.met('c');
  assert.equal(barrier.look(11, true), undefined);
  assert.deepEqual(barrier.look(12, false), { confirmed: true });
  assert.equal(barrier.look(13, false), undefined);
  const small = new Barrier({ others: 1, limitMs: 5_000 }, 0);
  small.met('a');
  assert.deepEqual(small.look(1, false), { confirmed: true });
});

test('a barrier that nobody answers ends after its time, unconfirmed, and is confirmed later', () => {
  const barrier = new Barrier({ others: 2, limitMs: 5_000 }, 0);
  barrier.met('a');
  assert.equal(barrier.look(4_999, false), undefined);
  assert.deepEqual(barrier.look(5_000, false), { confirmed: false });
  assert.equal(barrier.isConfirmed, false);
  barrier.met('b');
  assert.equal(barrier.isConfirmed, true);
});

test('a feed that never comes does not hold a barrier up for ever', () => {
  const barrier = new Barrier({ others: 1, limitMs: 5_000 }, 0);
  barrier.met('a');
  assert.equal(barrier.look(154_000, true), undefined);
  assert.deepEqual(barrier.look(155_000, true), { confirmed: true });
});

/** Runs with a folder for databases that outlive their stacks. */
async function withFolder(run: (file: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-start-'));
  try {
    await run((name) => path.join(folder, `${name}.db`));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A barrier that ends once others were met, however slow this machine is: after it nothing comes back to who was restored. */
const patient = { barrierMs: 60_000 };

const headOf = (node: Node, feed: string): { counter: number; sequence: number } | undefined =>
  node.database
    .prepare<{ counter: number; sequence: number }>('SELECT counter, sequence FROM registry_head WHERE feed = ?')
    .get(feed);
const heldBy = (node: Node): number =>
  node.database.prepare<{ count: number }>('SELECT count(*) AS count FROM registry_held').get()?.count ?? 0;

test('a stack restored from a backup that is as many writes behind as it then makes is not quarantined, and loses nothing (failure mode 12)', async () => {
  await withFolder(async (file) => {
    await using sky = new Constellation(patient);
    const one = await sky.open('one');
    const two = await sky.open('two', { file: file('two') });
    await join(two, one);
    write(two, 'before', 'backup');
    await converge([one], ['before=backup@two']);
    await two[Symbol.asyncDispose]();
    copyFileSync(file('two'), file('backup'));
    const later = await sky.open('two', { file: file('two') });
    for (const at of [1, 2, 3]) write(later, `after ${at}`, 'backup');
    const after = [1, 2, 3].map((at) => `after ${at}=backup@two`);
    await converge([one, later], ['before=backup@two', ...after]);
    await later[Symbol.asyncDispose]();
    const restored = await sky.open('two', { file: file('backup') });
    // As many as it is behind, and at once: before anybody could be asked.
    for (const at of [1, 2, 3]) write(restored, `else ${at}`, 'restored');
    const all = ['before=backup@two', ...after, ...[1, 2, 3].map((at) => `else ${at}=restored@two`)];
    await converge([one, restored], all);
    assert.deepEqual([...one.registry.quarantined(), ...restored.registry.quarantined()], []);
    assert.equal(restored.registry.confirmed(), true);
  });
});

test('a record written since the start goes over the one that came back', async () => {
  await withFolder(async (file) => {
    await using sky = new Constellation(patient);
    const one = await sky.open('one');
    const two = await sky.open('two', { file: file('two') });
    await join(two, one);
    write(two, 'a', 'old');
    write(two, 'gone', 'old');
    await converge([one], ['a=old@two', 'gone=old@two']);
    await two[Symbol.asyncDispose]();
    copyFileSync(file('two'), file('backup'));
    const later = await sky.open('two', { file: file('two') });
    write(later, 'a', 'newer');
    write(later, 'b', 'newer');
    await converge([one], ['a=newer@two', 'b=newer@two', 'gone=old@two']);
    await later[Symbol.asyncDispose]();
    const restored = await sky.open('two', { file: file('backup') });
    write(restored, 'a', 'newest');
    write(restored, 'gone', undefined);
    assert.deepEqual(notes(restored), ['a=newest@two']);
    await converge([one, restored], ['a=newest@two', 'b=newer@two']);
  });
});

test('what is written before others were asked is seen here at once, and by others once that is settled', async () => {
  await withFolder(async (file) => {
    await using sky = new Constellation(patient);
    const [one, two] = [await sky.open('one'), await sky.open('two', { file: file('two') })];
    await join(two, one);
    await eventually('they know of one another', () => one.network.connected().length === 1);
    await two[Symbol.asyncDispose]();
    sky.hub.cut(one.identity.stack, two.identity.stack);
    const again = await sky.open('two', { file: file('two') });
    const before = headOf(again, again.identity.stack);
    write(again, 'a', '1');
    assert.deepEqual(notes(again), ['a=1@two']);
    assert.equal(again.registry.confirmed(), false);
    assert.equal(again.registry.syncing(), true);
    assert.deepEqual(headOf(again, again.identity.stack), before);
    sky.hub.heal(one.identity.stack, two.identity.stack);
    await converge([one], ['a=1@two']);
    // Nobody was further on: the epoch goes on.
    assert.equal(headOf(one, again.identity.stack)?.counter, before?.counter);
    assert.equal(again.registry.confirmed(), true);
    await eventually('it is in step', () => !again.registry.syncing());
  });
});

test('what was held is there after the stack is ended before anybody was asked, and leaves then (failure mode 21)', async () => {
  await withFolder(async (file) => {
    await using sky = new Constellation(patient);
    const [one, two] = [await sky.open('one'), await sky.open('two', { file: file('two') })];
    await join(two, one);
    write(two, 'a', 'first');
    await converge([one], ['a=first@two']);
    await two[Symbol.asyncDispose]();
    sky.hub.cut(one.identity.stack, two.identity.stack);
    const second = await sky.open('two', { file: file('two') });
    write(second, 'a', 'second');
    write(second, 'b', 'second');
    // The file as a power loss leaves it: nothing was released.
    second.database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
    copyFileSync(file('two'), file('copy'));
    await second[Symbol.asyncDispose]();
    const third = await sky.open('two', { file: file('copy') });
    assert.deepEqual(notes(third), ['a=second@two', 'b=second@two']);
    write(third, 'c', 'third');
    assert.ok(heldBy(third) >= 3);
    sky.hub.heal(one.identity.stack, two.identity.stack);
    await converge([one, third], ['a=second@two', 'b=second@two', 'c=third@two']);
    assert.equal(heldBy(third), 0);
  });
});

test('a stack that meets nobody in time serves what it has in a new epoch, says that it is unconfirmed, and is confirmed later', async () => {
  await withFolder(async (file) => {
    await using sky = new Constellation({ barrierMs: 50 });
    const [one, two] = [await sky.open('one'), await sky.open('two', { file: file('two') })];
    await join(two, one);
    write(two, 'a', '1');
    await converge([one], ['a=1@two']);
    const before = headOf(one, two.identity.stack);
    await two[Symbol.asyncDispose]();
    sky.hub.cut(one.identity.stack, two.identity.stack);
    const again = await sky.open('two', { file: file('two') });
    write(again, 'b', '2');
    await eventually('it goes on by itself', () => heldBy(again) === 0);
    assert.equal(again.registry.confirmed(), false);
    assert.equal(headOf(again, again.identity.stack)?.counter, (before?.counter ?? 0) + 1);
    sky.hub.heal(one.identity.stack, two.identity.stack);
    await converge([one, again], ['a=1@two', 'b=2@two']);
    await eventually('it is confirmed', () => again.registry.confirmed());
    assert.deepEqual(one.registry.quarantined(), []);
  });
});

test('a head that is durable and never left comes with the next round of anti-entropy after the restart', async () => {
  await withFolder(async (file) => {
    await using sky = new Constellation();
    const [one, two] = [await sky.open('one'), await sky.open('two', { file: file('two') })];
    await join(two, one);
    await eventually('it has started', () => two.registry.confirmed() && heldBy(two) === 0);
    sky.hub.losesPublished = true;
    sky.hub.cut(one.identity.stack, two.identity.stack);
    write(two, 'a', 'unsent');
    const { counter, sequence } = headOf(two, two.identity.stack) ?? {};
    await two[Symbol.asyncDispose]();
    sky.hub.heal(one.identity.stack, two.identity.stack);
    const again = await sky.open('two', { file: file('two') });
    await converge([one], ['a=unsent@two']);
    const now = headOf(one, again.identity.stack);
    assert.equal(now?.counter, counter);
    assert.ok((now?.sequence ?? 0) >= (sequence ?? 0));
  });
});

test('a newcomer says that it is not in step until a round with a member is complete (failure mode 22)', async () => {
  await using sky = new Constellation();
  const [one, two] = [await sky.open('one'), await sky.open('two')];
  assert.equal(two.registry.syncing(), false);
  for (let at = 0; at < 50; at += 1) write(one, `n${at}`, 'x');
  await join(two, one);
  const shown: number[] = [];
  await eventually(
    'it is in step',
    () => {
      const isSyncing = two.registry.syncing();
      if (!isSyncing) shown.push(notes(two).length);
      return !isSyncing;
    },
    { everyMs: 1 },
  );
  assert.deepEqual(shown, [50]);
});

test('two stacks that run with one identity and outbid one another with new epochs both stop signing, and say how it is mended (failure mode 13)', async () => {
  await using sky = new Constellation({ antiEntropyMs: 20 });
  const [one, two] = await sky.mesh('one', 'two');
  const clone = await sky.open('clone', { identity: identityOf('two') });
  assert.ok(one && two);
  await join(clone, one);
  const isRefused = (node: Node, text: string): boolean => {
    try {
      write(node, 'a', text);
      return false;
    } catch (error) {
      assert.ok(error instanceof RegistryError && error.code === 'quarantined', String(error));
      assert.match(error.message, /pardon/);
      return true;
    }
  };
  let round = 0;
  await eventually(
    'both stop',
    () => {
      round += 1;
      return [isRefused(two, `two ${round}`), isRefused(clone, `clone ${round}`)].every((each) => each);
    },
    { timeoutMs: 20_000 },
  );
  const counters = [one, two, clone].map((node) => headOf(node, two.identity.stack)?.counter ?? 0);
  assert.ok(Math.max(...counters) < 15, `${counters}`);
});

test('of two copies of one home that go on in one epoch the others take nothing more, and both are told and stop (failure mode 13)', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-clone-'));
  try {
    await using sky = new Constellation({ ...patient, antiEntropyMs: 20 });
    const one = await sky.open('one');
    const before = await sky.open('two', { file: path.join(folder, 'two.db') });
    await join(before, one);
    write(before, 'a', 'before');
    await converge([one], ['a=before@two']);
    await before[Symbol.asyncDispose]();
    copyFileSync(path.join(folder, 'two.db'), path.join(folder, 'copy.db'));
    const twins = [
      await sky.open('two', { file: path.join(folder, 'two.db') }),
      await sky.open('two', { file: path.join(folder, 'copy.db') }),
    ];
    for (const twin of twins) await eventually('it may sign', () => twin.registry.confirmed());
    const refused = new Set<Node>();
    let round = 0;
    await eventually('both are refused', () => {
      round += 1;
      for (const twin of twins) {
        try {
          write(twin, 'a', `${twins.indexOf(twin)} ${round}`);
        } catch (error) {
          assert.ok(error instanceof RegistryError && error.code === 'quarantined', String(error));
          refused.add(twin);
        }
      }
      return refused.size === twins.length;
    });
    await eventually('it is known', () => one.registry.quarantined().includes(before.registry.stack));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a stack whose clone ended goes on after a pardon, whichever of both had stopped, and also where it was started again meanwhile (failure mode 13)', async (t) => {
  for (const isRestarted of [false, true]) {
    await t.test(isRestarted ? 'started again' : 'running', () =>
      withFolder(async (file) => {
        await using sky = new Constellation({ antiEntropyMs: 20 });
        const one = await sky.open('one');
        let two = await sky.open('two', { file: file('two') });
        await join(two, one);
        const clone = await sky.open('two', { identity: identityOf('two') });
        await join(clone, one);
        const wasRefused = (node: Node, name: string): boolean => {
          try {
            write(node, name, 'x');
            return false;
          } catch {
            return true;
          }
        };
        const refused = await eventually(
          'a write is refused',
          () => [two, clone].find((node) => wasRefused(node, 'a')),
          { timeoutMs: 20_000 },
        );
        assert.match(refused.registry.member(refused.registry.stack)?.quarantine ?? '', /two stacks run/);
        await clone[Symbol.asyncDispose]();
        if (isRestarted) {
          await two[Symbol.asyncDispose]();
          two = await sky.open('two', { file: file('two') });
          await eventually('it started', () => two.registry.confirmed());
        }
        one.registry.pardon(two.registry.stack);
        await eventually('it may write', () => !wasRefused(two, 'after'));
        await eventually('its note is taken', () => notes(one).includes('after=x@two'));
        assert.deepEqual(
          one.registry.members().filter(({ quarantine }) => quarantine !== undefined),
          [],
        );
      }),
    );
  }
});

test('a stack finds its way by stored addresses where the one that let it in is gone (failure mode 39)', async () => {
  await withFolder(async (file) => {
    await using sky = new Constellation();
    const [one, two] = await sky.mesh('one', 'two');
    const three = await sky.open('three', { file: file('three') });
    assert.ok(one && two);
    await join(three, one);
    await eventually('three knows where two is', () => three.network.connected().length === 2);
    await three[Symbol.asyncDispose]();
    await one[Symbol.asyncDispose]();
    const again = await sky.open('three', { file: file('three') });
    write(again, 'back', 'again');
    await converge([two], ['back=again@three']);
    assert.deepEqual(again.network.connected(), [two.registry.stack]);
  });
});
