// Which key of a manifest changes the build key: a table of every key there is, and each entry tried out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Digest, digestOf, type Manifest, manifestDigest, manifestJsonSchema } from '#manifests';
import { manifestSchema } from '#manifests/schema';
import { makeBuildKey, makeStepKey } from '../../manifests/digest.ts';
import { leavesOf, type Shape, valuesOf } from './from-schema.ts';

/**
 * `bytes`: an edit changes the key. `inputs`: it changes what is read, locked or computed, whose digest is in the key. `no`: it
 * never does. The longest entry that fits a leaf counts; a new key of an application, a container or the packaging must be entered.
 */
const table: Readonly<Record<string, 'bytes' | 'inputs' | 'no'>> = {
  manifest_version: 'no',
  'project.': 'no',
  'applications.*.type': 'no',
  'applications.*.language': 'no',
  'applications.*.framework': 'no',
  'applications.*.source.': 'inputs',
  'applications.*.source.layer': 'bytes',
  'applications.*.detect.': 'no',
  'applications.*.runtime.node': 'bytes',
  'applications.*.runtime.debian': 'inputs',
  'applications.*.lockfiles[].': 'inputs',
  'applications.*.build.steps[].name': 'inputs',
  'applications.*.build.steps[].debian': 'inputs',
  'applications.*.build.steps[].needs': 'inputs',
  'applications.*.build.steps[].inputs': 'inputs',
  'applications.*.build.steps[].caches': 'inputs',
  'applications.*.build.steps[].run': 'bytes',
  'applications.*.build.steps[].environment.*': 'bytes',
  'applications.*.build.steps[].outputs': 'no',
  'applications.*.build.steps[].network': 'no',
  'applications.*.build.steps[].layer': 'bytes',
  'applications.*.build.steps[].limits.': 'no',
  // Only where the container has no command, ports or health of its own: then they are the container's.
  'applications.*.start': 'inputs',
  'applications.*.ports': 'bytes',
  'applications.*.health.': 'no',
  'applications.*.entrypoint': 'no',
  'applications.*.dependencies': 'no',
  'applications.*.build_commands': 'no',
  'applications.*.run_command': 'inputs',
  'containers.*.base.': 'inputs',
  'containers.*.base_image': 'inputs',
  'containers.*.platforms': 'inputs',
  'containers.*.debian': 'inputs',
  // A list of names is short for destinations.
  'containers.*.applications': 'inputs',
  'containers.*.applications.*.destination': 'bytes',
  'containers.*.applications.*.owner.': 'bytes',
  'containers.*.applications.*.content': 'bytes',
  'containers.*.files[].source': 'inputs',
  'containers.*.files[].destination': 'bytes',
  'containers.*.files[].mode': 'bytes',
  'containers.*.files[].owner.': 'bytes',
  'containers.*.directories[].': 'bytes',
  'containers.*.links[].': 'bytes',
  'containers.*.accounts.': 'bytes',
  'containers.*.entrypoint': 'bytes',
  'containers.*.command': 'bytes',
  'containers.*.environment.*': 'bytes',
  'containers.*.working_directory': 'bytes',
  'containers.*.user': 'bytes',
  'containers.*.labels.*': 'bytes',
  'containers.*.stop_signal': 'bytes',
  'containers.*.ports': 'bytes',
  'containers.*.publish[].': 'no',
  'containers.*.depends_on.': 'no',
  'containers.*.networks': 'no',
  'containers.*.volumes[].': 'no',
  'containers.*.secrets[].': 'no',
  'containers.*.health.': 'no',
  'containers.*.restart': 'no',
  'containers.*.stop_grace_seconds': 'no',
  'containers.*.resources.': 'no',
  'containers.*.security.': 'no',
  'containers.*.ci_name': 'no',
  'containers.*.ci_capabilities': 'no',
  'containers.*.docker_config.dockerfile_path': 'no',
  'containers.*.docker_config.base_image': 'inputs',
  'containers.*.docker_config.exposed_ports': 'bytes',
  // Only under names that the container has none of.
  'containers.*.docker_config.environment.*': 'inputs',
  'containers.*.docker_config.build_args.*': 'no',
  'containers.*.docker_config.container_ci.': 'no',
  'packaging.format': 'no',
  'packaging.epoch': 'bytes',
  'packaging.layer_budget': 'bytes',
  'packaging.platforms': 'inputs',
  'packaging.registry': 'no',
  'packaging.tagging': 'no',
  'packaging.build_order': 'no',
  'packaging.sbom.': 'no',
  'packaging.sign.': 'no',
  'packaging.verify.': 'no',
  'packaging.policy.': 'no',
  'packaging.seal': 'no',
  'lifecycle.': 'no',
  'federation.': 'no',
};

