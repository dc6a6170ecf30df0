// A manifest with networks, volumes, secrets, conditions, limits and security on a real daemon and a real engine: run, changed, killed, stopped.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type DaemonProcess, startDaemon } from '../../support/daemon-process.ts';
import { eventually } from '../../support/deadline.ts';
import { callEngine, engineWanted, startPrivateEngine } from '../../support/private-engine.ts';
import { busyboxOf } from '../../support/small-image.ts';

const docker = (...words: string[]) => promisify(execFile)('docker', words);
const value = 'correct-horse-battery';
const busy = {
  files: [{ source: 'busybox', destination: '/bin/busybox', mode: '0755' }],
  links: ['sh', 'cat', 'httpd', 'sleep', 'mkdir', 'stat'].map((name) => ({ path: `/bin/${name}`, target: 'busybox' })),
  directories: [{ path: '/data' }, { path: '/tmp', mode: '1777' }, { path: '/run/secrets' }],
  environment: { PATH: '/bin' },
  resources: { memory_mib: 32, processes: 16, open_files: 1024 },
};
const shell = (line: string): string[] => ['/bin/sh', '-c', line];
const manifestOf = (web: object = {}) => ({
  manifest_version: '1.0',
  project: { name: 'kiosk' },
  containers: {
    // What it writes into the volume is what the next one serves.
    migrate: {
      ...busy,
      command: shell('cat /run/secrets/password > /data/index.html; echo migrated >> /data/index.html'),
      volumes: [{ path: '/data', name: 'data' }],
      secrets: [{ name: 'password', mode: '0440' }],
      networks: ['back'],
      restart: 'no',
    },
    web: {
      ...busy,
      command: shell('trap "exit 0" TERM; httpd -f -p 8080 -h /data & wait'),
      volumes: [
        { path: '/data', name: 'data', read_only: true },
        { path: '/tmp', tmpfs_mib: 4 },
      ],
      networks: ['back', 'front'],
      ports: [8080],
      publish: [{ port: 8080 }],
      security: { read_only: true, cap_drop: ['ALL'] },
      stop_grace_seconds: 5,
      depends_on: { migrate: { condition: 'completed' } },
      health: { http: { port: 8080, path: '/index.html' }, interval_seconds: 1, timeout_seconds: 1 },
      ...web,
    },
  },
});

interface Run {
  readonly containers: readonly {
    readonly name: string;
    readonly id: string;
    readonly outcome: string;
    readonly published: readonly { readonly address: string }[];
  }[];
  readonly drift: readonly { readonly name: string; readonly what: string }[];
  readonly steps?: readonly string[];
}

