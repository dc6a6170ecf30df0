// Plans are pure: bottom-up, idempotent, replacing what changed, refusing what isn't ours.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContainerSummary, makeLabels, makeThingLabels, type RunStep } from '#container-ci';
import { type PlannedStep, planRun, planStop, type RunRequest } from '#cookbooks';
import { type Manifest, manifestSchema } from '#manifests/schema';

const shop = (containers: Record<string, object> = {}): Manifest =>
  manifestSchema.parse({
    manifest_version: '1.0',
    project: { name: 'shop' },
    containers: {
      frontend: {
        depends_on: { api: {} },
        ports: [80],
        publish: [{ port: 80 }],
        health: { http: { port: 80, path: '/' } },
      },
      api: {
        depends_on: { redis: { condition: 'started' } },
        ports: [3000],
        ci_name: 'gate',
        resources: { memory_mib: 64, millicpus: 250, processes: 50 },
      },
      redis: { ports: [6379], health: { tcp: { port: 6379 }, start_period_seconds: 5 } },
      ...containers,
    },
  });
const request = (more: Partial<RunRequest> = {}): RunRequest => {
  const manifest = more.manifest ?? shop();
  return {
    manifest,
    manifestDigest: 'sha256:m',
    images: Object.keys(manifest.containers).map((container) => ({
      container,
      platform: 'linux/amd64',
      digest: `sha256:${container}`,
      configDigest: `sha256:c-${container}`,
      buildKey: `sha256:b-${container}`,
    })),
    running: [],
    networks: [],
    volumes: [],
    adopted: new Set(),
    drifted: new Set(),
    platform: 'linux/amd64',
    secretsFolder: '/memory',
    stack: 'stack-a',
    registryAddress: '127.0.0.1:8001',
    ...more,
  };
};
const short = (step: RunStep): string => {
  if (step.do === 'create') return `create ${step.spec.name}`;
  if (step.do === 'wait') return `wait ${step.name} ${step.until}`;
  const on =
    'name' in step ? step.name : 'network' in step ? step.network : 'volume' in step ? step.volume : step.container;
  return `${step.do} ${on}`;
};
const network = { name: 'hermesh-shop', labels: makeThingLabels('stack-a', 'shop') };
const stopping = { networks: [network], volumes: [], stack: 'stack-a', adopted: new Set<string>(), withVolumes: false };
/** Each step with those that it waits for, in words. */
const ordered = (steps: readonly PlannedStep[]): Record<string, string[]> =>
  Object.fromEntries(steps.map((step) => [short(step), step.after.map((index) => short(steps[index] as RunStep))]));
/** What the engine would list once the plan is carried out. */
const afterwards = (steps: readonly RunStep[]): ContainerSummary[] =>
  steps.flatMap((step) =>
    step.do === 'create'
      ? [
          {
            id: `id-${step.spec.name}-0123456789`,
            name: step.spec.name,
            image: step.spec.image,
            state: 'running' as const,
            labels: step.spec.labels,
          },
        ]
      : [],
  );

test('a first run goes from the bottom up, pulls before it touches anything, and waits as the manifest says', () => {
  const { steps, tiers, kept } = planRun(request());
  assert.deepEqual(tiers, [['redis'], ['api'], ['frontend']]);
  assert.deepEqual(kept, []);
  assert.deepEqual(steps.map(short), [
    'ensure-network hermesh-shop',
    'pull redis',
    'pull api',
    'pull frontend',
    'create shop-redis',
    'start shop-redis',
    'wait shop-redis started',
    'create shop-api',
    'start shop-api',
    'wait shop-api healthy',
    'create shop-frontend',
    'start shop-frontend',
    'wait shop-frontend healthy',
    'wait shop-redis healthy',
  ]);
  const api = steps.find((step) => step.do === 'create' && step.container === 'api');
  assert.ok(api?.do === 'create');
  const { spec } = api;
  assert.equal(spec.image, '127.0.0.1:8001/shop/api@sha256:api');
  assert.deepEqual(spec.network, { name: 'hermesh-shop', aliases: ['api'] });
  assert.deepEqual(
    [spec.memoryBytes, spec.nanoCpus, spec.processes, spec.restart],
    [67_108_864, 250_000_000, 50, 'unless-stopped'],
  );
  assert.equal(spec.labels['io.hermesh.ci'], 'gate');
  assert.equal(spec.labels['io.hermesh.build-key'], 'sha256:b-api');
  const wait = steps.find((step) => step.do === 'wait' && step.name === 'shop-redis');
  assert.ok(wait?.do === 'wait' && wait.deadlineMs === 65_000);
});