const leaves = leavesOf(manifestJsonSchema() as Shape);
const entryOf = (leaf: string): string | undefined =>
  Object.keys(table)
    .filter((entry) => (entry.endsWith('.') ? leaf.startsWith(entry) : leaf === entry))
    .sort((left, right) => right.length - left.length)[0];

/** Every key is there once, so that each can be edited. */
const health = { http: { port: 80, path: '/', status: 200 }, interval_seconds: 5, timeout_seconds: 2, retries: 3 };
const full = {
  manifest_version: '1.0',
  project: { name: 'p', description: 'd' },
  applications: {
    '*': {
      type: 't',
      language: 'l',
      framework: 'f',
      source: { path: 'a', layer: 'application' },
      detect: { provider: 'node', version: '1', evidence: [{ file: 'a', what: 'b' }] },
      runtime: { node: '24.0.0' },
      build: {
        steps: [
          { name: 'build', run: ['make'], environment: { '*': 'v' }, layer: 'application', limits: { seconds: 5 } },
        ],
      },
      ports: [81],
      health,
      entrypoint: 'main.py',
      dependencies: 'requirements.txt',
      build_commands: ['x'],
    },
  },
  containers: {
    '*': {
      applications: { '*': { destination: '/srv/x', owner: { uid: 1, gid: 1 }, content: ['source', 'build'] } },
      files: [{ source: 'f', destination: '/f', mode: '0644', owner: { uid: 1, gid: 1 } }],
      directories: [{ path: '/d', mode: '0755', owner: { uid: 1, gid: 1 } }],
      links: [{ path: '/l', target: 't' }],
      accounts: {
        users: [{ name: 'u', uid: 5, gid: 5, home: '/h', shell: '/s' }],
        groups: [{ name: 'g', gid: 5 }],
      },
      entrypoint: ['/e'],
      command: ['c'],
      environment: { '*': 'v' },
      working_directory: '/w',
      user: '5:5',
      labels: { '*': 'v' },
      stop_signal: 'SIGTERM',
      ports: [80],
      publish: [{ port: 80, host_port: 0 }],
      depends_on: { '*': { condition: 'started' } },
      networks: ['n'],
      volumes: [{ path: '/v', name: 'v', read_only: false }],
      secrets: [{ name: 's', path: '/run/secrets/s', mode: '0400', owner: { uid: 0, gid: 0 } }],
      health,
      restart: 'no',
      stop_grace_seconds: 10,
      resources: { memory_mib: 64, millicpus: 100, processes: 10, shm_mib: 10, open_files: 100 },
      security: { read_only: false, cap_drop: ['ALL'], privileged: false, no_new_privileges: true },
      ci_name: 'ci',
      ci_capabilities: ['x'],
      docker_config: {
        dockerfile_path: 'Dockerfile',
        exposed_ports: [82],
        environment: { other: 'v' },
        build_args: { '*': 'v' },
        container_ci: { enabled: true, socket: 's', capabilities: ['x'] },
      },
    },
  },
  packaging: {
    epoch: 0,
    layer_budget: 16,
    registry: 'docker.io/company',
    tagging: 'git-sha',
    build_order: ['web'],
    sign: { keys: ['a'], threshold: 1 },
    verify: { signature: true, provenance: true, sbom: true, reproductions: 1 },
    policy: { secrets: 'refuse' },
    seal: true,
  },
  lifecycle: {
    gate: { healthy_seconds: 1, deadline_seconds: 2 },
    rollback: { automatic: true, to: 'previous', keep: 1 },
  },
  federation: { replicate: { copies: 1 }, sync: { interval_seconds: 60, conflict: 'person' } },
};

