// What this stack says of the images it builds, whom it believes of others', and whether an image may run.
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import {
  type BlobStore,
  type Build,
  type BuiltImage,
  type Digest,
  isDigest,
  type Manifest,
  ManifestError,
  openBlobStore,
} from '#manifests';
import type { Rebuild, SignedStatement, Trust, Verdict } from '#manifests/supply';
import type { Finding, SecretScan } from '#manifests/supply/policy';
import { type Identity, publicKeyIn, type Registry } from '#registry';
import type { Exchange } from '#registry/exchange';
import { DaemonError } from '../errors.ts';
import type { BuildRecord, ManifestRecord } from '../kinds.ts';
import { operatorOf } from '../operator.ts';
import { type Attestations, makeAttestations } from './attestations.ts';
import type { Attest, BuiltManifest } from './images.ts';
import type { Vulnerabilities } from './vulnerabilities.ts';

/** What an image came of, as far as records tell. */
export interface KnownImage {
  readonly digest: Digest;
  readonly record: BuildRecord | undefined;
}

export interface Supply extends Attestations {
  readonly attest: Attest;
  /** The image of a digest with its record, or the images of a manifest. Throws `not-found` where nothing was built of it. */
  find(target: Digest): Promise<KnownImage[]>;
  /** Reads every byte of the image, and judges by its manifest's `packaging`; without one, by the defaults. */
  verify(image: KnownImage, manifest: Manifest | undefined, call: { readonly signal: AbortSignal }): Promise<Verdict>;
  /**
   * Throws `forbidden` where an image of a build may not run, with each reason. Of images that are to be pulled every byte is read;
   * what the engine has it checked when it pulled it.
   */
  require(
    built: Pick<BuiltManifest, 'manifest' | 'digest' | 'build'>,
    call: { readonly signal: AbortSignal; readonly isPulled: (image: BuiltImage) => Promise<boolean> },
  ): Promise<void>;
  /** What trusted stacks said of an image. */
  said(image: Digest, what: 'provenance' | 'sbom'): Promise<SignedStatement[]>;
  /** Manifests of what was said of an image, by whomever. */
  attached(image: Digest): Promise<Digest[]>;
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
  readonly exchange: Exchange;
  readonly advisories: Vulnerabilities;
  readonly log: Logger;
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

export function openSupply({ advisories, blobs, exchange, identity, registry, scratch, log }: Parts): Supply {
  /** Loaded when the first image is built or verified: most stacks of a mesh only look. */
  const load = () => import('#manifests/supply');
  const trust = trustOf(registry);
  const attestations = makeAttestations({ blobs, exchange, registry, keyOf: trust.keyOf, log });

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
    const { gatherFacts, judgeByManifest } = await load();
    const judge = judgeByManifest(manifest?.packaging ?? defaults);
    const verdict = async (how: typeof depth): Promise<Verdict> => {
      const gathered = await gatherFacts(digest, { blobs, trust, signal, depth: how });
      // In what isn't whole nothing is looked for.
      const isSearched = manifest !== undefined && gathered.damage.length === 0;
      const facts = isSearched ? { ...gathered, findings: await findingsOf(digest, manifest, signal) } : gathered;
      const reasons = judge(facts, expectedOf(record));
      return { image: digest, isAllowed: reasons.length === 0, reasons, facts };
    };
    // Who is asked what an image is wants to know of all who said something of it; a run needs no more than enough.
    if (depth === 'whole') await attestations.bring(digest, { signal });
    const first = await verdict(depth);
    if (first.isAllowed || depth === 'whole' || (await attestations.bring(digest, { signal })) === 0) return first;
    return await verdict(depth);
  };

  /** Layers that nobody can read hide what is in them. */
  const scanOf = async (image: Digest, signal: AbortSignal): Promise<SecretScan> => {
    const { scanSecrets } = await load();
    try {
      return await scanSecrets(image, blobs, { signal });
    } catch (error) {
      if (error instanceof ManifestError) return { found: [], isCut: true };
      throw error;
    }
  };

  /** What the manifest's policies have against the image: its signed bill, and what lies in it. */
  const findingsOf = async (
    image: Digest,
    { packaging }: Manifest,
    signal: AbortSignal,
  ): Promise<readonly Finding[]> => {
    const { billedComponents, licenseFindings, secretFindings } = await import('#manifests/supply/policy');
    const { licenses, vulnerabilities, secrets } = packaging.policy;
    const findings: Finding[] = [];
    const [bill] = await said(image, 'sbom');
    const components = bill === undefined ? [] : billedComponents(bill.statement.predicate);
    if (licenses.allow.length > 0 || licenses.deny.length > 0 || licenses.unknown === 'deny')
      findings.push(...licenseFindings(components, licenses));
    findings.push(...(await advisories.findings(components, vulnerabilities)));
    if (secrets !== 'off') {
      findings.push(...secretFindings(await scanOf(image, signal), packaging.policy));
    }
    return findings;
  };

  /** An image that was there already has the record of the manifest that it first came of: of later ones its attestations tell. */
  const builtAgain = async (
    target: Digest,
    records: readonly { readonly body: BuildRecord }[],
  ): Promise<BuildRecord[]> => {
    const { directory } = registry;
    const manifest = directory.list<ManifestRecord>({ kind: 'manifest', name: target, includeUnreachable: true })[0];
    if (manifest === undefined) return [];
    const { annotations, referrersOf } = await load();
    const found: BuildRecord[] = [];
    for (const { body } of records) {
      if (body.project !== manifest.body.project || !isDigest(body.digest)) continue;
      const isOfIt = (await referrersOf(body.digest, blobs)).some(
        (one) => one.annotations[annotations.manifest] === target,
      );
      if (isOfIt) found.push({ ...body, manifestDigest: target });
    }
    return found;
  };

  return {
    told: attestations.told,
    bring: attestations.bring,
    async attest(planned, image, of) {
      const { attestImage } = await load();
      await attestImage(planned, image, { ...of, signer: identity });
    },
    async find(target) {
      const records = registry.directory.list<BuildRecord>({ kind: 'build', includeUnreachable: true });
      const named = records.flatMap(({ body }) =>
        [body.digest, body.configDigest, body.manifestDigest].includes(target) ? [body] : [],
      );
      const all = [...named, ...(await builtAgain(target, records))];
      const images = new Map(all.map((record) => [`${record.digest} ${record.manifestDigest}`, record]));
      return [...images.values()].map((record) => ({ digest: record.digest as Digest, record }));
    },
    verify: (image, manifest, { signal }) => verifyOne(image, manifest, 'whole', signal),
    async require({ manifest, digest: manifestDigest, build }, { signal, isPulled }) {
      for (const image of build.images) {
        const { container, digest, buildKey } = image;
        const record = { manifestDigest, buildKey } as BuildRecord;
        const depth = (await isPulled(image)) ? 'whole' : 'named';
        const { isAllowed, reasons } = await verifyOne({ digest, record }, manifest, depth, signal);
        if (isAllowed) continue;
        const told = reasons.map(({ message }) => message).join('; ');
        throw new DaemonError('forbidden', `Cannot run "${container}": ${told}`, { mend: reasons[0]?.mend ?? '' });
      }
    },
    said,
    async attached(image) {
      const { wholeReferrersOf } = await load();
      return (await wholeReferrersOf(image, blobs)).map(({ digest }) => digest);
    },
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
