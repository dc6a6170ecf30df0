// The same answers as in `replies.test.ts`, a hundred thousand inputs each.
import { test } from 'node:test';
import { fuzz, longMs, runsOf } from './fuzz.ts';
import { replies } from './replies.ts';

for (const target of replies()) {
  test(`a hundred thousand of ${target.name} break nothing (failure mode 36)`, { timeout: longMs }, async () => {
    await fuzz(target, runsOf(100_000));
  });
}
