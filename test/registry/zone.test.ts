// Zones as pure functions: who speaks for one, and what is told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  gatewaysOf,
  isDue,
  maxZones,
  mostFrequent,
  rank,
  rootOverFeeds,
  type Summary,
  saySame,
  zonesOf,
} from '#registry/zones';

const stacks = Array.from({ length: 500 }, (_, at) => `stack-${at}`);
const summary: Summary = {
  zone: 'east',
  stacks: 3,
  up: 3,
  down: 0,
  records: 9,
  kinds: { note: 9 },
  root: new Uint8Array(32),
  addresses: [],
  at: 1,
};

test('the gateways of a zone are the same in whatever order its stacks are given', () => {
  assert.deepEqual(gatewaysOf('east', stacks), gatewaysOf('east', [...stacks].reverse()));
  assert.equal(gatewaysOf('east', stacks).length, 3);
  assert.deepEqual(gatewaysOf('east', ['one']), ['one']);
});

test('a gateway that goes is replaced by the next in rank, and the others stay', () => {
  const [first, second, third, fourth] = rank('east', stacks);
  const without = stacks.filter((stack) => stack !== second);
  assert.deepEqual(gatewaysOf('east', without), [first, third, fourth]);
});

test('a stack that comes moves at most one gateway', () => {
  const before = new Set(gatewaysOf('east', stacks));
  for (let at = 0; at < 200; at += 1) {
    const after = gatewaysOf('east', [...stacks, `newcomer-${at}`]);
    assert.ok(after.filter((stack) => !before.has(stack)).length <= 1);
  }
});

test('the same stacks in many zones take turns at speaking', () => {
  const few = stacks.slice(0, 30);
  const times = new Map<string, number>();
  for (let zone = 0; zone < 1_000; zone += 1) {
    for (const stack of gatewaysOf(`zone-${zone}`, few)) times.set(stack, (times.get(stack) ?? 0) + 1);
  }
  // 100 each on the average; five standard deviations of a binomial distribution are 48.
  for (const stack of few) assert.ok(Math.abs((times.get(stack) ?? 0) - 100) < 48, `${stack}: ${times.get(stack)}`);
});

test('of more zones than are told of the own one is always kept', () => {
  const many = Array.from({ length: 100 }, (_, at) => ({ stack: `s${at}`, zone: `z${String(at).padStart(3, '0')}` }));
  const zones = zonesOf(many, 'z099');
  assert.equal(zones.size, maxZones);
  assert.deepEqual(zones.get('z099'), ['s99']);
  assert.equal(zones.has('z098'), false);
});

test('a summary is written when it changed and some time passed, and anew after a longer one', () => {
  const times = { changedMs: 10, refreshMs: 60 };
  const changed = { ...summary, up: 2 };
  assert.equal(isDue(summary, undefined, times), true);
  assert.equal(isDue(changed, { summary, ageMs: 9 }, times), false);
  assert.equal(isDue(changed, { summary, ageMs: 10 }, times), true);
  assert.equal(isDue({ ...summary, at: 2 }, { summary, ageMs: 59 }, times), false);
  assert.equal(isDue(summary, { summary, ageMs: 60 }, times), true);
  assert.equal(saySame({ ...summary, at: 7 }, summary), true);
});

test('the root over feeds depends on what they hold and not on their order', () => {
  const one = { feed: 'a', root: new Uint8Array(32).fill(1) };
  const other = { feed: 'b', root: new Uint8Array(32).fill(2) };
  assert.deepEqual(rootOverFeeds([one, other]), rootOverFeeds([other, one]));
  assert.notDeepEqual(rootOverFeeds([one, other]), rootOverFeeds([one, { ...other, root: one.root }]));
});

test('the most frequent kinds are counted where there are too many', () => {
  const kinds = Array.from({ length: 40 }, (_, at): [string, number] => [`kind-${at}`, at]);
  const counted = mostFrequent(kinds);
  assert.equal(Object.keys(counted).length, 32);
  assert.equal(counted['kind-39'], 39);
  assert.equal(counted['kind-7'], undefined);
});
