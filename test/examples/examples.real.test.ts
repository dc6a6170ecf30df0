// That applications of examples/ are locked, built, run and answer, by a real daemon: one in TypeScript, one that is compiled.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { engineWanted } from '../support/private-engine.ts';
import {
  command,
  copyOf,
  notes,
  openStand,
  runAndAsk,
  type Stand,
  stopAll,
  tryApplication,
  uptime,
} from './applications.ts';

const options = { skip: engineWanted() ? false : 'HERMESH_TEST_ENGINE=none', timeout: 1_200_000 };
let shared: Promise<Stand> | undefined;
const open = (): Promise<Stand> => {
  shared ??= openStand();
  return shared;
};
after(async () => void (await (await shared)?.[Symbol.asyncDispose]()));

for (const application of [notes, uptime])
  test(`${application.name} is built from its manifest, runs and answers`, options, async () => {
    await tryApplication(application, await open());
  });

test('what "manifest init" writes for notes is right: it builds, runs and answers too', options, async () => {
  const stand = await open();
  const copy = await copyOf('notes', stand, ['manifest.json']);
  await command(stand, 'hermesh', 'manifest', 'init', copy);
  const file = path.join(copy, 'manifest.json');
  const [found, ours] = await Promise.all(
    [file, path.join(copy, '../notes/manifest.json')].map(async (each) => JSON.parse(await readFile(each, 'utf8'))),
  );
  const facts = ({ applications }: typeof ours) => {
    const { language, framework, runtime, lockfiles, start, ports, health } = applications.notes;
    return { language, framework, runtime, lockfiles, start, ports, health: health.http };
  };
  assert.deepEqual(facts(found), facts(ours));
  // What a person adds to it: a port of the host.
  found.containers.notes.publish = [{ port: 8080 }];
  await writeFile(file, JSON.stringify(found));
  await command(stand, 'hermesh', 'manifest', 'lock', file);
  await runAndAsk(notes, file, stand);
  await stopAll('notes', stand);
});
