// Whatever peers do (drop, stall, lie, leave, come late), a plan ends, and asks no liar twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Deed, Plan, RangeSet } from '#registry/exchange';
import { seededRandom } from '../../support/seeded-random.ts';

const behaviours = ['honest', 'slow', 'stalls', 'lies', 'fails', 'busy', 'leaves'] as const;
type Behaviour = (typeof behaviours)[number];

interface Run {
  readonly done: boolean;
  readonly ms: number;
  readonly askedOf: Map<string, number>;
  readonly blamed: string[];
}

/** Plays the peers in virtual time: each answers as it is. */
function play(count: number, peers: readonly { readonly is: Behaviour; readonly has: number }[], seed: number): Run {
  const chance = seededRandom(seed);
  const verified = new RangeSet(count);
  const truth = new Set<number>();
  const plan = new Plan(verified, chance, 0);
  const askedOf = new Map<string, number>();
  const blamed: string[] = [];
  const asks = new Map<number, { stack: string; ranges: number[]; at: number }>();
  let now = 0;
  const take = (deeds: readonly Deed[]): void => {
    for (const deed of deeds) {
      if (deed.type === 'blame') blamed.push(deed.stack);
      else if (deed.type === 'cancel') asks.delete(deed.id);
      else if (deed.type === 'look') plan.unseen(deed.stack, now);
      else {
        assert.ok(!blamed.includes(deed.stack), `"${deed.stack}" lied and is asked again`);
        const of = [...asks.values()].filter(({ ranges }) => deed.ranges.some((range) => ranges.includes(range)));
        assert.ok(
          of.length <= 1 && of.every(({ stack }) => stack !== deed.stack),
          'a range is asked of two others at most',
        );
        assert.ok(
          deed.ranges.every((range) => !truth.has(range)),
          'what is verified is not asked for',
        );
        askedOf.set(deed.stack, (askedOf.get(deed.stack) ?? 0) + 1);
        asks.set(deed.id, { stack: deed.stack, ranges: [...deed.ranges], at: now });
      }
    }
  };
  peers.forEach(({ has }, index) => {
    const have = new RangeSet(count);
    for (let range = 0; range < count; range += 1) if (has === 1 || chance() < has) have.add(range);
    take(plan.holder(`${index}`, have, now));
  });
  while (!plan.isDone && !plan.isStuck && !plan.isLate(now)) {
    now += 50;
    for (const [id, { stack, ranges, at }] of [...asks]) {
      if (!asks.has(id)) continue;
      const is = peers[Number(stack)]?.is ?? 'honest';
      const [range] = ranges;
      if (is === 'stalls' || (is === 'slow' && now - at < 1_500)) {
        if (is === 'slow') plan.came(id, 1_000, now);
        continue;
      }
      plan.came(id, 1_000_000, now);
      if (is !== 'honest' && is !== 'slow') asks.delete(id);
      if (is === 'lies') take(plan.wrong(id, now));
      else if (is === 'fails') take(plan.ended(id, 'failed', now));
      else if (is === 'busy') take(plan.ended(id, 'busy', now));
      else if (is === 'leaves') take(plan.gone(stack, now));
      else if (range !== undefined) {
        truth.add(range);
        const deeds = plan.verified(id, range, now);
        ranges.shift();
        take(deeds ?? []);
        if (ranges.length === 0 && asks.delete(id)) take(plan.ended(id, 'done', now));
      }
    }
    take(plan.tick(now));
    assert.ok(now < 2_000_000, 'it ends');
  }
  assert.equal(verified.size, truth.size, 'nothing counts that was not verified');
  return { done: plan.isDone, ms: now, askedOf, blamed };
}

const peer = fc.record({ is: fc.constantFrom(...behaviours), has: fc.constantFrom(1, 0.5, 0.1) });

test('whatever peers do, it ends; with one honest peer that has all, all comes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(peer, { maxLength: 8 }), fc.nat(), (count, peers, seed) => {
      const run = play(count, peers, seed);
      const isServed = peers.some(({ is, has }) => has === 1 && (is === 'honest' || is === 'slow'));
      if (isServed) assert.ok(run.done, 'it is done');
    }),
    { numRuns: 300 },
  );
});

test('a liar is asked for at most what was under way when it was found out', () => {
  const run = play(
    40,
    [
      { is: 'lies', has: 1 },
      { is: 'honest', has: 1 },
    ],
    7,
  );
  assert.deepEqual(run.blamed, ['0']);
  assert.ok((run.askedOf.get('0') ?? 0) <= 2);
  assert.ok(run.done);
});

test('who gives no byte for 2 s is left for another, and the last range is asked of two', () => {
  const run = play(
    20,
    [
      { is: 'stalls', has: 1 },
      { is: 'honest', has: 1 },
    ],
    3,
  );
  assert.ok(run.done);
  assert.ok(run.ms <= 2_500, `it took ${run.ms} ms`);
});
