// The answers of other members, each against the driver that asked for it, with some hundred inputs each.
import { test } from 'node:test';
import { fuzz, runsOf } from './fuzz.ts';
import { replies } from './replies.ts';

for (const target of replies()) {
  test(`whoever asks stands ${target.name}, whatever it holds (failure mode 36)`, async () => {
    await fuzz(target, runsOf(400));
  });
}
