// Much at once between two nodes: many exchanges over one connection, and a feed as large as a feed may be.
import assert from 'node:assert/strict';
import { createHash, randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import { openLibp2pNetwork } from '#daemon/libp2p';
import { identityOf, silentLog } from '../../support/constellation.ts';
import { eventually } from '../../support/deadline.ts';
import { joinOver, openStack } from './stacks.ts';

const listen = ['/ip4/127.0.0.1/tcp/0'];

test('a hundred megabytes in as many exchanges arrive as they were sent (failure mode 25)', async () => {
  await using stack = new AsyncDisposableStack();
  const [from, to] = [
    stack.use(await openLibp2pNetwork({ identity: identityOf('from'), listen, log: silentLog })),
    stack.use(await openLibp2pNetwork({ identity: identityOf('to'), listen, log: silentLog })),
  ];
  for (const network of [from, to]) network.setGate(() => 'member');
  const part = randomFillSync(new Uint8Array(1024 * 1024));
  const [given, taken] = [createHash('sha256'), createHash('sha256')];
  from.serve('/large/1.0.0', { access: 'member', maxRequestBytes: 10, timeoutMs: 20_000 }, async ([at = 0]) => {
    part[0] = at;
    given.update(part);
    return part.slice();
  });
  const signal = AbortSignal.timeout(120_000);
  await to.connect(from.stack, from.addresses(), { signal });
  for (let at = 0; at < 100; at += 1) {
    const request = new Uint8Array([at]);
    taken.update(await to.request(from.stack, '/large/1.0.0', request, { signal, maxResponseBytes: part.byteLength }));
  }
  assert.equal(taken.digest('hex'), given.digest('hex'));
});

test('a feed of 31 MB comes whole to a stack that joins (failure mode 25)', async () => {
  await using parts = new AsyncDisposableStack();
  const one = await openStack(parts, 'one');
  const two = await openStack(parts, 'two');
  const text = 'x'.repeat(14_900);
  const count = 2_100;
  for (let at = 0; at < count; at += 50) {
    const batch = Array.from({ length: 50 }, (_, index) => ({ kind: 'note', name: `n${at + index}`, body: { text } }));
    one.registry.write(batch);
  }
  await joinOver(two, one);
  await eventually('all are there', () => two.registry.directory.list({ kind: 'note' }).length === count, {
    timeoutMs: 60_000,
    everyMs: 200,
  });
});
