// Runs a script of this checkout under its pinned Node, and installs the packages first where they are missing.
// It is plain JavaScript without imports of packages, since it has to start on any Node from 20.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const pinned = path.join(root, 'node_modules', 'node', 'bin', 'node');
/** npm writes it at the end of each installation. */
const marker = path.join(root, 'node_modules', '.package-lock.json');

installWhereMissing();
run(process.argv.slice(2));

/** `npm ci`, where what npm last installed is older than the lock file. */
function installWhereMissing() {
  const installed = statSync(marker, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (existsSync(pinned) && installed >= statSync(path.join(root, 'package-lock.json')).mtimeMs) return;
  // "npm ci" empties what the link leads to, which other checkouts use.
  if (lstatSync(path.join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() && existsSync(pinned))
    return;
  process.stderr.write('Installing the packages of package-lock.json (npm ci) ...\n');
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm, 'ci']] : ['npm', ['ci']];
  const done = spawnSync(command, [...args, '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (done.status !== 0 || !existsSync(pinned)) {
    process.stderr.write(
      'Cannot install the packages: "npm ci" failed. Mend what it says above, then run this again.\n',
    );
    process.exit(1);
  }
}

/** Hands signals on, and ends as the child ended. */
function run(args) {
  const child = spawn(pinned, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${path.dirname(pinned)}${path.delimiter}${process.env.PATH ?? ''}` },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`Cannot start the pinned Node at "${pinned}": ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal ?? 'SIGTERM'] ?? 15)));
}
