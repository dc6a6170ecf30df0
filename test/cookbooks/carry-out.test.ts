// A run over the twin in memory: it comes up, changes nothing twice, and undoes what it did where a step fails.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carryOutStep, type Engine, type EngineThing, type MemoryImage, makeMemoryEngine } from '#container-ci';
import { carryOut, isFinal, planRun, planStop, type RunFailure, type RunProgress, undo } from '#cookbooks';
import { type Manifest, manifestSchema } from '#manifests/schema';

const signal = AbortSignal.timeout(60_000);
const stack = 'stack-a';
const registryAddress = '127.0.0.1:1';

const makeProject = (api: object = {}): Manifest =>
  manifestSchema.parse({
    manifest_version: '1.0',
    project: { name: 'shop' },
    containers: { redis: { ports: [6379] }, api: { depends_on: { redis: {} }, restart: 'no', ...api } },
  });

function makeRun(versions: Record<string, MemoryImage>) {
  const { engine, controls } = makeMemoryEngine();
  for (const [digest, image] of Object.entries(versions))
    controls.addImage(`${registryAddress}/shop/${digest.split('-')[0]}@sha256:${digest}`, image);
  const planOf = async (manifest: Manifest, api: string) => {
    const images = ['redis', api].map((digest) => ({
      container: digest.split('-')[0] ?? '',
      platform: 'linux/amd64',
      digest: `sha256:${digest}`,
      configDigest: 'sha256:c',
      buildKey: 'sha256:b',
    }));
    const running = await engine.containers({ signal });
    const more = {
      ...things(await engine.networks({ signal })),
      drifted: new Set<string>(),
      platform: 'linux/amd64',
      secretsFolder: '/s',
    };
    return planRun({ ...more, manifest, manifestDigest: 'sha256:m', images, running, stack, registryAddress });
  };
  const reported: RunProgress[] = [];
  const parts = {
    engine,
    login: () => ({ username: 'u', password: 'p' }),
    putSecrets: async () => undefined,
    now: Date.now,
    report: (progress: RunProgress) => void reported.push(progress),
  };
  return { engine, controls, planOf, parts, reported };
}
const things = (networks: readonly EngineThing[]) => ({
  networks,
  volumes: [],
  adopted: new Set<string>(),
  withVolumes: false,
});
const listOf = async (engine: Engine): Promise<string[]> =>
  (await engine.containers({ signal }))
    .map(({ name, state, image }) => `${name} ${state} ${image.split(':').at(-1)}`)
    .sort();

test('a run comes up, and the same run again touches nothing', async () => {
  const { engine, planOf, parts, reported } = makeRun({ redis: { ports: [6379] }, 'api-1': {} });
  const { done } = await carryOut(await planOf(makeProject(), 'api-1'), parts, { signal });
  assert.ok(done.every(({ ms }) => ms >= 0));
  assert.deepEqual(await listOf(engine), ['shop-api running api-1', 'shop-redis running redis']);
  assert.deepEqual(
    [reported[0]?.state, reported[0]?.message, reported.at(-1)?.state],
    ['begins', 'make sure of network hermesh-shop', 'done'],
  );
  const before = (await engine.containers({ signal })).map(({ id }) => id);
  await carryOut(await planOf(makeProject(), 'api-1'), parts, { signal });
  assert.deepEqual(
    (await engine.containers({ signal })).map(({ id }) => id),
    before,
  );
});

test('a first run that fails leaves nothing behind and says why, with the last lines of the log', async () => {
  const { engine, planOf, parts, reported } = makeRun({
    redis: { ports: [6379] },
    'api-1': { exitCode: 127, output: ['sh: server: not found', 'PASSWORD=hunter2'] },
  });
  await assert.rejects(carryOut(await planOf(makeProject(), 'api-1'), parts, { signal }), (error: RunFailure) => {
    assert.equal(error.code, 'run-failed');
    assert.match(
      error.message,
      /^Cannot run project "shop": wait until shop-api is started failed: .*exit code 127: its command was not found; what this run did is undone\n/,
    );
    assert.match(error.message, /to mend it, correct "entrypoint" or "command"/);
    assert.match(error.lines[0] ?? '', /sh: server: not found/);
    assert.ok(!error.message.includes('hunter2'));
    assert.equal(error.findings[0]?.code, 'exited');
    assert.equal(error.step.do, 'wait');
    return true;
  });
  assert.deepEqual(await listOf(engine), []);
  assert.equal(reported.at(-1)?.state, 'undone');
});

