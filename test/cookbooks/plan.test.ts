// Plans are pure: bottom-up, idempotent, replacing what changed, refusing what isn't ours.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContainerSummary, makeLabels, type RunStep } from '#container-ci';
import { planRun, planStop, type RunRequest } from '#cookbooks';
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
      digest: `sha256:${container}`,
      configDigest: `sha256:c-${container}`,
      buildKey: `sha256:b-${container}`,
    })),
    running: [],
    stack: 'stack-a',
    registryAddress: '127.0.0.1:8001',
    ...more,
  };
};
const short = (step: RunStep): string =>
  step.do === 'create'
    ? `create ${step.spec.name}`
    : step.do === 'wait'
      ? `wait ${step.name} ${step.until}`
      : `${step.do} ${'name' in step ? step.name : 'network' in step ? step.network : step.container}`;
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
  const { steps, tiers, network, kept } = planRun(request());
  assert.deepEqual(tiers, [['redis'], ['api'], ['frontend']]);
  assert.equal(network, 'hermesh-shop');
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
  });
  assert.throws(() => planRun(request({ running: [{ ...stranger, labels }] })), {
    message: /stack "stack-b" started it/,
  });
  assert.deepEqual(
    planStop({ project: 'shop', running: [stranger, { ...stranger, labels }], stack: 'stack-a' }).steps,
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
  const { steps } = planStop({ project: 'shop', running, stack: 'stack-a' });
  assert.ok(!JSON.stringify(steps).includes('debug-of-api'));
  assert.equal(steps.filter(({ do: act }) => act === 'remove').length, 3);
  assert.ok(!steps.some(({ do: act }) => act === 'remove-network'), 'the copy may be in it');
  assert.deepEqual(planStop({ project: 'shop', running: [copy], stack: 'stack-a' }).steps, []);
});

test('stopping goes from the top down, and the network goes last', () => {
  const running = afterwards(planRun(request()).steps);
  assert.deepEqual(planStop({ project: 'shop', running, stack: 'stack-a', manifest: shop() }).steps.map(short), [
    'stop shop-frontend',
    'remove shop-frontend',
    'stop shop-api',
    'remove shop-api',
    'stop shop-redis',
    'remove shop-redis',
    'remove-network hermesh-shop',
  ]);
});
