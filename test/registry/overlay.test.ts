// Whom a stack stays connected with, whom it dials when it needs them, and when it lets go: with virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, MemoryHub, type Network, RegistryError } from '#registry';
import { observersOf, subjectsOf } from '#registry/liveness';
import { Connections } from '../../registry/replication/connections.ts';
import { firstDialMs, keptOf, maxFullMembers } from '../../registry/replication/overlay.ts';
import { identityOf, silentLog } from '../support/constellation.ts';

const rings = { observersOf, subjectsOf };
const stacks = (count: number): string[] => Array.from({ length: count }, (_, at) => `stack-${at}`);

/** A clock that goes on when it is told. */
function virtualClock(): Clock & { go(ms: number): void } {
  let now = 0;
  let timers: { at: number; act: () => void }[] = [];
  return {
    now: () => now,
    monotonic: () => now,
    after(ms, act) {
      const timer = { at: now + ms, act };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
    go(ms) {
      now += ms;
      for (const timer of timers.filter(({ at }) => at <= now)) {
        timers = timers.filter((each) => each !== timer);
        timer.act();
      }
    },
  };
}

test('up to 64 members everybody is kept by everybody', () => {
  const all = stacks(maxFullMembers);
  for (const self of all) {
    const others = all.filter((each) => each !== self);
    assert.deepEqual(keptOf(self, others, rings), new Set(others));
  }
});

test('beyond, a stack keeps about twenty, both sides agree on it, and the mesh hangs together', () => {
  const all = stacks(300);
  const kept = new Map(
    all.map((self) => [
      self,
      keptOf(
        self,
        all.filter((each) => each !== self),
        rings,
      ),
    ]),
  );
  const sizes = [...kept.values()].map(({ size }) => size);
  assert.ok(Math.max(...sizes) <= 45, `${Math.max(...sizes)}`);
  const mean = sizes.reduce((sum, each) => sum + each, 0) / sizes.length;
  assert.ok(mean <= 20, `${mean}`);
  for (const [self, others] of kept) for (const other of others) assert.ok(kept.get(other)?.has(self));
  const met = new Set<string>(['stack-0']);
  for (const each of met) for (const other of kept.get(each) ?? []) met.add(other);
  assert.equal(met.size, 300);
});

test('after a restart of a large mesh dials are spread over seconds, and those of a small one are not (failure mode 27)', () => {
  const dial = (members: number, chance: number) => firstDialMs('a', 'b', { members, retryMs: 1_000, chance });
  assert.equal(dial(16, 0.99), 0);
  assert.equal(dial(516, 0), 0);
  assert.equal(dial(516, 0.5), 2_500);
  assert.equal(dial(10_000, 1), 5_000);
  assert.equal(firstDialMs('b', 'a', { members: 3, retryMs: 1_000, chance: 0 }), 1_000);
});

function open(kept: () => ReadonlySet<string>, { isFound = (): boolean => true } = {}) {
  const hub = new MemoryHub();
  const clock = virtualClock();
  const [one, two] = [hub.open(identityOf('one')), hub.open(identityOf('two'))];
  for (const network of [one, two]) network.setGate(() => 'member');
  const end = new AbortController();
  const connections = new Connections({
    network: one,
    log: silentLog,
    signal: end.signal,
    clock,
    chance: () => 0,
    retryMs: 1_000,
    isMember: (stack) => stack === two.stack,
    kept,
    addressesOf: () => (isFound() ? two.addresses() : []),
    connected: () => {},
    disconnected: () => {},
    unreached: () => {},
  });
  return { hub, clock, one, two, connections, end };
}

/** Lets what was begun go on; nothing here waits for more than some turns. */
const turns = async (): Promise<void> => {
  for (let at = 0; at < 5; at += 1) await new Promise((resolve) => setImmediate(resolve));
};
const isConnected = (one: Network, two: Network): boolean => one.connected().includes(two.stack);

test('a member that is asked something is dialled, and let go after a minute of quiet', async () => {
  const { clock, one, two, connections, end } = open(() => new Set());
  connections.check();
  clock.go(10_000);
  await turns();
  assert.ok(!isConnected(one, two));
  await connections.reach(two.stack, end);
  assert.ok(isConnected(one, two));
  clock.go(59_000);
  await connections.reach(two.stack, end);
  clock.go(59_000);
  await turns();
  assert.ok(isConnected(one, two), 'it was used meanwhile');
  clock.go(2_000);
  await turns();
  assert.ok(!isConnected(one, two));
  end.abort();
});

test('a member whose feed says where it is is dialled at once, however often it was looked for before', async () => {
  let isFound = false;
  const kept = new Set<string>();
  const { clock, one, two, connections, end } = open(() => kept, { isFound: () => isFound });
  kept.add(two.stack);
  connections.check();
  for (let at = 0; at < 5; at += 1) {
    clock.go(60_000);
    await turns();
  }
  isFound = true;
  connections.check(two.stack);
  clock.go(1_000);
  await turns();
  assert.ok(isConnected(one, two));
  end.abort();
});

test('a member that comes to be kept is not let go', async () => {
  const kept = new Set<string>();
  const { clock, one, two, connections, end } = open(() => kept);
  await connections.reach(two.stack, end);
  kept.add(two.stack);
  connections.check();
  clock.go(120_000);
  await turns();
  assert.ok(isConnected(one, two));
  end.abort();
});

test('who is no member is not reached, and one that does not answer is not tried again at once without need', async () => {
  const { hub, one, two, clock, connections, end } = open(() => new Set());
  const isCode = (code: string) => (error: unknown) => error instanceof RegistryError && error.code === code;
  await assert.rejects(connections.reach('stranger', end), isCode('unknown-stack'));
  hub.cut(one.stack, two.stack);
  assert.ok(connections.isNear(two.stack));
  await assert.rejects(connections.reach(two.stack, end), isCode('unreachable'));
  assert.ok(!connections.isNear(two.stack));
  clock.go(60_000);
  assert.ok(connections.isNear(two.stack));
  end.abort();
});
