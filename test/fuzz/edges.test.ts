// Frames, calls between stacks, and the bytes of the own database.
import { after, test } from 'node:test';
import { edges, stored } from './edges.ts';
import { fuzz, runsOf } from './fuzz.ts';

const parts = new AsyncDisposableStack();
after(() => parts.disposeAsync());

for (const target of await edges(parts)) {
  test(`whatever comes as ${target.name} is taken or refused under a code (failure mode 36)`, async () => {
    await fuzz(target, runsOf(1_000));
  });
}

test('a registry opens on bytes that rotted, or says what is broken (failure mode 21)', async () => {
  await fuzz(await stored(), runsOf(150));
});
