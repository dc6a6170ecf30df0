// Images to and from Debian's docker-registry, open, with passwords and with tokens, and what skopeo makes of them.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type BlobStore, canonicalJson, type Digest, digestOf, mediaTypes, openBlobStore } from '#manifests';
import { openRegistryClient, pullImage, pushImage } from '#manifests/distribution';
import { makeRegistryParts } from '../../../daemon/registries.ts';
import { ensureDockerRegistry, startDockerRegistry } from '../../support/docker-registry.ts';
import { gather, openFolder } from '../folder.ts';

const run = promisify(execFile);
const signal = AbortSignal.timeout(120_000);
const skip = (await ensureDockerRegistry()) ?? false;
const login = (registry: string, name: string, password: string): string =>
  JSON.stringify({ auths: { [registry]: { auth: Buffer.from(`${name}:${password}`).toString('base64') } } });

async function makeImage(blobs: BlobStore, layers: readonly Buffer[], more: object = {}): Promise<Digest> {
  const write = async (bytes: Buffer, mediaType: string) => {
    const { digest, sizeBytes: size } = await blobs.write([bytes], { maxBytes: 1e9, signal });
    return { mediaType, digest, size };
  };
  const diff_ids = layers.map((layer) => digestOf(layer));
  const config = { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids } };
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: await write(Buffer.from(canonicalJson(config)), mediaTypes.config),
    layers: await Promise.all(layers.map((layer) => write(layer, mediaTypes.layer))),
    ...more,
  };
  return (await write(Buffer.from(canonicalJson(manifest)), mediaTypes.manifest)).digest;
}

/** A tar of one file with these bytes. */
function tarOf(bytes: Buffer, folder: string, name: string): Buffer {
  execFileSync('sh', ['-c', 'cat > "$1"', 'sh', path.join(folder, name)], { input: bytes });
  return execFileSync('tar', ['-C', folder, '-cf', '-', name], { maxBuffer: 1 << 28 });
}