test('a project runs with all that its manifest asks for, mends drift, survives a kill, and leaves only its volume', {
  skip: !engineWanted(),
}, async () => {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-kiosk-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const engine = parts.use(await startPrivateEngine({ name: 'kiosk' }));
  const home = path.join(folder, 'home');
  const start = (): Promise<DaemonProcess> => {
    const environment = { DOCKER_HOST: `unix://${engine.socket}` };
    return startDaemon('berlin', { home, flags: ['--engine', 'docker'], environment });
  };
  await mkdir(path.join(home, 'secrets'), { recursive: true, mode: 0o700 });
  let berlin = await start();
  // One that was ended already needs no end.
  parts.defer(() => berlin[Symbol.asyncDispose]());
  const file = path.join(folder, 'manifest.json');
  const write = (manifest: object) => writeFile(file, JSON.stringify(manifest));
  await writeFile(path.join(folder, 'busybox'), await busyboxOf(), { mode: 0o755 });
  await write(manifestOf());
  const run = (...words: string[]) => berlin.json<Run>('hermesh', 'run', file, ...words);
  const outcomes = ({ containers }: Run) => containers.map(({ name, outcome }) => `${name} ${outcome}`);
  const ask = async <T>(place: string): Promise<T> => JSON.parse(await callEngine(engine.socket, 'GET', place)) as T;
  const names = async (): Promise<string[]> =>
    (await ask<{ Names: string[] }[]>('/containers/json?all=1')).map(({ Names: [name = ''] }) => name.slice(1)).sort();
  const unknown = await berlin.run('hermesh', ['run', file]);
  assert.match(unknown.stderr, /Cannot give the secret "password": this stack has none of that name/);
  assert.deepEqual(await names(), [], 'what it had begun is undone');
  await writeFile(path.join(home, 'secrets', 'password'), `${value}\n`, { mode: 0o600 });
  const first = await run();
  assert.deepEqual(outcomes(first), ['kiosk-migrate started', 'kiosk-web started']);
  const page = async ({ containers }: Run) => {
    const address = containers.find(({ name }) => name === 'kiosk-web')?.published[0]?.address;
    return (await fetch(`http://${address}/index.html`)).text();
  };
  assert.equal(await page(first), `${value}migrated\n`, 'it waited until the work was done');
  for (const place of ['/containers/kiosk-migrate/json', '/containers/kiosk-web/json', '/images/json'])
    assert.ok(!(await callEngine(engine.socket, 'GET', place)).includes(value), `${place} does not tell the secret`);
  assert.ok(!(await berlin.run('hermesh', ['ls', '--json'])).stdout.includes(value));
  assert.ok(!berlin.log().includes(value));

  assert.deepEqual(outcomes(await run()), ['kiosk-migrate kept', 'kiosk-web kept'], 'the same run changes nothing');
  assert.deepEqual((await run('--dry-run')).drift, []);
  // Somebody changes a limit by hand.
  await docker('-H', `unix://${engine.socket}`, 'update', '--pids-limit', '99', 'kiosk-web');
  const status = await berlin.json<{ drift: Run['drift'] }>('hermesh', 'status');
  assert.deepEqual(
    status.drift.map(({ name, what }) => `${name} ${what}`),
    ['kiosk-web limits'],
  );
  const dry = await run('--dry-run');
  assert.ok(dry.steps?.includes('put kiosk-web aside') && dry.containers.length === 0);
  assert.deepEqual(outcomes(await run()), ['kiosk-migrate kept', 'kiosk-web replaced']);
  await callEngine(engine.socket, 'POST', '/containers/kiosk-web/restart?t=0');
  const restarted = await berlin.json<{ drift: Run['drift'] }>('hermesh', 'status');
  assert.deepEqual(
    restarted.drift.map(({ name, what }) => `${name} ${what}`),
    ['kiosk-web restarted'],
  );

  await write(manifestOf({ security: { privileged: true }, resources: { memory_mib: 99_999_999 } }));
  const before = await names();
  const refused = await berlin.run('hermesh', ['run', file]);
  assert.match(
    refused.stderr,
    /\/containers\/web\/resources\/memory_mib: .*\/containers\/web\/security\/privileged: /s,
  );
  assert.deepEqual(await names(), before);
  // What nobody has rebuilt may not run where its manifest asks for that; what would be done is said all the same.
  await write({ ...manifestOf(), packaging: { verify: { reproductions: 1 } } });
  const unproven = await berlin.run('hermesh', ['run', file]);
  assert.match(unproven.stderr, /Cannot run "(migrate|web)": /);
  assert.deepEqual((await run('--dry-run')).containers, []);
  assert.deepEqual(await names(), before);
  // A version that never becomes healthy: the daemon is killed while it waits.
  await write(manifestOf({ command: shell('sleep 1000') }));
  const broken = berlin.run('hermesh', ['run', file]);
  await eventually('the old one is put aside and the new one runs', async () => {
    const all = await names();
    return all.some((name) => name.startsWith('hermesh-aside-')) && all.includes('kiosk-web');
  });
  await berlin.end('SIGKILL');
  await broken;
  berlin = await start();
  await eventually(
    'the one before runs again',
    async () => {
      const all = await ask<{ Names: string[]; State: string }[]>('/containers/json?all=1');
      return all.length === 2 && all.some(({ Names, State }) => Names[0] === '/kiosk-web' && State === 'running');
    },
    { timeoutMs: 30_000 },
  );
  await write(manifestOf());
  const after = await run();
  assert.deepEqual(outcomes(after), ['kiosk-migrate kept', 'kiosk-web kept']);

  await berlin.json('hermesh', 'stop', 'kiosk');
  assert.deepEqual(await names(), []);
  const left = async () => ({
    networks: (await ask<{ Name: string }[]>('/networks')).map(({ Name }) => Name).filter((name) => /kiosk/.test(name)),
    volumes: (await ask<{ Volumes: { Name: string }[] }>('/volumes')).Volumes.map(({ Name }) => Name).filter((name) =>
      /kiosk/.test(name),
    ),
  });
  assert.deepEqual(await left(), { networks: [], volumes: ['hermesh-kiosk.data'] });
  await run();
  await berlin.json('hermesh', 'stop', 'kiosk', '--volumes');
  assert.deepEqual(await left(), { networks: [], volumes: [] });
  // Another stack takes the engine over, with what runs on it.
  await write({
    ...manifestOf(),
    containers: { web: { ...manifestOf().containers.web, depends_on: {}, health: undefined } },
  });
  await run();
  await berlin.end('SIGTERM');
  await rm(home, { recursive: true });
  await callEngine(engine.socket, 'DELETE', '/volumes/hermesh-owner');
  berlin = await start();
  assert.deepEqual(outcomes(await run()), ['kiosk-web adopted']);
  await berlin.json('hermesh', 'stop', 'kiosk', '--volumes');
  assert.deepEqual([await names(), await left()], [[], { networks: [], volumes: [] }]);
  await assert.rejects(access(path.join(home, 'secrets')), { code: 'ENOENT' });
});
