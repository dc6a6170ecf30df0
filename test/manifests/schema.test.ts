// That the zod schema and the published JSON Schema say the same, that Tekton's manifest is one, and that writing out is done once.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { canonicalJson, digestOf, ManifestError, manifestDigest, manifestJsonSchema, parseManifest } from '#manifests';
import { manifestSchema } from '#manifests/schema';
import { type Shape, valuesOf } from './from-schema.ts';

const root = path.dirname(path.dirname(import.meta.dirname));
const published = manifestJsonSchema();
const isValid = new Ajv2020({ strict: true, strictTypes: false, allErrors: false }).compile(published);
const manifests = valuesOf(published as Shape) as fc.Arbitrary<Record<string, unknown>>;
const parse = (value: unknown) => parseManifest(JSON.stringify(value), { file: 'manifest.json' });

/** As reference designs of Tekton give it, to the letter. */
const tekton = {
  manifest_version: '1.0',
  project: { name: 'example-api', repository: 'github.com/company/api' },
  applications: {
    'api-service': {
      type: 'fastapi',
      language: 'python',
      entrypoint: 'main.py',
      dependencies: 'requirements.txt',
      build_commands: ['pip install -r requirements.txt'],
      run_command: 'uvicorn main:app --host 0.0.0.0',
    },
  },
  containers: {
    'api-container': {
      base_image: 'python:3.11-slim',
      applications: ['api-service'],
      ports: [8000],
      ci_name: 'api-ci',
      ci_capabilities: ['monitor', 'optimize', 'debug'],
    },
  },
  packaging: { build_order: ['api-container'], registry: 'docker.io/company', tagging: 'git-sha' },
};

/** Whether a fault is one that a JSON Schema can't say: a check of ours on a whole object. */
function isOnlyCustom(value: unknown): boolean {
  const parsed = manifestSchema.safeParse(value);
  return !parsed.success && parsed.error.issues.every(({ code }) => code === 'custom');
}

test('the manifest of the example and that of Tekton fit the published schema', async () => {
  const shop: unknown = JSON.parse(await readFile(path.join(root, 'examples/shop/manifest.json'), 'utf8'));
  for (const value of [shop, tekton]) {
    assert.ok(isValid(value), JSON.stringify(isValid.errors));
    parse(value);
  }
});

test('what the published schema allows, zod takes, but for what only a check of ours can say', () => {
  fc.assert(
    fc.property(manifests, (value) => {
      assert.ok(isValid(value), JSON.stringify(isValid.errors));
      const parsed = manifestSchema.safeParse(value);
      assert.ok(parsed.success || isOnlyCustom(value), JSON.stringify(parsed.error?.issues));
    }),
    { numRuns: 300 },
  );
});

test('where a value is spoiled anywhere, zod and the published schema agree on whether it still fits', () => {
  const junk = fc.constantFrom<unknown>(null, 3.5, -1, 2 ** 40, true, '', '\0', 'x'.repeat(5000), [], {}, [[]], {
    unknown: 1,
  });
  let refused = 0;
  fc.assert(
    fc.property(manifests, fc.nat(), fc.constantFrom('replace', 'remove', 'add'), junk, (value, place, act, other) => {
      const spoiled = structuredClone(value);
      const places = placesOf(spoiled);
      const at = places[place % places.length];
      if (at === undefined) return;
      if (act === 'remove' && !Array.isArray(at.holder)) Reflect.deleteProperty(at.holder, at.key);
      else if (act === 'add' && !Array.isArray(at.holder)) Object.assign(at.holder, { 'not-a-key!': other });
      else Object.assign(at.holder, { [at.key]: other });
      const zodTakes = manifestSchema.safeParse(spoiled).success;
      if (!zodTakes) refused += 1;
      if (zodTakes) assert.ok(isValid(spoiled), JSON.stringify(isValid.errors));
      else if (!isOnlyCustom(spoiled)) assert.ok(!isValid(spoiled), 'zod refuses a shape that the schema allows');
    }),
    { numRuns: 1000 },
  );
  assert.ok(refused > 200, 'most of what is spoiled is refused');
});

test('what was parsed is parsed to the same', () => {
  fc.assert(
    fc.property(manifests, (value) => {
      const once = manifestSchema.safeParse(value);
      fc.pre(once.success);
      assert.deepEqual(manifestSchema.parse(JSON.parse(JSON.stringify(once.data))), structuredClone(once.data));
    }),
    { numRuns: 200 },
  );
});

test('every spoiled manifest is refused with a pointer and a line for each problem', () => {
  fc.assert(
    fc.property(manifests, fc.nat(), (value, place) => {
      const spoiled = structuredClone(value);
      const places = placesOf(spoiled);
      const at = places[place % places.length];
      if (at === undefined) return;
      Object.assign(at.holder, { [at.key]: { 'no such': ['thing'] } });
      try {
        parseManifest(JSON.stringify(spoiled, undefined, 1), { file: 'm' });
      } catch (error) {
        assert.ok(error instanceof ManifestError, String(error));
        assert.ok(error.problems.length > 0);
        for (const { line, message } of error.problems) assert.ok(line !== undefined && line > 0 && message !== '');
      }
    }),
    { numRuns: 300 },
  );
});

test('x- keys are free in the published schema too', () => {
  assert.ok(isValid({ ...tekton, 'x-team': { anything: [1.5] } }));
  assert.ok(!isValid({ ...tekton, team: 'a' }));
});

test("Tekton's words are written out in ours, and the container's own win", () => {
  const { applications, containers } = parse({
    ...tekton,
    containers: {
      'api-container': {
        ...tekton.containers['api-container'],
        environment: { A: 'own' },
        docker_config: {
          dockerfile_path: 'Dockerfile',
          base_image: 'debian:12',
          exposed_ports: [8000, 9000],
          environment: { A: 'theirs', B: 'theirs' },
          build_args: { V: '1' },
          container_ci: { enabled: true, socket: '/tmp/ci.sock', capabilities: ['status'] },
        },
      },
    },
  });
  const container = containers['api-container'];
  assert.deepEqual(applications['api-service']?.start, ['/bin/sh', '-c', 'uvicorn main:app --host 0.0.0.0']);
  assert.deepEqual(container?.command, applications['api-service']?.start);
  assert.deepEqual(container?.applications['api-service'], {
    destination: '/srv/api-service',
    owner: { uid: 0, gid: 0 },
    content: ['source'],
  });
  assert.equal(container?.working_directory, '/srv/api-service');
  assert.equal(container?.base_image, 'python:3.11-slim');
  assert.deepEqual(container?.ports, [8000, 9000]);
  assert.deepEqual(container?.environment, { A: 'own', B: 'theirs' });
  assert.deepEqual(container?.ci_capabilities, ['monitor', 'optimize', 'debug']);
});

test("the canonical JSON of Tekton's manifest has the digest that others computed", () => {
  assert.equal(
    digestOf(canonicalJson(tekton)),
    'sha256:bd966a0f8991266bf31698f27c071487ffd42db46a2a464c81e7f49f971c41c0',
  );
});

test('a manifest and its full form have one digest', () => {
  assert.equal(manifestDigest(parse(parse(tekton))), manifestDigest(parse(tekton)));
});

/** Every place of a value that can be replaced. */
function placesOf(value: unknown): { readonly holder: object; readonly key: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => [{ holder: value, key }, ...placesOf(part)]);
}
