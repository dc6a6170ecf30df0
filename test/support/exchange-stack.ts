// One stack with blobs in a process of its own: does what the lines on its stdin say, and answers each with a line of JSON.
import { createHash, randomBytes } from 'node:crypto';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { makeShelf } from '#daemon/deploy';
import { openLibp2pNetwork } from '#daemon/libp2p';
import { openBlobStore, openPartialStore } from '#manifests';
import {
  loadOrMakeIdentity,
  type Network,
  openDatabase,
  openRegistry,
  registryMigrations,
  systemClock,
} from '#registry';
import { type BlobDigest, holdingKind, openExchange } from '#registry/exchange';
import { silentLog } from './constellation.ts';

const { values } = parseArgs({
  options: {
    home: { type: 'string', default: '' },
    name: { type: 'string', default: '' },
    join: { type: 'string' },
    listen: { type: 'string', default: '/ip4/127.0.0.1/tcp/0' },
    /** Bytes a second. */
    cap: { type: 'string' },
    /** Turns a bit of each range that it gives. */
    lie: { type: 'boolean', default: false },
  },
});
const { home, name } = values;
const rawProtocol = '/hermesh-test/raw/1.0.0';
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

await using stack = new AsyncDisposableStack();
const identity = await loadOrMakeIdentity(home);
const database = stack.use(openDatabase(path.join(home, 'home.db'), [registryMigrations]));
const network = stack.use(await openLibp2pNetwork({ identity, listen: [values.listen], log: silentLog }));
const registry = stack.use(
  await openRegistry({
    database,
    identity,
    name,
    network,
    kinds: [holdingKind],
    mayStand: () => undefined,
    clock: systemClock,
    random: (sizeBytes) => randomBytes(sizeBytes),
    log: silentLog,
  }),
);
const folder = path.join(home, 'blobs');
const blobs = await openBlobStore(folder);
const faults: unknown[] = [];
const exchange = stack.use(
  openExchange({
    network: values.lie ? lying(network) : network,
    shelf: makeShelf(blobs, await openPartialStore(folder)),
    directory: registry.directory,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    reach: (peer, options) => registry.reach(peer, options),
    fault: (peer, fault) => {
      faults.push({ peer, fault });
      registry.fault(peer, fault);
    },
    ...(values.cap === undefined ? {} : { maxUploadBytesPerSecond: Number(values.cap) }),
  }),
);
network.serveStream(
  rawProtocol,
  { access: 'member', maxRequestBytes: 100, timeoutMs: 10_000 },
  async function* (request) {
    const piece = randomBytes(64 * 1024);
    for (let left = Number(Buffer.from(request).toString()); left > 0; left -= piece.byteLength) yield piece;
  },
);
registry.write([{ kind: 'stack', name, body: { name, addresses: [...network.addresses()] } }]);
if (values.join) await registry.join(values.join, { signal: AbortSignal.timeout(20_000) });

const verbs: Record<string, (input: Record<string, string>) => Promise<unknown>> = {
  async invite() {
    return { token: registry.createInvite({ role: 'member', expiresInMs: 600_000, uses: 50 }).token };
  },
  /** Noise of a seed: the same bytes in every process. */
  async keep({ seed = '', sizeBytes = '0' }) {
    const content = createHash('shake256', { outputLength: Number(sizeBytes) })
      .update(seed)
      .digest();
    const { digest } = await blobs.write([content], { maxBytes: 4e9, signal: AbortSignal.timeout(60_000) });
    registry.write([{ kind: 'blob-holding', name: digest, body: await exchange.describe([digest]) }]);
    return { digest };
  },
  /** So many files of about 21 KB, one of every `changed` in its later version; told of only with `told`. */
  async tree({ files = '0', changed = '0', told }) {
    const noise = (seed: string, sizeBytes: number) =>
      createHash('shake256', { outputLength: sizeBytes }).update(seed).digest();
    const content = Array.from({ length: Number(files) }, (_, index) =>
      Number(changed) > 0 && index % Number(changed) === 0
        ? noise(`later ${index}`, 21_500)
        : noise(`file ${index}`, 21_000),
    );
    const { digest, sizeBytes } = await blobs.write(content, { maxBytes: 4e9, signal: AbortSignal.timeout(60_000) });
    if (told) registry.write([{ kind: 'blob-holding', name: digest, body: await exchange.describe([digest]) }]);
    return { digest, sizeBytes };
  },
  async holders({ count = '1' }) {
    while (registry.directory.list({ kind: 'blob-holding' }).length < Number(count)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return {};
  },
  async meets({ stack: other = '' }) {
    while (!network.connected().includes(other)) await new Promise((resolve) => setTimeout(resolve, 20));
    return {};
  },
  async fetch({ digest, base }) {
    const begin = performance.now();
    const options = { signal: AbortSignal.timeout(600_000), ...(base && { base: base as BlobDigest }) };
    const fetched = await exchange.fetch(digest as BlobDigest, options);
    return { ...fetched, ms: performance.now() - begin };
  },
  /** The same bytes on one bare stream, thrown away. */
  async raw({ from = '', sizeBytes = '0' }) {
    const begin = performance.now();
    const options = { signal: AbortSignal.timeout(600_000), maxResponseBytes: 8e9 };
    let came = 0;
    for await (const piece of network.requestStream(from, rawProtocol, Buffer.from(sizeBytes), options))
      came += piece.length;
    return { came, ms: performance.now() - begin };
  },
  async state() {
    const { rss } = process.memoryUsage();
    const peak = process.resourceUsage().maxRSS * 1024;
    const { user, system } = process.cpuUsage();
    return { stack: registry.stack, given: exchange.givenBytes, faults, rss, peak, cpuMs: (user + system) / 1_000 };
  },
};

say({ ready: registry.stack });
for await (const line of createInterface(process.stdin)) {
  const { verb, ...input } = JSON.parse(line) as Record<string, string>;
  void Promise.resolve(verbs[verb ?? '']?.(input)).then(
    (value) => say({ to: verb, ...(value as object) }),
    (error: Error) => say({ to: verb, error: error.message }),
  );
}

function lying(honest: Network): Network {
  return new Proxy(honest, {
    get(target, key) {
      if (key !== 'serveStream') {
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      }
      const serveStream: Network['serveStream'] = (protocol, options, handler) =>
        target.serveStream(protocol, options, async function* (request, from) {
          for await (const piece of handler(request, from)) {
            if (piece.byteLength > 1_000) piece[500] = (piece[500] as number) ^ 1;
            yield piece;
          }
        });
      return serveStream;
    },
  });
}
