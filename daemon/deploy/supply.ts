// What this stack says of the images it builds, whom it believes of others', and whether an image may run.
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { type BlobStore, type Build, type Digest, isDigest, type Manifest, openBlobStore } from '#manifests';
import type { Rebuild, SignedStatement, Trust, Verdict } from '#manifests/supply';
import type { Finding } from '#manifests/supply/policy';
import { type Identity, publicKeyIn, type Registry } from '#registry';
import { DaemonError } from '../errors.ts';
import type { BuildRecord } from '../kinds.ts';
import { operatorOf } from '../operator.ts';
import type { Attest, BuiltManifest } from './images.ts';

/** What an image came of, as far as records tell. */
export interface KnownImage {
  readonly digest: Digest;
  readonly record: BuildRecord | undefined;
}

export interface Supply {
  readonly attest: Attest;
  /** The image of a digest with its record, or the images of a manifest. Throws `not-found` where nothing was built of it. */
  find(target: Digest): KnownImage[];
  /** Reads every byte of the image, and judges by its manifest's `packaging`; without one, by the defaults. */
  verify(image: KnownImage, manifest: Manifest | undefined, call: { readonly signal: AbortSignal }): Promise<Verdict>;
  /** Throws `forbidden` where an image of a build may not run, with each reason. */
  require(built: BuiltManifest, call: { readonly signal: AbortSignal }): Promise<void>;
  /** What trusted stacks said of an image. */
  said(image: Digest, what: 'provenance' | 'sbom'): Promise<SignedStatement[]>;
  /** The three hashes of the seal, which is kept as a blob. */
  seal(image: KnownImage, call: { readonly signal: AbortSignal }): Promise<SealOutcome | undefined>;
  /** Builds once more by the function, which gets an empty store of its own, and signs where both are the same. */
  rebuild(
    image: KnownImage,
    build: (into: BlobStore) => Promise<Build>,
    call: { readonly signal: AbortSignal },
  ): Promise<Rebuild>;
}

export interface SealOutcome {
  readonly digest: Digest;
  readonly sha3_512: string;
  readonly blake3: string;
}

interface Parts {
  readonly blobs: BlobStore;
  readonly identity: Pick<Identity, 'stack' | 'sign'>;
  readonly registry: Pick<Registry, 'stack' | 'member' | 'directory'>;
  /** A folder for stores that pass. */
  readonly scratch: string;
}

/** A seal names the parts of one image. */
const maxSealBytes = 4 * 1024 * 1024;
/** As `packaging` has them where a manifest says nothing. */
const defaults = {
  verify: { signature: true, provenance: true, sbom: true, reproductions: 0 },
  sign: { keys: [], threshold: 1 },
};