test('a new version that fails gives way to the old one, which runs again', async () => {
  const { engine, planOf, parts } = makeRun({
    redis: { ports: [6379] },
    'api-1': {},
    'api-2': { exitCode: 1 },
    'api-3': {},
  });
  await carryOut(await planOf(makeProject(), 'api-1'), parts, { signal });
  await assert.rejects(carryOut(await planOf(makeProject(), 'api-2'), parts, { signal }), { code: 'run-failed' });
  assert.deepEqual(await listOf(engine), ['shop-api running api-1', 'shop-redis running redis']);
  await carryOut(await planOf(makeProject(), 'api-3'), parts, { signal });
  assert.deepEqual(await listOf(engine), ['shop-api running api-3', 'shop-redis running redis']);
});

test('an image that is missing stops the run before anything is touched', async () => {
  const { engine, planOf, parts } = makeRun({ redis: { ports: [6379] }, 'api-1': {} });
  await carryOut(await planOf(makeProject(), 'api-1'), parts, { signal });
  const before = await listOf(engine);
  await assert.rejects(carryOut(await planOf(makeProject(), 'api-9'), parts, { signal }), /pull .* failed/);
  assert.deepEqual(await listOf(engine), before);
});

test('a port that never listens fails the wait with what the last probe said', async () => {
  const { planOf, parts } = makeRun({ redis: { ports: [] }, 'api-1': {} });
  const plan = await planOf(makeProject(), 'api-1');
  const hasty = {
    ...plan,
    steps: plan.steps.map((step) => (step.do === 'wait' ? { ...step, deadlineMs: 100 } : step)),
  };
  await assert.rejects(carryOut(hasty, parts, { signal }), /the last probe said "nothing listens on 6379"/);
});

test('a run that is called off is undone too', async () => {
  const { engine, planOf, parts } = makeRun({ redis: { ports: [] }, 'api-1': {} });
  const stop = new AbortController();
  const report = ({ step }: RunProgress): void => {
    if (step.do === 'wait') stop.abort(new Error('called off'));
  };
  await assert.rejects(
    carryOut(await planOf(makeProject(), 'api-1'), { ...parts, report }, { signal: stop.signal }),
    /called off/,
  );
  assert.deepEqual(await listOf(engine), []);
});

test('a stop removes all containers of the project', async () => {
  const { engine, planOf, parts } = makeRun({ redis: { ports: [6379] }, 'api-1': {} });
  await carryOut(await planOf(makeProject(), 'api-1'), parts, { signal });
  const running = await engine.containers({ signal });
  await carryOut(planStop({ ...things(await engine.networks({ signal })), project: 'shop', running, stack }), parts, {
    signal,
  });
  assert.deepEqual(await listOf(engine), []);
});

