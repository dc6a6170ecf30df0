// kill -9 in the middle of writes: a sample of the rounds that kill.long.test.ts runs in full.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killDaemon, killStore } from './kills.ts';

test('a bare store that is killed 20 times while it writes loses nothing acknowledged and signs no place twice (failure mode 21)', async (t) => {
  const { writes } = await killStore(20);
  t.diagnostic(`${writes} writes were acknowledged`);
  assert.ok(writes > 0);
});

test('a daemon that is killed 3 times under registrations keeps and spreads each that it acknowledged (failure mode 21)', async (t) => {
  const { writes } = await killDaemon(3);
  t.diagnostic(`${writes} registrations were acknowledged`);
  assert.ok(writes > 0);
});
