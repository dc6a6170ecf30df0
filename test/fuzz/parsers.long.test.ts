// The same parsers as in `parsers.test.ts`, a hundred thousand inputs each.
import { test } from 'node:test';
import { fuzz, longMs, runsOf } from './fuzz.ts';
import { parsers } from './parsers.ts';

for (const target of parsers()) {
  test(`a hundred thousand of ${target.name} break nothing (failure mode 36)`, { timeout: longMs }, async () => {
    await fuzz(target, runsOf(100_000));
  });
}
