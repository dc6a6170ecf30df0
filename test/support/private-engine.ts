// A Docker engine of a test's own: its data, socket, networks and processes, started in seconds and gone afterwards.
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { eventually } from './deadline.ts';
import { findProgram, installPackages, searchPath } from './debian-packages.ts';

const run = promisify(execFile);
const startTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const inPath = { env: { ...process.env, PATH: searchPath } };

export interface PrivateEngine extends AsyncDisposable {
  readonly name: string;
  /** The path of its unix socket. */
  readonly socket: string;
  readonly pid: number;
  /** The addresses of its networks, such as `10.201.0.0/16`. */
  readonly addressPool: string;
  /** Kills the daemon with all its containers and starts it again over the same data, as a power cut does. */
  crash(): Promise<void>;
}

/** False where HERMESH_TEST_ENGINE=none says that tests of the engine are left out. */
export function engineWanted(): boolean {
  return process.env['HERMESH_TEST_ENGINE'] !== 'none';
}

/**
 * Starts a private dockerd, and installs the engine first where this is Debian and we are root. `addressPool` is an IPv4
 * /16 for its networks; each engine that runs at once needs another, and takes a free one where none is given.
 */
export async function startPrivateEngine({
  name = 'engine',
  addressPool,
}: {
  readonly name?: string;
  readonly addressPool?: string;
} = {}): Promise<PrivateEngine> {
  const binary = await findDaemon();
  await using undo = new AsyncDisposableStack();
  const pool = addressPool ?? (await reservePool(undo));
  // Short, since the path of a unix socket holds 107 bytes.
  const root = await mkdtemp(path.join(tmpdir(), 'hermesh-dockerd-'));
  undo.defer(() => removeTree(root));
  if (await canForward(pool, 'A')) undo.defer(async () => void (await canForward(pool, 'D')));
  const socket = path.join(root, 'sock');
  undo.defer(() => removeBridges(pool));
  let pid = await startDaemon(binary, name, root, socket, pool);
  undo.defer(() => stopDaemon(pid, root, socket));
  // A process that ends without closing takes the daemon with it; only its folder stays.
  const last = (): void => {
    if (isAlive(pid)) process.kill(pid, 'SIGTERM');
  };
  process.once('exit', last);
  undo.defer(() => void process.off('exit', last));
  const owned = undo.move();
  return {
    name,
    socket,
    get pid() {
      return pid;
    },
    addressPool: pool,
    async crash() {
      await endProcess(pid, 'SIGKILL');
      await endOrphans(root);
      await rm(path.join(root, 'pid'), { force: true });
      pid = await startDaemon(binary, name, root, socket, pool);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** One call of the engine's API: what it answers as text; a status of 400 or more is an error with its message. */
export function callEngine(
  socket: string,
  method: 'GET' | 'POST' | 'DELETE',
  target: string,
  body?: Buffer,
  type = 'application/x-tar',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: socket, method, path: target, headers: body ? { 'Content-Type': type } : {}, timeout: 60_000 },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if ((answer.statusCode ?? 500) < 400) resolve(text);
          else reject(new Error(`The engine answers ${answer.statusCode} to ${method} ${target}: ${text}`));
        });
      },
    );
    asked.on('timeout', () => asked.destroy(new Error(`The engine doesn't answer ${method} ${target}`)));
    asked.on('error', reject);
    asked.end(body);
  });
}

async function startDaemon(binary: string, name: string, root: string, socket: string, pool: string): Promise<number> {
  const logFile = path.join(root, 'log');
  const log = await open(logFile, 'a');
  const daemon = (driver: string): string[] => [
    ...['--data-root', path.join(root, 'data'), '--exec-root', path.join(root, 'exec')],
    ...['--pidfile', path.join(root, 'pid'), '--host', `unix://${socket}`, '--storage-driver', driver],
    // No rules and no bridge of the host are touched: containers reach one another and the host over their own networks.
    ...['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
    // Names that no container has are refused at once, and not asked for at a server that can't be reached from here.
    ...['--dns', '127.0.0.1', '--dns-opt', 'timeout:1', '--dns-opt', 'attempts:1'],
    ...['--default-address-pool', `base=${pool},size=24`, '--log-level', 'warn'],
  ];
  const tail = async (): Promise<string> => (await readFile(logFile, 'utf8')).split('\n').slice(-15).join('\n');
  try {
    for (const driver of ['overlay2', 'vfs']) {
      const child = spawn(binary, daemon(driver), { ...inPath, stdio: ['ignore', log.fd, log.fd], detached: true });
      let ended: string | undefined;
      child.on('error', (error) => {
        ended = error.message;
      });
      child.on('exit', (code, signal) => {
        ended = `it ended with ${code ?? signal}`;
      });
      child.unref();
      const end = Date.now() + startTimeoutMs;
      while (ended === undefined && Date.now() < end) {
        const answers = await callEngine(socket, 'GET', '/_ping').then(
          () => true,
          () => false,
        );
        if (answers) return child.pid ?? 0;
        await sleep(50);
      }
      if (child.pid !== undefined && ended === undefined) await stopDaemon(child.pid, root, socket);
      if (!/driver not supported|overlay/.test(await tail())) break;
    }
    throw new Error(
      `Cannot start the private engine "${name}": dockerd doesn't come up; its log ends with:\n${await tail()}`,
    );
  } finally {
    await log.close();
  }
}

/** Containers and networks first, so that no process, mount or bridge stays behind; then the daemon, by its pid. */
async function stopDaemon(pid: number, root: string, socket: string): Promise<void> {
  if (isAlive(pid)) {
    await clear(socket).catch((error: unknown) => process.stderr.write(`private engine: ${String(error)}\n`));
    await endProcess(pid, 'SIGTERM');
  }
  await endOrphans(root);
}

/** What a daemon that died leaves running: its containerd, and the shims with the containers that are their children. */
async function endOrphans(root: string): Promise<void> {
  for (const pid of await processesOf((commandLine) => commandLine.includes(`${root}/exec/containerd/`))) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    for (const child of children.split(' ').filter((word) => word !== '')) await endProcess(Number(child), 'SIGKILL');
    await endProcess(pid, 'SIGKILL');
  }
  await rm(path.join(root, 'exec', 'containerd', 'containerd.pid'), { force: true });
}

