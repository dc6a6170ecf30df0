// The rings of observers: the same everywhere, even, and steady as members come and go.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { stackIdOf } from '../../registry/identity.ts';
import { acceptedObservers, makeRing, observersAStack } from '../../registry/liveness/ring.ts';

/** Ids of that many stacks; another seed gives others. */
const stacksOf = (count: number, seed = 0): string[] =>
  Array.from({ length: count }, (_, at) => stackIdOf(createHash('sha256').update(`${seed} ${at}`).digest()));

test('in a mesh of up to eleven, everybody observes everybody', () => {
  for (const size of [1, 2, 3, 7, 11]) {
    const members = stacksOf(size);
    const ring = makeRing(members);
    for (const stack of members) {
      const others = members.filter((each) => each !== stack).sort();
      assert.deepEqual([...ring.observersOf(stack)].sort(), others);
      assert.deepEqual(ring.subjectsOf(stack), others);
    }
  }
});

test('observers are distinct, never the stack itself, and the same whatever order the members come in', () => {
  for (const size of [12, 40, 300]) {
    const members = stacksOf(size, size);
    const [ring, turned] = [makeRing(members), makeRing([...members].reverse())];
    for (const stack of members) {
      const observers = ring.observersOf(stack);
      assert.equal(new Set(observers).size, observersAStack);
      assert.ok(!observers.includes(stack));
      assert.deepEqual(observers, turned.observersOf(stack));
      assert.equal(ring.observersOf(stack, acceptedObservers).length, Math.min(acceptedObservers, size - 1));
      for (const observer of observers) assert.ok(ring.subjectsOf(observer).includes(stack));
    }
  }
});

test('nobody observes more than three times as many as the mean', () => {
  for (const size of [12, 32, 100, 1_000]) {
    for (const seed of [1, 2, 3]) {
      const members = stacksOf(size, seed);
      const ring = makeRing(members);
      const most = Math.max(...members.map((stack) => ring.subjectsOf(stack).length));
      assert.ok(most <= 3 * observersAStack, `${most} of ${size}`);
    }
  }
});

test('a member more changes few observers, and those it displaces are among the fourteen nearest for the most part', () => {
  const members = stacksOf(200);
  const [newcomer] = stacksOf(1, 9);
  assert.ok(newcomer);
  const before = makeRing(members);
  const after = makeRing([...members, newcomer]);
  let changed = 0;
  let lost = 0;
  for (const stack of members) {
    const observers = new Set(after.observersOf(stack));
    const accepted = after.observersOf(stack, acceptedObservers);
    for (const observer of before.observersOf(stack)) {
      if (observers.has(observer)) continue;
      changed += 1;
      if (!accepted.includes(observer)) lost += 1;
    }
  }
  assert.ok(changed > 0 && changed <= 3 * observersAStack, `${changed} of ${200 * observersAStack}`);
  assert.ok(lost <= observersAStack, `${lost} of ${changed}`);
});

test('a stack that is no member has no observers and no subjects', () => {
  const ring = makeRing(stacksOf(20));
  assert.deepEqual(ring.observersOf('nobody'), []);
  assert.deepEqual(ring.subjectsOf('nobody'), []);
});
