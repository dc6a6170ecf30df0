// Every parser of bytes that others send, with some thousand inputs each; the long lane has a hundred thousand.
import { test } from 'node:test';
import { fuzz, runsOf } from './fuzz.ts';
import { parsers } from './parsers.ts';

for (const target of parsers()) {
  test(`whatever comes as ${target.name} is taken or refused and breaks nothing (failure mode 36)`, async () => {
    await fuzz(target, runsOf(2_000));
  });
}
