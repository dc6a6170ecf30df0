// That things come after what they need, side by side where they may, and that a circle is named by its path.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { containersInOrder, ManifestError, parseManifest, stepsInOrder } from '#manifests';
import { actInOrder, circleIn, inOrder } from '../../manifests/order.ts';

const never = new AbortController().signal;
/** Graphs without a circle: each name needs only names of a lower number. */
const graphs = fc
  .array(fc.array(fc.nat(30), { maxLength: 5 }), { maxLength: 30 })
  .map(
    (rows) =>
      new Map(
        rows.map((row, index) => [`n${index}`, row.filter((other) => other < index).map((other) => `n${other}`)]),
      ),
  );

test('each name comes once and after all that it needs', () => {
  fc.assert(
    fc.property(graphs, (needs) => {
      const order = inOrder(needs);
      assert.deepEqual([...order].sort(), [...needs.keys()].sort());
      for (const [name, others] of needs)
        for (const other of others) assert.ok(order.indexOf(other) < order.indexOf(name));
      assert.equal(circleIn(needs), undefined);
    }),
  );
});

test('a way back makes a circle, which is named by its path', () => {
  fc.assert(
    fc.property(graphs, fc.nat(29), (needs, start) => {
      const from = `n${start}`;
      const below = [...(needs.get(from) ?? [])];
      fc.pre(below.length > 0);
      const closed = new Map([...needs, [below[0] ?? '', [from]]]);
      const circle = circleIn(closed) ?? [];
      assert.ok(circle.length >= 2 && circle[0] === circle.at(-1));
      for (const [index, name] of circle.slice(0, -1).entries())
        assert.ok(closed.get(name)?.includes(circle[index + 1] ?? ''));
      assert.ok(inOrder(closed).length < closed.size);
    }),
  );
});

test('everything is done, never before what it needs, and never more than allowed at once', async () => {
  await fc.assert(
    fc.asyncProperty(graphs, fc.integer({ min: 1, max: 4 }), async (needs, atOnce) => {
      const done = new Set<string>();
      let running = 0;
      let most = 0;
      await actInOrder(inOrder(needs), needs, { atOnce, signal: never }, async (name) => {
        running += 1;
        most = Math.max(most, running);
        for (const other of needs.get(name) ?? []) assert.ok(done.has(other));
        await Promise.resolve();
        done.add(name);
        running -= 1;
      });
      assert.equal(done.size, needs.size);
      assert.ok(most <= atOnce);
    }),
    { numRuns: 50 },
  );
});

test('what nothing keeps apart is done side by side', async () => {
  const needs = new Map([
    ['a', []],
    ['b', []],
  ]);
  const both = Promise.withResolvers<void>();
  let begun = 0;
  await actInOrder(['a', 'b'], needs, { atOnce: 2, signal: AbortSignal.timeout(10_000) }, async () => {
    begun += 1;
    if (begun === 2) both.resolve();
    await both.promise;
  });
});

test('the first fault ends the others and is the one that is thrown', async () => {
  const needs = new Map([
    ['a', []],
    ['b', []],
    ['c', ['a']],
  ]);
  const acted: string[] = [];
  const act = async (name: string, signal: AbortSignal): Promise<void> => {
    acted.push(name);
    if (name === 'a') throw new Error('a is broken');
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve());
    await promise;
    signal.throwIfAborted();
  };
  await assert.rejects(actInOrder(['a', 'b', 'c'], needs, { atOnce: 2, signal: never }, act), /a is broken/);
  assert.deepEqual(acted, ['a', 'b']);
});

const manifestOf = (rest: object) =>
  JSON.stringify({ manifest_version: '1.0', project: { name: 'p' }, containers: { a: {} }, ...rest });
const problemOf = (rest: object) => {
  try {
    parseManifest(manifestOf(rest), { file: 'm' });
  } catch (error) {
    assert.ok(error instanceof ManifestError);
    return error.problems[0];
  }
  return undefined;
};
const steps = (needs: Record<string, string[]>) => ({
  app: { build: { steps: Object.entries(needs).map(([name, of]) => ({ name, needs: of, run: ['true'] })) } },
});

test('build_order decides among containers that may come next', () => {
  const containers = { a: { depends_on: { d: {} } }, b: {}, c: {}, d: {} };
  const parsed = (build_order: string[]) =>
    containersInOrder(parseManifest(manifestOf({ containers, packaging: { build_order } }), { file: 'm' }));
  assert.deepEqual(parsed([]), ['b', 'c', 'd', 'a']);
  assert.deepEqual(parsed(['c', 'd']), ['c', 'd', 'a', 'b']);
});

test('a build_order that dependencies do not allow is refused with the path', () => {
  const containers = { a: { depends_on: { b: {} } }, b: { depends_on: { c: {} } }, c: {} };
  const problem = problemOf({ containers, packaging: { build_order: ['a', 'c'] } });
  assert.equal(problem?.pointer, '/packaging/build_order/0');
  assert.match(problem?.message ?? '', /a -> b -> c$/);
});

test('steps come after the steps they need, and a circle of them is named by its path', () => {
  const parsed = parseManifest(manifestOf({ applications: steps({ pack: ['build'], build: ['fetch'], fetch: [] }) }), {
    file: 'm',
  });
  const app = parsed.applications['app'];
  assert.ok(app);
  assert.deepEqual(stepsInOrder(app), ['fetch', 'build', 'pack']);
  const problem = problemOf({ applications: steps({ one: ['two'], two: ['three'], three: ['two'] }) });
  assert.equal(problem?.pointer, '/applications/app/build/steps/2/needs');
  assert.match(problem?.message ?? '', /two -> three -> two$/);
});
