// That the other applications of examples/ are locked, built, run and answer: what takes long fetches toolchains of 100 MB and more.
import { after, test } from 'node:test';
import { engineWanted } from '../support/private-engine.ts';
import { ledger, links, meetings, openStand, type Stand, tryApplication } from './applications.ts';

const options = { skip: engineWanted() ? false : 'HERMESH_TEST_ENGINE=none', timeout: 1_200_000 };
let shared: Promise<Stand> | undefined;
const open = (): Promise<Stand> => {
  shared ??= openStand();
  return shared;
};
after(async () => void (await (await shared)?.[Symbol.asyncDispose]()));

for (const application of [links, ledger, meetings])
  test(`${application.name} is built from its manifest, runs and answers`, options, async () => {
    await tryApplication(application, await open());
  });
