// That a stack attests what it builds, verifies it, and shows what was said; through the daemon as people reach it.
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openFolder } from '../manifests/folder.ts';
import { Daemons, type Stack } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

const manifest = {
  manifest_version: '1.0',
  project: { name: 'shop' },
  applications: { app: { source: { path: 'app' } } },
  containers: { web: { applications: { app: { destination: '/srv' } } } },
};
const files = {
  'manifest.json': JSON.stringify(manifest),
  'app/requirements.txt': 'six==1.16.0\nflask==3.0.0\n',
  'app/main.py': 'print(1)\n',
};

async function build(stack: Stack, folder: string): Promise<string> {
  const { status, body } = await stack.ask('POST', '/api/builds', { file: path.join(folder, 'manifest.json') });
  assert.equal(status, 200, JSON.stringify(body));
  return body.images[0].digest;
}

test('what a stack builds is attested, verified and sealed, by file and by digest', async () => {
  await using daemons = new Daemons();
  await using folder = await openFolder(files);
  const stack = await daemons.open('berlin');
  const digest = await build(stack, folder.path);
  for (const target of [path.join(folder.path, 'manifest.json'), digest]) {
    const { status, body } = await stack.ask('POST', '/api/verifications', { target });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.allowed, true, JSON.stringify(body));
    const [image] = body.images;
    assert.deepEqual([image.digest, image.container, image.components, image.signedBy], [digest, 'web', 2, ['berlin']]);
    assert.match(image.seal.blake3, /^[0-9a-f]{64}$/);
  }
  const place = `/api/images/${encodeURIComponent(digest)}`;
  const { body: bill } = await stack.ask('GET', `${place}/sbom`);
  assert.deepEqual(
    bill.sbom.components.map((one: { purl: string }) => one.purl),
    ['pkg:pypi/flask@3.0.0', 'pkg:pypi/six@1.16.0'],
  );
  const { body: come } = await stack.ask('GET', `${place}/provenance`);
  assert.equal(
    come.statements[0].statement.predicate.runDetails.builder.id,
    `urn:hermesh:stack:${stack.node.context.registry.stack}`,
  );
});

test('a tampered image is refused with the blob that changed, and built again it may run', async () => {
  await using daemons = new Daemons();
  await using folder = await openFolder(files);
  const stack = await daemons.open('berlin');
  const digest = await build(stack, folder.path);
  const fileOf = (blob: string): string => path.join(stack.home, 'blobs/sha256', blob.slice(7, 9), blob.slice(7));
  const { layers } = JSON.parse(await readFile(fileOf(digest), 'utf8'));
  const layer = fileOf(layers.at(-1).digest);
  const bytes = await readFile(layer);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await writeFile(layer, bytes);
  const { body } = await stack.ask('POST', '/api/verifications', { target: digest });
  assert.equal(body.allowed, false);
  assert.ok(body.images[0].reasons[0].message.includes(layers.at(-1).digest));
  assert.equal(await build(stack, folder.path), digest);
  assert.equal((await stack.ask('POST', '/api/verifications', { target: digest })).body.allowed, true);
});

test('an image whose attestations are gone is refused, and a build says them again', async () => {
  await using daemons = new Daemons();
  await using folder = await openFolder(files);
  const stack = await daemons.open('berlin');
  const digest = await build(stack, folder.path);
  await rm(path.join(stack.home, 'blobs/referrers'), { recursive: true });
  const { body } = await stack.ask('POST', '/api/verifications', { target: digest });
  assert.deepEqual(
    body.images[0].reasons.map((one: { what: string }) => one.what),
    ['signature', 'provenance', 'sbom'],
  );
  const { status } = await stack.ask('GET', `/api/images/${encodeURIComponent(digest)}/sbom`);
  assert.equal(status, 404);
  await build(stack, folder.path);
  assert.equal((await stack.ask('POST', '/api/verifications', { target: digest })).body.allowed, true);
});

test('a rebuild of the same sources is signed for, and of others names the file', async () => {
  await using daemons = new Daemons();
  await using folder = await openFolder(files);
  const stack = await daemons.open('berlin');
  const digest = await build(stack, folder.path);
  const file = path.join(folder.path, 'manifest.json');
  const { body: same } = await stack.ask('POST', '/api/rebuilds', { digest, file });
  assert.equal(same.same, true, JSON.stringify(same));
  assert.match(same.attestation, /^sha256:/);
  await writeFile(path.join(folder.path, 'app/main.py'), 'print(2)\n');
  const { body: other } = await stack.ask('POST', '/api/rebuilds', { digest, file });
  assert.equal(other.same, false);
  assert.deepEqual(
    other.differences.map((one: { path: string; what: string[] }) => [one.path, ...one.what]),
    [['srv/main.py', 'content']],
  );
});

test('a manifest that was not built is not verified, and the mend says what to do', async () => {
  await using daemons = new Daemons();
  await using folder = await openFolder(files);
  const stack = await daemons.open('berlin');
  const { status, body } = await stack.ask('POST', '/api/verifications', {
    target: path.join(folder.path, 'manifest.json'),
  });
  assert.equal(status, 404);
  assert.match(JSON.stringify(body), /hermesh build/);
});

test('an image with a licence that its manifest denies is refused, and the component is named', async () => {
  await using daemons = new Daemons();
  const policy = { licenses: { deny: ['GPL-3.0-only'] } };
  await using folder = await openFolder({
    'manifest.json': JSON.stringify({ ...manifest, packaging: { policy } }),
    'app/node_modules/left/package.json': JSON.stringify({ name: 'left', version: '1.0.0', license: 'GPL-3.0-only' }),
  });
  const stack = await daemons.open('berlin');
  const target = await build(stack, folder.path);
  const { body } = await stack.ask('POST', '/api/verifications', { target });
  assert.equal(body.allowed, false);
  assert.match(body.images[0].reasons[0].message, /^pkg:npm\/left@1.0.0: its licence "GPL-3.0-only" is not allowed$/);
});

