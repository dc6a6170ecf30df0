// Runs the tests of a lane: `fast` (no engine, no package mirror), `sample` (what `npm test` runs), `all` (the long ones too).
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import path from 'node:path';
import { ensureDockerRegistry } from './support/docker-registry.ts';
import { engineWanted, ensureEngine } from './support/private-engine.ts';

const root = path.dirname(import.meta.dirname);
const lanes = {
  fast: (file: string) => !/\.(real|long)\.test\.ts$/.test(file),
  sample: (file: string) => !/\.long\.test\.ts$/.test(file),
  all: () => true,
} as const;

const [lane = 'sample', ...only] = process.argv.slice(2);
if (!Object.hasOwn(lanes, lane)) {
  process.stderr.write(`Cannot run the lane "${lane}": known are ${Object.keys(lanes).join(', ')}\n`);
  process.exit(2);
}
const belongs = lanes[lane as keyof typeof lanes];
const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter(belongs)
  .filter((file) => only.length === 0 || only.some((part) => file.includes(part)))
  .filter((file) => engineWanted() || !/\.(real|long)\.test\.ts$/.test(file))
  .sort();

if (lane !== 'fast' && engineWanted()) {
  await ensureEngine();
  // Here rather than in its tests, which run side by side; where it can't be had they say why.
  await ensureDockerRegistry();
} else if (lane !== 'fast') {
  process.stderr.write(
    'HERMESH_TEST_ENGINE=none: the tests that need an engine or a package mirror (*.real, *.long) are left out.\n',
  );
}

// Two at a time: the tests wait for engines and disks more than they compute, and more would stretch every deadline.
const child = spawn(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=600000', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