test('a plan for what runs already changes nothing, whatever port the registry has and however the rest of the manifest changed', () => {
  const running = afterwards(planRun(request()).steps);
  const { steps, kept } = planRun(request({ running, registryAddress: '127.0.0.1:9999', manifestDigest: 'sha256:m2' }));
  assert.deepEqual(kept, ['shop-redis', 'shop-api', 'shop-frontend']);
  assert.deepEqual(steps.filter((step) => step.do !== 'wait').map(short), ['ensure-network hermesh-shop']);
});

test('a container that only stopped is started, not made again', () => {
  const running = afterwards(planRun(request()).steps).map((one) =>
    one.name === 'shop-redis' ? { ...one, state: 'exited' as const } : one,
  );
  const acts = planRun(request({ running })).steps.filter((step) => step.do !== 'wait');
  assert.deepEqual(acts.map(short), ['ensure-network hermesh-shop', 'start shop-redis']);
});

test('a container whose image or declaration changed is replaced, and its predecessor removed only at the end', () => {
  const running = afterwards(planRun(request()).steps);
  const changed = request({ running });
  const images = changed.images.map((one) => (one.container === 'api' ? { ...one, digest: 'sha256:new' } : one));
  const steps = planRun({ ...changed, images }).steps.filter((step) => step.do !== 'wait');
  assert.deepEqual(steps.map(short), [
    'ensure-network hermesh-shop',
    'pull api',
    'set-aside shop-api',
    'create shop-api',
    'start shop-api',
    'remove hermesh-aside-id-shop-api-',
  ]);
  const declared = planRun(request({ running, manifest: shop({ redis: { ports: [6379], restart: 'no' } }) }));
  assert.deepEqual(declared.kept, ['shop-api', 'shop-frontend']);
});

test('a container that the manifest no longer names is removed, and so is what a broken run left aside', () => {
  const running = [
    ...afterwards(planRun(request()).steps),
    {
      ...(afterwards(planRun(request()).steps)[0] as ContainerSummary),
      id: 'left',
      name: 'hermesh-aside-left',
      state: 'exited' as const,
    },
  ];
  const { frontend: _gone, ...containers } = shop().containers;
  const steps = planRun(request({ running, manifest: { ...shop(), containers } })).steps.filter(
    (step) => step.do !== 'wait',
  );
  assert.deepEqual(steps.map(short), [
    'ensure-network hermesh-shop',
    'set-aside shop-frontend',
    'remove hermesh-aside-id-shop-fron',
    'remove hermesh-aside-left',
  ]);
});

test('a container of the same name that is not ours is refused, and left alone when the project stops', () => {
  const stranger = { id: 'x', name: 'shop-redis', image: 'redis', state: 'running', labels: {} } as const;
  assert.throws(() => planRun(request({ running: [stranger] })), {
    code: 'foreign-container',
    message: /no stack started it/,
  });
  const labels = makeLabels({
    stack: 'stack-b',
    project: 'shop',
    container: 'redis',
    manifestDigest: '',
    ci: '',
    buildKey: '',
    specDigest: '',
    dependsOn: '',
  });
  assert.throws(() => planRun(request({ running: [{ ...stranger, labels }] })), {
    message: /stack "stack-b" started it/,
  });
  assert.deepEqual(
    planStop({ ...stopping, networks: [], project: 'shop', running: [stranger, { ...stranger, labels }] }).steps,
    [],
  );
});

test('a circle of dependencies, a dependency that is not there, and a missing image have no plan', () => {
  const circle = shop({ redis: { depends_on: { frontend: {} } } });
  assert.throws(() => planRun(request({ manifest: circle })), {
    code: 'dependency-cycle',
    message: /api -> redis -> frontend -> api/,
  });
  const dangling = shop({ redis: { depends_on: { nobody: {} } } });
  assert.throws(() => planRun(request({ manifest: dangling })), { code: 'unknown-dependency' });
  assert.throws(() => planRun(request({ images: [] })), { code: 'missing-image', message: /build the manifest first/ });
});

