// What a person gets who does something wrong: one message with the mend, the exit code of its kind, and nothing half done.
import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { type Ran, runCommand, startDaemon } from '../support/daemon-process.ts';
import { Daemons, startMesh } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

const quiet = ['--engine', 'none', '--http', '127.0.0.1:0', '--listen', '/ip4/127.0.0.1/tcp/0', '--log', 'silent'];
const timeoutMs = 30_000;

const hermesh = (home: string, ...words: string[]): Promise<Ran> =>
  runCommand('hermesh', ['--home', home, ...words], {
    timeoutMs,
    environment: { DOCKER_HOST: 'unix:///nowhere.sock' },
  });

/** One message on stderr, none of it a trace, with what is wrong and how to mend it. */
function fails(ran: Ran, code: number, ...parts: RegExp[]): void {
  assert.equal(ran.code, code, ran.stderr);
  for (const part of parts) assert.match(ran.stderr, part);
  assert.equal(ran.stderr.match(/^error: /gm)?.length, 1, ran.stderr);
  assert.doesNotMatch(ran.stderr, /^\s+at .*\d+:\d+/m, 'no trace');
  assert.equal(ran.stdout, '');
}

test('a wrong configuration names the key and the mend, makes no home, and starts once it is mended', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('config');
  const file = path.join(home, 'config.json');
  for (const [content, ...parts] of [
    ['{"nmae":"x"}', /config\.json/, /unknown key "nmae", did you mean "name"\?/, /mend: known keys are name, /],
    ['{"engine":"dokker"}', /"engine".*"auto"\|"docker"\|"podman"\|"none"/],
    ['{"site":"X:moon"}', /"site".*bare-metal, edge, aws, gcp, azure/],
    ['{bad', /Cannot read ".*config\.json"/, /mend: /],
    ['[]', /expected object/],
  ] as const) {
    await writeFile(file, content);
    fails(await hermesh(home, 'up', ...quiet), 2, ...parts);
    assert.deepEqual(await readdir(home), ['config.json']);
  }
  await writeFile(file, '{"name":"mended"}');
  await using daemon = await startDaemon('x', { home, flags: ['--engine', 'none', '--name', 'mended'] });
  assert.equal(daemon.announced.name, 'mended');
});

test('wrong words are usage: the nearest right one is named, and exit code 2', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('usage');
  for (const [words, ...parts] of [
    [['up', '--nmae', 'x'], /unknown option '--nmae'/, /Did you mean --name\?/],
    [['statu'], /unknown command 'statu'/, /Did you mean status\?/],
    [['up', '--engine', 'dokker'], /"engine"/],
    [['up', '--http', 'foo'], /HOST:PORT/, /mend: for example --http/],
    [['up', '--name', 'Bad Name'], /"name": a name: 1 to 40/],
    [['up', '--http', '0.0.0.0:8001'], /only loopback is served without TLS/, /mend: use 127\.0\.0\.1/],
    [['up', '--engine', 'none', '--http', '127.0.0.1:0', '--listen', 'foo'], /"listen\.0"/],
    [['mcp', 'config', 'claud'], /mend: .*claude/],
    [['get'], /missing required argument 'record'/],
  ] as const) {
    fails(await hermesh(home, ...words), 2, ...parts);
    assert.deepEqual(await readdir(home), []);
  }
});

test('a port or an address that cannot be had is named with the option that takes another', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('port');
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  try {
    const http = [
      'up',
      '--engine',
      'none',
      '--log',
      'silent',
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--http',
      `127.0.0.1:${port}`,
    ];
    fails(
      await hermesh(home, ...http),
      1,
      new RegExp(`Cannot listen on 127.0.0.1:${port}: another program does`),
      /mend: .*--http/,
    );
    const libp2p = ['up', '--engine', 'none', '--log', 'silent', '--http', '127.0.0.1:0', '--listen'];
    fails(await hermesh(home, ...libp2p, `/ip4/127.0.0.1/tcp/${port}`), 1, /another program does/, /mend: .*--listen/);
    fails(
      await hermesh(home, ...libp2p, '/ip4/192.0.2.1/tcp/0'),
      2,
      /EADDRNOTAVAIL/,
      /mend: name an address of this host/,
    );
  } finally {
    taken.close();
  }
  await using daemon = await startDaemon('port', { home, flags: ['--engine', 'none'] });
  assert.equal((await daemon.run('hermesh', ['status'])).code, 0, 'the same home starts');
});

test('an engine that was asked for and is not there is named with where it was looked for', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('engine');
  const words = ['up', '--engine', 'docker', ...quiet.slice(2)];
  const ran = await hermesh(home, ...words);
  if (ran.code === 0) return;
  fails(ran, 1, /Cannot reach a docker engine: tried "\/nowhere\.sock" \(ENOENT\)/, /--engine none/);
});

