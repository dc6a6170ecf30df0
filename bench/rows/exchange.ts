// The rows of blobs between stacks: one blob over loopback against a bare stream, and eight stacks on shaped links at once.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ExchangeProcess, startExchange } from '../../test/support/exchange-process.ts';
import { openTestNetwork, type TestHost, whyNoNetworks } from '../../test/support/namespaces.ts';
import type { Row } from '../row.ts';

const mib = 1024 * 1024;
const loopbackBytes = 256 * mib;
const imageBytes = 300 * mib;
const linkBitsPerSecond = 100e6;
const stacks = 8;

export const loopbackTransferRow: Row = {
  name: 'blob-loopback',
  claim: 'a blob of 256 MiB from one process to another, verified and durable, against a bare Noise stream',
  unit: 'per s',
  figure: 'median',
  better: 'more',
  limitRatio: 0.7,
  async measure(rounds, say) {
    await using folder = await temporary();
    await using source = await startExchange(['--home', path.join(folder.path, 'source'), '--name', 'source']);
    const { token } = await source.ask<{ token: string }>('invite');
    const words = ['--home', path.join(folder.path, 'reader'), '--name', 'reader', '--join', token];
    await using reader = await startExchange(words);
    const samples: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const sizeBytes = `${loopbackBytes}`;
      const { digest } = await source.ask<{ digest: string }>('keep', { seed: `round ${round}`, sizeBytes });
      await reader.ask('holders', { count: `${round + 1}` });
      const raw = await reader.ask<{ ms: number }>('raw', { from: source.stack, sizeBytes });
      const fetched = await reader.ask<{ ms: number }>('fetch', { digest });
      bare.push(loopbackBytes / mib / (raw.ms / 1_000));
      samples.push(loopbackBytes / mib / (fetched.ms / 1_000));
      say(`round ${round + 1}: ${samples.at(-1)?.toFixed(0)} MiB/s, bare ${bare.at(-1)?.toFixed(0)} MiB/s`);
    }
    return { samples, peer: { name: 'bare stream', samples: bare } };
  },
};

export const missingOnlyRow: Row = {
  name: 'blob-missing',
  claim: 'of a layer of 84 MB with 2 % of its files changed only what is missing comes, beside a base that is here',
  unit: 'ratio',
  figure: 'worst',
  limit: 0.06,
  async measure(_, say) {
    await using folder = await temporary();
    await using source = await startExchange(['--home', path.join(folder.path, 'source'), '--name', 'source']);
    const { token } = await source.ask<{ token: string }>('invite');
    const words = ['--home', path.join(folder.path, 'reader'), '--name', 'reader', '--join', token];
    await using reader = await startExchange(words);
    const files = '4000';
    const { digest: base } = await reader.ask<{ digest: string }>('tree', { files });
    const later = { files, changed: '50', told: 'yes' };
    const { digest, sizeBytes } = await source.ask<{ digest: string; sizeBytes: number }>('tree', later);
    await reader.ask('holders');
    const { receivedBytes } = await reader.ask<{ receivedBytes: number }>('fetch', { digest, base });
    say(`${receivedBytes} of ${sizeBytes} bytes came`);
    return { samples: [receivedBytes / sizeBytes] };
  },
};

export const blobMemoryRow: Row = {
  name: 'blob-memory',
  claim: 'moving 1 GiB from one process to another takes at most 150 MB above idle, on either side',
  unit: 'MB',
  figure: 'worst',
  limit: 150,
  async measure(_, say) {
    await using folder = await temporary();
    await using running = new AsyncDisposableStack();
    const home = path.join(folder.path, 'source');
    const maker = running.use(await startExchange(['--home', home, '--name', 'source']));
    const { token } = await maker.ask<{ token: string }>('invite');
    const words = ['--home', path.join(folder.path, 'reader'), '--name', 'reader', '--join', token];
    const reader = running.use(await startExchange(words));
    const { digest } = await maker.ask<{ digest: string }>('keep', { seed: 'memory', sizeBytes: `${1024 * mib}` });
    await reader.ask('holders');
    // What making the content took isn't what giving it takes.
    await maker.kill();
    const source = running.use(await startExchange(['--home', home, '--name', 'source']));
    await reader.ask('meets', { stack: source.stack });
    const state = (of: ExchangeProcess) => of.ask<{ rss: number; peak: number }>('state');
    const idle = [await state(source), await state(reader)];
    await reader.ask('fetch', { digest });
    const after = [await state(source), await state(reader)];
    const samples = after.map(({ peak }, index) => (peak - (idle[index]?.rss ?? 0)) / 1e6);
    say(`source ${samples[0]?.toFixed(0)} MB, reader ${samples[1]?.toFixed(0)} MB above idle`);
    return { samples };
  },
};