test('the gate before a run lets pass what was attested, and names what is missing of what was not', async () => {
  await using daemons = new Daemons();
  await using folder = await openFolder(files);
  const { node, home } = await daemons.open('berlin');
  const work = { report: () => undefined, signal: AbortSignal.timeout(60_000), isPulled: async () => true };
  const { images, supply } = node.context;
  const built = await images.build(path.join(folder.path, 'manifest.json'), { useCache: true }, work);
  await supply.require(built, work);
  await rm(path.join(home, 'blobs/referrers'), { recursive: true });
  await assert.rejects(supply.require(built, work), {
    code: 'forbidden',
    message: /^Cannot run "web": it has no signature that holds here; it has no provenance/,
    mend: /hermesh build FILE/,
  });
});

test('a key in a source is refused by its place and never shown, told where that is asked, and let pass with a reason', async () => {
  await using daemons = new Daemons();
  // Made here and of no use anywhere.
  const key = ['ghp', Buffer.from('of no use anywhere, 27 bytes').toString('hex').slice(0, 36)].join('_');
  await using folder = await openFolder({ ...files, 'app/conf/token.env': `a=1\nTOKEN=${key}\n` });
  const stack = await daemons.open('berlin');
  const verifyWith = async (policy: object) => {
    const text = JSON.stringify({ ...manifest, packaging: { policy } });
    await writeFile(path.join(folder.path, 'manifest.json'), text);
    await build(stack, folder.path);
    const { body } = await stack.ask('POST', '/api/verifications', { target: path.join(folder.path, 'manifest.json') });
    assert.ok(!JSON.stringify(body).includes(key.slice(4, 14)), 'nothing of the key is told');
    return body;
  };
  const refused = await verifyWith({});
  assert.equal(refused.allowed, false, JSON.stringify(refused));
  assert.match(
    refused.images[0].reasons[0].message,
    /^\/srv\/conf\/token.env:2: a secret lies there \(github\/GITHUB_TOKEN\)$/,
  );
  const told = await verifyWith({ secrets: 'report' });
  assert.deepEqual([told.allowed, told.images[0].told.length], [true, 1]);
  const off = await verifyWith({ secrets: 'off' });
  assert.deepEqual([off.allowed, off.images[0].told.length], [true, 0]);
  const passed = await verifyWith({ secrets_ignore: [{ path: '/srv/conf/*.env', reason: 'made for a test' }] });
  assert.deepEqual([passed.allowed, passed.images[0].told.length], [true, 0]);
  assert.ok(stack.logged.every((line) => !line.includes(key.slice(4, 14))));
});

test('an image with a known vulnerability is refused from the severity on that its manifest says, once advisories are imported', async () => {
  await using daemons = new Daemons();
  const policy = { vulnerabilities: { refuse: 'high', max_database_age_days: 3650 } };
  const advisory = {
    id: 'T-1',
    modified: new Date().toISOString(),
    database_specific: { severity: 'HIGH' },
    affected: [
      {
        package: { ecosystem: 'PyPI', name: 'Flask' },
        ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '3.0.1' }] }],
      },
    ],
  };
  await using folder = await openFolder({
    ...files,
    'manifest.json': JSON.stringify({ ...manifest, packaging: { policy } }),
    'osv/T-1.json': JSON.stringify(advisory),
  });
  const stack = await daemons.open('berlin');
  const target = await build(stack, folder.path);
  const silent = await stack.ask('POST', '/api/verifications', { target });
  assert.deepEqual(
    [silent.body.allowed, silent.body.images[0].reasons[0].message],
    [false, 'the database: it has nothing of pypi'],
  );
  const { status, body: part } = await stack.ask('POST', '/api/vulnerabilities/parts', {
    path: path.join(folder.path, 'osv'),
  });
  assert.deepEqual([status, part.name, part.records, part.ecosystems], [200, 'osv', 1, ['pypi']], JSON.stringify(part));
  const { body: check } = await stack.ask('POST', '/api/vulnerabilities/checks', { target });
  assert.deepEqual(
    check.images[0].findings.map((one: { component: string; mend: string }) => [one.component, one.mend]),
    [['pkg:pypi/flask@3.0.0', 'take 3.0.1']],
  );
  const { body: refused } = await stack.ask('POST', '/api/verifications', { target });
  assert.deepEqual(
    [refused.allowed, refused.images[0].reasons[0].message],
    [false, 'pkg:pypi/flask@3.0.0: T-1 (high)'],
  );
});

test('a stack that pulls an image has what was said of it', async () => {
  await using daemons = new Daemons();
  await using folder = await openFolder(files);
  const [berlin, tokyo] = (await daemons.mesh('berlin', 'tokyo')) as [Stack, Stack];
  const target = await build(berlin, folder.path);
  await eventually(
    'tokyo knows the build',
    async () => (await tokyo.ask('GET', '/api/records?kind=attestation')).body.records.length === 1,
  );
  const pulled = await tokyo.ask('POST', '/api/pulls', { digest: target });
  assert.equal(pulled.status, 200, JSON.stringify(pulled.body));
  const { body } = await tokyo.ask('POST', '/api/verifications', { target });
  assert.deepEqual([body.allowed, body.images[0].signedBy], [true, ['berlin']], JSON.stringify(body));
});