test('a home that cannot be one is refused', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('place');
  const file = path.join(home, 'file');
  await writeFile(file, '');
  fails(await hermesh(file, 'up', ...quiet), 1, /Cannot make the home/, /mend: name another with --home DIR/);
  fails(await hermesh(path.join(file, 'below'), 'up', ...quiet), 1, /Cannot make the home/);
  fails(await hermesh('/proc/hermesh/home', 'up', ...quiet), 1, /Cannot make the home/);
});

test('without a daemon a command says how to start one, with exit code 5', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('absent');
  fails(await hermesh(home, 'status'), 5, /No daemon answers at/, /mend: hermesh up/);
  const json = await hermesh(home, '--json', 'ls');
  assert.deepEqual([json.code, JSON.parse(json.stdout).error.code], [5, 'daemon-absent']);
  assert.deepEqual(await readdir(home), []);
});

test('a manifest that is wrong tells every place; one that is not there is not found', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('manifest');
  const file = path.join(home, 'manifest.json');
  const check = async (manifest: unknown): Promise<Ran> => {
    await writeFile(file, typeof manifest === 'string' ? manifest : JSON.stringify(manifest, null, 2));
    return hermesh(home, 'manifest', 'check', file);
  };
  const right = { manifest_version: '1.0', project: { name: 'x' }, containers: { a: { command: ['/a'] } } };
  assert.equal((await check(right)).code, 0);
  const unknown = await check({ ...right, containers: { a: { comand: ['/a'] } } });
  fails(unknown, 2, /\/containers\/a\/comand \(line \d+\)/, /did you mean "command"\?/);
  fails(await check('{"a":'), 2, /line 1/);
  fails(await hermesh(home, 'manifest', 'check', path.join(home, 'no.json')), 3, /Cannot read ".*no\.json"/, /mend: /);
});

test('what a daemon is asked wrongly has its own exit code, and the daemon goes on', async () => {
  await using daemons = new Daemons();
  const folder = await daemons.home('project');
  const file = path.join(folder, 'manifest.json');
  await using daemon = await startDaemon('berlin', { flags: ['--engine', 'none'] });
  const run = (...words: string[]) => daemon.run('hermesh', words, { timeoutMs });
  const base = { manifest_version: '1.0', project: { name: 'x' } };
  await writeFile(
    file,
    JSON.stringify({ ...base, containers: { a: { files: [{ source: 'gone', destination: '/a' }], command: ['/a'] } } }),
  );
  fails(await run('build', file), 2, /gone/);
  await writeFile(file, JSON.stringify({ ...base, containers: { a: { debian: ['redis-server'], command: ['/a'] } } }));
  fails(await run('build', file), 2, /hermesh manifest lock/);
  fails(await run('build', path.join(folder, 'no.json')), 3, /Cannot read/, /mend: /);
  await writeFile(file, JSON.stringify({ ...base, containers: { a: { command: ['/a'] } } }));
  fails(await run('run', file), 1, /Cannot run containers on this stack: started with --engine none/, /mend: /);
  assert.deepEqual((await daemon.json('hermesh', 'ls', 'build'))['records'], [], 'nothing was built for nothing');
  fails(await run('get', 'ci/nobody'), 3, /Cannot find the record "ci\/nobody"/, /mend: hermesh ls ci/);
  fails(await run('ls', '--stack', 'nowhere'), 3, /Cannot find the stack "nowhere"/, /mend: hermesh stacks/);
  fails(await run('revoke', 'nowhere'), 3, /it isn't of this mesh/);
  fails(await run('revoke', 'berlin'), 2, /mend: hermesh leave/);
  fails(await run('logs', 'nobody'), 3, /Cannot find a CI "nobody"/);
  fails(await run('invite', '--expires', 'soon'), 2, /30m, 1h/);
  fails(await run('invite', '--uses', '0'), 2, /uses/);
  fails(await daemon.run('aish', ['berlim', 'status']), 3, /Cannot find a CI "berlim"/, /did you mean "berlin"\?/);
  assert.equal((await run('status')).code, 0);
});

test('a wrong token over TCP is refused with the place of the right one', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const { openClient } = await import('#daemon/client');
  const elsewhere = await daemons.home('elsewhere');
  const call = (options: { token?: string }) =>
    openClient({ home: elsewhere, url: stack.url, ...options }).call('GET', '/api/status');
  await assert.rejects(call({ token: 'wrong' }), { exitCode: 4, code: 'unauthenticated', mend: /HOME\/token/ });
  await assert.rejects(call({}), { exitCode: 4, code: 'unauthenticated', mend: /HOME\/token/ });
  await assert.doesNotReject(call({ token: stack.node.token }));
});

