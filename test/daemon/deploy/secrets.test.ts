// Values of secrets become files in memory with their mode, change in place, and go with their container.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openSecrets } from '../../../daemon/deploy/secrets.ts';

const signal = AbortSignal.timeout(10_000);
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

async function open(where: string) {
  const home = await mkdtemp(path.join(tmpdir(), 'hermesh-home-'));
  const memory = await mkdtemp(path.join(where, 'hermesh-test-'));
  await mkdir(path.join(home, 'secrets'));
  const fromEnvironment = (name: string) => (name === 'token' ? 'of the environment' : undefined);
  const secrets = openSecrets({ home, folder: path.join(memory, 'secrets'), fromEnvironment });
  return {
    secrets,
    keep: (name: string, value: string) => writeFile(path.join(home, 'secrets', name), value),
    fileOf: (secret: string, container = 'api') => ({
      secret,
      file: path.join(secrets.folder, 'shop', container, secret),
      mode: '0440',
      owner,
    }),
    async [Symbol.asyncDispose]() {
      for (const folder of [home, memory]) await rm(folder, { recursive: true, force: true });
    },
  };
}

test('a value comes from the home, else from the environment, and a file that is mounted already gets a new one', async () => {
  await using under = await open('/dev/shm');
  const { secrets, keep, fileOf } = under;
  await keep('password', 'hunter2\n');
  const files = [fileOf('password'), fileOf('token')];
  assert.equal(await secrets.isMissing(files), true);
  await secrets.put(files, { signal });
  assert.deepEqual(await Promise.all(files.map(({ file }) => readFile(file, 'utf8'))), [
    'hunter2',
    'of the environment',
  ]);
  const before = await stat(files[0]?.file ?? '');
  assert.equal(before.mode & 0o7777, 0o440);
  assert.equal((await stat(secrets.folder)).mode & 0o777, 0o700);
  await keep('password', 'x');
  await secrets.put(files, { signal });
  assert.equal((await stat(files[0]?.file ?? '')).ino, before.ino);
  assert.equal(await readFile(files[0]?.file ?? '', 'utf8'), 'x');
  assert.equal(await secrets.isMissing(files), false);
});

test('a secret that the stack does not have is told with where to write it, and nothing is written', async () => {
  await using under = await open('/dev/shm');
  await assert.rejects(under.secrets.put([under.fileOf('token'), under.fileOf('none')], { signal }), {
    code: 'not-found',
    mend: /write it to .*secrets\/none/,
  });
  await assert.rejects(under.secrets.put([under.fileOf('../token')], { signal }), { code: 'bad-input' });
  await assert.rejects(readdir(under.secrets.folder), { code: 'ENOENT' });
});

test('files stay only for the containers that are there', async () => {
  await using under = await open('/dev/shm');
  await under.secrets.put([under.fileOf('token', 'api'), under.fileOf('token', 'old')], { signal });
  await under.secrets.keepOnly('shop', ['api']);
  assert.deepEqual(await readdir(path.join(under.secrets.folder, 'shop')), ['api']);
  await under.secrets.keepOnly('shop', []);
  assert.deepEqual(await readdir(under.secrets.folder), []);
});
