// That what docs/manifests.md tells a reader to paste is a manifest, as are those of examples/, each with a health path and its own license.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseManifest } from '#manifests';
import { examples } from './applications.ts';

test('each manifest that docs/manifests.md shows is right', () => {
  const text = readFileSync(path.join(examples, '../docs/manifests.md'), 'utf8');
  const shown = [...text.matchAll(/^```json\n([\s\S]+?)^```$/gm)].map(([, json]) => json ?? '');
  assert.equal(shown.length, 5);
  for (const [index, json] of shown.entries()) {
    const { containers } = parseManifest(json, { file: `manifest ${index} of docs/manifests.md` });
    for (const container of Object.values(containers))
      assert.ok(container.health?.http && container.command.length > 0);
  }
});

test('each application of examples/ has a manifest whose containers say their health, limits and CI, and run as a user of their own', () => {
  const folders = readdirSync(examples, { withFileTypes: true }).filter((one) => one.isDirectory());
  const names = folders.map(({ name }) => name).filter((name) => name !== 'demo');
  assert.ok(names.length >= 6);
  for (const name of names) {
    const file = path.join(examples, name, 'manifest.json');
    const { containers } = parseManifest(readFileSync(file, 'utf8'), { file });
    for (const { ports, health, user, resources, ci_capabilities } of Object.values(containers)) {
      assert.ok(ports.length === 0 || health !== undefined, file);
      assert.notEqual(user, '0:0', file);
      assert.ok(resources.memory_mib && resources.processes && ci_capabilities.length > 0, file);
    }
  }
});
