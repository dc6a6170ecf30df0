// What comes from outside of the mesh, with some hundred inputs each.
import { after, test } from 'node:test';
import { fuzz, runsOf } from './fuzz.ts';
import { outside } from './outside.ts';

const parts = new AsyncDisposableStack();
after(() => parts.disposeAsync());

for (const target of await outside(parts)) {
  test(`a daemon takes or refuses under a code whatever comes as ${target.name} (failure mode 36)`, async () => {
    await fuzz(target, runsOf(500));
  });
}
