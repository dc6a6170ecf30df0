// A fleet behind one address that joins at once: whole stacks over libp2p, in one process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../support/deadline.ts';
import { type Libp2pStack, openStack } from './stacks.ts';

const day = 24 * 60 * 60 * 1000;
const soon = (ms = 10_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) });

test('thirty stacks of one address join a mesh at once over libp2p (failure modes 4, 5)', async () => {
  await using parts = new AsyncDisposableStack();
  const one = await openStack(parts, 'one');
  const { token } = one.registry.createInvite({ role: 'member', expiresInMs: day, uses: 30 });
  const names = Array.from({ length: 30 }, (_, at) => `joiner-${at}`);
  const stacks: Libp2pStack[] = [];
  for (const name of names) stacks.push(await openStack(parts, name));
  const began = performance.now();
  await Promise.all(stacks.map(({ registry }) => registry.join(token, soon(30_000))));
  const joinedMs = Math.round(performance.now() - began);
  assert.equal(one.registry.members().length, 31);
  await eventually('one is connected with all', () => one.network.connected().length === 30, {
    timeoutMs: 90_000,
    everyMs: 200,
  });
  one.registry.write([{ kind: 'note', name: 'n', body: { text: 'to all' } }]);
  await eventually(
    'all have it, and know one another',
    () => stacks.every(({ registry }) => registry.members().length === 31 && registry.directory.get('note', 'n')),
    { timeoutMs: 60_000, everyMs: 100 },
  );
  assert.ok(joinedMs < 30_000, `${joinedMs} ms`);
});
