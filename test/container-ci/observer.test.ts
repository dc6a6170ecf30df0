// CIs come and go with their containers, over the twin in memory: names, changes, losses of the engine, answers, and their cost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type CiChange,
  type ContainerIntent,
  type ContainerSpec,
  type Engine,
  EngineError,
  makeLabels,
  makeMemoryEngine,
  openObserver,
} from '#container-ci';
import { wantedName } from '../../container-ci/names.ts';
import { makeNews } from '../../container-ci/news.ts';
import { eventually } from '../support/deadline.ts';
import { makeManifest } from './facts-of.ts';

const signal = AbortSignal.timeout(60_000);
const log = { info: () => {}, warn: () => {} };
const intents = new Map<string, ContainerIntent>();
const parts = (engine: Engine) => ({
  engine,
  intentOf: (labels: Readonly<Record<string, string>>) => intents.get(labels['io.hermesh.container'] ?? ''),
  peerHealth: () => undefined,
  now: Date.now,
  random: Math.random,
  log,
  refreshMs: 50,
});

const spec = (name: string, more: Partial<ContainerSpec> = {}): ContainerSpec => ({
  name,
  image: 'app:1',
  labels: {},
  network: { name: 'n', aliases: [] },
  publish: [],
  restart: 'no',
  ...more,
});
const labelled = (container: string, ci: string, project = 'shop') =>
  makeLabels({
    stack: 's',
    project,
    container,
    manifestDigest: 'm',
    ci,
    buildKey: 'b',
    specDigest: 'd',
    dependsOn: '',
  });

async function makeEngine() {
  const made = makeMemoryEngine();
  made.controls.addImage('app:1', { ports: [6379], command: ['/usr/bin/redis-server'] });
  made.controls.addImage('silent:1', {});
  await made.engine.createNetwork('n', {}, { signal });
  return made;
}
const run = async (engine: Engine, wanted: ContainerSpec): Promise<string> => {
  const id = await engine.createContainer(wanted, { signal });
  await engine.startContainer(id, { signal });
  return id;
};

test('a CI appears with its container, names its service, is stopped with it, and goes with it', async () => {
  const { engine, controls } = await makeEngine();
  await using observer = await openObserver(parts(engine));
  assert.deepEqual(observer.engineState(), { reachable: true, reason: undefined });
  const id = await run(engine, spec('shop-redis', { labels: labelled('redis', 'redis-ci') }));
  const view = await eventually('it is healthy and named', () => {
    const [one] = observer.cis();
    return one?.health === 'healthy' && one.services.length > 0 && one;
  });
  assert.deepEqual(
    { ci: view.ci, project: view.project, status: view.status, service: view.services[0]?.name },
    { ci: 'redis-ci', project: 'shop', status: 'running', service: 'redis' },
  );
  controls.die(id, { exitCode: 137, oomKilled: true });
  await eventually('it is stopped', () => observer.cis()[0]?.health === 'stopped');
  const { findings, text } = await observer.ask('redis-ci', 'what is wrong?', { signal });
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['out-of-memory', 'exited'],
  );
  assert.match(text, /\[e1\]/);
  await engine.removeContainer(id, { signal });
  await eventually('it is gone', () => observer.cis().length === 0);
});

test('changes tell of appearing, what readers care about, and going; a slow reader gets the latest only', async () => {
  const { engine } = await makeEngine();
  await using observer = await openObserver(parts(engine));
  const stop = new AbortController();
  const slow = observer.changes({ signal: stop.signal })[Symbol.asyncIterator]();
  const seen: CiChange[] = [];
  const reading = (async () => {
    for await (const change of observer.changes({ signal: stop.signal })) seen.push(change);
  })();
  const id = await run(engine, spec('told'));
  await eventually('its service is told', () => seen.some(({ view }) => view.services.length > 0));
  assert.equal(seen[0]?.type, 'appeared');
  assert.ok(seen.slice(1).every(({ type }) => type === 'changed'));
  const count = seen.length;
  await eventually('it was looked at twice more', async () => {
    await engine.info({ signal });
    return Date.now() > Date.parse(seen.at(-1)?.view.since ?? '') + 200;
  });
  assert.equal(seen.length, count, 'a look that changes nothing is no news');
  const first = await slow.next();
  assert.deepEqual([first.value?.type, first.value?.view.services[0]?.name], ['appeared', 'redis']);
  await engine.removeContainer(id, { signal });
  await eventually('that it is gone is told', () => seen.at(-1)?.type === 'gone');
  assert.equal((await slow.next()).value?.type, 'gone');
  stop.abort();
  await reading;
  assert.equal((await slow.next()).done, true);
});

