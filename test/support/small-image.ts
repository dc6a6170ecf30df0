// A small real image for tests, made here without a registry: Debian's static busybox and one command.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { callEngine } from './private-engine.ts';

const run = promisify(execFile);
/** The names under which busybox stands in /bin. */
const applets = [
  'sh',
  'httpd',
  'sleep',
  'echo',
  'nc',
  'wget',
  'nslookup',
  'cat',
  'ln',
  'mkdir',
  'true',
  'false',
  'kill',
  'tail',
];
const layerType = 'application/vnd.oci.image.layer.v1.tar';
const configType = 'application/vnd.oci.image.config.v1+json';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

export interface SmallImage {
  /** `name:1`, once it is loaded. */
  readonly tag: string;
  /** Digests of the manifest and of the configuration. */
  readonly digest: string;
  readonly configDigest: string;
  /** By digest: the layer, the configuration and the manifest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/** An image that runs `command` (a shell is at /bin/sh). The same arguments give the same digests. */
export async function makeSmallImage({
  name,
  command,
  environment = {},
  ports = [],
}: {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly number[];
}): Promise<SmallImage> {
  layer ??= makeLayer();
  const layerBytes = await layer;
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: {
        Cmd: command,
        Env: ['PATH=/bin', ...Object.entries(environment).map(([key, value]) => `${key}=${value}`)],
        ExposedPorts: Object.fromEntries(ports.map((port) => [`${port}/tcp`, {}])),
      },
      rootfs: { type: 'layers', diff_ids: [digestOf(layerBytes)] },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: configType, digest: digestOf(config), size: config.length },
      layers: [{ mediaType: layerType, digest: digestOf(layerBytes), size: layerBytes.length }],
    }),
  );
  return {
    tag: `${name}:1`,
    digest: digestOf(manifest),
    configDigest: digestOf(config),
    blobs: new Map([layerBytes, config, manifest].map((bytes) => [digestOf(bytes), bytes])),
  };
}

/** Loads it into the engine at `socket` under its tag, in the form of `docker save`. */
export async function loadSmallImage(socket: string, image: SmallImage): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-image-'));
  try {
    const names = [...image.blobs.keys()].map((digest) => digest.replace('sha256:', ''));
    const [layerName = '', configName = ''] = names;
    await writeFile(path.join(folder, 'layer.tar'), image.blobs.get(`sha256:${layerName}`) ?? '');
    await writeFile(path.join(folder, `${configName}.json`), image.blobs.get(`sha256:${configName}`) ?? '');
    const entry = { Config: `${configName}.json`, RepoTags: [image.tag], Layers: ['layer.tar'] };
    await writeFile(path.join(folder, 'manifest.json'), JSON.stringify([entry]));
    const { stdout } = await run('tar', ['-C', folder, '-cf', '-', '.'], { encoding: 'buffer', maxBuffer: 64 << 20 });
    await callEngine(socket, 'POST', '/images/load?quiet=1', stdout);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface SmallRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, which the engine may pull from without TLS. */
  readonly address: string;
  readonly login: { readonly username: string; readonly password: string };
  /** How many blobs were asked for. */
  blobsServed(): number;
}

/** A registry that can only be pulled from, with Basic authentication; any repository holds all the images. */
export async function serveSmallImages(images: readonly SmallImage[]): Promise<SmallRegistry> {
  const login = { username: 'engine', password: 'only-for-this-test' };
  const expected = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
  const blobs = new Map(images.flatMap((image) => [...image.blobs]));
  let served = 0;
  const server = createServer((request, response) => {
    if (request.headers.authorization !== expected) {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="test"' }).end();
      return;
    }
    const digest = /\/(?:manifests|blobs)\/(sha256:[0-9a-f]{64})$/.exec(request.url ?? '')?.[1] ?? '';
    const bytes = blobs.get(digest);
    if (request.url === '/v2/') response.end('{}');
    else if (bytes === undefined)
      response
        .writeHead(404)
        .end(JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] }));
    else {
      if (request.url?.includes('/blobs/')) served += 1;
      const type = request.url?.includes('/manifests/') ? manifestType : 'application/octet-stream';
      response.writeHead(200, {
        'Content-Type': type,
        'Content-Length': bytes.length,
        'Docker-Content-Digest': digest,
      });
      response.end(request.method === 'HEAD' ? undefined : bytes);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    login,
    blobsServed: () => served,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

let layer: Promise<Buffer> | undefined;

/** The bytes of Debian's static busybox. */
export async function busyboxOf(): Promise<Buffer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-busybox-'));
  try {
    const download = () => run('apt-get', ['download', '-q', 'busybox-static'], { cwd: folder });
    // A fresh machine has no lists of packages yet.
    await download().catch(async (cause: unknown) => {
      await run('apt-get', ['update', '-q']).then(download, () => {
        throw new Error(
          'Cannot make the small image: apt-get can\'t download "busybox-static"; run "apt-get update" as root',
          { cause },
        );
      });
    });
    const [archive = ''] = (await readdir(folder)).filter((file) => file.endsWith('.deb'));
    await run('dpkg-deb', ['-x', path.join(folder, archive), path.join(folder, 'out')]);
    return await readFile(path.join(folder, 'out/bin/busybox'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeLayer(): Promise<Buffer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-layer-'));
  try {
    await chmod(folder, 0o755);
    const root = path.join(folder, 'root');
    for (const name of ['bin', 'tmp', 'www', 'proc', 'sys', 'dev', 'etc'])
      await mkdir(path.join(root, name), { recursive: true });
    await writeFile(path.join(root, 'bin/busybox'), await busyboxOf(), { mode: 0o755 });
    for (const applet of applets) await symlink('busybox', path.join(root, 'bin', applet));
    await writeFile(path.join(root, 'www/index.html'), 'ready\n');
    await run('chmod', ['-R', 'u=rwX,go=rX', root]);
    const form = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=ustar', '-b1'];
    await run('tar', [...form, '-C', root, '-cf', path.join(folder, 'layer.tar'), '.']);
    return await readFile(path.join(folder, 'layer.tar'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
