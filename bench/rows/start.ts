// Rows of whole commands: how long a daemon takes until it is ready, a command until it answered, the demo and the tests.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startDaemon } from '../../test/support/daemon-process.ts';
import { startPrivateEngine } from '../../test/support/private-engine.ts';
import type { Row } from '../row.ts';

const root = path.dirname(path.dirname(import.meta.dirname));

export const startRow: Row = {
  name: 'start',
  claim: 'from spawn to /ready, all routes, libp2p listening, engine known',
  unit: 'ms',
  figure: 'median',
  limit: 1000,
  async measure(rounds) {
    await using engine = await startPrivateEngine({ name: 'bench' });
    const home = await mkdtemp(path.join(tmpdir(), 'hermesh-bench-'));
    const samples: number[] = [];
    const peer: number[] = [];
    try {
      // The first start makes the identity and fills the compile cache; it isn't counted.
      for (let round = 0; round <= rounds; round += 1) {
        const port = await freePort();
        const started = performance.now();
        const child = spawn(
          path.join(root, 'bin', 'hermesh'),
          [
            '--home',
            home,
            'up',
            '--http',
            `127.0.0.1:${port}`,
            '--listen',
            '/ip4/127.0.0.1/tcp/0',
            '--engine',
            'docker',
            '--log',
            'silent',
          ],
          { stdio: 'ignore', env: { ...process.env, DOCKER_HOST: `unix://${engine.socket}` } },
        );
        await untilReady(port);
        if (round > 0) samples.push(performance.now() - started);
        child.kill('SIGTERM');
        await new Promise((resolve) => child.once('exit', resolve));
        if (round > 0) peer.push(await timeOf(process.execPath, ['-e', '0']));
      }
    } finally {
      await rm(home, { recursive: true, force: true });
    }
    return { samples, peer: { name: 'node -e 0', samples: peer } };
  },
};

export const statusRow: Row = {
  name: 'status',
  claim: '"hermesh status" as a command',
  unit: 'ms',
  figure: 'median',
  limit: 200,
  async measure(rounds) {
    await using daemon = await startDaemon('bench', { flags: ['--engine', 'none', '--log', 'silent'] });
    const samples: number[] = [];
    const peer: number[] = [];
    await daemon.run('hermesh', ['status']);
    for (let round = 0; round < rounds * 4; round += 1) {
      samples.push((await daemon.run('hermesh', ['status'])).ms);
      peer.push(await timeOf(process.execPath, ['-e', '0']));
    }
    return { samples, peer: { name: 'node -e 0', samples: peer } };
  },
};

export const demoRow: Row = {
  name: 'demo',
  claim: 'npm run demo, packages and engine installed',
  unit: 's',
  figure: 'median',
  limit: 60,
  measure: (rounds, say) => timesOf('demo', rounds, say),
};

export const testRow: Row = {
  name: 'test',
  claim: 'npm test',
  unit: 's',
  figure: 'median',
  limit: 480,
  // One round tells enough, and five would take the better part of an hour.
  measure: (_rounds, say) => timesOf('test', 1, say),
};

async function timesOf(script: string, rounds: number, say: (text: string) => void) {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    samples.push((await timeOf('npm', ['run', '--silent', script])) / 1000);
    say(`${script} ${round + 1} of ${rounds}: ${samples.at(-1)?.toFixed(1)} s`);
  }
  return { samples };
}

/** Milliseconds; rejects unless it ends with 0. */
function timeOf(command: string, args: readonly string[]): Promise<number> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve(performance.now() - started);
      else reject(new Error(`"${command} ${args.join(' ')}" ended with ${code}`));
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function untilReady(port: number): Promise<void> {
  const end = performance.now() + 30_000;
  while (performance.now() < end) {
    const isReady = await new Promise<boolean>((resolve) => {
      get({ host: '127.0.0.1', port, path: '/ready', agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      }).once('error', () => resolve(false));
    });
    if (isReady) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error('A daemon was not ready within 30 s');
}
