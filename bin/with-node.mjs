// Runs a script of this checkout under its pinned Node, and installs the packages first where they are missing.
// It is plain JavaScript without imports of packages, since it has to start on any Node from 20.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const pinned = path.join(root, 'node_modules', 'node', 'bin', 'node');
const marker = path.join(root, 'node_modules', '.hermesh-lock');

installWhereMissing();
run(process.argv.slice(2));

/** `npm ci`, once for each state of the lock file; a marker beside the packages holds the digest it was done for. */
function installWhereMissing() {
  const wanted = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(pinned) && existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return;
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
  writeFileSync(marker, wanted);
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