test('an invite is good for what it says: not twice, not late, not garbled, not for its own mesh', async () => {
  await using mesh = await startMesh(['berlin']);
  await using paris = await startDaemon('paris', { flags: ['--engine', 'none'] });
  await using oslo = await startDaemon('oslo', { flags: ['--engine', 'none'] });
  const [berlin] = mesh.daemons;
  assert.ok(berlin);
  const { token } = await berlin.json<{ token: string }>('hermesh', 'invite');
  const own = await berlin.run('hermesh', ['join', token]);
  assert.equal(own.code, 0, own.stderr);
  assert.match(own.stdout, /Nothing to do: this stack is already in mesh/);
  fails(await paris.run('hermesh', ['join', 'garbage-that-is-long-enough']), 2, /copy the whole line/);
  fails(await paris.run('hermesh', ['join', token.slice(0, -4)]), 2, /copy the whole line/);
  const { token: late, expires } = await berlin.json<{ token: string; expires: string }>(
    'hermesh',
    'invite',
    '--expires',
    '1s',
  );
  await paris.json('hermesh', 'join', token);
  fails(await oslo.run('hermesh', ['join', token]), 4, /invite/);
  await eventually('the invite has run out', () => Date.now() > Date.parse(expires));
  fails(await oslo.run('hermesh', ['join', late]), 4, /the invite ran out/);
  const { stacks } = await oslo.json<{ stacks: unknown[] }>('hermesh', 'stacks');
  assert.equal(stacks.length, 1, 'it stands alone as before');
  const { token: fresh } = await berlin.json<{ token: string }>('hermesh', 'invite');
  await oslo.json('hermesh', 'join', fresh);
});

test('a home keeps the name of its stack', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('named');
  {
    await using _first = await startDaemon('berlin', { home, flags: ['--engine', 'none'] });
  }
  fails(
    await hermesh(home, 'up', ...quiet, '--name', 'paris'),
    1,
    /it is the home of the stack "berlin"/,
    /mend: leave --name out/,
  );
  await using again = await startDaemon('berlin', { home, flags: ['--engine', 'none'] });
  assert.equal(again.announced.name, 'berlin');
});

test('a home takes one daemon, of one stack', async () => {
  await using daemons = new Daemons();
  const [mine, other] = [await daemons.home('mine'), await daemons.home('other')];
  {
    await using running = await startDaemon('mine', { home: mine, flags: ['--engine', 'none'] });
    fails(
      await hermesh(mine, 'up', ...quiet),
      1,
      new RegExp(`a daemon has it \\(process ${running.pid}\\)`),
      /mend: stop that one/,
    );
    assert.equal((await running.run('hermesh', ['status'])).code, 0, 'the first one goes on');
    await using _second = await startDaemon('other', { home: other, flags: ['--engine', 'none'] });
  }
  const kept = path.join(mine, 'kept.json');
  await copyFile(path.join(mine, 'identity.json'), kept);
  await copyFile(path.join(other, 'identity.json'), path.join(mine, 'identity.json'));
  fails(await hermesh(mine, 'up', ...quiet), 1, /belongs to stack "12D3/, /mend: put back the identity\.json/);
  await copyFile(kept, path.join(mine, 'identity.json'));
  await rm(kept);
  await using again = await startDaemon('mine', { home: mine, flags: ['--engine', 'none'] });
  assert.equal((await again.run('hermesh', ['status'])).code, 0);
});

test('a daemon that was killed starts again on its home as the same stack, with its records', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('killed');
  let stack = '';
  {
    await using first = await startDaemon('berlin', { home, flags: ['--engine', 'none'] });
    stack = first.announced.stack;
    const token = (await readFile(path.join(home, 'token'), 'utf8')).trim();
    const body = JSON.stringify({ name: 'numa', type: 'x', version: '1', endpoint: 'http://localhost:1' });
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    assert.equal((await fetch(`${first.announced.http}/api/register`, { method: 'POST', headers, body })).status, 200);
    assert.equal((await first.end('SIGKILL')).signal, 'SIGKILL');
  }
  assert.ok((await readdir(home)).includes('daemon.sock'), 'its socket is left behind');
  fails(await hermesh(home, 'status'), 5, /No daemon answers/);
  await using second = await startDaemon('berlin', { home, flags: ['--engine', 'none'] });
  assert.equal(second.announced.stack, stack);
  const { records } = await second.json<{ records: { name: string }[] }>('hermesh', 'ls', 'ci');
  assert.deepEqual(
    records.map(({ name }) => name),
    ['berlin', 'numa'],
  );
});

test('a home whose identity is broken is told so, and is left as it is', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('broken');
  await mkdir(home, { recursive: true });
  await writeFile(path.join(home, 'identity.json'), '{"broken":');
  fails(await hermesh(home, 'up', ...quiet), 1, /identity/);
  assert.equal(await readFile(path.join(home, 'identity.json'), 'utf8'), '{"broken":');
});

test('a command whose output tells of a failure says it and exits with 1', async () => {
  await using daemon = await startDaemon('audited', { flags: ['--engine', 'none'] });
  assert.equal((await daemon.run('hermesh', ['audit', 'verify'])).code, 0);
  const cut = await daemon.run('hermesh', ['audit', 'verify', '--known', `9:${'a'.repeat(64)}`]);
  assert.equal(cut.code, 1);
  assert.match(cut.stdout, /^The audit log is broken at entry 1: missing\.$/m);
  assert.equal(cut.stderr, '');
});
