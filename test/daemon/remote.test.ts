// Calls between stacks, as a rogue member makes and answers them: no role beyond its own, no flood, no bytes that break a reader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from 'cborg';
import type { Principal } from '#governance';
import { MemoryHub, type Network } from '#registry';
import { problemOf } from '../../daemon/problem.ts';
import { type Carry, callOperation, operationProtocol, serveOperations } from '../../daemon/remote.ts';
import { identityOf } from '../support/constellation.ts';

const soon = (): AbortSignal => AbortSignal.timeout(5_000);
const caller: Principal = { name: 'owner', stack: 'x', role: 'admin', by: 'socket' };

/** Two connected stacks; the second serves operations with `carry`, and believes the first to be a viewer. */
async function open(carry: Carry): Promise<{ one: Network; two: Network; ask(request: unknown): Promise<unknown> }> {
  const hub = new MemoryHub();
  const [one, two] = [hub.open(identityOf('one')), hub.open(identityOf('two'))];
  for (const network of [one, two]) network.setGate(() => 'member');
  await one.connect(two.stack, two.addresses(), { signal: soon() });
  serveOperations(two, () => 'viewer', carry, problemOf);
  const ask = async (request: unknown): Promise<unknown> => {
    const bytes = request instanceof Uint8Array ? request : encode(request);
    const options = { signal: soon(), maxResponseBytes: 1024 * 1024 };
    return decode(await one.request(two.stack, operationProtocol, bytes, options));
  };
  return { one, two, ask };
}

/** All are connected here. */
const reach = async (): Promise<void> => {};
const codeOf = (answer: unknown): string | undefined => (answer as { error?: { code: string } }).error?.code;
const call = (name: string, input: unknown = {}) => ({ operation: 'look', input, principal: { name, role: 'admin' } });

test('a caller is believed as far as the role of its stack goes, and named by that stack', async () => {
  let seen: Principal | undefined;
  const { one, two, ask } = await open(async (_, __, principal) => {
    seen = principal;
    return 'done';
  });
  assert.equal(
    await callOperation(
      { network: one, reach },
      two.stack,
      { operation: 'look', input: {}, principal: caller },
      soon(),
    ),
    'done',
  );
  assert.deepEqual(seen, { name: 'owner', stack: one.stack, role: 'viewer', by: 'stack' });
  for (const name of [`owner@${two.stack}`, 'a\nb', '', 'x'.repeat(200)]) {
    assert.equal(codeOf(await ask(call(name))), 'bad-input', JSON.stringify(name));
  }
});

test('what is not strict CBOR, or of another shape, is bad input', async () => {
  const { ask } = await open(async () => 'done');
  const deep = Buffer.alloc(60_000, 0x81);
  const faults = [new Uint8Array(deep), Uint8Array.of(0x9f, 0xff), encode(5), encode({ ...call('a'), more: 1 })];
  for (const bytes of faults) assert.equal(codeOf(await ask(bytes)), 'bad-input');
  assert.equal(codeOf(await ask(call('a', { big: 2n ** 63n }))), 'bad-input');
});

test('one stack calls three hundred times in a minute, and no more', async () => {
  let count = 0;
  const { ask } = await open(async () => {
    count += 1;
  });
  const answers = [];
  for (let at = 0; at < 310; at += 1) answers.push(codeOf(await ask(call('a'))));
  assert.equal(count, 300);
  assert.deepEqual(new Set(answers.slice(300)), new Set(['busy']));
});

test('a result that does not fit, and a fault without a code, are told as such and no more', async () => {
  const { ask } = await open(async (operation) => {
    if (operation === 'large') return 'x'.repeat(2 * 1024 * 1024);
    throw new Error('ENOENT: no such file or directory, open "/root/secret"');
  });
  assert.equal(codeOf(await ask({ ...call('a'), operation: 'large' })), 'too-large');
  const answer = await ask(call('a'));
  assert.equal(codeOf(answer), 'internal');
  assert.ok(!JSON.stringify(answer).includes('secret'));
});

test('what a rogue answers comes out as an error that can be shown', async () => {
  const hub = new MemoryHub();
  const [one, two] = [hub.open(identityOf('one')), hub.open(identityOf('two'))];
  for (const network of [one, two]) network.setGate(() => 'member');
  await one.connect(two.stack, two.addresses(), { signal: soon() });
  const bounds = { access: 'member', maxRequestBytes: 64 * 1024, timeoutMs: 5_000 } as const;
  const answered = async (bytes: Uint8Array): Promise<{ code?: string; message: string }> => {
    two.serve(operationProtocol, bounds, async () => bytes);
    const asked = callOperation(
      { network: one, reach },
      two.stack,
      { operation: 'look', input: {}, principal: caller },
      soon(),
    );
    return asked.then(
      () => assert.fail('it was answered'),
      (error: { code?: string; message: string }) => error,
    );
  };
  for (const bytes of [new Uint8Array(), new Uint8Array(Buffer.alloc(500_000, 0x81)), encode({ result: 2n ** 63n })]) {
    assert.equal((await answered(bytes)).code, 'ci-failed');
  }
  const shouted = await answered(encode({ error: { code: 'forbidden', message: `\u001b[2J${'x'.repeat(100_000)}` } }));
  assert.equal(shouted.code, 'forbidden');
  assert.ok(shouted.message.length <= 2_000 && !/\p{Cc}/u.test(shouted.message));
});
