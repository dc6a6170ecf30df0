// One stack in a process of its own, for tests: prints an invite or joins with one, writes a note, and prints all it sees.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { openLibp2pNetwork } from '#daemon/libp2p';
import { loadOrMakeIdentity, openDatabase, openRegistry, registryMigrations, systemClock } from '#registry';
import { noteKind, silentLog } from '../support/constellation.ts';

const [home = '', name = '', token] = process.argv.slice(2);
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

await using stack = new AsyncDisposableStack();
const end = new AbortController();
process.stdin.on('end', () => end.abort()).resume();
const identity = await loadOrMakeIdentity(home);
const database = stack.use(openDatabase(path.join(home, 'home.db'), [registryMigrations]));
const network = stack.use(await openLibp2pNetwork({ identity, listen: ['/ip4/127.0.0.1/tcp/0'], log: silentLog }));
const registry = stack.use(
  await openRegistry({
    database,
    identity,
    name,
    network,
    kinds: [noteKind],
    mayStand: () => undefined,
    clock: systemClock,
    random: (sizeBytes) => randomBytes(sizeBytes),
    log: silentLog,
  }),
);
registry.write([{ kind: 'stack', name, body: { name, addresses: [...network.addresses()] } }]);
if (token) await registry.join(token, { signal: AbortSignal.timeout(10_000) });
else say({ token: registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 }).token });
registry.write([{ kind: 'note', name: `of-${name}`, body: { text: 'hello' } }]);
for await (const { entry } of registry.directory.follow({ from: 0, signal: end.signal })) {
  if (entry) say({ kind: entry.kind, name: entry.name, stack: entry.stackName });
}
