// The same as in `outside.test.ts`, a hundred thousand inputs each.
import { after, test } from 'node:test';
import { fuzz, longMs, runsOf } from './fuzz.ts';
import { outside } from './outside.ts';

const parts = new AsyncDisposableStack();
after(() => parts.disposeAsync());

for (const target of await outside(parts)) {
  test(`a hundred thousand of ${target.name} break nothing (failure mode 36)`, { timeout: longMs }, async () => {
    await fuzz(target, runsOf(100_000));
  });
}
