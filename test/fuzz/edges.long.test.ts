// The same frames and calls as in `edges.test.ts`, a hundred thousand inputs each.
import { after, test } from 'node:test';
import { edges } from './edges.ts';
import { fuzz, longMs, runsOf } from './fuzz.ts';

const parts = new AsyncDisposableStack();
after(() => parts.disposeAsync());

for (const target of await edges(parts)) {
  test(`a hundred thousand of ${target.name} break nothing (failure mode 36)`, { timeout: longMs }, async () => {
    await fuzz(target, runsOf(100_000));
  });
}
