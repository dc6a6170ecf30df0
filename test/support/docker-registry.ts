// Debian's docker-registry as a process of a test's own, with the authentication that a test asks for.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from './deadline.ts';
import { ensurePrograms } from './debian-packages.ts';

export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  readonly pid: number;
}

/** Brings it here with what its tests ask beside it; gives why it can't be had. */
export function ensureDockerRegistry(): Promise<string | undefined> {
  return ensurePrograms({
    'docker-registry': 'docker-registry',
    skopeo: 'skopeo',
    htpasswd: 'apache2-utils',
    openssl: 'openssl',
  });
}

/** `auth` is the YAML below `auth:`; files are written beside the configuration, and `DIR` in it stands for their folder. */
export async function startDockerRegistry({
  auth,
  files = {},
}: {
  readonly auth?: string;
  readonly files?: Readonly<Record<string, string>>;
} = {}): Promise<DockerRegistry> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-registry-'));
  const port = await freePort();
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  const config = [
    'version: 0.1',
    'log: { level: error, accesslog: { disabled: true } }',
    `storage: { filesystem: { rootdirectory: "${folder}/data" }, delete: { enabled: true } }`,
    `http: { addr: "127.0.0.1:${port}", secret: only-for-this-test }`,
    ...(auth === undefined ? [] : [`auth: ${auth.replaceAll('DIR', folder)}`]),
  ].join('\n');
  await writeFile(path.join(folder, 'config.yml'), config);
  const child = spawn('/usr/bin/docker-registry', ['serve', path.join(folder, 'config.yml')], { stdio: 'ignore' });
  const address = `127.0.0.1:${port}`;
  await eventually('docker-registry answers', async () => {
    const answer = await fetch(`http://${address}/v2/`).catch(() => undefined);
    return answer !== undefined && [200, 401].includes(answer.status);
  });
  return {
    address,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