/** The name stands for all names that a writer may give. */
const named = (value: unknown): Record<string, unknown> =>
  JSON.parse(JSON.stringify(value).replaceAll('"*"', '"web"')) as Record<string, unknown>;

function keyOf(manifest: Manifest): Digest {
  const container = manifest.containers['web'];
  const application = manifest.applications['web'];
  const step = application?.build.steps[0];
  assert.ok(container && application && step);
  const some = digestOf('some');
  const node = application.runtime.node;
  const stepKey = makeStepKey(step, {
    platform: 'linux/amd64',
    source: some,
    toolchain: some,
    node,
    needs: {},
    lockfiles: {},
  });
  return makeBuildKey(manifest, container, {
    platform: 'linux/amd64',
    packages: some,
    files: [some],
    content: { 'web/source': some, 'web/build': stepKey },
  });
}

test('every key of the schema is in the table', () => {
  assert.ok(leaves.size > 150);
  const missing = [...leaves.keys()].filter((leaf) => entryOf(leaf) === undefined);
  assert.deepEqual(missing, [], 'say whether it changes the bytes of an image');
});

test('every entry of the table is a key of the schema', () => {
  const used = new Set([...leaves.keys()].map(entryOf));
  assert.deepEqual(
    Object.keys(table).filter((entry) => !used.has(entry)),
    [],
  );
});

const before = manifestSchema.parse(named(full));
const tried = new Set<string>();
for (const [leaf, shape] of leaves) {
  const entry = entryOf(leaf) ?? '';
  const effect = table[entry];
  const found = valueAt(full, leaf);
  if (found === undefined || effect === 'inputs') continue;
  tried.add(entry);
  test(`an edit of ${leaf} ${effect === 'bytes' ? 'changes' : 'keeps'} the build key`, () => {
    let edits = 0;
    fc.assert(
      fc.property(valuesOf(shape), (value) => {
        const edited = manifestSchema.safeParse(named(withValue(full, leaf, value)));
        // Some values say the same in another way, or fit no other key.
        if (!edited.success || manifestDigest(edited.data) === manifestDigest(before)) return;
        if (leaf.endsWith('exposed_ports') && edited.data.containers['web']?.ports.join() === '80,82,81') return;
        edits += 1;
        if (effect === 'no') assert.equal(keyOf(edited.data), keyOf(before));
        else if (!isSameSet(edited.data, before)) assert.notEqual(keyOf(edited.data), keyOf(before));
      }),
      { numRuns: 20 },
    );
    if (shape.const === undefined && !leaf.endsWith('content')) assert.ok(edits > 0, 'no value was tried');
  });
}

test('most of the table is tried out', () => {
  const untried = Object.entries(table).filter(([entry, effect]) => effect === 'bytes' && !tried.has(entry));
  assert.deepEqual(untried, []);
});

/** Ports are a set: their order changes nothing. */
function isSameSet(one: Manifest, other: Manifest): boolean {
  const rest = (manifest: Manifest) => ({
    ...manifest.containers['web'],
    ports: [...(manifest.containers['web']?.ports ?? [])].sort(),
    docker_config: undefined,
  });
  const sameContainer = JSON.stringify(rest(one)) === JSON.stringify(rest(other));
  const same = (key: 'packaging' | 'applications') =>
    JSON.stringify({ ...one[key] }) === JSON.stringify({ ...other[key] });
  return (
    sameContainer &&
    same('packaging') &&
    JSON.stringify(one.applications['web']?.build) === JSON.stringify(other.applications['web']?.build) &&
    one.applications['web']?.runtime.node === other.applications['web']?.runtime.node
  );
}

function partsOf(leaf: string): (string | number)[] {
  return leaf.split('.').flatMap((part) => (part.endsWith('[]') ? [part.slice(0, -2), 0] : [part]));
}

function valueAt(value: unknown, leaf: string): unknown {
  return partsOf(leaf).reduce<unknown>((part, key) => (part as Record<string, unknown> | undefined)?.[key], value);
}

function withValue(value: unknown, leaf: string, put: unknown): unknown {
  const copy = structuredClone(value);
  const parts = partsOf(leaf);
  const holder = parts.slice(0, -1).reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], copy);
  Object.assign(holder as object, { [parts.at(-1) ?? '']: put });
  return copy;
}
