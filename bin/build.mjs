// Compiles what Node runs into dist/, for `npm pack` (Node strips no types below node_modules).
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
const done = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
process.exit(done.status ?? 1);
