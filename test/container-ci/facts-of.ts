// Facts for tests of what is made from them: a healthy container, and whatever a test changes about it.
import type { ContainerState } from '#container-ci';
import { manifestSchema } from '#manifests/schema';
import { makeEvidenceBook } from '../../container-ci/evidence.ts';
import type { Facts } from '../../container-ci/facts.ts';
import { makeHealth } from '../../container-ci/health.ts';

export const at = Date.parse('2026-01-01T12:00:00Z');

export function makeManifest(containers: Record<string, object>, project = 'shop') {
  return manifestSchema.parse({ manifest_version: '1.0', project: { name: project }, containers });
}

export const healthyState: ContainerState = {
  id: '0123456789abcdef',
  name: 'shop-api',
  image: '127.0.0.1:5000/shop/api@sha256:00',
  imageId: 'sha256:11',
  labels: {},
  status: 'running',
  pid: 4242,
  exitCode: undefined,
  oomKilled: false,
  error: undefined,
  restartCount: 0,
  startedAt: new Date(at - 60_000),
  finishedAt: undefined,
  environmentNames: ['NODE_ENV'],
  command: ['/bin/node', 'server.js'],
  addresses: [{ network: 'hermesh-shop', address: '10.1.0.2' }],
  published: [{ port: 3000, hostAddress: '127.0.0.1', hostPort: 49_000 }],
  mounts: [],
};

interface Change {
  readonly state?: Partial<ContainerState>;
  readonly health?: Partial<Facts['health']['value']>;
  readonly history?: Facts['history']['value'];
  readonly dependencies?: readonly {
    container: string;
    ci: string;
    status: 'stopped' | 'healthy' | 'unhealthy' | undefined;
  }[];
  readonly ports?: readonly number[];
  readonly logs?: readonly string[];
}

export function factsOf(change: Change = {}): Facts {
  const book = makeEvidenceBook(() => at);
  const state = { ...healthyState, ...change.state };
  const running = state.status === 'running';
  const api = makeManifest({ api: { ports: [3000], depends_on: {} } }).containers['api'];
  const known = <T>(what: string, value: T) => book.note(what, `source of ${what}`, value, JSON.stringify(value) ?? '');
  const stateKnown = known('state of the container', state);
  return {
    now: at,
    ci: 'api-ci',
    state: stateKnown,
    health: known('health', { ...makeHealth('healthy', at - 50_000), ...change.health }),
    history: known('starts and deaths', change.history ?? []),
    intent: api && known('intent', api),
    dependencies: (change.dependencies ?? []).map((one) => known(`dependency "${one.container}"`, one)),
    sockets: running
      ? known(
          'listening sockets',
          (change.ports ?? [3000]).map((port) => ({ protocol: 'tcp', address: '::', port }) as const),
        )
      : undefined,
    processes: running ? known('processes', []) : undefined,
    usage: running
      ? known('usage', { memoryBytes: 50 << 20, memoryLimitBytes: 100 << 20, cpuNanoseconds: 1e9, processes: 3 })
      : undefined,
    logs: known(
      'log',
      (change.logs ?? ['listening']).map((text) => ({ at: new Date(at), stream: 'stdout', text }) as const),
    ),
    services: [],
    servicesFrom: [stateKnown.evidence],
    evidence: book.all(),
  };
}