test('a container that only bears our labels, by a copy or a new name, is left alone', () => {
  const ours = afterwards(planRun(request()).steps);
  const api = ours.find(({ name }) => name === 'shop-api');
  assert.ok(api);
  const copy = { ...api, id: 'copy', name: 'debug-of-api' };
  const running = [...ours, copy];
  assert.deepEqual(
    planRun(request({ running })).steps.filter((step) => step.do === 'remove' || step.do === 'set-aside'),
    [],
  );
  const { steps } = planStop({ ...stopping, project: 'shop', running });
  assert.ok(!JSON.stringify(steps).includes('debug-of-api'));
  assert.equal(steps.filter(({ do: act }) => act === 'remove').length, 3);
  assert.ok(!steps.some(({ do: act }) => act === 'remove-network'), 'the copy may be in it');
  assert.deepEqual(planStop({ ...stopping, project: 'shop', running: [copy] }).steps, []);
});

test('stopping goes from the top down by what the labels say, networks go last, and volumes stay unless told', () => {
  const running = afterwards(planRun(request()).steps);
  const volume = { name: 'hermesh-shop.data', labels: makeThingLabels('stack-a', 'shop') };
  const foreign = { name: 'hermesh-shop.other', labels: makeThingLabels('stack-a', 'shop-b') };
  const all = { ...stopping, volumes: [volume, foreign], project: 'shop', running };
  const order = ordered(planStop(all).steps);
  assert.deepEqual(order['stop shop-frontend'], []);
  assert.deepEqual(order['stop shop-api'], ['stop shop-frontend']);
  assert.deepEqual(order['stop shop-redis'], ['stop shop-api']);
  assert.deepEqual(order['remove shop-redis'], ['stop shop-redis']);
  assert.deepEqual(order['remove-network hermesh-shop']?.length, 3);
  assert.ok(!('remove-volume hermesh-shop.data' in order));
  const asked = ordered(planStop({ ...all, withVolumes: true }).steps);
  assert.ok('remove-volume hermesh-shop.data' in asked);
  assert.ok(!('remove-volume hermesh-shop.other' in asked));
});

test('a container waits only for what it depends on, by its own condition', () => {
  const manifest = manifestSchema.parse({
    manifest_version: '1.0',
    project: { name: 'shop' },
    containers: {
      db: { ports: [5432], health: { tcp: { port: 5432 } } },
      migrate: { depends_on: { db: {} }, restart: 'no' },
      web: { depends_on: { migrate: { condition: 'completed' } } },
      watch: { depends_on: { db: { condition: 'started' } } },
      alone: {},
    },
  });
  const order = ordered(planRun(request({ manifest })).steps);
  const ready = ['ensure-network hermesh-shop', 'pull alone', 'pull db', 'pull migrate', 'pull watch', 'pull web'];
  const beyond = (step: string): string[] => (order[step] ?? []).filter((one) => !ready.includes(one));
  assert.deepEqual(beyond('create shop-alone'), []);
  assert.deepEqual(beyond('create shop-watch'), ['wait shop-db started']);
  assert.deepEqual(beyond('create shop-migrate'), ['wait shop-db healthy']);
  assert.deepEqual(beyond('create shop-web'), ['wait shop-migrate completed']);
  const done = afterwards(planRun(request({ manifest })).steps).map((one) =>
    one.name === 'shop-migrate' ? { ...one, state: 'exited' as const, exitCode: 0 } : one,
  );
  assert.ok(
    planRun(request({ manifest, running: done })).kept.includes('shop-migrate'),
    'work that is done stays done',
  );
  const failed = done.map((one) => (one.name === 'shop-migrate' ? { ...one, exitCode: 1 } : one));
  assert.ok(
    planRun(request({ manifest, running: failed }))
      .steps.map(short)
      .includes('start shop-migrate'),
  );
});

