// Sixty members that ask one stack at one moment for as much as an answer may hold, and stop reading in the middle of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openLibp2pNetwork } from '#daemon/libp2p';
import { identityOf, silentLog } from '../../support/constellation.ts';
import { eventually } from '../../support/deadline.ts';
import { heldBytes } from '../../support/held-bytes.ts';

const askers = 60;
const asksOfEach = 2;
const answerBytes = 1024 * 1024;
const maxAtOnce = 16;

test('a stack that sixty members ask at once answers sixteen at a time, holds little while they do not read, and answers all in the end (failure mode 33)', async (context) => {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(
    await openLibp2pNetwork({ identity: identityOf('asked'), listen: ['/ip4/127.0.0.1/tcp/0'], log: silentLog }),
  );
  network.setGate(() => 'member');
  let made = 0;
  let stop = (): void => undefined;
  const bounds = { access: 'member', maxRequestBytes: 1_000, timeoutMs: 60_000, maxAtOnce } as const;
  network.serve('/large/1.0.0', bounds, async () => {
    if (made === 0) stop();
    made += 1;
    return new Uint8Array(answerBytes);
  });
  const script = path.join(import.meta.dirname, 'askers-process.ts');
  const words = [script, network.stack, network.addresses()[0] ?? '', `${askers}`, `${asksOfEach}`];
  const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  stack.defer(() => void child.kill('SIGKILL'));
  const said: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(line));
  await eventually('all are connected', () => said.includes('ready'), { timeoutMs: 60_000 });
  const before = heldBytes();
  stop = () => void child.kill('SIGSTOP');
  child.stdin.write('go\n');
  await eventually('it answers', () => made > 0);
  // What was sent before the stop is worked off.
  await pause(2_000);
  const held = heldBytes() - before;
  context.diagnostic(`${made} answers made and ${(held / 1e6).toFixed(0)} MB held for ${askers * asksOfEach} requests`);
  // Answers that the system's buffers took whole count as read.
  assert.ok(made < 2 * maxAtOnce, `${made} answers`);
  assert.ok(held < 4 * maxAtOnce * answerBytes, `${held} bytes`);
  child.kill('SIGCONT');
  const told = await eventually('all are answered', () => said.find((line) => line.startsWith('answered')), {
    timeoutMs: 60_000,
  });
  assert.equal(told, `answered ${askers * asksOfEach}`);
});
