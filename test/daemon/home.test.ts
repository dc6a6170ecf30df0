// A home on the disk: who may read it, what stays over a restart, and that two daemons never have it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openHome } from '../../daemon/home.ts';
import { Daemons } from '../support/daemons.ts';

const modeOf = async (file: string): Promise<string> => ((await stat(file)).mode & 0o777).toString(8);

test('a home and its secrets are for their owner only', async () => {
  await using daemons = new Daemons();
  const home = path.join(await daemons.home('outer'), 'deep', 'home');
  const stack = await daemons.open('berlin', { home });
  assert.equal(await modeOf(home), '700');
  for (const name of ['token', 'identity.json', 'daemon.sock'])
    assert.equal(await modeOf(path.join(home, name)), '600', name);
  assert.equal((await readFile(path.join(home, 'token'), 'utf8')).trim(), stack.node.token);
  assert.equal((await readFile(path.join(home, 'daemon.pid'), 'utf8')).trim(), `${process.pid}`);
});

test('a stop leaves no socket and no process id, and a start finds the same stack and token', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('berlin');
  const first = await daemons.open('berlin', { home });
  await first[Symbol.asyncDispose]();
  const left = await readdir(home);
  assert.ok(!left.includes('daemon.sock') && !left.includes('daemon.pid'), left.join());
  const second = await daemons.open('berlin', { home });
  assert.equal(second.node.token, first.node.token);
  assert.equal(second.node.context.registry.stack, first.node.context.registry.stack);
  assert.equal(second.node.context.registry.mesh().id, first.node.context.registry.mesh().id);
});

test('a home whose socket could not be made is refused before anything is made', async () => {
  const directory = path.join(tmpdir(), 'x'.repeat(120));
  assert.throws(() => openHome(directory), {
    code: 'home-unusable',
    message: /longer than 107 bytes/,
    mend: /--home DIR/,
  });
  assert.equal(existsSync(directory), false);
});

test('a home that is in use is refused, and what was refused leaves the first one as it was', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('berlin');
  const first = await daemons.open('berlin', { home });
  await assert.rejects(daemons.open('berlin', { home }), { code: 'home-in-use', mend: /--home DIR/ });
  assert.equal((await first.ask('GET', '/api/status')).status, 200);
  await first[Symbol.asyncDispose]();
  const next = await daemons.open('berlin', { home });
  assert.equal((await next.ask('GET', '/api/status')).status, 200);
});

test('a start that fails at its last part closes the others, so that the next one works', async () => {
  await using daemons = new Daemons();
  const other = await daemons.open('other');
  const port = new URL(other.url).port;
  const home = await daemons.home('berlin');
  await assert.rejects(daemons.open('berlin', { home, settings: { http: `127.0.0.1:${port}` } }), {
    code: 'port-in-use',
  });
  const stack = await daemons.open('berlin', { home });
  assert.equal((await stack.ask('GET', '/api/status')).status, 200);
  assert.deepEqual(daemons.faults, []);
});