async function openStores(names: readonly string[]) {
  const folder = await openFolder();
  const stores = await Promise.all(names.map((name) => openBlobStore(path.join(folder.path, name))));
  return {
    folder: folder.path,
    stores: stores as unknown as [BlobStore, BlobStore],
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const nobody = makeRegistryParts({ loginFiles: [] }, Math.random);

test('an image that is pushed is pulled byte for byte, and the second push moves nothing', { skip }, async () => {
  await using open = await openStores(['from', 'to']);
  await using registry = await startDockerRegistry();
  const [from, to] = open.stores;
  const big = tarOf(randomBytes(70 * 1024 * 1024), open.folder, 'big');
  const small = tarOf(Buffer.from('small'), open.folder, 'small');
  const digest = await makeImage(from, [big, small]);
  const client = openRegistryClient(registry.address, 'shop/api', nobody);
  const pushed = await pushImage(client, digest, from, { tag: '1.0', signal });
  assert.equal(pushed.movedBytes, pushed.sizeBytes);
  assert.equal((await pushImage(client, digest, from, { tag: '1.0', signal })).movedBytes, 0);
  assert.deepEqual(await client.tags({ signal }), ['1.0']);
  const pulled = await pullImage(client, '1.0', to, { signal });
  assert.deepEqual([pulled.digest, pulled.sizeBytes, pulled.blobs], [digest, pushed.sizeBytes, 4]);
  assert.equal(
    createHash('sha256')
      .update(await gather(to.read(digestOf(big))))
      .digest('hex'),
    digestOf(big).slice(7),
  );
  const mounted = openRegistryClient(registry.address, 'shop/other', nobody);
  assert.equal((await pushImage(mounted, digest, from, { mountFrom: ['shop/api'], signal })).movedBytes, 0);
  await assert.rejects(client.document('2.0', { signal }), { code: 'not-in-registry' });

  const place = `docker://${registry.address}/shop/api:1.0`;
  const { stdout } = await run('skopeo', ['inspect', '--tls-verify=false', place]);
  assert.equal((JSON.parse(stdout) as { Digest: string }).Digest, digest);
  const layout = path.join(open.folder, 'layout');
  await run('skopeo', ['copy', '--preserve-digests', '--src-tls-verify=false', place, `oci:${layout}:x`]);
  const { stdout: copied } = await run('skopeo', ['inspect', `oci:${layout}:x`]);
  assert.equal((JSON.parse(copied) as { Digest: string }).Digest, digest);
});

test('referrers are found in a registry that has no API for them, and more than one is kept', { skip }, async () => {
  await using open = await openStores(['from']);
  await using registry = await startDockerRegistry();
  const [from] = open.stores;
  const digest = await makeImage(from, [tarOf(Buffer.from('x'), open.folder, 'x')]);
  const subject = { mediaType: mediaTypes.manifest, digest, size: (await from.size(digest)) ?? 0 };
  const referrers = await Promise.all(
    ['application/sbom', 'application/provenance'].map((artifactType) =>
      makeImage(from, [], { subject, artifactType }),
    ),
  );
  const client = openRegistryClient(registry.address, 'p', nobody);
  for (let twice = 0; twice < 2; twice += 1) await pushImage(client, digest, from, { referrers, signal });
  assert.deepEqual((await client.referrers(digest, { signal })).map((one) => one.digest).sort(), [...referrers].sort());
  const [sbom] = await client.referrers(digest, { artifactType: 'application/sbom', signal });
  assert.equal(sbom?.digest, referrers[0]);
});

test('a registry with passwords takes the one that docker login left, and refuses any other', { skip }, async () => {
  await using open = await openStores(['from']);
  const { stdout: htpasswd } = await run('htpasswd', ['-nbB', 'anna', 'secret']);
  await using registry = await startDockerRegistry({
    auth: '{ htpasswd: { realm: test, path: "DIR/htpasswd" } }',
    files: { htpasswd },
  });
  await using logins = await openFolder({
    'right.json': login(registry.address, 'anna', 'secret'),
    'wrong.json': login(registry.address, 'anna', 'guess'),
  });
  const [from] = open.stores;
  const digest = await makeImage(from, [tarOf(Buffer.from('x'), open.folder, 'x')]);
  const client = (...names: string[]) =>
    openRegistryClient(
      registry.address,
      'p',
      makeRegistryParts({ loginFiles: names.map((name) => path.join(logins.path, name)) }, Math.random),
    );
  for (const names of [[], ['wrong.json']])
    await assert.rejects(pushImage(client(...names), digest, from, { signal }), {
      code: 'registry-refused',
      message: /docker login/,
    });
  assert.equal((await pushImage(client('none.json', 'right.json'), digest, from, { signal })).digest, digest);
});

test('a registry with tokens gets them from its realm, by the scope that it names', { skip }, async () => {
  await using open = await openStores(['from', 'to']);
  await using tokens = await openTokenServer({ anna: 'secret' });
  await using registry = await startDockerRegistry({
    auth: `{ token: { realm: "${tokens.url}", service: test, issuer: issuer, rootcertbundle: "DIR/cert.pem" } }`,
    files: { 'cert.pem': tokens.certificate },
  });
  await using logins = await openFolder({ 'right.json': login(registry.address, 'anna', 'secret') });
  const [from, to] = open.stores;
  const digest = await makeImage(from, [tarOf(Buffer.from('x'), open.folder, 'x')]);
  const as = (loginFiles: string[]) =>
    openRegistryClient(registry.address, 'shop/api', makeRegistryParts({ loginFiles }, Math.random));
  await assert.rejects(pushImage(as([]), digest, from, { signal }), { code: 'registry-refused' });
  const client = as([path.join(logins.path, 'right.json')]);
  await pushImage(client, digest, from, { tag: 'a', signal });
  const asked = tokens.asked.length;
  assert.equal((await pullImage(client, 'a', to, { signal })).digest, digest);
  assert.equal(tokens.asked.length, asked + 1, 'one token serves a whole pull');
  assert.ok(tokens.asked.every((scope) => /^repository:shop\/api:(pull|pull,push|push,pull)$/.test(scope)));
});

/** Signs tokens as the distribution project has them; grants what is asked to who has a password, and nothing to others. */
async function openTokenServer(passwords: Readonly<Record<string, string>>) {
  const folder = await openFolder();
  const file = (name: string): string => path.join(folder.path, name);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  execFileSync('sh', ['-c', 'cat > "$1"', 'sh', file('key.pem')], {
    input: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  });
  const about = ['-x509', '-key', file('key.pem'), '-subj', '/CN=issuer', '-days', '2', '-out', file('cert.pem')];
  execFileSync('openssl', ['req', '-new', ...about], { stdio: 'ignore' });
  const certificate = execFileSync('cat', [file('cert.pem')], { encoding: 'utf8' });
  const x5c = [certificate.replace(/-----[A-Z ]+-----|\s/g, '')];
  assert.ok(createPublicKey(privateKey));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://x');
    const scope = searchParams.get('scope') ?? '';
    asked.push(scope);
    const [name = '', password] = Buffer.from(request.headers.authorization?.split(' ')[1] ?? '', 'base64')
      .toString()
      .split(':');
    const [type, repository, actions = ''] = scope.split(':');
    const isKnown = password !== undefined && passwords[name] === password;
    const access = isKnown ? [{ type, name: repository, actions: actions.split(',') }] : [];
    const seconds = Math.floor(Date.now() / 1000);
    const claims = {
      iss: 'issuer',
      sub: name,
      aud: 'test',
      nbf: seconds - 10,
      exp: seconds + 300,
      iat: seconds,
      jti: 'a',
      access,
    };
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${encode({ typ: 'JWT', alg: 'RS256', x5c })}.${encode(claims)}`;
    const token = `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`;
    response.end(JSON.stringify({ token }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    certificate,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await folder[Symbol.asyncDispose]();
    },
  };
}