/** On demand: takes root, and some minutes. */
export const swarmRow: Row = {
  name: 'blob-swarm',
  claim:
    'the last of eight stacks on links of 100 Mbit/s has an image of 300 MB, against eight pulls from one registry',
  unit: 's',
  figure: 'median',
  limitRatio: 0.35,
  async measure(_, say) {
    const why = whyNoNetworks();
    if (why !== undefined) throw new Error(`Cannot measure: ${why}`);
    await using folder = await temporary();
    await using network = await openTestNetwork(stacks + 1);
    const [origin, ...readers] = network.hosts;
    if (!origin) throw new Error('no host');
    await using running = new AsyncDisposableStack();
    const start = async (host: TestHost, name: string, token?: string): Promise<ExchangeProcess> => {
      const words = ['--home', path.join(folder.path, name), '--name', name, '--listen', `/ip4/${host.address}/tcp/0`];
      return running.use(await startExchange([...words, ...(token ? ['--join', token] : [])], host));
    };
    const source = await start(origin, 'source');
    const { token } = await source.ask<{ token: string }>('invite');
    const others: ExchangeProcess[] = [];
    for (const [index, host] of readers.entries()) others.push(await start(host, `reader-${index}`, token));
    const image = { seed: 'swarm', sizeBytes: `${imageBytes}` };
    const { digest } = await source.ask<{ digest: string }>('keep', image);
    await Promise.all(others.map((one) => one.ask('holders')));
    for (const host of network.hosts) await host.limit(linkBitsPerSecond);

    const begin = performance.now();
    await Promise.all(others.map((one) => one.ask('fetch', { digest })));
    const swarm = (performance.now() - begin) / 1_000;
    const { given } = await source.ask<{ given: number }>('state');
    say(`swarm ${swarm.toFixed(1)} s; the source gave ${(given / imageBytes).toFixed(2)} copies`);
    await running.disposeAsync();
    const central = await pullCentrally(folder.path, origin, readers);
    say(`central ${central.toFixed(1)} s`);
    return { samples: [swarm], peer: { name: 'one registry', samples: [central] } };
  },
};

/** Debian's `docker-registry` on the same link, and each reader pulls the blob with curl. */
async function pullCentrally(folder: string, origin: TestHost, readers: readonly TestHost[]): Promise<number> {
  const content = createHash('shake256', { outputLength: imageBytes }).update('swarm').digest();
  const digest = createHash('sha256').update(content).digest('hex');
  const file = path.join(folder, 'blob');
  await writeFile(file, content);
  const config = path.join(folder, 'registry.yml');
  const storage = path.join(folder, 'registry');
  await writeFile(
    config,
    `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${storage}\nhttp:\n  addr: 0.0.0.0:5000\n`,
  );
  await using registry = runIn(origin, ['docker-registry', 'serve', config]);
  const at = `http://${origin.address}:5000/v2/image`;
  // Within the registry's own namespace the link's shape doesn't count.
  const curl = (host: TestHost, ...words: string[]): Promise<number> => runIn(host, ['curl', '-sf', ...words]).ended;
  const up = `for i in $(seq 100); do curl -s ${at}/ -o /dev/null && break; sleep 0.1; done; url=$(curl -si -X POST ${at}/blobs/uploads/ | tr -d '\\r' | awk 'tolower($1)=="location:"{print $2}'); curl -sf -X PUT -H 'content-type: application/octet-stream' --upload-file ${file} "$url&digest=sha256:${digest}"`;
  if ((await runIn(origin, ['sh', '-c', up]).ended) !== 0) throw new Error('the registry did not take the blob');
  const begin = performance.now();
  const ends = await Promise.all(readers.map((host) => curl(host, '-o', '/dev/null', `${at}/blobs/sha256:${digest}`)));
  if (ends.some((code) => code !== 0)) throw new Error('a pull failed');
  void registry;
  return (performance.now() - begin) / 1_000;
}

function runIn(host: TestHost, words: readonly string[]): AsyncDisposable & { readonly ended: Promise<number> } {
  const [program = '', ...rest] = [...host.command, ...words];
  const child = spawn(program, rest, { stdio: 'ignore' });
  const ended = once(child, 'exit').then(([code]) => Number(code ?? 1));
  return {
    ended,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

async function temporary(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-bench-'));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
