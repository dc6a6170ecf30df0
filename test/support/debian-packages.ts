// Debian's programs that tests work with, installed where they are missing, this is Debian and we are root.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Debian puts servers where a user's PATH may not reach. */
export const searchPath = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/local/sbin`;

/** Where the program lies; undefined where it isn't installed. */
export function findProgram(name: string): string | undefined {
  return searchPath
    .split(':')
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
}

/** Programs by name, each with the package that brings it. Gives why they can't be had here; undefined once all are there. */
export async function ensurePrograms(programs: Readonly<Record<string, string>>): Promise<string | undefined> {
  const missing = Object.keys(programs).filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return undefined;
  const what = `${missing.join(', ')} not installed`;
  if (process.getuid?.() !== 0) return `${what}, and only root may`;
  if (!existsSync('/etc/debian_version') || !existsSync('/usr/bin/apt-get')) return `${what}, and this is no Debian`;
  await installPackages(...new Set(missing.map((name) => programs[name] ?? name)));
  return undefined;
}

/** policy-rc.d answers 101 ("forbidden by policy") to Debian's packages, so that none of them starts a service. */
export async function installPackages(...packages: readonly string[]): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  await using undo = new AsyncDisposableStack();
  if (!existsSync(policy)) {
    await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    undo.defer(() => rm(policy, { force: true }));
  }
  const apt = async (...args: string[]): Promise<void> => {
    process.stderr.write(`Installing for the tests: apt-get ${args.join(' ')} ...\n`);
    // Test files run side by side: one waits for the other's lock.
    await run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
      env: { ...process.env, PATH: searchPath, DEBIAN_FRONTEND: 'noninteractive' },
      maxBuffer: 64 << 20,
    });
  };
  await apt('update', '-q');
  await apt('install', '-y', '-q', '--no-install-recommends', ...packages);
}
