// What is counted while the daemon runs, and how it is told to Prometheus.
import type { Directory, Member, Metrics } from '#registry';

/** Series of one counter; labels have few values each, and a name or peer in one by mistake must not eat memory. */
const maxSeries = 100;
const maxCounters = 200;

/** The class of a request, by the path that it asks for. */
export type RouteClass = 'operations' | 'hermes' | 'live' | 'mcp' | 'pull' | 'probes' | 'metrics' | 'other';

export interface DaemonMetrics extends Metrics {
  /** Counts one request of HTTP. */
  request(path: string): void;
  /** All figures in the text format of Prometheus, with its media type. */
  tell(state: Observed): Promise<{ readonly type: string; readonly text: string }>;
}

/** What is measured when it is asked for. */
export interface Observed {
  readonly version: string;
  readonly members: readonly Member[];
  readonly counts: ReturnType<Directory['counts']>;
  /** Milliseconds since 1970. */
  readonly startedAt: Date;
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/** Counting is a sum in memory; the library that tells it is loaded by the first who asks. */
export function makeMetrics(): DaemonMetrics {
  const counters = new Map<string, Map<string, Series>>();
  const count: Metrics['count'] = (name, labels = {}, by = 1) => {
    let all = counters.get(name);
    if (!all) {
      if (counters.size >= maxCounters || !/^[a-z][a-z0-9_]*$/.test(name)) return;
      all = new Map();
      counters.set(name, all);
    }
    const key = Object.values(labels).join('\n');
    const one = all.get(key);
    if (one) one.value += by;
    else if (all.size < maxSeries) all.set(key, { labels, value: by });
  };
  return {
    count,
    request: (path) => count('http_requests_total', labelsOf[classOf(path)]),
    async tell(observed) {
      const { Counter, Gauge, Registry } = (await import('prom-client')).default;
      const registry = new Registry();
      const gauge = (name: string, help: string, series: readonly Series[]): void => {
        const labelNames = Object.keys(series[0]?.labels ?? {});
        const one = new Gauge({ name, help, labelNames, registers: [registry] });
        for (const { labels, value } of series) one.set(labels, value);
      };
      for (const [name, all] of counters) {
        const labelNames = [...new Set([...all.values()].flatMap(({ labels }) => Object.keys(labels)))];
        const help = name === 'http_requests_total' ? 'Requests of HTTP by route class' : `Counted by the registry`;
        const one = new Counter({ name: `hermesh_${name}`, help, labelNames, registers: [registry] });
        for (const { labels, value } of all.values()) one.inc(labels, value);
      }
      for (const [name, help, series] of gaugesOf(observed)) gauge(name, help, series);
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** Made once, so that counting makes nothing. */
const labelsOf = Object.fromEntries(
  (['operations', 'hermes', 'live', 'mcp', 'pull', 'probes', 'metrics', 'other'] as const).map((one) => [
    one,
    { class: one },
  ]),
) as Record<RouteClass, { readonly class: string }>;

const hermesPaths: ReadonlySet<string> = new Set(
  ['register', 'registry', 'heartbeat', 'unregister', 'query', 'components', 'health', 'federated'].map(
    (word) => `/api/${word}`,
  ),
);
const classes: Readonly<Record<string, RouteClass>> = {
  '/mcp': 'mcp',
  '/v2': 'pull',
  '/ws': 'live',
  '/api/watch': 'live',
  '/health': 'probes',
  '/ready': 'probes',
  '/metrics': 'metrics',
  '/discovery': 'hermes',
};

function classOf(path: string): RouteClass {
  const second = path.indexOf('/', 1);
  const first = second < 0 ? path : path.slice(0, second);
  if (first !== '/api') return classes[first] ?? 'other';
  const third = second < 0 ? -1 : path.indexOf('/', second + 1);
  const two = third < 0 ? path : path.slice(0, third);
  return hermesPaths.has(two) ? 'hermes' : (classes[two] ?? 'operations');
}

function gaugesOf({ version, members, counts, startedAt }: Observed): (readonly [string, string, Series[]])[] {
  const states = new Map<string, number>();
  for (const { liveness } of members) states.set(liveness.state, (states.get(liveness.state) ?? 0) + 1);
  const one = (value: number, labels = {}): Series[] => [{ labels, value }];
  const by = (label: string, all: ReadonlyMap<string, number>): Series[] =>
    [...all].map(([key, value]) => ({ labels: { [label]: key }, value }));
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return [
    ['hermesh_build_info', 'The running version', one(1, { version })],
    ['hermesh_members', 'Stacks of the mesh by state', by('state', states)],
    ['hermesh_records', 'Records that are kept, by kind', by('kind', counts.records)],
    ['hermesh_hidden_records', "Records outside of their owner's right, kept and not shown", one(counts.hidden)],
    ['hermesh_feeds', 'Feeds that are kept', one(counts.feeds)],
    ['process_resident_memory_bytes', 'Resident memory', one(rss)],
    ['process_heap_bytes', 'Memory used by values', one(heapUsed)],
    ['process_cpu_seconds_total', 'Time of processors that was used', one((user + system) / 1e6)],
    ['process_start_time_seconds', 'When it started, since 1970', one(startedAt.getTime() / 1000)],
  ];
}
