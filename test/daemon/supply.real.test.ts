// That what is built is refused once it was tampered with, by the commands that people type; and that public tools take it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type Digest, openBlobStore } from '#manifests';
import { attach, makeStatement, predicateTypes, readImageParts, signStatement } from '#manifests/supply';
import { makeStack } from '../manifests/supply/stack.ts';
import { type DaemonProcess, startDaemon } from '../support/daemon-process.ts';
import { ensurePrograms } from '../support/debian-packages.ts';
import { ensureDockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { engineWanted, startPrivateEngine } from '../support/private-engine.ts';
import { busyboxOf } from '../support/small-image.ts';

const run = promisify(execFile);
const signal = AbortSignal.timeout(300_000);
const busy = {
  files: [{ source: 'busybox', destination: '/bin/busybox', mode: '0755' }],
  links: ['sh', 'cat', 'echo', 'sleep'].map((name) => ({ path: `/bin/${name}`, target: 'busybox' })),
  environment: { PATH: '/bin' },
  resources: { memory_mib: 32, processes: 16, open_files: 1024 },
  restart: 'no',
};
const manifest = {
  manifest_version: '1.0',
  project: { name: 'shop' },
  applications: { app: { source: { path: 'app' } } },
  containers: {
    web: {
      ...busy,
      applications: { app: { destination: '/srv' } },
      command: ['/bin/sh', '-c', 'echo built; cat /srv/main.txt; exec sleep 1000'],
    },
  },
};

interface Built {
  readonly images: readonly { readonly digest: Digest; readonly configDigest: Digest }[];
}

class Shop implements AsyncDisposable {
  readonly folder: string;
  readonly file: string;
  readonly daemon: DaemonProcess;
  readonly #parts: AsyncDisposableStack;

  constructor(folder: string, daemon: DaemonProcess, parts: AsyncDisposableStack) {
    this.folder = folder;
    this.file = path.join(folder, 'manifest.json');
    this.daemon = daemon;
    this.#parts = parts;
  }

  static async open(flags: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Shop> {
    const parts = new AsyncDisposableStack();
    const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-shop-'));
    parts.defer(() => rm(folder, { recursive: true, force: true }));
    const daemon = parts.use(await startDaemon('berlin', { home: path.join(folder, 'home'), flags, environment }));
    const shop = new Shop(folder, daemon, parts);
    await run('mkdir', ['-p', path.join(folder, 'app')]);
    await writeFile(path.join(folder, 'busybox'), await busyboxOf(), { mode: 0o755 });
    await writeFile(path.join(folder, 'app/main.txt'), 'tea\n');
    await writeFile(path.join(folder, 'app/requirements.txt'), 'six==1.16.0\n');
    await writeFile(shop.file, JSON.stringify(manifest));
    return shop;
  }

  async build(...words: string[]): Promise<Built['images'][number]> {
    const { images } = await this.daemon.json<Built>('hermesh', 'build', this.file, ...words);
    return images[0] ?? assert.fail();
  }

  /** The code, and what a person reads. */
  async say(...words: string[]): Promise<{ code: number | null; text: string }> {
    const { code, stdout, stderr } = await this.daemon.run('hermesh', words);
    return { code, text: `${stdout}\n${stderr}` };
  }

  blob(digest: string): string {
    return path.join(this.folder, 'home/blobs/sha256', digest.slice(7, 9), digest.slice(7));
  }

  async flip(digest: string): Promise<void> {
    const bytes = await readFile(this.blob(digest));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(this.blob(digest), bytes);
  }

  /** The referrer that says this of the image, and the blob of its bundle, as /v2 tells them. */
  async attestation(image: string, what: keyof typeof predicateTypes): Promise<{ digest: string; bundle: string }> {
    const { manifests } = (await this.get(`/v2/shop/web/referrers/${image}`)) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    const found = manifests.find(
      (one) => one.annotations['dev.sigstore.bundle.predicateType'] === predicateTypes[what],
    );
    assert.ok(found, `the referrers API tells of the ${what}`);
    const { layers } = (await this.get(`/v2/shop/web/manifests/${found.digest}`)) as { layers: { digest: string }[] };
    return { digest: found.digest, bundle: layers[0]?.digest ?? assert.fail() };
  }

  async get(place: string): Promise<unknown> {
    const token = (await readFile(path.join(this.folder, 'home/token'), 'utf8')).trim();
    const answer = await fetch(new URL(place, this.daemon.announced.http), {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(answer.status, 200, `${place}: ${await answer.clone().text()}`);
    return answer.json();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

test('verify passes what was built, and refuses it tampered, unsigned, signed by a stranger, or without its bill', async () => {
  await using shop = await Shop.open(['--engine', 'none']);
  const { digest } = await shop.build();
  const passes = async (): Promise<void> => {
    for (const target of [shop.file, digest]) {
      const { code, text } = await shop.say('verify', target);
      assert.equal(code, 0, text);
      assert.match(text, /sealed sha256:/);
    }
  };
  const refuses = async (...says: RegExp[]): Promise<void> => {
    const { code, text } = await shop.say('verify', shop.file);
    assert.equal(code, 1, text);
    for (const one of says) assert.match(text, one);
  };
  await passes();

  const { layers } = JSON.parse(await readFile(shop.blob(digest), 'utf8')) as { layers: { digest: string }[] };
  const layer = layers.at(-1)?.digest ?? assert.fail();
  await shop.flip(layer);
  await refuses(new RegExp(`image: ${layer} .* was changed on the disk`), /hermesh build FILE/);
  assert.equal((await shop.build()).digest, digest);
  await passes();

  const signature = await shop.attestation(digest, 'signature');
  await rm(shop.blob(signature.digest));
  await refuses(/signature: it has no signature that holds here/, new RegExp(signature.digest), /hermesh build FILE/);
  await shop.build();
  await passes();

  const sbom = await shop.attestation(digest, 'sbom');
  await shop.flip(sbom.bundle);
  await refuses(/sbom: it has no bill of materials that holds here/, new RegExp(sbom.digest));
  await shop.build();
  await passes();
  await rm(shop.blob(sbom.bundle));
  await refuses(/sbom: it has no bill of materials/);
  await shop.build();
  await passes();

  // A stranger signs, under the name of this stack, in place of its own attestation.
  await rm(path.join(shop.folder, 'home/blobs/referrers'), { recursive: true });
  const store = await openBlobStore(path.join(shop.folder, 'home/blobs'));
  const stranger = makeStack('stranger');
  const parts = await readImageParts(digest, store);
  const name = { name: 'shop/web', digest, configDigest: parts.config };
  for (const what of ['signature', 'provenance', 'sbom'] as const) {
    const bundle = signStatement(makeStatement(what, name, {}), { ...stranger, stack: shop.daemon.announced.stack });
    const { records } = await shop.daemon.json<{ records: { body: { manifestDigest: string; buildKey: string } }[] }>(
      'hermesh',
      'ls',
      'build',
    );
    const { manifestDigest = '', buildKey = '' } = records[0]?.body ?? {};
    const notes = {
      'dev.sigstore.bundle.predicateType': predicateTypes[what],
      'io.hermesh.stack': shop.daemon.announced.stack,
      'io.hermesh.manifest': manifestDigest,
      'io.hermesh.build-key': buildKey,
    };
    await attach(parts, bundle, notes, store, { signal });
  }
  await refuses(
    /signature: .* does not count/,
    /provenance: .* does not count/,
    /sbom: .* does not count/,
    /--no-cache/,
  );
  await shop.build('--no-cache');
  await passes();
});

const noRegistry = await ensureDockerRegistry();

test('what was said of an image goes with it into a registry that knows no referrers', {
  skip: noRegistry ?? false,
}, async () => {
  await using shop = await Shop.open(['--engine', 'none']);
  await using registry = await startDockerRegistry();
  const { digest } = await shop.build('--push', `${registry.address}/mine/shop:1`);
  const index = await fetch(`http://${registry.address}/v2/mine/shop/manifests/${digest.replace(':', '-')}`, {
    headers: { accept: 'application/vnd.oci.image.index.v1+json' },
  });
  const { manifests } = (await index.json()) as { manifests: { digest: string }[] };
  const own = [];
  for (const what of ['signature', 'provenance', 'sbom'] as const)
    own.push((await shop.attestation(digest, what)).digest);
  assert.deepEqual(manifests.map((one) => one.digest).sort(), own.sort());
});

const missing = engineWanted()
  ? await ensurePrograms({ podman: 'podman', skopeo: 'skopeo' })
  : 'HERMESH_TEST_ENGINE=none';

test('the gate before a run refuses the same, and skopeo, podman and docker take what was built, under one config digest', {
  skip: missing ?? false,
  timeout: 300_000,
}, async () => {
  await using parts = new AsyncDisposableStack();
  const engine = parts.use(await startPrivateEngine({ name: 'supply' }));
  const shop = parts.use(await Shop.open(['--engine', 'docker'], { DOCKER_HOST: `unix://${engine.socket}` }));
  const { digest, configDigest } = await shop.build();
  const refuses = async (...says: RegExp[]): Promise<void> => {
    const { code, text } = await shop.say('run', shop.file);
    assert.equal(code, 4, text);
    for (const one of [/Cannot run "web"/, /hermesh build FILE/, ...says]) assert.match(text, one);
  };
  const { layers } = JSON.parse(await readFile(shop.blob(digest), 'utf8')) as { layers: { digest: string }[] };
  const layer = layers.at(-1)?.digest ?? assert.fail();
  await shop.flip(layer);
  await refuses(new RegExp(`${layer} of the image was changed`));
  await shop.build();
  await shop.flip((await shop.attestation(digest, 'signature')).bundle);
  await refuses(/it has no signature that holds here/);
  await shop.build();
  await shop.flip((await shop.attestation(digest, 'sbom')).bundle);
  await refuses(/it has no bill of materials that holds here/);
  const ran = await shop.say('run', shop.file);
  assert.equal(ran.code, 0, ran.text);
  assert.equal((await shop.say('verify', shop.file)).code, 0);

  const token = (await readFile(path.join(shop.folder, 'home/token'), 'utf8')).trim();
  const address = new URL(shop.daemon.announced.http).host;
  const reference = `${address}/shop/web@${digest}`;
  const credentials = ['--creds', `hermesh:${token}`, '--tls-verify=false'];
  const inspected = JSON.parse((await run('skopeo', ['inspect', ...credentials, `docker://${reference}`])).stdout) as {
    Digest: string;
    Layers: string[];
  };
  assert.equal(inspected.Digest, digest);
  assert.deepEqual(
    inspected.Layers,
    layers.map((one) => one.digest),
  );

  const docker = (...words: string[]) => run('docker', ['-H', `unix://${engine.socket}`, ...words]);
  await docker('login', '--username', 'hermesh', '--password', token, address);
  parts.defer(async () => void (await docker('logout', address)));
  await docker('pull', '--quiet', reference);
  const { stdout: dockerId } = await docker('image', 'inspect', '--format', '{{.Id}}', reference);
  const bounds = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];
  const command = ['/bin/sh', '-c', 'cat /srv/main.txt'];
  const { stdout: said } = await docker('run', '--rm', ...bounds, '--network', 'none', reference, ...command);
  assert.equal(said, 'tea\n');

  const root = path.join(shop.folder, 'podman');
  const podman = (...words: string[]) =>
    run('podman', [
      ...['--root', path.join(root, 'root'), '--runroot', path.join(root, 'run'), '--tmpdir', path.join(root, 'tmp')],
      ...['--storage-driver', 'vfs', '--runtime', 'runc', '--cgroup-manager', 'cgroupfs', ...words],
    ]);
  parts.defer(async () => void (await podman('system', 'reset', '--force').catch(() => undefined)));
  await podman('pull', '--quiet', ...credentials, reference);
  const { stdout: podmanId } = await podman('image', 'inspect', '--format', '{{.Id}}', reference);
  const { stdout: told } = await podman('run', '--rm', ...bounds, '--network', 'none', reference, ...command);
  assert.equal(told, 'tea\n');
  assert.deepEqual([dockerId.trim(), `sha256:${podmanId.trim()}`], [configDigest, configDigest]);
});
