// Five daemons as processes of their own: what the others say of one that is killed, stopped or gone for a while.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';
import { type FleetStack, type Seen, seeOneAnother, startFleet } from '../support/fleet.ts';

async function seenBy(stack: FleetStack, name: string): Promise<Seen['liveness'] | undefined> {
  return (await stack.stacks()).find((one) => one.name === name)?.liveness;
}

/** Milliseconds until each of them shows that one in this state. */
async function until(stacks: readonly FleetStack[], name: string, state: string, timeoutMs: number): Promise<number> {
  const started = performance.now();
  const each = stacks.map((stack) =>
    eventually(
      `"${stack.name}" shows "${name}" as ${state}`,
      async () => {
        const seen = await seenBy(stack, name);
        if (seen?.state === state) return true;
        throw new Error(JSON.stringify(seen));
      },
      { timeoutMs, everyMs: 50 },
    ),
  );
  await Promise.all(each);
  return performance.now() - started;
}

test('a daemon that is killed is down at the other four within three seconds, and up when it starts again', async (t) => {
  await using fleet = await startFleet(['one', 'two', 'three', 'four', 'five']);
  const [killed, ...others] = fleet.stacks;
  assert.ok(killed);
  await killed.kill();
  t.diagnostic(`down after ${(await until(others, 'one', 'down', 3_000)).toFixed()} ms`);
  const [other] = others;
  assert.ok(other);
  const listed = await other.daemon.json<{ stacks: Seen[] }>('hermesh', 'stacks');
  const { state, by = [], why } = listed.stacks.find(({ name }) => name === 'one')?.liveness ?? { state: '?' };
  assert.equal(state, 'down');
  assert.ok(by.length >= 3 && by.every((name) => ['two', 'three', 'four', 'five'].includes(name)), `${by}`);
  assert.match(why ?? '', /of its 4 observers can't reach it/);
  const shown = await other.daemon.run('hermesh', ['stacks']);
  assert.match(shown.stdout, /one +down +\d+ s +\d of its 4 observers/);
  await killed.start();
  await seeOneAnother(fleet.stacks);
});

test('a daemon that is frozen is down at the other four within eight seconds, and up by itself when it goes on (failure mode 10)', async (t) => {
  await using fleet = await startFleet(['one', 'two', 'three', 'four', 'five']);
  const [frozen, ...others] = fleet.stacks;
  assert.ok(frozen);
  frozen.freeze();
  t.diagnostic(`down after ${(await until(others, 'one', 'down', 8_000)).toFixed()} ms`);
  frozen.thaw();
  t.diagnostic(`up after ${(await until(others, 'one', 'up', 30_000)).toFixed()} ms`);
  await seeOneAnother(fleet.stacks);
});

test('of two daemons the one that is killed is unreachable, and one that stops says so', async () => {
  await using fleet = await startFleet(['one', 'two']);
  const [killed, other] = fleet.stacks;
  assert.ok(killed && other);
  await killed.kill();
  await until([other], 'one', 'unreachable', 5_000);
  await killed.start();
  await seeOneAnother(fleet.stacks);
  await killed.kill('SIGTERM');
  await until([other], 'one', 'down', 5_000);
  assert.equal((await seenBy(other, 'one'))?.why, 'it stopped');
});
