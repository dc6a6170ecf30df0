// A bare store in a process of its own, made to be killed: writes notes and says each once it is acknowledged, with its head.
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MemoryHub, openDatabase, openRegistry, registryMigrations, systemClock } from '#registry';
import { FeedStore } from '#registry/feeds';
import { identityOf, noteKind, silentLog } from '../support/constellation.ts';

const [file = '', first = '0'] = process.argv.slice(2);
// Synchronous: what was said stands in the pipe when the process is killed.
const say = (value: object): void => void writeSync(1, `${JSON.stringify(value)}\n`);

const identity = identityOf('writer');
const database = openDatabase(file, [registryMigrations]);
const registry = await openRegistry({
  database,
  identity,
  name: 'writer',
  network: new MemoryHub().open(identity),
  kinds: [noteKind],
  mayStand: () => undefined,
  clock: systemClock,
  random: (sizeBytes) => randomBytes(sizeBytes),
  log: silentLog,
});
const heads = new FeedStore(database);
const head = (): object => {
  const own = heads.heads().find(({ feed }) => feed === identity.stack);
  return {
    place: `${own?.epoch.counter}/${own?.sequence}`,
    hash: Buffer.from(own?.hash ?? []).toString('hex'),
  };
};
say({ ready: true, ...head() });
for (let index = Number(first); ; index += 1) {
  // Some deltas carry several records, and a few bodies are larger than a page of the database.
  const names = Array.from({ length: (index % 3) + 1 }, (_, part) => `${index}-${part}`);
  const text = 'x'.repeat(index % 7 === 0 ? 6_000 : 20);
  registry.write(names.map((name) => ({ kind: 'note', name, body: { text } })));
  say({ names, ...head() });
  await nextTurn();
}
