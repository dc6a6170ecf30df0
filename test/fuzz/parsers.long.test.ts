// The same parsers as in `parsers.test.ts`, a hundred thousand inputs each.
import { test } from 'node:test';
import { fuzz, runsOf } from './fuzz.ts';
import { parsers } from './parsers.ts';

/** A minute of the processor is enough for the slowest; on a loaded machine that takes longer. */
const timeout = 1_800_000;

for (const target of parsers()) {
  test(`a hundred thousand of ${target.name} break nothing (failure mode 36)`, { timeout }, async () => {
    await fuzz(target, runsOf(100_000));
  });
}