export function openSupply({ blobs, identity, registry, scratch }: Parts): Supply {
  /** Loaded when the first image is built or verified: most stacks of a mesh only look. */
  const load = () => import('#manifests/supply');
  const trust = trustOf(registry);

  const said: Supply['said'] = async (image, what) => {
    const { openBundle, predicateTypes, readBundle, referrersOf } = await load();
    const found: SignedStatement[] = [];
    for (const referrer of await referrersOf(image, blobs)) {
      const bundle = await readBundle(referrer, image, blobs);
      const opened = bundle instanceof Uint8Array ? openBundle(bundle, trust.keyOf) : bundle;
      if (!('refused' in opened) && opened.statement.predicateType === predicateTypes[what]) found.push(opened);
    }
    return found;
  };

  const verifyOne = async (
    { digest, record }: KnownImage,
    manifest: Manifest | undefined,
    depth: 'whole' | 'named',
    signal: AbortSignal,
  ): Promise<Verdict> => {
    const { judgeByManifest, verifyImage } = await load();
    const judge = judgeByManifest(manifest?.packaging ?? defaults);
    const findings = manifest === undefined ? [] : await licenseFindingsOf(digest, manifest);
    return await verifyImage(digest, expectedOf(record), { blobs, trust, depth, judge, findings, signal });
  };

  /** What the manifest's licence policy has against the signed bill. */
  const licenseFindingsOf = async (image: Digest, { packaging }: Manifest): Promise<readonly Finding[]> => {
    const { billedComponents, licenseFindings } = await import('#manifests/supply/policy');
    const { allow, deny, unknown } = packaging.policy.licenses;
    if (allow.length === 0 && deny.length === 0 && unknown === 'allow') return [];
    const [bill] = await said(image, 'sbom');
    return bill === undefined
      ? []
      : licenseFindings(billedComponents(bill.statement.predicate), packaging.policy.licenses);
  };

  return {
    async attest(planned, image, of) {
      const { attestImage } = await load();
      await attestImage(planned, image, { ...of, signer: identity });
    },
    find(target) {
      const records = registry.directory
        .list<BuildRecord>({ kind: 'build' })
        .flatMap(({ body }) =>
          body && [body.digest, body.configDigest, body.manifestDigest].includes(target) ? [body] : [],
        );
      const images = new Map(records.map((record) => [`${record.digest} ${record.manifestDigest}`, record]));
      return [...images.values()].map((record) => ({ digest: record.digest as Digest, record }));
    },
    verify: (image, manifest, { signal }) => verifyOne(image, manifest, 'whole', signal),
    async require({ manifest, digest: manifestDigest, build }, { signal }) {
      for (const { container, digest, buildKey } of build.images) {
        // The engine pulls through the store, which checks each blob as it is read.
        const record = { manifestDigest, buildKey } as BuildRecord;
        const { isAllowed, reasons } = await verifyOne({ digest, record }, manifest, 'named', signal);
        if (isAllowed) continue;
        const told = reasons.map(({ message }) => message).join('; ');
        throw new DaemonError('forbidden', `Cannot run "${container}": ${told}`, { mend: reasons[0]?.mend ?? '' });
      }
    },
    said,
    async seal({ digest, record }, { signal }) {
      if (record === undefined) return undefined;
      const { sealImage } = await load();
      const { manifestDigest, buildKey } = record as { manifestDigest: Digest; buildKey: Digest };
      const { text, hashes } = await sealImage(digest, { manifestDigest, buildKey }, blobs, { signal });
      const kept = await blobs.write([Buffer.from(text)], { maxBytes: maxSealBytes, signal });
      return { digest: kept.digest, sha3_512: hashes.sha3_512, blake3: hashes.blake3 };
    },
    async rebuild({ digest, record }, build, { signal }) {
      if (record === undefined) throw new TypeError(`Cannot rebuild ${digest}: nothing tells what it came of`);
      const { rebuildImage } = await load();
      const folder = await mkdtemp(path.join(scratch, 'rebuild-'));
      try {
        const into = await openBlobStore(folder);
        const name = `${record.project}/${record.container}`;
        const image = { name, digest, configDigest: record.configDigest as Digest };
        return await rebuildImage(image, {
          blobs,
          signer: identity,
          signal,
          build: async () => {
            const { images } = await build(into);
            const same = images.find((one) => one.container === record.container && one.platform === record.platform);
            if (same === undefined)
              throw new DaemonError(
                'not-found',
                `Cannot rebuild ${digest}: the manifest has no "${record.container}" for ${record.platform}`,
              );
            return { digest: same.digest, blobs: into };
          },
        });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** Members of the mesh are believed what they sign; their operator is what their label "operator" declares. */
function trustOf(registry: Parts['registry']): Trust {
  return {
    keyOf: (stack) => (stack === registry.stack || registry.member(stack) ? publicKeyIn(stack) : undefined),
    operatorOf: (stack) => operatorOf(registry.directory, stack),
    namesOf: (stack) => [registry.member(stack)?.name ?? []].flat(),
  };
}

function expectedOf(record: BuildRecord | undefined): { manifestDigest?: Digest; buildKey?: Digest } {
  const { manifestDigest = '', buildKey = '' } = record ?? {};
  return isDigest(manifestDigest) && isDigest(buildKey) ? { manifestDigest, buildKey } : {};
}
