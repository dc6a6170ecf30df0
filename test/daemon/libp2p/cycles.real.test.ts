// Few stacks that join over libp2p, leave and close; `cycles.long.test.ts` has many.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cycles } from './cycles.ts';

test('six stacks that joined and left leave no more behind than caches hold (failure mode 32)', async (context) => {
  const held = await cycles(6);
  context.diagnostic(held.map((bytes) => (bytes / 1e6).toFixed(1)).join(' '));
  const growth = (held.at(-1) ?? Number.NaN) - (held[1] ?? Number.NaN);
  assert.ok(growth < 6e6, `${growth} bytes in four cycles`);
});
