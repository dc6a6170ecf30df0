// Sixty stacks that join over libp2p, leave and close: what is held after each levels off.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { cycles } from './cycles.ts';

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

test('what is held after sixty stacks joined and left levels off, and each of their sockets is closed (failure mode 32)', async (context) => {
  const open: number[] = [];
  const held = await cycles(60, () => void open.push(readdirSync('/proc/self/fd').length));
  context.diagnostic(held.map((bytes) => (bytes / 1e6).toFixed(1)).join(' '));
  const growth = mean(held.slice(40)) - mean(held.slice(20, 40));
  // The first cycles compile code and fill caches; each leaves a certificate and a leave in the roster. A view of Node's pool of
  // buffers that is kept from each cycle, 64 KiB, would fail this.
  assert.ok(growth < 1e6, `${growth} bytes in twenty cycles`);
  assert.ok(Math.max(...open.slice(40)) - (open[0] ?? 0) <= 4, open.join(' '));
});
