// One probe of a container from outside: an HTTP request, a TCP connection, or a look at what listens.
import { request } from 'node:http';
import { connect } from 'node:net';
import type { ManifestContainer } from '#manifests';
import type { ContainerState, Engine } from './engine.ts';
import { messageOf } from './error.ts';
import { defaultPatience, type Patience, type ProbeAnswer } from './health.ts';
import { plain, redact } from './redact.ts';

export type HealthCheck = NonNullable<ManifestContainer['health']>;

/** What is kept of an answer's body: enough to see an error page's first words. */
const maxBodyCharacters = 200;
/** More of a body is not read. */
const maxBodyBytes = 4096;
/** How often to look where the manifest declares no health, in milliseconds. */
const lookEveryMs = 5000;
/** A container that is starting is asked more often, so that what waits for it goes on soon. */
const startingEveryMs = 500;

export function patienceOf(check: HealthCheck | undefined): Patience {
  return check === undefined
    ? defaultPatience
    : { retries: check.retries, startPeriodMs: check.start_period_seconds * 1000 };
}

/** Milliseconds to the next probe. */
export function intervalOf(check: HealthCheck | undefined, isStarting: boolean): number {
  const interval = check === undefined ? lookEveryMs : check.interval_seconds * 1000;
  return isStarting ? Math.min(interval, startingEveryMs) : interval;
}

/**
 * Asks a running container once. Without a declared check, it is well if all `ports` listen. Never rejects but by
 * the signal: what goes wrong is the answer.
 */
export async function probe(
  engine: Pick<Engine, 'sockets'>,
  state: ContainerState,
  { check, ports }: { readonly check: HealthCheck | undefined; readonly ports: readonly number[] },
  { now, signal }: { readonly now: () => number; readonly signal: AbortSignal },
): Promise<ProbeAnswer> {
  const answer = (ok: boolean, said: string): ProbeAnswer => ({
    at: now(),
    ok,
    said: plain(redact(said)),
  });
  try {
    if (check === undefined) {
      if (ports.length === 0) return answer(true, 'its main process runs');
      const open = new Set((await engine.sockets(state.id, { signal })).map(({ port }) => port));
      const missing = ports.filter((port) => !open.has(port));
      return missing.length === 0
        ? answer(true, `it listens on ${ports.join(', ')}`)
        : answer(false, `nothing listens on ${missing.join(', ')}`);
    }
    const host = state.addresses[0]?.address;
    if (host === undefined) return answer(false, 'it has no address in any network');
    const limit = AbortSignal.any([signal, AbortSignal.timeout(check.timeout_seconds * 1000)]);
    const [ok, said] = check.http
      ? await askHttp(host, check.http, limit)
      : await askTcp(host, check.tcp?.port ?? 0, limit);
    return answer(ok, said);
  } catch (error) {
    signal.throwIfAborted();
    const target = check?.http ? `GET :${check.http.port}${check.http.path}` : `TCP :${check?.tcp?.port ?? ''}`;
    const late = (error as Error).name === 'TimeoutError' || (error as Error).name === 'AbortError';
    return answer(false, `${target}: ${late ? `no answer in ${check?.timeout_seconds} s` : reasonOf(error)}`);
  }
}

function askHttp(
  host: string,
  { port, path, status }: NonNullable<HealthCheck['http']>,
  signal: AbortSignal,
): Promise<[boolean, string]> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host, port, path, signal, agent: false, headers: { 'User-Agent': 'hermesh-probe' } },
      (got) => {
        let body = '';
        let bytes = 0;
        const finish = (): void => {
          const ok = got.statusCode === status;
          const line = body.replace(/\s+/g, ' ').trim().slice(0, maxBodyCharacters);
          const wanted = ok ? '' : `, wanted ${status}${line === '' ? '' : `; it says "${line}"`}`;
          resolve([ok, `GET :${port}${path}: ${got.statusCode}${wanted}`]);
          asked.destroy();
        };
        got.setEncoding('utf8');
        got.on('data', (chunk: string) => {
          body = (body + chunk).slice(0, maxBodyCharacters * 2);
          bytes += chunk.length;
          if (bytes > maxBodyBytes) finish();
        });
        got.on('end', finish);
        got.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

function askTcp(host: string, port: number, signal: AbortSignal): Promise<[boolean, string]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve([true, `TCP :${port}: it accepts connections`]);
    });
    socket.once('error', reject);
  });
}

function reasonOf(error: unknown): string {
  const code = (error as { code?: string }).code;
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ECONNRESET') return 'connection reset';
  if (code === 'EHOSTUNREACH') return 'no route to it';
  return messageOf(error);
}
