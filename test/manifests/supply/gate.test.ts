// That an image runs only as its manifest asks: whole, signed, with its provenance and its bill of materials.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { type BlobStore, type Build, buildImages, type Digest, type Manifest, manifestDigest } from '#manifests';
import {
  attach,
  attestImage,
  judgeByManifest,
  makeStatement,
  openBundle,
  predicateTypes,
  type Referrer,
  readBundle,
  readImageParts,
  readProvenance,
  referrersOf,
  signStatement,
  type Trust,
  type Verdict,
  verifyImage,
} from '#manifests/supply';
import { openFolder } from '../folder.ts';
import { makeShopLike } from '../shop-like.ts';
import { openStore, signal } from './layers.ts';
import { makeStack, trustIn } from './stack.ts';

const berlin = makeStack('berlin');
const tokyo = makeStack('tokyo');
const stranger = makeStack('stranger');

interface Built extends AsyncDisposable {
  readonly blobs: BlobStore;
  readonly build: Build;
  readonly manifest: Manifest;
  readonly image: Digest;
  readonly fileOf: (digest: Digest) => string;
}

/** An image that these stacks made, one after the other; they say only what `says` lets through. */
async function built(builders = [berlin], says: (what: string) => boolean = () => true): Promise<Built> {
  const store = await openStore();
  await using folder = await openFolder();
  const request = await makeShopLike(folder.path);
  let build: Build | undefined;
  for (const signer of builders) {
    build = await buildImages({
      ...request,
      blobs: store.blobs,
      signal,
      report: () => {},
      attest: async (planned, image) => {
        const work = {
          manifest: request.manifest,
          manifestDigest: build?.manifestDigest ?? manifestDigest(request.manifest),
          blobs: store.blobs,
          signer,
          signal,
        };
        await attestImage(planned, image, work);
      },
    });
  }
  assert.ok(build);
  const image = build.images[0]?.digest ?? assert.fail();
  await keepOnly(store.blobs, image, says);
  const fileOf = (digest: Digest): string => path.join(store.path, 'store/sha256', digest.slice(7, 9), digest.slice(7));
  return {
    blobs: store.blobs,
    build,
    manifest: request.manifest,
    image,
    fileOf,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function keepOnly(blobs: BlobStore, image: Digest, says: (what: string) => boolean): Promise<void> {
  const { writePlainNote } = await import('../../../manifests/notes.ts');
  const kept = (await referrersOf(image, blobs)).filter((one) =>
    says(one.annotations['dev.sigstore.bundle.predicateType'] ?? ''),
  );
  await writePlainNote(blobs, 'referrers', { subject: image }, kept);
}

async function verdictOf(
  { blobs, image, manifest, build }: Built,
  { trust = trustIn([berlin, tokyo]), reproductions = 0 }: { trust?: Trust; reproductions?: number } = {},
): Promise<Verdict> {
  const { verify, sign } = manifest.packaging;
  const judge = judgeByManifest({ verify: { ...verify, reproductions }, sign });
  const expected = { manifestDigest: build.manifestDigest, buildKey: build.images[0]?.buildKey ?? assert.fail() };
  return await verifyImage(image, expected, { blobs, trust, depth: 'whole', judge, signal });
}

function whats({ reasons }: Verdict): string[] {
  return reasons.map(({ what }) => what);
}

test('an image as it was built may run, and its attestations are OCI referrers of it', async () => {
  await using made = await built();
  const verdict = await verdictOf(made);
  assert.deepEqual(verdict.reasons, []);
  const referrers = await referrersOf(made.image, made.blobs);
  assert.deepEqual(
    referrers.map(({ artifactType }) => artifactType),
    Array.from({ length: 3 }, () => 'application/vnd.dev.sigstore.bundle.v0.3+json'),
  );
  const manifest = JSON.parse(await readFile(made.fileOf(referrers[0]?.digest ?? made.image), 'utf8')) as {
    subject: { digest: string };
  };
  assert.equal(manifest.subject.digest, made.image);
});

test('two stores where one stack builds the same say the same, to the byte', async () => {
  await using one = await built();
  await using two = await built([berlin, berlin]);
  const digests = async ({ blobs, image }: Built) => (await referrersOf(image, blobs)).map(({ digest }) => digest);
  assert.deepEqual(await digests(one), await digests(two));
});

test('a tampered image is refused, and the blob that was changed is named', async () => {
  await using made = await built();
  const { layers } = await readImageParts(made.image, made.blobs);
  const layer = layers[0]?.digest ?? assert.fail();
  const bytes = await readFile(made.fileOf(layer));
  bytes[600] = (bytes[600] ?? 0) ^ 1;
  await writeFile(made.fileOf(layer), bytes);
  const [reason] = (await verdictOf(made)).reasons;
  assert.equal(reason?.message, `${layer} of the image was changed on the disk, and is removed`);
  assert.match(reason?.mend ?? '', /hermesh build FILE/);
  assert.match((await verdictOf(made)).reasons[0]?.message ?? '', /is not here/);
});

test('an image whose manifest was changed is refused', async () => {
  await using made = await built();
  await writeFile(made.fileOf(made.image), '{}');
  assert.equal(whats(await verdictOf(made))[0], 'image');
});

test('an unsigned image, one without provenance and one without its bill of materials are refused, each by name', async () => {
  for (const what of ['signature', 'provenance', 'sbom'] as const) {
    await using made = await built([berlin], (one) => one !== predicateTypes[what]);
    assert.deepEqual(whats(await verdictOf(made)), [what]);
  }
});

test('what a stranger signed does not count, and the reason says so', async () => {
  await using made = await built([stranger]);
  const verdict = await verdictOf(made);
  assert.deepEqual(whats(verdict), ['signature', 'provenance', 'sbom']);
  assert.match(verdict.reasons[0]?.message ?? '', /the key of "stranger" is not trusted here/);
});

test('provenance of another manifest does not count', async () => {
  await using made = await built();
  const { blobs, image, manifest } = made;
  const work = {
    blobs,
    trust: trustIn([berlin]),
    depth: 'named' as const,
    judge: judgeByManifest(manifest.packaging),
    signal,
  };
  const other: Digest = `sha256:${'0'.repeat(64)}`;
  const { reasons } = await verifyImage(image, { manifestDigest: other }, work);
  assert.deepEqual(
    reasons.map(({ what }) => what),
    ['provenance'],
  );
  assert.ok(reasons[0]?.message.includes(made.build.manifestDigest));
});

test('builders of one operator are one, and of different operators they reproduce', async () => {
  await using made = await built([berlin, tokyo]);
  const oneOperator = trustIn([berlin, tokyo], { berlin: 'a', tokyo: 'a' });
  const two = trustIn([berlin, tokyo], { berlin: 'a', tokyo: 'b' });
  const none = trustIn([berlin, tokyo]);
  assert.deepEqual(whats(await verdictOf(made, { trust: oneOperator, reproductions: 1 })), ['reproductions']);
  assert.deepEqual(whats(await verdictOf(made, { trust: none, reproductions: 1 })), ['reproductions']);
  assert.deepEqual(whats(await verdictOf(made, { trust: two, reproductions: 1 })), []);
});

test('a change of any byte of a bundle is refused', async () => {
  const image = { name: 'p/c', digest: `sha256:${'1'.repeat(64)}`, configDigest: `sha256:${'2'.repeat(64)}` } as const;
  const bundle = signStatement(makeStatement('signature', image, {}), berlin);
  const trust = trustIn([berlin, tokyo]);
  assert.ok('statement' in openBundle(bundle, trust.keyOf));
  for (let at = 0; at < bundle.length; at += 1) {
    for (const bit of [1, 32]) {
      const changed = Buffer.from(bundle);
      changed[at] = (changed[at] ?? 0) ^ bit;
      assert.ok('refused' in openBundle(changed, trust.keyOf), `byte ${at} of ${bundle.toString()}`);
    }
  }
});

test('an attestation of one image says nothing of another, wherever it is attached', async () => {
  await using made = await built();
  const other = made.build.images[1]?.digest ?? assert.fail();
  const mine = await referrersOf(made.image, made.blobs);
  await keepOnly(made.blobs, other, () => false);
  const parts = await readImageParts(other, made.blobs);
  for (const referrer of mine) {
    const bundle = await readBundle(referrer, made.image, made.blobs);
    assert.ok(bundle instanceof Uint8Array);
    await attach(parts, bundle, {}, made.blobs, { signal });
  }
  const { facts, isAllowed } = await verdictOf({ ...made, image: other });
  assert.equal(isAllowed, false);
  assert.deepEqual(
    facts.refused.map(({ why }) => why),
    Array.from({ length: 3 }, () => 'it is about another image'),
  );
});

test('provenance names the packages, sources and files that went in, by their digests', async () => {
  await using made = await built();
  const referrer = (await referrersOf(made.image, made.blobs)).find(
    (one: Referrer) => one.annotations['dev.sigstore.bundle.predicateType'] === predicateTypes.provenance,
  );
  const bundle = await readBundle(referrer ?? assert.fail(), made.image, made.blobs);
  const opened = bundle instanceof Uint8Array ? openBundle(bundle, trustIn([berlin]).keyOf) : assert.fail();
  const { statement } = 'statement' in opened ? opened : assert.fail();
  const { resolvedDependencies, buildType } = (
    statement.predicate as {
      buildDefinition: { buildType: string; resolvedDependencies: { name: string; uri: string; digest: object }[] };
    }
  ).buildDefinition;
  assert.equal(buildType, 'urn:hermesh:build:hermesh-oci/1');
  assert.ok(resolvedDependencies.every(({ digest }) => Object.keys(digest).length === 1));
  assert.equal(readProvenance(statement)?.builder, 'urn:hermesh:stack:berlin');
  assert.ok(resolvedDependencies.some(({ uri }) => uri.startsWith('pkg:deb/debian/')));
});
