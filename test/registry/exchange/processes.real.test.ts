// Blobs between processes over libp2p: three peers and a liar, and a fetch that is killed mid-way.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { type ExchangeProcess, startExchange } from '../../support/exchange-process.ts';

const mib = 1024 * 1024;

interface State {
  readonly given: number;
  readonly faults: readonly { readonly peer: string; readonly fault: string }[];
  readonly rss: number;
  readonly peak: number;
}
interface Fetched {
  readonly receivedBytes: number;
  readonly resumedBytes: number;
  readonly ms: number;
}

/** A mesh of processes; the first one founds it. */
async function openMesh() {
  const parts = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-exchange-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  let token: string | undefined;
  const start = async (name: string, ...words: string[]): Promise<ExchangeProcess> => {
    const join = token === undefined ? [] : ['--join', token];
    const one = parts.use(await startExchange(['--home', path.join(folder, name), '--name', name, ...join, ...words]));
    token ??= (await one.ask<{ token: string }>('invite')).token;
    return one;
  };
  return { start, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

test('of three peers and a liar all bytes come right, and the liar is named and cut', {
  timeout: 120_000,
}, async () => {
  await using mesh = await openMesh();
  const cap = ['--cap', `${16 * mib}`];
  const peers = [await mesh.start('one', ...cap), await mesh.start('two', ...cap), await mesh.start('three', ...cap)];
  const liar = await mesh.start('liar', '--lie', ...cap);
  const victim = await mesh.start('victim');
  const content = { seed: 'processes', sizeBytes: `${32 * mib}` };
  const kept = await Promise.all([...peers, liar].map((one) => one.ask<{ digest: string }>('keep', content)));
  const digest = kept[0]?.digest ?? '';
  await victim.ask('holders', { count: '4' });
  const { receivedBytes } = await victim.ask<Fetched>('fetch', { digest });
  const { faults } = await victim.ask<State>('state');
  assert.deepEqual(faults, [{ peer: liar.stack, fault: 'wrong-bytes' }]);
  // Two requests were under way to the liar at most, and nothing of the others' was lost.
  assert.ok(receivedBytes <= 32 * mib + 4 * mib, `${receivedBytes} bytes came`);
  for (const peer of peers) assert.ok((await peer.ask<State>('state')).given > 0);
});

test('a fetch that is killed goes on where it was, and memory stays bounded', { timeout: 180_000 }, async () => {
  await using mesh = await openMesh();
  const source = await mesh.start('source', '--cap', `${40 * mib}`);
  const first = await mesh.start('reader');
  const size = 256 * mib;
  const { digest } = await source.ask<{ digest: string }>('keep', { seed: 'killed', sizeBytes: `${size}` });
  await first.ask('holders');
  const idle = (await first.ask<State>('state')).rss;
  const broken = first.ask('fetch', { digest }).catch(() => undefined);
  let given = 0;
  while (given < size / 3) ({ given } = await source.ask<State>('state'));
  await first.kill();
  await broken;
  ({ given } = await source.ask<State>('state'));
  const again = await mesh.start('reader');
  const { receivedBytes, resumedBytes } = await again.ask<Fetched>('fetch', { digest });
  assert.equal(receivedBytes + resumedBytes, size, 'no verified range comes twice');
  // What was sent and not kept: requests under way, and what lay in sockets.
  assert.ok(resumedBytes > given - 24 * mib, `${resumedBytes} of ${given} bytes were kept`);
  const { peak } = await again.ask<State>('state');
  assert.ok(peak - idle < 150 * mib, `memory rose by ${Math.round((peak - idle) / mib)} MiB`);
});
