// Registries as this machine reaches them: Node's HTTP, and the logins that "docker login" and "podman login" left.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Credentials, Http, RegistryParts } from '#manifests/distribution';

/** A registry that moves less than so many bytes in so long is as good as gone, however steadily it drips. */
const usualSlowMs = 60_000;
const slowBytes = 16 * 1024;
/** A file of logins has some KiB. */
const maxConfigBytes = 1024 * 1024;
const helperMs = 10_000;

const entry = z.object({ auth: z.string().optional(), identitytoken: z.string().optional() });
const configSchema = z.object({
  auths: z.record(z.string(), entry).optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});

export interface RegistrySettings {
  /** Files in the form of Docker's config.json, the first that knows a registry wins. */
  readonly loginFiles: readonly string[];
  /** Registries that may be spoken to without TLS. */
  readonly plainHttp?: readonly string[];
  /** How long a registry may take over 16 KiB; a minute where it is left out. */
  readonly slowMs?: number;
}

/** What a registry client needs of this machine. `random` is at least 0 and less than 1. */
export function makeRegistryParts(settings: RegistrySettings, random: () => number): RegistryParts {
  return {
    http: nodeHttp(settings.slowMs ?? usualSlowMs),
    credentials: (registry) => findCredentials(registry, settings.loginFiles),
    pause: (ms, { signal }) => sleep(ms, undefined, { signal }),
    random,
    ...(settings.plainHttp && { plainHttp: settings.plainHttp }),
  };
}

/** One exchange over a connection of its own: nothing is kept, followed or decoded. */
const nodeHttp = (slowMs: number): Http => ({
  send: ({ method, url, headers, body }, { signal }) =>
    new Promise((resolve, reject) => {
      const { request } = url.protocol === 'http:' ? http : https;
      const sent = request(url, { method, headers: { ...headers, 'user-agent': 'hermesh' }, signal, agent: false });
      watch(sent, slowMs);
      let isAnswered = false;
      sent.on('error', (error) => {
        // An answer that came before all was sent counts: it says why the rest isn't wanted.
        if (!isAnswered) reject(error);
      });
      sent.on('response', (answer) => {
        isAnswered = true;
        resolve({
          status: answer.statusCode ?? 0,
          headers: Object.fromEntries(
            Object.entries(answer.headers).map(([name, value]) => [
              name,
              Array.isArray(value) ? value.join(', ') : (value ?? ''),
            ]),
          ),
          body: answer,
        });
      });
      write(sent, body).catch((error: unknown) => sent.destroy(error as Error));
    }),
});

/** Ends an exchange that takes its time over nothing; one in which this side waits for its own disk moves bytes all the same. */
function watch(sent: http.ClientRequest, slowMs: number): void {
  let before = 0;
  const look = (): void => {
    const moved = (sent.socket?.bytesRead ?? 0) + (sent.socket?.bytesWritten ?? 0);
    if (moved - before < slowBytes)
      sent.destroy(new Error(`it moved ${moved - before} bytes in ${slowMs / 1000} s: that is too slow`));
    before = moved;
  };
  const timer = setInterval(look, slowMs);
  timer.unref();
  sent.on('close', () => clearInterval(timer));
}

async function write(
  sent: http.ClientRequest,
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
): Promise<void> {
  if (body !== undefined && !(body instanceof Uint8Array)) {
    for await (const chunk of body) {
      if (sent.destroyed) return;
      if (!sent.write(chunk)) await drained(sent);
    }
    sent.end();
  } else sent.end(body);
}

/** Resolves too where the connection ends: what is written after that is dropped. */
function drained(sent: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sent.off('drain', done).off('close', done);
      resolve();
    };
    sent.on('drain', done).on('close', done);
    if (sent.destroyed) done();
  });
}

async function findCredentials(registry: string, files: readonly string[]): Promise<Credentials | undefined> {
  for (const file of files) {
    const config = await readConfig(file);
    if (!config) continue;
    const helper = config.credHelpers?.[registry] ?? config.credsStore;
    const found = helper === undefined ? undefined : await askHelper(helper, registry);
    if (found) return found;
    for (const [place, login] of Object.entries(config.auths ?? {})) {
      if (hostOf(place) !== hostOf(registry)) continue;
      if (login.identitytoken) return { identityToken: login.identitytoken };
      const text = Buffer.from(login.auth ?? '', 'base64').toString('utf8');
      const colon = text.indexOf(':');
      if (colon > 0) return { username: text.slice(0, colon), password: text.slice(colon + 1) };
    }
  }
  return undefined;
}

/** "https://index.docker.io/v1/" is how Docker writes docker.io. */
function hostOf(place: string): string {
  const host = place.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return ['index.docker.io', 'registry-1.docker.io'].includes(host) ? 'docker.io' : host;
}

async function readConfig(file: string): Promise<z.infer<typeof configSchema> | undefined> {
  try {
    const text = await readFile(file, 'utf8');
    return text.length > maxConfigBytes ? undefined : configSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // No file, or none that says anything: nobody is logged in by it.
    return undefined;
  }
}

/** Docker's credential helpers: the registry on stdin, `{Username, Secret}` on stdout. */
async function askHelper(name: string, registry: string): Promise<Credentials | undefined> {
  if (!/^[a-z0-9-]{1,50}$/.test(name)) return undefined;
  const place = registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
  return await new Promise((resolve) => {
    const child = spawn(`docker-credential-${name}`, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], timeout: helperMs });
    let said = '';
    child.on('error', () => resolve(undefined));
    child.stdin.on('error', () => undefined);
    child.stdin.end(place);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(0, maxConfigBytes);
    });
    child.on('close', () => {
      try {
        const { Username, Secret } = z.object({ Username: z.string(), Secret: z.string() }).parse(JSON.parse(said));
        resolve(Username === '<token>' ? { identityToken: Secret } : { username: Username, password: Secret });
      } catch {
        resolve(undefined);
      }
    });
  });
}
