// A day of sixteen stacks, with writes all the time and a stack a minute that dies and comes again: too long for every run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from './simulate.ts';

const hour = 60 * 60 * 1000;

test('sixteen stacks that write and die and come again for a day agree all the time, and hold and send no more at its end (failure mode 32)', {
  timeout: hour,
}, async (context) => {
  const report = await simulate({ scenario: 'soak', stacks: 16, seed: 'soak' });
  assert.deepEqual(report.violations, [], report.replay);
  const { heapBytesAnHour, sentBytesASecondFirst, sentBytesASecondLast } = report.outcome;
  context.diagnostic(JSON.stringify(report.outcome));
  // Of all sixteen together, with what the witness notes of each change.
  assert.ok((heapBytesAnHour ?? Number.NaN) < 500_000, `${heapBytesAnHour} bytes an hour`);
  assert.ok((sentBytesASecondLast ?? Number.NaN) < 1.5 * (sentBytesASecondFirst ?? Number.NaN));
});