test('a container that somebody removes while it is put aside is out of the way', async () => {
  const { engine, planOf, parts } = makeRun({ redis: { ports: [6379] }, 'api-1': {}, 'api-2': {} });
  await carryOut(await planOf(makeProject(), 'api-1'), parts, { signal });
  const plan = await planOf(makeProject(), 'api-2');
  const raced: Engine = {
    ...engine,
    stopContainer: (container, options) => engine.removeContainer(container, options),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
  await carryOut(plan, { ...parts, engine: raced }, { signal });
  assert.deepEqual(await listOf(engine), ['shop-api running api-2', 'shop-redis running redis']);
});

test('a run whose engine restarts in the middle is undone once it is back, and what ran before runs again', async () => {
  const { engine, controls, planOf, parts } = makeRun({ redis: { ports: [6379] }, 'api-1': {}, 'api-2': {} });
  await carryOut(await planOf(makeProject(), 'api-1'), parts, { signal });
  const plan = await planOf(makeProject(), 'api-2');
  let asked = 0;
  const restarting: Engine = {
    ...engine,
    createContainer: (spec, options) => {
      controls.lose();
      return engine.createContainer(spec, options);
    },
    info: (options) => {
      asked += 1;
      if (asked === 2) controls.mend();
      return engine.info(options);
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
  await assert.rejects(carryOut(plan, { ...parts, engine: restarting }, { signal }), {
    code: 'run-failed',
    mayRetry: true,
    message: /what this run did is undone/,
  });
  assert.deepEqual(await listOf(engine), ['shop-api running api-1', 'shop-redis running redis']);
});

test('what nothing keeps apart is done side by side, at most four at once, and what waits comes after', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const manifest = manifestSchema.parse({
    manifest_version: '1.0',
    project: { name: 'wide' },
    containers: {
      ...Object.fromEntries(names.map((name) => [name, {}])),
      last: { depends_on: Object.fromEntries(names.map((name) => [name, { condition: 'started' }])) },
    },
  });
  const { engine, controls, parts } = makeRun({});
  const images = [...names, 'last'].map((container) => ({
    container,
    platform: 'linux/amd64',
    digest: `sha256:${container}`,
    configDigest: 'sha256:c',
    buildKey: 'sha256:b',
  }));
  for (const { container, digest } of images) controls.addImage(`${registryAddress}/wide/${container}@${digest}`, {});
  let now = 0;
  let most = 0;
  const started: string[] = [];
  const slow: Engine = {
    ...engine,
    async startContainer(name, options) {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      started.push(name);
      await engine.startContainer(name, options);
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
  const plan = planRun({
    ...things([]),
    drifted: new Set(),
    platform: 'linux/amd64',
    secretsFolder: '/s',
    manifest,
    manifestDigest: 'sha256:m',
    images,
    running: [],
    stack,
    registryAddress,
  });
  await carryOut(plan, { ...parts, engine: slow }, { signal });
  assert.ok(most > 1 && most <= 4, `${most} at once`);
  assert.equal(started.at(-1), 'wide-last');
});

test('a run whose end nobody saw can be undone from any point of it', async () => {
  const versions = { redis: { ports: [6379] }, 'api-1': {}, 'api-2': {} };
  const whole = makeRun(versions);
  await carryOut(await whole.planOf(makeProject(), 'api-1'), whole.parts, { signal });
  const { steps } = await whole.planOf(makeProject(), 'api-2');
  for (let reached = 0; reached <= steps.length; reached += 1) {
    const { engine, planOf, parts } = makeRun(versions);
    await carryOut(await planOf(makeProject(), 'api-1'), parts, { signal });
    const plan = await planOf(makeProject(), 'api-2');
    const acting = plan.steps.filter((step) => !isFinal(step));
    for (const step of acting.slice(0, reached)) await carryOutStep(step, parts, { signal });
    assert.deepEqual(await undo(acting, engine), []);
    assert.deepEqual(await listOf(engine), ['shop-api running api-1', 'shop-redis running redis'], `after ${reached}`);
  }
});

test('volumes that a failed run made stay, and a network that was there before it does too', async () => {
  const { engine, planOf, parts } = makeRun({ redis: { ports: [6379] }, 'api-1': { exitCode: 1 } });
  await engine.createNetwork('hermesh-shop', { 'io.hermesh.stack': stack, 'io.hermesh.project': 'shop' }, { signal });
  const plan = await planOf(makeProject({ volumes: [{ path: '/data', name: 'data' }] }), 'api-1');
  await assert.rejects(carryOut(plan, parts, { signal }), { code: 'run-failed' });
  assert.deepEqual(
    (await engine.volumes({ signal })).map(({ name }) => name),
    ['hermesh-shop.data'],
  );
  assert.deepEqual(
    (await engine.networks({ signal })).map(({ name }) => name),
    ['hermesh-shop'],
  );
});
