// That results of build steps go from stack to stack under the trust rule: records in the registry, layers over the exchange.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '#manifests';
import { openSharedResults } from '../../../daemon/steps/index.ts';
import { eventually } from '../../support/deadline.ts';
import { ExchangeMesh, type Exchanging, noise } from '../../support/exchanging.ts';

const signal = AbortSignal.timeout(120_000);
const key = digestOf('a step');

function sharedAt(at: Exchanging, operators: Readonly<Record<string, string>> = {}) {
  const warned: object[] = [];
  const shared = openSharedResults({
    registry: at.registry,
    exchange: at.exchange,
    operatorOf: (stack) => operators[stack],
    log: { warn: (fields) => void warned.push(fields) },
  });
  return { ...shared, warned };
}

async function makes(at: Exchanging, seed: string): Promise<ReturnType<typeof digestOf>> {
  const info = await at.blobs.write([noise(3 << 20, seed)], { maxBytes: 1 << 24, signal });
  sharedAt(at).made(key, info);
  return info.digest;
}

test('a result is claimed by who made it, in its role, and comes from there', async () => {
  await using mesh = new ExchangeMesh();
  const admin = await mesh.open('admin');
  const builder = await mesh.open('builder', { role: 'builder' });
  const member = await mesh.open('member');
  const taker = await mesh.open('taker');
  const layer = await makes(admin, 'right');
  await makes(builder, 'right');
  await makes(member, 'other');
  const operators = { [member.registry.stack]: 'acme' };
  const shared = sharedAt(taker, operators);
  await eventually('the claims are known', () => shared.claims(key).length === 3);
  const claims = shared.claims(key).map(({ stackName, isBuilder, operator }) => [stackName, isBuilder, operator]);
  assert.deepEqual(claims.sort(), [
    ['admin', true, undefined],
    ['builder', true, undefined],
    ['member', false, 'acme'],
  ]);
  assert.deepEqual(sharedAt(admin).claims(key).length, 2, 'its own word is no other one');
  assert.deepEqual(shared.claims(digestOf('another step')), []);
  const by = [{ stack: builder.registry.stack, stackName: 'builder' }];
  await shared.bring({ layer, sizeBytes: 3 << 20, by }, { signal });
  assert.equal(await taker.blobs.size(layer), 3 << 20);
  assert.ok(builder.exchange.givenBytes > 0);
});

test('a stack that got something else than others says so once it knows, and keeps to what it got', async () => {
  await using mesh = new ExchangeMesh();
  const first = await mesh.open('first');
  const second = await mesh.open('second');
  await makes(first, 'right');
  await eventually('the claim is known', () => sharedAt(second).claims(key).length === 1);
  const shared = sharedAt(second);
  const info = { digest: digestOf('wrong'), sizeBytes: 5 };
  shared.made(key, info);
  assert.deepEqual(shared.warned, [{ key, layer: info.digest, stacks: ['first'] }]);
  const told = second.registry.directory.list({ kind: 'step-result', stack: second.registry.stack });
  assert.deepEqual(
    told.map(({ body }) => body),
    [{ layer: info.digest, sizeBytes: 5 }],
  );
});

test("a stack's own claims are bounded: the oldest goes", async () => {
  await using mesh = new ExchangeMesh();
  const stack = await mesh.open('only');
  const shared = sharedAt(stack);
  const names = Array.from({ length: 1_001 }, (_, index) => digestOf(`step ${index}`));
  stack.registry.write(
    names
      .slice(0, 1_000)
      .map((name) => ({ kind: 'step-result', name, body: { layer: digestOf('same'), sizeBytes: 1 } })),
  );
  shared.made(names[1_000] as typeof key, { digest: digestOf('same'), sizeBytes: 1 });
  const kept = stack.registry.directory.list({ kind: 'step-result' }).map(({ name }) => name);
  assert.equal(kept.length, 1_000);
  assert.ok(kept.includes(names[1_000] as string));
});
