// The rows of convergence: a change at one of 16 stacks until the last of the 16 has seen it, beside Serf's events and etcd's watch.
import { openRegistrar, startFleet } from '../../test/support/fleet.ts';
import { putEtcd, startEtcd, watchEtcd } from '../peers/etcd.ts';
import { openSerfClient, type SerfClient, startSerf } from '../peers/serf.ts';
import { quantile, type Row } from '../row.ts';

const size = 16;
/** As many as the claim names. */
const changes = 200;
const seenWithinMs = 60_000;
/** Quiet moments of different lengths between changes, so that first changes and followers are both measured. */
const longestQuietMs = 400;

type Say = (text: string) => void;
type Both = Readonly<Record<'ours' | 'serf' | 'etcd', readonly number[]>>;

let measured: Promise<Both> | undefined;

export const convergenceRows: readonly Row[] = [
  {
    name: 'convergence',
    claim: `${size} stacks: from a registration's request until the last of them has seen it, half of ${changes} changes`,
    unit: 'ms',
    figure: 'p50',
    limitRatio: 0.5,
    measure: async (_rounds, say) => asRow(await measureOnce(say)),
  },
  {
    name: 'convergence-p99',
    claim: 'the same, 99 of 100 changes',
    unit: 'ms',
    figure: 'p99',
    limitRatio: 1,
    measure: async (_rounds, say) => asRow(await measureOnce(say)),
  },
];

function asRow({ ours, serf }: Both) {
  return { samples: ours, peer: { name: 'Serf, its last agent', samples: serf } };
}

function measureOnce(say: Say): Promise<Both> {
  measured ??= (async () => {
    const both = { ours: await measureStacks(say), serf: await measureSerf(say), etcd: await measureEtcd(say) };
    for (const [name, samples] of Object.entries(both)) {
      const [p50, p99] = [quantile(samples, 0.5), quantile(samples, 0.99)].map((value) => value.toFixed(1));
      say(`${name}: p50 ${p50} ms, p99 ${p99} ms, worst ${Math.max(...samples).toFixed(1)} ms`);
    }
    return both;
  })();
  return measured;
}

/** Milliseconds a change, until the last stack has seen it; the simulator is calibrated by these too. */
export async function measureStacks(say: Say, count = changes): Promise<number[]> {
  const names = Array.from({ length: size }, (_, index) => `stack-${index}`);
  await using fleet = await startFleet(names, { start: { flags: ['--log', 'warn'] }, say });
  const stop = new AbortController();
  using parts = new DisposableStack();
  parts.defer(() => stop.abort());
  const race = makeRace(size);
  const registrars = fleet.stacks.map(({ home }) => parts.use(openRegistrar(home)));
  const watching = fleet.stacks.map(async ({ client }, watcher) => {
    for await (const change of client.stream('/api/watch?kind=ci&from=now', { signal: stop.signal })) {
      race.seen((change as { name: string }).name, watcher);
    }
  });
  for (const one of watching) one.catch((error: unknown) => race.fail(error));
  // The streams are open once a first change came over each.
  await race.run('bench-first', () => registrars[0]?.register('bench-first'));
  const samples = await repeat(count, (index) =>
    race.run(`bench-${index}`, () => registrars[pick(index)]?.register(`bench-${index}`)),
  );
  say(`stacks: ${count} changes seen by all ${size}`);
  return samples;
}

async function measureSerf(say: Say): Promise<number[]> {
  const names = Array.from({ length: size }, (_, index) => `agent-${index}`);
  await using cluster = await startSerf(names);
  using parts = new DisposableStack();
  const race = makeRace(size);
  const clients: SerfClient[] = [];
  for (const { rpc } of cluster.agents) {
    const index = clients.length;
    const client = parts.use(await openSerfClient(rpc));
    await client.follow((name) => race.seen(name, index));
    clients.push(client);
  }
  await race.run('bench-first', () => clients[0]?.event('bench-first'));
  const samples = await repeat(changes, (index) =>
    race.run(`bench-${index}`, () => clients[pick(index)]?.event(`bench-${index}`)),
  );
  say(`Serf: ${changes} events seen by all ${size}`);
  return samples;
}

async function measureEtcd(say: Say): Promise<number[]> {
  await using cluster = await startEtcd();
  const stop = new AbortController();
  using parts = new DisposableStack();
  parts.defer(() => stop.abort());
  const race = makeRace(size);
  const urlOf = (index: number): string => cluster.urls[index % cluster.urls.length] ?? '';
  for (let index = 0; index < size; index += 1) {
    await watchEtcd(urlOf(index), (key) => race.seen(key, index), stop.signal);
  }
  const samples = await repeat(changes, (index) =>
    race.run(`bench-${index}`, () => putEtcd(urlOf(pick(index)), `bench-${index}`)),
  );
  say(`etcd: ${changes} puts seen by ${size} watchers of ${cluster.urls.length} servers`);
  return samples;
}

/** Spreads changes over all of them, the same way for each kind of system. */
function pick(index: number): number {
  return (index * 7) % size;
}

async function repeat(count: number, once: (index: number) => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < count; index += 1) {
    await new Promise((resolve) => setTimeout(resolve, (index * 37) % longestQuietMs));
    samples.push(await once(index));
  }
  return samples;
}

interface Race {
  seen(name: string, watcher: number): void;
  fail(error: unknown): void;
  /** Milliseconds from before `begin` until all watchers have seen it. */
  run(name: string, begin: () => Promise<void> | undefined): Promise<number>;
}

/** One clock: that of the process that asks and watches. */
function makeRace(watchers: number): Race {
  let current:
    | { readonly name: string; readonly missing: Set<number>; readonly done: PromiseWithResolvers<number> }
    | undefined;
  return {
    seen(name, watcher) {
      if (current?.name !== name) return;
      current.missing.delete(watcher);
      if (current.missing.size === 0) current.done.resolve(performance.now());
    },
    fail: (error) => current?.done.reject(error),
    async run(name, begin) {
      const done = Promise.withResolvers<number>();
      const missing = new Set(Array.from({ length: watchers }, (_, index) => index));
      current = { name, missing, done };
      const late = setTimeout(
        () => done.reject(new Error(`"${name}" was not seen in ${seenWithinMs} ms by ${[...missing].join(', ')}`)),
        seenWithinMs,
      );
      const started = performance.now();
      try {
        const [at] = await Promise.all([done.promise, begin()]);
        return at - started;
      } finally {
        clearTimeout(late);
        current = undefined;
      }
    },
  };
}
