// Mesh time: a wrong clock, own or another's, moves nothing; and it never goes back below what was kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '#registry';
import { MeshTime } from '../../registry/roster/mesh-time.ts';
import { Constellation, join } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

const minute = 60_000;
const hour = 60 * minute;
const year = 365 * 24 * hour;
const truth = Date.UTC(2026, 0, 1);

/** A stack whose clock is off by so much, in a world whose true time goes on with its monotonic clock. */
function world(skewMs: number, floor = 0) {
  const state = { passed: 0, skewMs };
  const kept: number[] = [];
  const now = (): number => truth + state.passed + state.skewMs;
  const time = new MeshTime({
    now,
    monotonic: () => state.passed,
    floor,
    keep: (value) => kept.push(value),
  });
  /** An exchange with a member whose clock is off by so much. */
  const hear = (stack: string, theirSkewMs = 0): void =>
    time.sample({ stack, offsetMs: truth + state.passed + theirSkewMs - now(), roundTripMs: 20 });
  return { state, time, kept, hear };
}
const isOff = (error: unknown): boolean => error instanceof RegistryError && error.code === 'clock-off';

test('with fewer than three members the own clock counts', () => {
  const { time, hear } = world(hour);
  hear('one');
  hear('two');
  assert.equal(time.now(), truth + hour);
  assert.equal(time.skewMs(), 0);
});

for (const [said, skewMs] of [
  ['an hour ahead', hour],
  ['an hour behind', -hour],
  ['a year ahead', year],
  ['a year behind', -year],
] as const) {
  test(`a clock ${said} is told by three members, and signs nothing that expires (failure mode 11)`, () => {
    const { time, hear } = world(skewMs);
    for (const stack of ['one', 'two', 'three']) hear(stack);
    assert.equal(time.now(), truth);
    assert.equal(time.skewMs(), skewMs);
    assert.throws(() => time.requireClock(), isOff);
  });
}

test('a clock that jumps back or ahead while the stack runs moves nothing (failure mode 11)', () => {
  const { state, time, hear } = world(0);
  for (const stack of ['one', 'two', 'three']) hear(stack);
  for (const jump of [-year, -hour, hour, year]) {
    state.skewMs = jump;
    state.passed += 1_000;
    assert.equal(time.now(), truth + state.passed);
    assert.throws(() => time.requireClock(), isOff);
  }
  state.skewMs = 0;
  time.requireClock();
});

test('two liars of five do not move it, whatever they say (failure mode 11)', () => {
  fc.assert(
    fc.property(fc.integer({ min: -year, max: year }), fc.integer({ min: -year, max: year }), (one, other) => {
      const { time, hear } = world(0);
      for (const [stack, skewMs] of Object.entries({ a: 5, b: one, c: -5, d: other, e: 0 })) hear(stack, skewMs);
      assert.ok(Math.abs(time.now() - truth) <= 5);
    }),
  );
});

test('one stack has one say, however often it is heard', () => {
  const { time, hear } = world(0);
  for (const stack of ['one', 'two', 'three']) hear(stack);
  for (let at = 0; at < 50; at += 1) hear('liar', year);
  assert.equal(time.now(), truth);
});

test('what was heard long ago counts no more, nor does one that left', () => {
  const { state, time, hear } = world(hour);
  for (const stack of ['one', 'two', 'three']) hear(stack);
  time.forget('three');
  assert.equal(time.now(), truth + hour);
  hear('three');
  state.passed += 11 * minute;
  assert.equal(time.now(), truth + state.passed + hour);
});

test('it is kept at most once an hour, and never goes back below what was kept (failure mode 11)', () => {
  const { state, kept, hear } = world(0);
  for (let at = 0; at < 181; at += 1) {
    for (const stack of ['one', 'two', 'three']) hear(stack);
    state.passed += minute;
  }
  assert.equal(kept.length, 4);
  const later = world(-year, kept.at(-1));
  assert.equal(later.time.now(), kept.at(-1));
  assert.throws(() => later.time.requireClock(), isOff);
});

test('a clock that is wrong while the stack is alone leaves nothing behind', () => {
  const { state, time, kept } = world(year);
  assert.equal(time.now(), truth + year);
  state.skewMs = 0;
  assert.equal(time.now(), truth);
  assert.deepEqual(kept, []);
});

test('an admin whose clock is wrong invites nobody and says how far it is off (failure mode 11)', async () => {
  await using sky = new Constellation();
  const isTwoHours = (skewMs: number): boolean => Math.abs(skewMs + 2 * hour) < 1_000;
  const one = await sky.open('one');
  const others: string[] = [];
  for (const name of ['two', 'three', 'four']) {
    const node = await sky.open(name);
    await join(node, one);
    others.push(node.registry.stack);
    // Gone, so that its own clock is not heard any more.
    await node[Symbol.asyncDispose]();
  }
  await eventually('what they say is the last that is heard', () => {
    for (const stack of others) one.registry.timeSample({ stack, offsetMs: 2 * hour, roundTripMs: 1 });
    return isTwoHours(one.registry.time().skewMs);
  });
  assert.throws(
    () => one.registry.createInvite({ role: 'member', expiresInMs: hour, uses: 1 }),
    (error: RegistryError) => error.code === 'clock-off' && error.message.includes('2 hours behind'),
  );
  assert.ok(isTwoHours(one.registry.time().skewMs));
});
