// The twin keeps what every runner keeps.
import { openBlobStore } from '#manifests';
import { makeMemoryStepRunner } from '#manifests/steps';
import { openFolder } from '../folder.ts';
import { stepRunnerContract } from './step-runner.contract.ts';

stepRunnerContract('in memory', async () => {
  const folder = await openFolder();
  const blobs = await openBlobStore(folder.path);
  return {
    runner: makeMemoryStepRunner(blobs),
    blobs,
    root: [],
    platform: 'linux/amd64',
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});
