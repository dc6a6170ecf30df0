// The configuration: what is said where, and what wins.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { homeOf, readConfig } from '#daemon';
import { Daemons } from '../support/daemons.ts';

test('the home is the option, else the environment, else below the state directory', () => {
  assert.equal(homeOf('/a', { HERMESH_HOME: '/b' }), '/a');
  assert.equal(homeOf(undefined, { HERMESH_HOME: '/b', XDG_STATE_HOME: '/c' }), '/b');
  assert.equal(homeOf(undefined, { XDG_STATE_HOME: '/c' }), '/c/hermesh');
  assert.equal(homeOf(undefined, {}), path.join(homedir(), '.local/state/hermesh'));
  assert.ok(path.isAbsolute(homeOf('relative', {})));
});

test('a flag wins over config.json, which wins over the default', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('config');
  assert.deepEqual((await readConfig(home, { name: 'x' }, {})).http, { host: '127.0.0.1', port: 8001 });
  await writeFile(path.join(home, 'config.json'), '{"http":"localhost:1","site":"fra-1:edge","engine":"none"}');
  const config = await readConfig(home, { http: '[::1]:2' }, {});
  assert.deepEqual(config.http, { host: '::1', port: 2 });
  assert.deepEqual(config.site, { name: 'fra-1', type: 'edge' });
  assert.equal(config.engine, 'none');
  assert.equal(config.hermes, 'closed');
  assert.equal((await readConfig(home, { site: 'ber' }, {})).site.type, 'bare-metal');
});

test('the upload limit is in bytes or bits a second, in SI units, and none unless said', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('config');
  const limit = async (uploadLimit?: string) => (await readConfig(home, { uploadLimit }, {})).uploadBytesPerSecond;
  assert.deepEqual(
    [await limit('10MB/s'), await limit('80Mbit/s'), await limit('1.5 GB/s'), await limit('none'), await limit()],
    [10e6, 10e6, 1.5e9, undefined, undefined],
  );
});

test('the engine is looked for where DOCKER_HOST says first, then in the usual places', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('config');
  const { engineSockets } = await readConfig(
    home,
    {},
    { DOCKER_HOST: 'unix:///x.sock', XDG_RUNTIME_DIR: '/run/user/5' },
  );
  assert.deepEqual(engineSockets.docker, ['/x.sock', '/var/run/docker.sock', '/run/user/5/docker.sock']);
  assert.deepEqual(engineSockets.podman, ['/run/user/5/podman/podman.sock', '/run/podman/podman.sock']);
  const elsewhere = { DOCKER_HOST: 'tcp://1.2.3.4:5' };
  await assert.rejects(readConfig(home, {}, elsewhere), { code: 'bad-config', mend: /--engine none/ });
  await assert.doesNotReject(readConfig(home, { engine: 'none' }, elsewhere));
});

test('what cannot be is refused before anything is made', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('config');
  for (const [settings, code] of [
    [{ http: '0.0.0.0:8001' }, 'exposed-without-tls'],
    [{ http: '192.168.0.1:8001' }, 'exposed-without-tls'],
    [{ http: '127.0.0.1' }, 'bad-config'],
    [{ http: '127.0.0.1:99999' }, 'bad-config'],
    [{ name: 'A' }, 'bad-config'],
    [{ listen: ['127.0.0.1:1'] }, 'bad-config'],
    [{ labels: { '': 'x' } }, 'bad-config'],
    [{ uploadLimit: '10' }, 'bad-config'],
    [{ uploadLimit: '1kB/s' }, 'bad-config'],
  ] as const) {
    await assert.rejects(async () => readConfig(home, settings as never, {}), { code }, JSON.stringify(settings));
  }
});
