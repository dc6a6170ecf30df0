// What does not stand between two nodes: a private-network layer.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const root = path.join(import.meta.dirname, '../../..');

test('no private-network layer stands between nodes: the gate and certificates say who belongs (failure mode 25)', () => {
  const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => /pnet/.test(name)),
    [],
  );
  const folder = path.join(root, 'daemon/libp2p');
  const protecting = readdirSync(folder).filter((file) =>
    /connectionProtector|preSharedKey/.test(readFileSync(path.join(folder, file), 'utf8')),
  );
  assert.deepEqual(protecting, []);
});