test('a stop that somebody asked the engine for is told as one, and an end by itself is not', async () => {
  const { engine, controls } = await makeEngine();
  await using observer = await openObserver(parts(engine));
  const id = await run(engine, spec('web'));
  const end = async (how: () => unknown): Promise<string | undefined> => {
    await eventually('it runs', () => observer.cis()[0]?.status === 'running');
    await how();
    await eventually('it is stopped', () => observer.cis()[0]?.status === 'exited');
    return (await observer.ask('web-ci', 'what is wrong?', { signal })).findings[0]?.code;
  };
  assert.equal(await end(() => engine.stopContainer(id, { graceSeconds: 0, signal })), 'asked-to-stop');
  await engine.startContainer(id, { signal });
  assert.equal(await end(() => controls.die(id, { exitCode: 143 })), 'exited');
});

test('one container that the engine cannot tell about takes nothing from the others', async () => {
  const { engine } = await makeEngine();
  const bad = await run(engine, spec('bad'));
  const failing: Engine = {
    ...engine,
    inspect: async (container, options) => {
      if (container === bad) throw new EngineError('engine-failed', 'Cannot read it: the engine failed');
      return await engine.inspect(container, options);
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
  await run(engine, spec('good'));
  await using observer = await openObserver(parts(failing));
  assert.deepEqual(observer.engineState(), { reachable: true, reason: undefined });
  await run(engine, spec('later'));
  await eventually('the others have CIs', () => observer.cis().length === 2);
  assert.equal(observer.engineState().reachable, true);
});

test('labels that were copied give no other container its name, project or manifest', async () => {
  const { engine } = await makeEngine();
  await run(engine, spec('copy', { labels: labelled('redis', 'redis-ci') }));
  await run(engine, spec('shop-redis', { labels: labelled('redis', 'redis-ci') }));
  await using observer = await openObserver(parts(engine));
  const views = observer.cis().map(({ ci, containerName, project }) => ({ ci, containerName, project }));
  assert.deepEqual(views, [
    { ci: 'copy-ci', containerName: 'copy', project: '' },
    { ci: 'redis-ci', containerName: 'shop-redis', project: 'shop' },
  ]);
});

test('fifty containers that start and die at once are all seen, with bounded work, and go without a trace', async () => {
  const { engine, controls } = await makeEngine();
  let atOnce = 0;
  let most = 0;
  const counted: Engine = {
    ...engine,
    processes: async (container, options) => {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
      return await engine.processes(container, options);
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const observer = await openObserver(parts(counted));
  const ids = await Promise.all(Array.from({ length: 50 }, (_, index) => run(engine, spec(`many-${index}`))));
  for (const id of ids.slice(25)) controls.die(id, { exitCode: 1 });
  await eventually(
    'all are seen as they are',
    () => observer.cis().filter(({ health }) => health === 'stopped').length === 25 && observer.cis().length === 50,
  );
  await eventually('some were looked at', () => most > 0);
  assert.ok(most <= 16, `${most} looks at once`);
  for (const id of ids) await engine.removeContainer(id, { signal });
  await eventually('all are gone', () => observer.cis().length === 0);
  await observer[Symbol.asyncDispose]();
  assert.ok(timers() <= before, 'no timer is left');
});

test('names follow label, then container, and a second claimant gets a part of its id', async () => {
  assert.equal(wantedName({ id: 'i', name: 'My_App.1', labels: {} }), 'my-app-1-ci');
  assert.equal(wantedName({ id: 'i', name: 'shop-api', labels: labelled('api', '') }), 'api-ci');
  assert.equal(wantedName({ id: 'i', name: 'shop-api', labels: labelled('api', 'gate') }), 'gate');
  const { engine } = await makeEngine();
  await using observer = await openObserver(parts(engine));
  await run(engine, spec('shop-api', { labels: labelled('api', 'api-ci') }));
  const second = await run(engine, spec('store-api', { labels: labelled('api', 'api-ci', 'store') }));
  const names = await eventually('both have a CI', () => {
    const cis = observer.cis().map(({ ci }) => ci);
    return cis.length === 2 && cis;
  });
  assert.deepEqual(names, ['api-ci', `api-ci-${second.slice(0, 6)}`]);
  await assert.rejects(observer.ask('apu-ci', 'status', { signal }), {
    code: 'no-such-ci',
    message: /did you mean "api-ci"\?/,
  });
});

test('a container that was put aside has no CI', async () => {
  const { engine } = await makeEngine();
  await using observer = await openObserver(parts(engine));
  const id = await run(engine, spec('kept'));
  await eventually('it has a CI', () => observer.cis().length === 1);
  await engine.renameContainer(id, 'hermesh-aside-0123', { signal });
  await eventually('it has none', () => observer.cis().length === 0);
  await engine.renameContainer(id, 'kept', { signal });
  await eventually('it has one again', () => observer.cis().length === 1);
});

test('after a loss of the engine, what happened meanwhile is found', async () => {
  const { engine, controls } = await makeEngine();
  const gone = await run(engine, spec('goes'));
  const dies = await run(engine, spec('dies'));
  await using observer = await openObserver(parts(engine));
  assert.equal(observer.cis().length, 2, 'what runs already is found at once');
  controls.lose();
  await eventually('the loss is told', () => !observer.engineState().reachable);
  assert.match(observer.engineState().reason ?? '', /no engine answers/);
  assert.equal(observer.cis().length, 2, 'CIs stay while the engine is away');
  const answered = await observer.ask('dies-ci', 'status', { signal });
  assert.match(answered.text, /can't be read now \[e1\]/);
  controls.mend();
  controls.die(dies, { exitCode: 3 });
  await engine.removeContainer(gone, { signal });
  await eventually('it is found again', () => observer.engineState().reachable && observer.cis().length === 1);
  assert.equal(observer.cis()[0]?.health, 'stopped');
  assert.match((await observer.ask('dies-ci', 'why did it crash?', { signal })).text, /with exit code 3/);
});

test('an engine that is away at the start is waited for', async () => {
  const { engine, controls } = await makeEngine();
  controls.lose();
  await using observer = await openObserver(parts(engine));
  assert.equal(observer.engineState().reachable, false);
  controls.mend();
  await eventually('it is reached', () => observer.engineState().reachable);
});

test('a stopped dependency of the same project is found as the cause', async () => {
  const { engine, controls } = await makeEngine();
  const manifest = makeManifest({
    redis: { ports: [6379] },
    api: {
      ports: [9],
      depends_on: { redis: {} },
      health: { tcp: { port: 9 }, start_period_seconds: 0, retries: 1, interval_seconds: 1 },
    },
  });
  for (const [name, container] of Object.entries(manifest.containers)) {
    const dependencies = Object.keys(container.depends_on).map((one) => ({ container: one, ci: `${one}-ci` }));
    intents.set(name, { container, dependencies });
  }
  await using observer = await openObserver(parts(engine));
  const redis = await run(engine, spec('shop-redis', { labels: labelled('redis', 'redis-ci') }));
  await run(engine, spec('shop-api', { image: 'silent:1', labels: labelled('api', 'api-ci') }));
  controls.die(redis, { exitCode: 1 });
  const healthOf = (ci: string) => observer.cis().find((view) => view.ci === ci)?.health;
  await eventually(
    'redis is stopped and api unhealthy',
    () => healthOf('redis-ci') === 'stopped' && healthOf('api-ci') === 'unhealthy',
  );
  const { findings, text } = await observer.ask('api-ci', 'why are you unhealthy?', { signal });
  assert.equal(findings[0]?.code, 'dependency-stopped');
  assert.equal(findings.at(-1)?.code, 'unhealthy');
  assert.match(text, /^Most likely, it depends on "redis", which is stopped/);
  intents.clear();
});

test('the health of a dependency that has its CI elsewhere is asked for there', async () => {
  const { engine } = await makeEngine();
  const { api } = makeManifest({
    api: { ports: [9], health: { tcp: { port: 9 }, start_period_seconds: 0, retries: 1 } },
  }).containers;
  assert.ok(api);
  const asked: string[] = [];
  await using observer = await openObserver({
    ...parts(engine),
    intentOf: () => ({ container: api, dependencies: [{ container: 'db', ci: 'far-ci' }] }),
    peerHealth: (ci) => (asked.push(ci) > 0 ? 'unhealthy' : undefined),
  });
  await run(engine, spec('near', { image: 'silent:1' }));
  await eventually('it is unhealthy', () => observer.cis()[0]?.health === 'unhealthy');
  const { findings } = await observer.ask('near-ci', 'what is wrong?', { signal });
  assert.equal(findings[0]?.code, 'dependency-unhealthy');
  assert.deepEqual(asked, ['far-ci']);
});

test('a container without a manifest becomes unhealthy once a service that was surely seen no longer listens', async () => {
  const { engine, controls } = await makeEngine();
  await using observer = await openObserver(parts(engine));
  const id = await run(engine, spec('stranger'));
  await eventually('redis is seen', () => observer.cis()[0]?.services[0]?.name === 'redis');
  controls.listen(id, []);
  await eventually('it is unhealthy', () => observer.cis()[0]?.health === 'unhealthy', { timeoutMs: 30_000 });
  controls.listen(id, [6379]);
  await eventually('it is healthy again', () => observer.cis()[0]?.health === 'healthy', { timeoutMs: 30_000 });
});

test('a CI costs at most 200 KB', async () => {
  const { engine } = await makeEngine();
  const count = 200;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let index = 0; index < count; index += 1) await run(engine, spec(`many-${index}`));
  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = heap();
  await using observer = await openObserver(parts(engine));
  await eventually('all have named their service', () => observer.cis().every(({ services }) => services.length > 0));
  assert.equal(observer.cis().length, count);
  assert.ok((heap() - before) / count < 200 * 1024, `${Math.round((heap() - before) / count)} bytes each`);
});

test('news that undo each other are not told, and a closed source ends its readers', async () => {
  const news = makeNews<string>((waiting, newer) => (newer === 'gone' ? undefined : `${waiting}+${newer}`));
  const reader = news.read({ signal })[Symbol.asyncIterator]();
  news.tell('a', 'new');
  news.tell('b', 'one');
  news.tell('b', 'two');
  news.tell('a', 'gone');
  assert.equal((await reader.next()).value, 'one+two');
  news.close();
  assert.equal((await reader.next()).done, true);
});
