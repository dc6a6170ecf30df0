// The same servers as in `servers.test.ts`, a hundred thousand inputs each.
import { after, test } from 'node:test';
import { fuzz, longMs, runsOf } from './fuzz.ts';
import { openServers } from './servers.ts';

const servers = await openServers();
after(() => servers[Symbol.asyncDispose]());

for (const target of servers.targets) {
  test(`a registry stands a hundred thousand of ${target.name} (failure mode 36)`, { timeout: longMs }, async () => {
    await fuzz(target, runsOf(100_000));
  });
}
