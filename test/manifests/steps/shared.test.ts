// Whose results of build steps are taken, and what becomes of those that are not what they are said to be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { digestOf } from '#manifests';
import { type ResultClaim, vouchedResult } from '#manifests/steps';

const layers = ['one', 'two'].map((word) => digestOf(word));
const [one, two] = layers as [ResultClaim['layer'], ResultClaim['layer']];
const claim = (stack: string, layer: ResultClaim['layer'], more: Partial<ResultClaim> = {}): ResultClaim => ({
  stack,
  stackName: stack,
  isBuilder: false,
  operator: undefined,
  layer,
  sizeBytes: 1024,
  ...more,
});
const builder = { isBuilder: true };

test("a builder's result is taken, whatever others got, unless another builder got something else", () => {
  assert.equal(vouchedResult([claim('a', one, builder)])?.layer, one);
  const contradicted = [claim('x', two, { operator: 'x' }), claim('a', one, builder), claim('y', two)];
  assert.deepEqual(
    vouchedResult(contradicted)?.by.map(({ stack }) => stack),
    ['a'],
  );
  assert.equal(vouchedResult([claim('a', one, builder), claim('b', two, builder)]), undefined);
  assert.equal(vouchedResult([claim('a', one, builder), claim('b', one, { ...builder, sizeBytes: 1 })]), undefined);
});

test("others' results are taken once stacks of two declared operators agree and nobody differs", () => {
  const [a, b] = [claim('a', one, { operator: 'acme' }), claim('b', one, { operator: 'blue' })];
  assert.equal(vouchedResult([]), undefined);
  assert.equal(vouchedResult([a]), undefined);
  assert.equal(vouchedResult([a, claim('c', one, { operator: 'acme' })]), undefined, 'one operator is one');
  assert.equal(vouchedResult([a, claim('c', one)]), undefined, 'who declares no operator counts for nobody');
  assert.equal(vouchedResult([a, b])?.layer, one);
  assert.equal(vouchedResult([a, b, claim('c', two)]), undefined);
});

test('the order in which claims come decides nothing', async () => {
  const claims = fc.array(
    fc.record({
      stack: fc.constantFrom('a', 'b', 'c', 'd'),
      isBuilder: fc.boolean(),
      operator: fc.constantFrom('acme', 'blue', undefined),
      layer: fc.constantFrom(one, two),
    }),
    { maxLength: 6 },
  );
  await fc.assert(
    fc.property(claims, fc.infiniteStream(fc.nat()), (drawn, chance) => {
      const all = drawn.map((each) => claim(each.stack, each.layer, each));
      const shuffled = all
        .map((each) => ({ each, at: chance.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ each }) => each);
      assert.equal(vouchedResult(shuffled)?.layer, vouchedResult(all)?.layer);
    }),
  );
});
