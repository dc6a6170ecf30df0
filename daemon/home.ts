// A stack's home directory: what lies in it, that one daemon has it at a time, and the token that opens its TCP port.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { DaemonError } from './errors.ts';
import { writeWhole } from './write-whole.ts';

export interface Home extends AsyncDisposable {
  readonly directory: string;
  readonly database: string;
  readonly blobs: string;
  readonly apt: string;
  readonly socket: string;
  readonly token: string;
}

/** What Linux takes for the path of a unix socket (`sun_path`, less its end). */
const maxSocketPathBytes = 107;

/** Makes the directory (0700) and takes it for this process; throws `home-in-use` where another daemon has it. */
export function openHome(directory: string): Home {
  const socket = path.join(directory, 'daemon.sock');
  if (Buffer.byteLength(socket) > maxSocketPathBytes) {
    throw new DaemonError(
      'home-unusable',
      `Cannot use the home "${directory}": the path of its socket is longer than ${maxSocketPathBytes} bytes`,
      {
        mend: 'name one with a shorter path with --home DIR',
      },
    );
  }
  try {
    makeDirectory(directory);
  } catch (cause) {
    throw new DaemonError('home-unusable', `Cannot make the home "${directory}": ${(cause as Error).message}`, {
      cause,
      mend: 'name another with --home DIR',
    });
  }
  const lock = takeLock(directory);
  const pidFile = path.join(directory, 'daemon.pid');
  writeWhole(pidFile, `${process.pid}\n`, 0o600);
  return {
    directory,
    database: path.join(directory, 'hermesh.sqlite'),
    blobs: path.join(directory, 'blobs'),
    apt: path.join(directory, 'apt'),
    socket,
    token: readOrMakeToken(path.join(directory, 'token')),
    async [Symbol.asyncDispose]() {
      rmSync(pidFile, { force: true });
      lock.close();
    },
  };
}

/** Parents first, one by one: where a parent is on a file system that takes no folders, Node's own way never ends. */
function makeDirectory(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  if (path.dirname(directory) !== directory) makeDirectory(path.dirname(directory));
  mkdirSync(directory, { mode: 0o700 });
}

/** The lock is SQLite's own on a file of its own: the kernel lets go of it when the process ends, however it ends. */
function takeLock(directory: string): { close(): void } {
  const lock = new Database(path.join(directory, 'lock'), { timeout: 0 });
  try {
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
    chmodSync(directory, 0o700);
    return lock;
  } catch (cause) {
    lock.close();
    const pid = readIfThere(path.join(directory, 'daemon.pid'))?.trim();
    throw new DaemonError(
      'home-in-use',
      `Cannot use the home "${directory}": a daemon has it${pid ? ` (process ${pid})` : ''}`,
      {
        cause,
        mend: 'stop that one, or name another home with --home DIR',
      },
    );
  }
}

function readOrMakeToken(file: string): string {
  const token = readIfThere(file)?.trim();
  if (token && token.length >= 32) return token;
  const made = randomBytes(32).toString('base64url');
  writeWhole(file, `${made}\n`, 0o600);
  return made;
}

function readIfThere(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
