// What a host can't or may not carry is refused with its place and mend, all faults at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HostCeiling, type HostFacts, narrowCeiling, refuseOverCeiling } from '#cookbooks';
import { manifestSchema } from '#manifests/schema';

const host: HostFacts = {
  memoryBytes: 2 ** 30,
  cpus: 2,
  processes: 4096,
  freeBytes: 10 ** 9,
  takenPorts: new Set([8080]),
};

/** Pointers of the faults, in order. */
function faultsOf(
  container: object,
  more: { ceiling?: Partial<HostCeiling>; neededBytes?: number; published?: readonly number[] } = {},
): string[] {
  const manifest = manifestSchema.parse({
    manifest_version: '1.0',
    project: { name: 'shop' },
    containers: { api: { ports: [80], ...container } },
  });
  try {
    refuseOverCeiling({
      manifest,
      host,
      ceiling: { ...narrowCeiling, ...more.ceiling },
      publishedBy: new Map([['shop-api', more.published ?? []]]),
      neededBytes: more.neededBytes ?? 0,
    });
    return [];
  } catch (error) {
    const { code, mend, problems } = error as { code: string; mend: string; problems: { pointer: string }[] };
    assert.equal(code, 'over-ceiling');
    assert.ok(mend.length > 0);
    return problems.map(({ pointer }) => pointer.replace('/containers/api/', ''));
  }
}

test('what asks for no more than the host has, and nothing wide, is let through', () => {
  assert.deepEqual(faultsOf({ resources: { memory_mib: 1024, millicpus: 2000, processes: 4096 } }), []);
  assert.deepEqual(faultsOf({ security: { cap_drop: ['ALL'], cap_add: ['NET_BIND_SERVICE', 'CHOWN'] } }), []);
  assert.deepEqual(faultsOf({ publish: [{ port: 80, host_port: 8081 }] }), []);
});

test('more memory, processors, processes or disk than there is is refused at its place', () => {
  const resources = { memory_mib: 1025, millicpus: 2001, processes: 4097, shm_mib: 2000 };
  assert.deepEqual(faultsOf({ resources }), [
    'resources/memory_mib',
    'resources/shm_mib',
    'resources/millicpus',
    'resources/processes',
  ]);
  assert.deepEqual(faultsOf({ volumes: [{ path: '/t', tmpfs_mib: 5000 }] }), ['volumes/0/tmpfs_mib']);
  assert.deepEqual(faultsOf({}, { neededBytes: 9.9e8 }), ['/containers']);
});

test('a port that somebody listens on is refused, unless the container that gives it up has it', () => {
  const publish = [{ port: 80, host_port: 8080 }];
  assert.deepEqual(faultsOf({ publish }), ['publish/0/host_port']);
  assert.deepEqual(faultsOf({ publish }, { published: [8080] }), []);
});

test('what is wide is off unless the owner of the host allows just that', () => {
  const wide = {
    security: {
      cap_add: ['NET_ADMIN'],
      privileged: true,
      seccomp: 'unconfined',
      no_new_privileges: false,
      devices: ['/dev/fuse'],
      host_namespaces: ['pid'],
    },
    volumes: [{ path: '/logs', host_path: '/var/log/app' }],
  };
  assert.deepEqual(faultsOf(wide), [
    'security/cap_add/0',
    'security/privileged',
    'security/seccomp',
    'security/no_new_privileges',
    'security/devices/0',
    'security/host_namespaces/0',
    'volumes/0/host_path',
  ]);
  const ceiling: HostCeiling = {
    capabilities: ['NET_ADMIN'],
    hostPaths: ['/var/log'],
    devices: ['/dev/fuse'],
    hostNamespaces: ['pid'],
    privileged: true,
    seccompUnconfined: true,
    mayGainPrivileges: true,
  };
  assert.deepEqual(faultsOf(wide, { ceiling }), []);
  const near = { volumes: [{ path: '/l', host_path: '/var/logs' }] };
  assert.deepEqual(faultsOf(near, { ceiling }), ['volumes/0/host_path'], 'a name that begins alike is another folder');
  const socket = { volumes: [{ path: '/s', host_path: '/var/run/docker.sock' }] };
  assert.deepEqual(faultsOf(socket, { ceiling: { hostPaths: ['/var/run'] } }), ['volumes/0/host_path']);
});

test('a ceiling that the owner sets counts for all containers together, and takes a limit from each', () => {
  const ceiling = { memoryMib: 512 };
  assert.deepEqual(faultsOf({}, { ceiling }), ['resources/memory_mib']);
  assert.deepEqual(faultsOf({ resources: { memory_mib: 600 } }, { ceiling }), ['resources/memory_mib']);
  assert.deepEqual(faultsOf({ resources: { memory_mib: 512 } }, { ceiling }), []);
});
