// A project whose images are each made another way, with setuid files in all of them; as a program, it builds one and prints its digests.
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Build, buildImages, digestOf, lockManifest, openBlobStore, parseManifest } from '#manifests';
import { makeMemoryPackageSource } from '#manifests/debian';
import { makeMemoryArtifacts, makeMemoryStepRunner, openSteps } from '#manifests/steps';
import { makeBaseSource } from '../../daemon/bases.ts';
import { type TarEntry, writeTar } from '../../manifests/tar.ts';

/** What images are made of, by the container's name. */
export const ways = ['files', 'packages', 'layout', 'folder', 'compiled'] as const;

/** Sources whose order differs between locales, and between the bytes of a path and its parts; two hold the same. */
export const sources: readonly (readonly [string, string])[] = [
  ['app/index.html', '<p>'],
  ['app/Zebra', 'z'],
  ['app/apple', 'a'],
  ['app/ähnlich/ı', 'ä'],
  ['app/lib/x', 'x'],
  ['app/lib-a', 'l'],
  ['app/lib/one', 'the same'],
  ['app/lib/two', 'the same'],
  ['app/run.sh', '#!/bin/sh\n'],
  ['tool.conf', 'mine'],
];

const root = { uid: 0, gid: 0 };
const setuid = 0o4755;

function file(at: string, text: string, mode = 0o644): TarEntry {
  const bytes = Buffer.from(text);
  const content = async function* () {
    yield bytes;
  };
  return { path: at, type: 'file', size: bytes.length, content, mode, ...root };
}

/** Writes what lies beside the sources: an OCI layout, the root of a file system, and the manifest that uses all of it. */
export async function writeRest(directory: string): Promise<void> {
  await writeRoot(path.join(directory, 'root'));
  const layout = await writeLayout(path.join(directory, 'layout'));
  const use = { applications: { app: { destination: '/srv/app', owner: { uid: 10, gid: 20 } } }, command: ['/x'] };
  const manifest = {
    manifest_version: '1.0',
    project: { name: 'matrix' },
    applications: {
      app: { source: { path: 'app' } },
      program: {
        source: { path: 'app' },
        build: {
          steps: [
            {
              name: 'build',
              debian: ['tool'],
              run: ['cp /src/index.html /out/page', 'echo made > /out/made', 'echo said'],
            },
          ],
        },
      },
    },
    containers: {
      files: { ...use, files: [{ source: 'tool.conf', destination: '/usr/bin/tool', mode: '4755' }] },
      packages: { ...use, debian: ['tool'], links: [{ path: '/usr/bin/alias', target: 'tool' }] },
      layout: { ...use, base: { kind: 'oci-layout', path: 'layout', digest: layout } },
      folder: { ...use, base: { kind: 'rootfs', path: 'root' } },
      compiled: { applications: { program: { destination: '/srv/program', content: ['build'] } }, command: ['/x'] },
    },
  };
  await writeFile(path.join(directory, 'manifest.json'), JSON.stringify(manifest));
}

/** Owners and modes of a folder that is a base are a part of it, so that they are the same whoever made the rest. */
async function writeRoot(at: string): Promise<void> {
  await mkdir(path.join(at, 'bin'), { recursive: true });
  await mkdir(path.join(at, 'etc'));
  await writeFile(path.join(at, 'bin/su'), 'su');
  await writeFile(path.join(at, 'etc/shadow'), 'secret');
  if (process.getuid?.() === 0) await chown(path.join(at, 'etc/shadow'), 0, 42);
  await chmod(path.join(at, 'bin/su'), setuid);
  await chmod(path.join(at, 'etc/shadow'), 0o640);
  for (const name of ['bin', 'etc', '.']) await chmod(path.join(at, name), 0o755);
}

async function writeLayout(at: string): Promise<string> {
  const blobs = path.join(at, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const put = async (bytes: Buffer, mediaType: string) => {
    await writeFile(path.join(blobs, digestOf(bytes).slice('sha256:'.length)), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const tar = Buffer.concat(
    await Array.fromAsync(writeTar([file('bin/su', 'su', setuid), file('etc/passwd', 'root')])),
  );
  const layer = await put(gzipSync(tar), 'application/vnd.oci.image.layer.v1.tar+gzip');
  const told = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [digestOf(tar)] } };
  const config = await put(Buffer.from(JSON.stringify(told)), 'application/vnd.oci.image.config.v1+json');
  const manifest = { schemaVersion: 2, config, layers: [layer] };
  return (await put(Buffer.from(JSON.stringify(manifest)), 'application/vnd.oci.image.manifest.v1+json')).digest;
}

/** Builds all of it into a store; without `useCache` nothing that the store knows is taken. */
export async function buildProject(directory: string, store: string, { useCache = true } = {}): Promise<Build> {
  const signal = AbortSignal.timeout(120_000);
  const manifest = parseManifest(await readFile(path.join(directory, 'manifest.json'), 'utf8'), {
    file: 'manifest.json',
  });
  const packages = await makeMemoryPackageSource([
    {
      name: 'tool',
      version: '1.0',
      depends: ['base'],
      entries: [file('bin/sh', 'sh', 0o755), file('usr/bin/tool', 'tool', setuid), file('etc/tool.conf', 'default')],
    },
    {
      name: 'base',
      version: '1:1.0',
      compression: 'gz',
      entries: [{ path: 'var/mail', type: 'directory', mode: 0o2775, uid: 0, gid: 8 }],
    },
  ]);
  const lock = await lockManifest(manifest, packages, { signal, report: () => {} });
  const blobs = await openBlobStore(store);
  const parts = { manifest, blobs, runner: makeMemoryStepRunner(blobs), artifacts: makeMemoryArtifacts(new Map()) };
  const steps = openSteps({ ...parts, check: false });
  const request = { manifest, lock, directory, blobs, packages, bases: makeBaseSource({}), steps, signal };
  return await buildImages({ ...request, report: () => {}, useCache });
}

/** What is the same everywhere of a build. */
export function digestsOf(build: Build): Record<string, readonly string[]> {
  return Object.fromEntries(
    build.images.map(({ container, buildKey, digest, configDigest }) => [container, [buildKey, digest, configDigest]]),
  );
}

/** What a process sees of the world around it: a trial that changes nothing of it tries nothing. */
export interface World {
  readonly digests: Record<string, readonly string[]>;
  readonly year: number;
  readonly zone: string;
  readonly locale: string;
  readonly node: string;
}

if (process.argv[1] === import.meta.filename) {
  const [, , directory = '', store = ''] = process.argv;
  const digests = digestsOf(await buildProject(directory, store));
  const { locale, timeZone: zone } = Intl.DateTimeFormat().resolvedOptions();
  const world: World = { digests, year: new Date().getFullYear(), zone, locale, node: process.version };
  process.stdout.write(`${JSON.stringify(world)}\n`);
}
