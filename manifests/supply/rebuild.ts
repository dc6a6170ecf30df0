// A second builder's word: an image is built again from nothing, and either signed for or told apart file by file.
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { annotations } from './attest.ts';
import { type Comparison, compareImages, type PlacedImage } from './compare.ts';
import { readImageParts } from './image-parts.ts';
import { attach, type Referrer, referrersOf } from './referrers.ts';
import { type Signer, signStatement } from './sign.ts';
import { type ImageName, makeStatement, predicateTypes, uriOfStack } from './statement.ts';

export interface Rebuild extends Comparison {
  readonly digest: Digest;
  /** The attestation of the rebuild, where both are the same. */
  readonly attestation: Referrer | undefined;
}

/**
 * Builds once more by the function handed in, which takes nothing of the first builder's, and compares. Where both are the same,
 * the signer says so in a summary (SLSA VSA, `SLSA_BUILD_REPRODUCED`), which is kept with the image in `blobs`.
 */
export async function rebuildImage(
  image: ImageName,
  work: {
    readonly blobs: BlobStore;
    readonly build: () => Promise<PlacedImage>;
    readonly signer: Signer;
    readonly signal: AbortSignal;
  },
): Promise<Rebuild> {
  const { blobs, build, signer, signal } = work;
  const built = await build();
  const comparison = await compareImages({ digest: image.digest, blobs }, built, { signal });
  const attestation = comparison.isSame
    ? await attestSummary(image, ['SLSA_BUILD_REPRODUCED'], { blobs, signer, signal })
    : undefined;
  return { ...comparison, digest: built.digest, attestation };
}

/** Signs a summary with these verified levels, of what is attached to the image so far. */
export async function attestSummary(
  image: ImageName,
  levels: readonly string[],
  { blobs, signer, signal }: { readonly blobs: BlobStore; readonly signer: Signer; readonly signal: AbortSignal },
): Promise<Referrer> {
  const provenances = (await referrersOf(image.digest, blobs)).filter(
    (one) => one.annotations[annotations.what] === predicateTypes.provenance,
  );
  const summary = {
    verifier: { id: uriOfStack(signer.stack) },
    resourceUri: `urn:hermesh:image:${image.digest}`,
    policy: { uri: 'urn:hermesh:policy:packaging.verify' },
    inputAttestations: provenances.map(({ digest }) => ({ digest: { sha256: digest.slice('sha256:'.length) } })),
    verificationResult: 'PASSED',
    verifiedLevels: levels,
    slsaVersion: '1.1',
  };
  const bundle = signStatement(makeStatement('summary', image, summary), signer);
  const notes = { [annotations.what]: predicateTypes.summary, [annotations.by]: signer.stack };
  return await attach(await readImageParts(image.digest, blobs), bundle, notes, blobs, { signal });
}
