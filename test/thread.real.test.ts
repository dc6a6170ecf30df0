// The thread through the whole product, on real processes and a real engine: three stacks, one manifest, its CIs.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { type DaemonProcess, runCommand } from './support/daemon-process.ts';
import { startMesh } from './support/daemons.ts';
import { eventually } from './support/deadline.ts';
import { callEngine, engineWanted, startPrivateEngine } from './support/private-engine.ts';
import { busyboxOf } from './support/small-image.ts';

interface Build {
  readonly manifestDigest: string;
  readonly images: readonly { readonly container: string; readonly digest: string; readonly configDigest: string }[];
}
interface Run {
  readonly containers: readonly { readonly name: string; readonly id: string; readonly outcome: string }[];
}
interface Ci {
  readonly name: string;
  readonly stackName: string;
  readonly health: string;
}
interface Answer {
  readonly stack: string;
  readonly text: string;
  readonly evidence: readonly unknown[];
}

const check = { interval_seconds: 1, timeout_seconds: 1, retries: 3, start_period_seconds: 10 };
const manifest = {
  manifest_version: '1.0',
  project: { name: 'little' },
  containers: {
    web: {
      files: [
        { source: 'busybox', destination: '/bin/busybox', mode: '0755' },
        { source: 'index.html', destination: '/www/index.html' },
      ],
      links: [{ path: '/bin/httpd', target: 'busybox' }],
      entrypoint: ['/bin/httpd', '-f', '-p', '8080', '-h', '/www'],
      ports: [8080],
      publish: [{ port: 8080 }],
      restart: 'no',
      health: { http: { port: 8080, path: '/' }, ...check },
      resources: { memory_mib: 32, processes: 16 },
    },
    idle: {
      files: [{ source: 'busybox', destination: '/bin/busybox', mode: '0755' }],
      entrypoint: ['/bin/busybox', 'sleep', '1000'],
      depends_on: { web: {} },
      resources: { memory_mib: 32, processes: 16 },
    },
  },
};

test('three stacks build alike, run, answer for their containers anywhere, and clean up', {
  skip: !engineWanted(),
}, async () => {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-thread-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const engine = parts.use(await startPrivateEngine({ name: 'thread' }));
  const environment = { DOCKER_HOST: `unix://${engine.socket}` };
  const mesh = parts.use(
    await startMesh(['berlin', 'paris', 'oslo'], { berlin: { flags: ['--engine', 'docker'], environment } }),
  );
  const [berlin, paris, oslo] = mesh.daemons;
  assert.ok(berlin && paris && oslo);
  await writeFile(path.join(folder, 'busybox'), await busyboxOf(), { mode: 0o755 });
  await writeFile(path.join(folder, 'index.html'), 'ready\n');
  const file = path.join(folder, 'manifest.json');
  await writeFile(file, JSON.stringify(manifest));

  const [here, there] = await Promise.all([berlin, oslo].map((one) => one.json<Build>('hermesh', 'build', file)));
  const plain = (build: Build | undefined) => [
    build?.manifestDigest,
    build?.images.map(({ container, digest, configDigest }) => [container, digest, configDigest]),
  ];
  assert.deepEqual(plain(here), plain(there), 'two machines, the same bytes');

  const run = await berlin.json<Run>('hermesh', 'run', file);
  assert.deepEqual(
    run.containers.map(({ name, outcome }) => [name, outcome]),
    [
      ['little-web', 'started'],
      ['little-idle', 'started'],
    ],
  );
  const again = await berlin.json<Run>('hermesh', 'run', file);
  assert.deepEqual(
    again.containers.map(({ id, outcome }) => [id, outcome]),
    run.containers.map(({ id }) => [id, 'kept']),
  );

  await hasCis(oslo, ['idle-ci', 'web-ci']);
  const well = await oslo.json<Answer>('aish', 'web-ci', 'status');
  assert.equal(well.stack, berlin.announced.stack);
  assert.ok(well.evidence.length > 0);
  const { lines } = await oslo.json<{ lines: unknown[] }>('hermesh', 'logs', 'web-ci');
  assert.ok(Array.isArray(lines), 'logs of a container elsewhere');

  await callEngine(engine.socket, 'POST', '/containers/little-web/kill?signal=KILL');
  await eventually(
    'oslo sees that it stopped',
    async () => (await cisOf(oslo)).some(({ name, health }) => name === 'web-ci' && health !== 'healthy'),
    { timeoutMs: 30_000, everyMs: 200 },
  );
  const ill = await oslo.json<Answer>('aish', 'web-ci', 'what is wrong?');
  assert.match(ill.text, /137|SIGKILL|killed/i);

  const second = await runCommand(
    'hermesh',
    [
      '--home',
      path.join(folder, 'home'),
      'up',
      '--engine',
      'docker',
      '--http',
      '127.0.0.1:0',
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--log',
      'silent',
    ],
    { environment, timeoutMs: 30_000 },
  );
  assert.equal(second.code, 1, second.stderr);
  assert.match(
    second.stderr,
    new RegExp(`Cannot take this engine: stack "${berlin.announced.stack}" owns it\\n  mend: start with --engine none`),
  );

  const mended = await berlin.json<Run>('hermesh', 'run', file);
  assert.ok(
    mended.containers.some(({ name, outcome }) => name === 'little-web' && outcome !== 'kept'),
    'a run mends what fell',
  );

  const wrong = await berlin.run('hermesh', ['stop', 'litle']);
  assert.equal(wrong.code, 3);
  assert.match(wrong.stderr, /Cannot stop "litle": no container of it is on this stack/);
  const stopped = await berlin.json<{ removed: string[] }>('hermesh', 'stop', 'little');
  assert.deepEqual([...stopped.removed].sort(), ['little-idle', 'little-web']);
  for (const one of mesh.daemons) await hasCis(one, []);
  assert.deepEqual(JSON.parse(await callEngine(engine.socket, 'GET', '/containers/json?all=1')), []);
  const { records } = await oslo.json<{ records: unknown[] }>('hermesh', 'ls', 'run');
  assert.deepEqual(records, []);

  const ended = await Promise.all(mesh.daemons.map((one) => one.end('SIGTERM')));
  assert.deepEqual(
    ended.map(({ code }) => code),
    [0, 0, 0],
  );
  assert.ok(ended.every(({ ms }) => ms < 5_000));
});

async function cisOf(daemon: DaemonProcess): Promise<readonly Ci[]> {
  return daemon.json<Ci[]>('aish', 'list', 'type', 'container');
}

async function hasCis(daemon: DaemonProcess, expected: readonly string[]): Promise<void> {
  await eventually(
    `"${daemon.announced.name}" sees the CIs ${expected.join(', ') || 'gone'}`,
    async () => JSON.stringify((await cisOf(daemon)).map(({ name }) => name).sort()) === JSON.stringify(expected),
    { timeoutMs: 30_000, everyMs: 200 },
  );
}
