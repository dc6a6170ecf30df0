// Every server of a registry and every topic, with some hundred inputs each; the long lane has a hundred thousand.
import { after, test } from 'node:test';
import { fuzz, runsOf } from './fuzz.ts';
import { openServers } from './servers.ts';

const servers = await openServers();
after(() => servers[Symbol.asyncDispose]());

for (const target of servers.targets) {
  test(`a registry stands whatever comes as ${target.name} (failure mode 36)`, async () => {
    await fuzz(target, runsOf(150));
  });
}
