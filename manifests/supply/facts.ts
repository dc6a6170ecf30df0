// What is known of an image before it may run: whether it is whole, who signed what about it, and what doesn't hold.
import type { Finding } from '#manifests/supply/policy';
import type { BlobStore } from '../blobs.ts';
import { type Digest, digestOf } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { damageOf, type ImageParts, readImageParts } from './image-parts.ts';
import { type ReadProvenance, readProvenance } from './provenance.ts';
import { listedReferrers, readBundle } from './referrers.ts';
import { type KeyOf, openBundle, type SignedStatement } from './sign.ts';
import { isAbout, uriOfStack, whatOf } from './statement.ts';

/** Whom this stack believes, and what it knows of them. */
export interface Trust {
  readonly keyOf: KeyOf;
  /** The declared operator of a stack; undefined where it declared none, and then it counts for nobody. */
  readonly operatorOf: (stack: string) => string | undefined;
  /** The names by which a manifest may mean a stack; its id counts always. */
  readonly namesOf: (stack: string) => readonly string[];
}

/** Who said something. */
export interface Witness {
  readonly stack: string;
  readonly names: readonly string[];
  readonly operator: string | undefined;
}

export interface ImageFacts {
  readonly digest: Digest;
  /** What is missing or changed of its manifest, config and layers. */
  readonly damage: readonly { readonly digest: Digest; readonly what: 'missing' | 'changed' }[];
  readonly signatures: readonly Witness[];
  readonly provenances: readonly (Witness & { readonly provenance: ReadProvenance })[];
  /** Bills of materials, each with its digest and the number of its components. */
  readonly sboms: readonly (Witness & { readonly digest: Digest; readonly components: number })[];
  /** Who built the image again and got the same. */
  readonly rebuilders: readonly Witness[];
  /** Attestations that don't hold, and why. */
  readonly refused: readonly { readonly digest: Digest; readonly why: string }[];
  /** What policies found (licences, vulnerabilities, secrets). */
  readonly findings: readonly Finding[];
}

export interface FactsWork {
  readonly blobs: BlobStore;
  readonly trust: Trust;
  /** `whole` reads every byte of the image; `named` only that all of it is here, for an engine that checks what it pulls. */
  readonly depth: 'whole' | 'named';
  readonly findings?: readonly Finding[];
  readonly signal: AbortSignal;
}

/** What is known of an image. Faults of the image and its attestations are facts; others (a disk that fails) are thrown. */
export async function gatherFacts(image: Digest, work: FactsWork): Promise<ImageFacts> {
  const { blobs, findings = [] } = work;
  const parts = await partsOf(image, blobs);
  const facts = {
    signatures: [] as Witness[],
    provenances: [] as (Witness & { provenance: ReadProvenance })[],
    sboms: [] as (Witness & { digest: Digest; components: number })[],
    rebuilders: [] as Witness[],
    refused: [] as { digest: Digest; why: string }[],
  };
  if ('what' in parts) return { digest: image, damage: [{ digest: image, what: parts.what }], ...facts, findings };
  for (const referrer of await listedReferrers(image, blobs)) {
    const why = await sayOne(await readBundle(referrer, image, blobs), parts, work, facts);
    if (why !== undefined) facts.refused.push({ digest: referrer.digest, why });
  }
  return { digest: image, damage: await damage(parts, work), ...facts, findings };
}

async function partsOf(
  image: Digest,
  blobs: BlobStore,
): Promise<ImageParts | { readonly what: 'missing' | 'changed' }> {
  try {
    return await readImageParts(image, blobs);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    if (error.code === 'missing-blob') return { what: 'missing' };
    if (error.code === 'digest-mismatch') return { what: 'changed' };
    throw error;
  }
}

async function damage(parts: ImageParts, { blobs, depth, signal }: FactsWork): Promise<ImageFacts['damage']> {
  if (depth === 'whole') return await damageOf(parts, blobs, { signal });
  const missing: { digest: Digest; what: 'missing' }[] = [];
  for (const digest of [parts.config, ...parts.layers.map((layer) => layer.digest)])
    if (!(await blobs.has(digest))) missing.push({ digest, what: 'missing' });
  return missing;
}

/** Adds what one bundle says to the facts, or gives why it doesn't count. */
async function sayOne(
  bundle: Uint8Array | { readonly refused: string },
  parts: ImageParts,
  { trust }: FactsWork,
  facts: { [Key in 'signatures' | 'provenances' | 'sboms' | 'rebuilders']: ImageFacts[Key][number][] },
): Promise<string | undefined> {
  const opened = bundle instanceof Uint8Array ? openBundle(bundle, trust.keyOf) : bundle;
  if ('refused' in opened) return opened.refused;
  const { by: stack, statement }: SignedStatement = opened;
  if (!isAbout(statement, parts.digest) || !isAbout(statement, parts.config)) return 'it is about another image';
  const witness: Witness = { stack, names: [stack, ...trust.namesOf(stack)], operator: trust.operatorOf(stack) };
  const what = whatOf(statement);
  if (what === 'signature') facts.signatures.push(witness);
  else if (what === 'sbom') {
    const { components, metadata } = statement.predicate as {
      components?: unknown;
      metadata?: { component?: { version?: unknown } };
    };
    if (metadata?.component?.version !== parts.digest) return 'its bill of materials is of another image';
    const count = Array.isArray(components) ? components.length : 0;
    facts.sboms.push({ ...witness, digest: digestOf(JSON.stringify(statement.predicate)), components: count });
  } else if (what === 'provenance') {
    const provenance = readProvenance(statement);
    if (provenance === undefined) return 'its provenance is not as SLSA says';
    if (provenance.builder !== uriOfStack(stack))
      return `it names "${provenance.builder}" as builder, and "${stack}" signed it`;
    facts.provenances.push({ ...witness, provenance });
  } else if (what === 'summary') {
    if (isRebuild(statement.predicate, parts)) facts.rebuilders.push(witness);
  } else return `nothing here knows "${statement.predicateType}"`;
  return undefined;
}

function isRebuild(predicate: Readonly<Record<string, unknown>>, { digest }: ImageParts): boolean {
  const { verificationResult, verifiedLevels, resourceUri } = predicate;
  return (
    verificationResult === 'PASSED' &&
    Array.isArray(verifiedLevels) &&
    verifiedLevels.includes('SLSA_BUILD_REPRODUCED') &&
    resourceUri === `urn:hermesh:image:${digest}`
  );
}