async function processesOf(isWanted: (commandLine: string) => boolean): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    if (isWanted(await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => ''))) found.push(Number(entry));
  }
  return found;
}

async function endProcess(pid: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  try {
    process.kill(pid, signal);
    await eventually(`process ${pid} has ended`, () => !isAlive(pid), { timeoutMs: stopTimeoutMs });
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH' && isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
}

/** Bridges with an address of the pool: the daemon removes its own, one that was killed doesn't. */
async function removeBridges(pool: string): Promise<void> {
  const base = pool.split('.').slice(0, 2).join('.');
  const { stdout } = await run('ip', ['-o', '-4', 'addr', 'show'], inPath).catch(() => ({ stdout: '' }));
  for (const [, name, address] of stdout.matchAll(/^\d+: (br-\S+)\s+inet (\S+)/gm)) {
    if (name !== undefined && address?.startsWith(`${base}.`)) await run('ip', ['link', 'del', name], inPath);
  }
}

async function clear(socket: string): Promise<void> {
  const containers = JSON.parse(await callEngine(socket, 'GET', '/containers/json?all=1')) as { Id: string }[];
  for (const { Id } of containers) await callEngine(socket, 'DELETE', `/containers/${Id}?force=1&v=1`);
  const networks = JSON.parse(await callEngine(socket, 'GET', '/networks')) as { Id: string; Driver: string }[];
  for (const { Id, Driver } of networks) if (Driver === 'bridge') await callEngine(socket, 'DELETE', `/networks/${Id}`);
}

/** Unmounts what is left below, the deepest first, and removes the folder. */
async function removeTree(root: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((place) => place.startsWith(`${root}/`))
    .sort((a, b) => b.length - a.length);
  for (const place of mounts) await run('umount', ['--lazy', place], inPath);
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}

/** Another engine may have set the host to drop what is forwarded, bridged frames included: the pool is let through. */
async function canForward(pool: string, act: 'A' | 'D'): Promise<boolean> {
  const rule = ['-w', act === 'A' ? '-I' : '-D', 'FORWARD', '-s', pool, '-d', pool, '-j', 'ACCEPT'];
  return run('iptables', rule, inPath).then(
    () => true,
    () => false,
  );
}

/** 10.201 to 10.250: the first that no bridge or route of this host has, by a start that differs between processes. */
/** A /16 that no route leads to and no other private engine has reserved: a folder names it, and the process that took it. */
async function reservePool(undo: AsyncDisposableStack): Promise<string> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
  const taken = new Set(
    routes.split('\n').map((line) => {
      const destination = line.split('\t')[1] ?? '';
      return `${Number.parseInt(destination.slice(6, 8), 16)}.${Number.parseInt(destination.slice(4, 6), 16)}`;
    }),
  );
  for (let second = 201; second <= 250; second += 1) {
    const base = `10.${second}`;
    if (!taken.has(base) && (await reserve(base, undo))) return `${base}.0.0/16`;
  }
  throw new Error('Cannot choose addresses for a private engine: 10.201 to 10.250 are all in use');
}

async function reserve(base: string, undo: AsyncDisposableStack): Promise<boolean> {
  const folder = path.join(tmpdir(), `hermesh-pool-${base}`);
  const owner = Number(await readFile(path.join(folder, 'pid'), 'utf8').catch(() => ''));
  // A process that was killed leaves its folder behind.
  if (owner > 0 && !isAlive(owner)) await rm(folder, { recursive: true, force: true });
  try {
    await mkdir(folder);
  } catch {
    return false;
  }
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  await writeFile(path.join(folder, 'pid'), String(process.pid));
  return true;
}

/** Installs the engine where it is missing, this is Debian and we are root; throws with the mend where it can't be had. */
export async function ensureEngine(): Promise<void> {
  await findDaemon();
}

async function findDaemon(): Promise<string> {
  const find = (): string | undefined => findProgram('dockerd');
  const found = find();
  const isRoot = process.getuid?.() === 0;
  if (found !== undefined && isRoot) return found;
  const mend = 'run as root with Debian\'s package "docker.io", or leave its tests out: HERMESH_TEST_ENGINE=none';
  if (!isRoot) throw new Error(`Cannot start a private engine: only root may; ${mend}`);
  if (!existsSync('/etc/debian_version') || !existsSync('/usr/bin/apt-get'))
    throw new Error(`Cannot start a private engine: there is no dockerd, and this is no Debian; ${mend}`);
  await installPackages('docker.io', 'iptables');
  const installed = find();
  if (installed === undefined) throw new Error(`Cannot start a private engine: docker.io brought no dockerd; ${mend}`);
  return installed;
}

/** A process that has ended and wasn't waited for by its parent counts as ended. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