test('networks, volumes, secrets, limits and security come into the spec, and secrets as files that only it has', () => {
  const manifest = shop({
    redis: {
      networks: ['back', 'front'],
      volumes: [
        { path: '/data', name: 'data' },
        { path: '/tmp', tmpfs_mib: 16 },
      ],
      secrets: [
        { name: 'password', mode: '0440', owner: { uid: 999, gid: 999 } },
        { name: 'key', path: '/etc/key' },
      ],
      resources: { shm_mib: 8, open_files: 4096 },
      security: { read_only: true, cap_drop: ['ALL'], cap_add: ['NET_BIND_SERVICE'] },
      stop_grace_seconds: 3,
    },
  });
  const { steps } = planRun(request({ manifest }));
  const create = steps.find((step) => step.do === 'create' && step.container === 'redis');
  assert.ok(create?.do === 'create');
  assert.deepEqual(create.spec.network, { name: 'hermesh-shop.back', aliases: ['redis'] });
  assert.deepEqual(create.spec.otherNetworks, ['hermesh-shop.front']);
  assert.deepEqual(create.spec.mounts, [
    { kind: 'volume', source: 'hermesh-shop.data', path: '/data', readOnly: false },
    { kind: 'memory', sizeBytes: 16_777_216, path: '/tmp', readOnly: false },
    { kind: 'host', source: '/memory/shop/redis/0', path: '/run/secrets/password', readOnly: true },
    { kind: 'host', source: '/memory/shop/redis/1', path: '/etc/key', readOnly: true },
  ]);
  assert.deepEqual([create.spec.shmBytes, create.spec.openFiles, create.spec.graceSeconds], [8_388_608, 4096, 3]);
  assert.equal(create.spec.security?.readOnly, true);
  const order = ordered(steps);
  assert.ok(order['create shop-redis']?.includes('put-secrets redis'));
  assert.deepEqual(order['ensure-volume hermesh-shop.data'], []);
});

test('the image is the one for the platform of the host, and where there is none the manifest says where to add it', () => {
  const asked = request();
  const arm = asked.images.map((one) => ({ ...one, platform: 'linux/arm64', digest: `${one.digest}-arm` }));
  const { steps } = planRun({ ...asked, images: [...arm, ...asked.images] });
  assert.ok(steps.every((step) => step.do !== 'pull' || !step.reference.endsWith('-arm')));
  assert.throws(() => planRun({ ...asked, images: arm }), {
    code: 'missing-image',
    message: /this host is linux\/amd64, and its images are for linux\/arm64; add "linux\/amd64"/,
  });
});

test('what another stack started from the same spec is taken over, and what it started from another is refused', () => {
  const running = afterwards(planRun(request()).steps);
  const plan = planRun(request({ running, stack: 'stack-b' }));
  assert.deepEqual(plan.adopted, ['shop-redis', 'shop-api', 'shop-frontend']);
  assert.ok(plan.steps.every((step) => step.do !== 'create'));
  const other = shop({ redis: { ports: [6379], restart: 'no' } });
  assert.throws(() => planRun(request({ running, stack: 'stack-b', manifest: other })), { code: 'foreign-container' });
  const taken = new Set(running.map(({ id }) => id));
  const changed = planRun(request({ running, stack: 'stack-b', manifest: other, adopted: taken }));
  assert.ok(changed.steps.map(short).includes('create shop-redis'), 'what was taken over is its own from then on');
  const stop = planStop({ ...stopping, stack: 'stack-b', adopted: taken, project: 'shop', running });
  assert.ok(stop.steps.map(short).includes('remove-network hermesh-shop'));
});

test('a container that somebody changed on the engine is made anew', () => {
  const running = afterwards(planRun(request()).steps);
  const { steps } = planRun(request({ running, drifted: new Set(['shop-api']) }));
  const made = steps.find((step) => step.do === 'create');
  assert.ok(made?.do === 'create' && made.replaces === running.find(({ name }) => name === 'shop-api')?.id);
});

test('a network of the name that no stack made is refused', () => {
  assert.throws(() => planRun(request({ networks: [{ name: 'hermesh-shop', labels: {} }] })), {
    code: 'foreign-container',
    message: /a network "hermesh-shop" that no stack made for it/,
  });
});
