// Two stacks as they run: each a process with a home, a database in a file and a libp2p node.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';

const script = path.join(import.meta.dirname, 'stack-process.ts');

interface Running {
  readonly lines: Record<string, string>[];
  stop(): Promise<number | null>;
}

function start(home: string, ...words: readonly string[]): Running {
  const child: ChildProcess = spawn(process.execPath, [script, home, ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: Record<string, string>[] = [];
  if (child.stdout) createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)));
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  return {
    lines,
    stop: () => {
      child.stdin?.end();
      return exit;
    },
  };
}

test('two processes replicate over libp2p, and one that was away catches up', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-processes-'));
  const running: Running[] = [];
  try {
    const one = start(path.join(folder, 'one'), 'one');
    running.push(one);
    const token = await eventually('an invite', () => one.lines.find((line) => line['token'])?.['token']);
    const two = start(path.join(folder, 'two'), 'two', token);
    running.push(two);
    const sees = (at: Running, name: string) =>
      eventually(`it sees ${name}`, () => at.lines.some((line) => line['name'] === name), { timeoutMs: 20_000 });
    await sees(one, 'of-two');
    await sees(two, 'of-one');
    const begin = performance.now();
    assert.equal(await two.stop(), 0);
    assert.ok(performance.now() - begin < 4_000, 'it ends in time');
    // The token still names its mesh: who is a member already takes it as done.
    const again = start(path.join(folder, 'two'), 'two', token);
    running.push(again);
    await sees(again, 'of-one');
  } finally {
    await Promise.all(running.map((each) => each.stop()));
    rmSync(folder, { recursive: true });
  }
});
