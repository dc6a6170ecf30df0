// Bases of the twin in memory, of Debian's docker-registry and of an engine's archive keep the same promises.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { canonicalJson, digestOf, mediaTypes, openBlobStore } from '#manifests';
import { makeMemoryBaseSource, openArchive } from '#manifests/bases';
import { makeRegistryBases, openRegistryClient, pushImage } from '#manifests/distribution';
import { makeEngineBases } from '../../daemon/bases.ts';
import { makeRegistryParts } from '../../daemon/registries.ts';
import { ensureDockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { baseSourceContract } from './base-source.contract.ts';
import { openFolder, pieces } from './folder.ts';

const signal = AbortSignal.timeout(60_000);

async function openImage() {
  const folder = await openFolder({ 'root/etc/motd': 'hello\n' });
  const layer = execFileSync('tar', ['-C', path.join(folder.path, 'root'), '-cf', '-', 'etc']);
  const rootfs = { type: 'layers', diff_ids: [digestOf(layer)] };
  const config = Buffer.from(canonicalJson({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
  return { folder, layer, config };
}

/** As Docker before 25 writes it, with a layer that is a link to another's. */
async function archiveOf(folder: string, config: Buffer, layer: Buffer): Promise<Buffer> {
  const root = path.join(folder, 'archive');
  for (const name of ['a', 'b']) await mkdir(path.join(root, name), { recursive: true });
  await writeFile(path.join(root, 'b/layer.tar'), layer);
  execFileSync('ln', ['-s', '../b/layer.tar', path.join(root, 'a/layer.tar')]);
  const name = `${digestOf(config).slice('sha256:'.length)}.json`;
  await writeFile(path.join(root, name), config);
  const list = [{ Config: name, RepoTags: null, Layers: ['a/layer.tar'] }];
  await writeFile(path.join(root, 'manifest.json'), JSON.stringify(list));
  return execFileSync('tar', ['-C', root, '-cf', '-', '.']);
}

baseSourceContract('the twin in memory', async () => {
  const { folder, layer } = await openImage();
  const content = async function* () {
    yield Buffer.from('hello\n');
  };
  const owner = { mode: 0o644, uid: 0, gid: 0 };
  const entries = [{ path: 'etc/motd', type: 'file', size: 6, content, ...owner }] as const;
  const source = await makeMemoryBaseSource([{ platform: 'linux/amd64', layers: [entries], tag: 'base:1' }]);
  const [digest = digestOf('')] = source.digests;
  await using opened = await source.open({ kind: 'engine', image: digest }, 'linux/amd64', { signal });
  assert.ok(opened.kind === 'image' && layer.length > 0);
  return {
    source,
    layer: Buffer.concat(await Array.fromAsync(opened.layers[0]?.read() ?? [])),
    wanted: { kind: 'registry', name: 'base', digest },
    missing: (other) => ({ kind: 'registry', name: 'base', digest: other }),
    tag: { reference: 'base:1', digest },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

if ((await ensureDockerRegistry()) === undefined) {
  baseSourceContract('a registry', async () => {
    const { folder, layer, config } = await openImage();
    const registry = await startDockerRegistry();
    const blobs = await openBlobStore(path.join(folder.path, 'store'));
    const write = async (bytes: Buffer, mediaType: string) => {
      const { digest, sizeBytes: size } = await blobs.write([bytes], { maxBytes: 1e6, signal });
      return { mediaType, digest, size };
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: await write(config, mediaTypes.config),
      layers: [await write(layer, mediaTypes.layer)],
    };
    const { digest, size } = await write(Buffer.from(canonicalJson(manifest)), mediaTypes.manifest);
    const platforms = [
      { mediaType: mediaTypes.manifest, digest, size, platform: { os: 'linux', architecture: 'amd64' } },
    ];
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: platforms };
    const whole = await write(Buffer.from(canonicalJson(index)), mediaTypes.index);
    const parts = makeRegistryParts({ loginFiles: [] }, Math.random);
    const client = openRegistryClient(registry.address, 'base', parts);
    await pushImage(client, whole.digest, blobs, { tag: '1', signal });
    const name = `${registry.address}/base`;
    return {
      source: makeRegistryBases({ ...parts, pause: async () => undefined }),
      layer,
      wanted: { kind: 'registry', name, digest: whole.digest },
      missing: (other) => ({ kind: 'registry', name, digest: other }),
      tag: { reference: `${name}:1`, digest },
      async [Symbol.asyncDispose]() {
        await registry[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  });
}

baseSourceContract("an engine's archive", async () => {
  const { folder, layer, config } = await openImage();
  const blobs = await openBlobStore(path.join(folder.path, 'store'));
  const archive = await archiveOf(folder.path, config, layer);
  const { makeMemoryEngine } = await import('#container-ci');
  const { engine, controls } = makeMemoryEngine();
  controls.addImage(digestOf(config), { archive });
  return {
    source: makeEngineBases(engine, blobs),
    layer,
    wanted: { kind: 'engine', image: digestOf(config) },
    missing: (other) => ({ kind: 'engine', image: other }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

test('an archive that is cut, lacks a part or is of another image is refused', async () => {
  const { folder, layer, config } = await openImage();
  await using _ = folder;
  const blobs = await openBlobStore(path.join(folder.path, 'store'));
  const archive = await archiveOf(folder.path, config, layer);
  const open = async (bytes: Buffer, image = digestOf(config)) =>
    openArchive(pieces(bytes), image, await blobs.scratch());
  await assert.rejects(open(archive, digestOf('other')), { code: 'invalid-base' });
  await assert.rejects(open(archive.subarray(0, 1500)));
  const empty = execFileSync('tar', ['-cf', '-', '-T', '/dev/null']);
  await assert.rejects(open(empty), { code: 'invalid-base', message: /lacks "manifest.json"/ });
});
