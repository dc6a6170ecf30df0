// `npm run check`: format and lint (Biome), types (TypeScript), and the house test. All run, the first failure decides.
import { spawnSync } from 'node:child_process';

const steps = [
  ['biome', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.']],
  ['types', ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.json']],
  ['house', ['--test', 'test/house.test.ts']],
];

let status = 0;
for (const [name, args] of steps) {
  const done = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (done.status !== 0) {
    process.stderr.write(`check: ${name} failed\n`);
    status = 1;
  }
}
process.exit(status);
