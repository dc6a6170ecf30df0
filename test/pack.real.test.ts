// The package as a person installs it: compiled, with its two programs and the shop, and nothing that needs the checkout.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startDaemon } from './support/daemon-process.ts';

const root = path.dirname(import.meta.dirname);
const execute = promisify(execFile);
const node = path.dirname(process.execPath);
const environment = { ...process.env, PATH: `${node}${path.delimiter}${process.env['PATH'] ?? ''}` };

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await execute(command, [...args], {
    cwd,
    env: environment,
    maxBuffer: 16 << 20,
    timeout: 300_000,
  });
  return stdout;
}

test('the package installs into an empty folder, and its daemon starts, answers and stops', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-pack-'));
  try {
    await run(process.execPath, ['bin/build.mjs'], root);
    const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root);
    const [tarball] = JSON.parse(packed) as {
      filename: string;
      size: number;
      files: { path: string; mode: number }[];
    }[];
    assert.ok(tarball);
    const files = tarball.files.map((file) => file.path);
    assert.deepEqual(
      files.filter((file) => /\.tsx?$/.test(file) && !file.startsWith('examples/')),
      [],
      'nothing that would have to be compiled',
    );
    assert.deepEqual(
      files.filter((file) => /^(test|bench|node_modules)\//.test(file)),
      [],
    );
    assert.deepEqual(
      files.filter((file) => file.endsWith('manifest.lock.json')),
      [],
      'a lock of today is of no use later',
    );
    for (const file of [
      'bin/hermesh',
      'bin/aish',
      'dist/daemon/cli/main.js',
      'dist/aish/main.js',
      'examples/shop/manifest.json',
      'LICENSE',
    ]) {
      assert.ok(files.includes(file), file);
    }
    assert.ok(tarball.size < 1_000_000, `it has ${tarball.size} bytes`);

    const app = path.join(folder, 'app');
    await mkdir(app);
    await writeFile(path.join(app, 'package.json'), '{"name":"app","private":true}');
    const quiet = ['--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['install', ...quiet, path.join(folder, tarball.filename)], app);
    const binaries = path.join(app, 'node_modules', '.bin');
    assert.match(await run(path.join(binaries, 'hermesh'), ['--version'], app), /^\d+\.\d+\.\d+\n$/);
    const shop = path.join(app, 'node_modules/hermesh/examples/shop/manifest.json');
    assert.match(await run(path.join(binaries, 'hermesh'), ['manifest', 'check', shop], app), /is right: /);

    await using daemon = await startDaemon('packed', {
      binaries,
      flags: ['--engine', 'none'],
      environment: { PATH: environment.PATH },
    });
    const answer = await daemon.json<{ text: string }>('aish', 'packed', 'status');
    assert.match(answer.text, /^I am the stack packed, /);
    const { code, ms } = await daemon.end('SIGTERM');
    assert.equal(code, 0);
    assert.ok(ms < 5_000, `it stopped in ${Math.round(ms)} ms`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
