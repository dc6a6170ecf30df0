// A cluster of etcd servers from Debian's package, and its watch and put over HTTP.
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts, startPeer } from './process.ts';

export interface EtcdCluster extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` of each. */
  readonly urls: readonly string[];
}

/** Three servers, as many as outlive one of them; or one alone, to be compared with one daemon. */
export async function startEtcd(size = 3): Promise<EtcdCluster> {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-etcd-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const ports = await freePorts(size * 2);
  const nodes = Array.from({ length: size }, (_, index) => ({
    name: `etcd-${index}`,
    client: `http://127.0.0.1:${ports[index * 2]}`,
    between: `http://127.0.0.1:${ports[index * 2 + 1]}`,
  }));
  const cluster = nodes.map(({ name, between }) => `${name}=${between}`).join(',');
  const started = await Promise.allSettled(
    nodes.map(async ({ name, client, between }) => {
      const words = ['etcd', '--name', name, '--data-dir', path.join(folder, name), '--initial-cluster', cluster];
      const places = ['--listen-client-urls', client, '--advertise-client-urls', client];
      const others = ['--listen-peer-urls', between, '--initial-advertise-peer-urls', between];
      parts.use(
        await startPeer(
          [...words, ...places, ...others],
          /ready to serve client requests|serving (insecure )?client requests/,
        ),
      );
    }),
  );
  for (const one of started) if (one.status === 'rejected') throw one.reason;
  const all = parts.move();
  return { urls: nodes.map(({ client }) => client), [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Tells of each key that was put; resolves once the server watches. */
export async function watchEtcd(url: string, told: (key: string) => void, signal: AbortSignal): Promise<void> {
  const everything = { key: toBase64('\0'), range_end: toBase64('\0') };
  const answer = await fetch(`${url}/v3/watch`, {
    method: 'POST',
    body: JSON.stringify({ create_request: everything }),
    signal,
  });
  const created = Promise.withResolvers<void>();
  void (async () => {
    let text = '';
    for await (const part of answer.body ?? []) {
      text += Buffer.from(part).toString('utf8');
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines.filter((one) => one !== '')) {
        const { result } = JSON.parse(line) as { result?: { created?: boolean; events?: { kv: { key: string } }[] } };
        if (result?.created) created.resolve();
        for (const { kv } of result?.events ?? []) told(Buffer.from(kv.key, 'base64').toString('utf8'));
      }
    }
  })().catch(created.reject);
  await created.promise;
}

const agent = new Agent({ keepAlive: true });

export function putEtcd(url: string, key: string): Promise<void> {
  const body = JSON.stringify({ key: toBase64(key), value: toBase64(key) });
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/v3/kv/put`, { method: 'POST', agent }, (answer) => {
      answer.resume();
      answer.once('end', () =>
        answer.statusCode === 200 ? resolve() : reject(new Error(`etcd: ${answer.statusCode}`)),
      );
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}
