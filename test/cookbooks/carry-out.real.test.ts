// A project of two containers on a real private engine: up by pull, idempotent, undone on failure, and stopped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDockerEngine } from '#container-ci/docker';
import { carryOut, planRun, planStop, type RunFailure, type RunProgress } from '#cookbooks';
import { manifestSchema } from '#manifests/schema';
import { eventually } from '../support/deadline.ts';
import { callEngine, engineWanted, startPrivateEngine } from '../support/private-engine.ts';
import { makeSmallImage, type SmallImage, serveSmallImages } from '../support/small-image.ts';

test('a project comes up on a real engine, and a version that fails gives way to the one before', {
  skip: !engineWanted(),
}, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using dockerd = await startPrivateEngine({ name: 'run' });
  await using engine = await openDockerEngine({ endpoint: dockerd.socket });
  const web = await makeSmallImage({
    name: 'web',
    command: ['/bin/sh', '-c', "trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait"],
  });
  // It becomes healthy only if the alias of what it depends on resolves.
  const front = await makeSmallImage({
    name: 'front',
    command: [
      '/bin/sh',
      '-c',
      "trap 'exit 0' TERM; wget -q -O /www/index.html http://web:8080/ && httpd -f -p 80 -h /www & wait",
    ],
  });
  const bad = await makeSmallImage({
    name: 'bad',
    command: ['/bin/sh', '-c', 'echo "bad: permission denied" >&2; exit 126'],
  });
  await using registry = await serveSmallImages([web, front, bad]);
  const check = { interval_seconds: 1, timeout_seconds: 1, retries: 3, start_period_seconds: 5 };
  const manifest = manifestSchema.parse({
    manifest_version: '1.0',
    project: { name: 'shop' },
    containers: {
      web: {
        ports: [8080],
        health: { http: { port: 8080, path: '/index.html' }, ...check },
        resources: { memory_mib: 32, processes: 20 },
      },
      front: {
        ports: [80],
        publish: [{ port: 80 }],
        depends_on: { web: {} },
        health: { http: { port: 80, path: '/' }, ...check },
      },
    },
  });
  const plan = async (images: Record<string, SmallImage>) =>
    planRun({
      manifest,
      manifestDigest: 'sha256:m',
      images: Object.entries(images).map(([container, { digest, configDigest }]) => ({
        container,
        platform: 'linux/amd64',
        digest,
        configDigest,
        buildKey: 'sha256:b',
      })),
      running: await engine.containers({ signal }),
      networks: await engine.networks({ signal }),
      volumes: await engine.volumes({ signal }),
      adopted: new Set(),
      drifted: new Set(),
      platform: 'linux/amd64',
      secretsFolder: '/nowhere',
      stack: 'stack-a',
      registryAddress: registry.address,
    });
  const parts = { engine, login: () => registry.login, putSecrets: async () => undefined, now: Date.now };
  const things = async () => ({
    networks: await engine.networks({ signal }),
    volumes: await engine.volumes({ signal }),
    adopted: new Set<string>(),
    withVolumes: false,
  });
  const list = async () =>
    (await engine.containers({ signal })).map(({ id, name, state }) => `${name} ${state} ${id}`).sort();

  await carryOut(await plan({ web, front }), parts, { signal });
  const state = await engine.inspect('shop-front', { signal });
  assert.equal(state?.status, 'running');
  const answer = await fetch(`http://127.0.0.1:${state.published[0]?.hostPort}/`);
  assert.equal(await answer.text(), 'ready\n');
  const raw = JSON.parse(await callEngine(dockerd.socket, 'GET', '/containers/shop-web/json')) as {
    HostConfig: {
      Privileged: boolean;
      SecurityOpt: string[];
      Memory: number;
      PidsLimit: number;
      Binds: null;
      CapAdd: null;
      PidMode: string;
    };
  };
  const { Privileged, SecurityOpt, Memory, PidsLimit, Binds, CapAdd, PidMode } = raw.HostConfig;
  assert.deepEqual(
    { Privileged, SecurityOpt, Memory, PidsLimit, Binds, CapAdd, PidMode },
    {
      Privileged: false,
      SecurityOpt: ['no-new-privileges'],
      Memory: 33_554_432,
      PidsLimit: 20,
      Binds: null,
      CapAdd: null,
      PidMode: '',
    },
  );

  const up = await list();
  await carryOut(await plan({ web, front }), parts, { signal });
  assert.deepEqual(await list(), up, 'the same run changes nothing');

  await assert.rejects(carryOut(await plan({ web, front: bad }), parts, { signal }), (error: RunFailure) => {
    assert.match(error.message, /what this run did is undone/);
    assert.ok(error.lines.some((line) => line.includes('bad: permission denied')));
    assert.equal(error.findings[0]?.code, 'log-permission-denied');
    return true;
  });
  assert.deepEqual(await list(), up, 'the version before runs again');

  let restarted: Promise<void> | undefined;
  const report = ({ step, state: at }: RunProgress): void => {
    if (step.do === 'create' && at === 'begins') restarted ??= dockerd.crash();
  };
  await assert.rejects(carryOut(await plan({ web, front: bad }), { ...parts, report }, { signal }), {
    code: 'run-failed',
    mayRetry: true,
    message: /what this run did is undone/,
  });
  await restarted;
  await eventually('all runs as before', async () => (await list()).join() === up.join(), { timeoutMs: 20_000 });

  const alone = manifestSchema.parse({ manifest_version: '1.0', project: { name: 'alone' }, containers: { bad: {} } });
  const hopeless = planRun({
    manifest: alone,
    manifestDigest: 'sha256:a',
    images: [
      {
        container: 'bad',
        platform: 'linux/amd64',
        digest: bad.digest,
        configDigest: bad.configDigest,
        buildKey: 'sha256:b',
      },
    ],
    running: await engine.containers({ signal }),
    networks: await engine.networks({ signal }),
    volumes: [],
    adopted: new Set(),
    drifted: new Set(),
    platform: 'linux/amd64',
    secretsFolder: '/nowhere',
    stack: 'stack-a',
    registryAddress: registry.address,
  });
  await assert.rejects(carryOut(hopeless, parts, { signal }), /it died 3 times, .*can't be executed/);
  assert.deepEqual(
    await list(),
    up,
    'a container that only has to start, and dies each time, is not taken for started',
  );

  const running = await engine.containers({ signal });
  await carryOut(planStop({ ...(await things()), project: 'shop', running, stack: 'stack-a' }), parts, { signal });
  assert.deepEqual(await list(), []);
  const networks = JSON.parse(await callEngine(dockerd.socket, 'GET', '/networks')) as { Name: string }[];
  assert.ok(!networks.some(({ Name }) => Name === 'hermesh-shop'));
});
