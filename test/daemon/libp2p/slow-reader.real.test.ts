// A member that reads nothing more while others publish: what waits for it is bounded.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openLibp2pNetwork } from '#daemon/libp2p';
import { identityOf, silentLog } from '../../support/constellation.ts';
import { eventually } from '../../support/deadline.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const held = (): number => {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

test('a hundred megabytes published to a member that stopped reading leave memory as it was (failure mode 23)', async (context) => {
  await using stack = new AsyncDisposableStack();
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const writer = stack.use(await openLibp2pNetwork({ identity: identityOf('writer'), listen, log: silentLog }));
  writer.setGate(() => 'member');
  writer.subscribe('news', () => 'accept');
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'reader-process.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  stack.defer(() => {
    child.kill('SIGKILL');
  });
  const said: { addresses?: string[]; heard?: number }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  const addresses = await eventually('it listens', () => said.find((each) => each.addresses)?.addresses, {
    timeoutMs: 20_000,
  });
  await writer.connect(identityOf('reader').stack, addresses, { signal: AbortSignal.timeout(10_000) });
  const publish = (): void => writer.publish('news', randomFillSync(new Uint8Array(200 * 1024)));
  await eventually(
    'it hears',
    () => {
      publish();
      return said.some(({ heard }) => heard !== undefined);
    },
    { everyMs: 200 },
  );
  const before = held();
  child.kill('SIGSTOP');
  // More than three seconds, so that it is no burst; the cache of gossip holds messages for some seconds.
  for (let at = 0; at < 500; at += 1) {
    publish();
    if (at % 25 === 24) await pause(150);
  }
  const most = held() - before;
  let left = 0;
  await eventually(
    'what was cached is gone',
    () => {
      left = held() - before;
      return left < 16e6;
    },
    { timeoutMs: 20_000, everyMs: 500 },
  );
  context.diagnostic(`${(most / 1e6).toFixed(0)} MB at the end of publishing, ${(left / 1e6).toFixed(0)} MB after`);
  assert.ok(most < 150e6, `${most} bytes`);
});
