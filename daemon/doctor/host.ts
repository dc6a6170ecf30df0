// What can be looked at without a daemon: Node, the home and what lies in it, the room on its disk, and an invite.
import { accessSync, constants, readFileSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Identity } from '#registry';
import { type Check, checkOfJoinFault, unknown, well, wrong } from './check.ts';

// libp2p, SQLite and the registry are loaded where they are asked for: every command imports this room.

/** The first Node whose libp2p works. */
const leastNode = 22;
/** With less than this a build or a registry that grows will fail soon. */
const leastFreeBytes = 1024 ** 3;

/** Looks at this host and a home; nothing is changed, and nothing is made where there is no home yet. */
export async function checkHost(home: string, nodeVersion: string): Promise<Check[]> {
  const checks = [checkNode(nodeVersion)];
  const found = statSync(home, { throwIfNoEntry: false });
  if (!found) return [...checks, unknown('home', `there is none at "${home}" yet: "hermesh up" makes it`)];
  return [
    ...checks,
    checkHome(home, found.mode),
    await checkIdentity(home),
    await checkDatabase(home),
    checkSpace(home),
  ];
}

/** Asks the inviting stack whether the invite would let this one in, under the identity of the home where there is one. */
export async function checkToken(token: string, { home, name, random, signal }: CheckTokenOptions): Promise<Check> {
  try {
    const { checkInvite, systemClock } = await import('#registry');
    const { requestWithKey } = await import('#daemon/libp2p');
    const identity = await identityOf(home, random);
    const facts = { identity, name, network: { requestWithKey }, addresses: [], nonce: random(16), clock: systemClock };
    const { role, usesLeft } = await checkInvite(token, facts, { signal });
    return well(
      'invite',
      `lets this stack in as ${role}; ${usesLeft} ${usesLeft === 1 ? 'stack' : 'stacks'} may still use it`,
    );
  } catch (error) {
    return checkOfJoinFault(error);
  }
}

export interface CheckTokenOptions {
  readonly home: string;
  readonly name: string;
  readonly random: (sizeBytes: number) => Uint8Array;
  readonly signal: AbortSignal;
}

function checkNode(version: string): Check {
  const major = Number(/^v?(\d+)/.exec(version)?.[1] ?? 0);
  return major >= leastNode
    ? well('node', `Node.js ${version}`)
    : wrong(
        'node',
        `Node.js ${version} is older than ${leastNode}`,
        'start the command of the package: it brings its own Node.js',
      );
}

function checkHome(home: string, mode: number): Check {
  const open = mode & 0o077;
  if (open !== 0)
    return wrong('home', `"${home}" is open to others (mode ${(mode & 0o777).toString(8)})`, `chmod 700 ${home}`);
  try {
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK);
    return well('home', home);
  } catch {
    return wrong(
      'home',
      `"${home}" cannot be written by this user`,
      'run as the user of the daemon, or name another --home DIR',
    );
  }
}

async function checkIdentity(home: string): Promise<Check> {
  const file = path.join(home, 'identity.json');
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) return unknown('identity', 'none yet: "hermesh up" makes it');
  try {
    const { loadOrMakeIdentity } = await import('#registry');
    const { stack } = await loadOrMakeIdentity(home);
    if ((found.mode & 0o077) === 0) return well('identity', stack);
    return wrong('identity', `"${file}" is open to others, and whoever reads it is this stack`, `chmod 600 ${file}`);
  } catch (error) {
    return wrong('identity', (error as Error).message, 'put back identity.json from a backup');
  }
}

async function checkDatabase(home: string): Promise<Check> {
  const file = path.join(home, 'hermesh.sqlite');
  if (!statSync(file, { throwIfNoEntry: false })) return unknown('database', 'none yet: "hermesh up" makes it');
  try {
    const { default: Database } = await import('better-sqlite3');
    const database = new Database(file, { readonly: true, fileMustExist: true });
    try {
      const said = String(database.pragma('quick_check(1)', { simple: true }));
      if (said === 'ok') return well('database', `${Math.ceil(statSync(file).size / 1e6)} MB, whole`);
      return wrong(
        'database',
        `it is damaged: ${said}`,
        'stop the daemon and put the database back: hermesh restore FILE',
      );
    } finally {
      database.close();
    }
  } catch (error) {
    return wrong('database', (error as Error).message, `see who owns "${file}", or put it back: hermesh restore FILE`);
  }
}

function checkSpace(home: string): Check {
  const { bavail, bsize } = statfsSync(home);
  const free = bavail * bsize;
  const found = `${(free / 1e9).toFixed(1)} GB free`;
  return free >= leastFreeBytes
    ? well('disk', found)
    : wrong('disk', found, `free some on the file system of "${home}"`);
}

/** The identity of the home; one for the moment where there is none, so that nothing is made by looking. */
async function identityOf(home: string, random: (sizeBytes: number) => Uint8Array): Promise<Identity> {
  const { loadOrMakeIdentity, makeIdentity } = await import('#registry');
  try {
    readFileSync(path.join(home, 'identity.json'));
  } catch {
    return makeIdentity(random(32), random(32));
  }
  return loadOrMakeIdentity(home);
}
