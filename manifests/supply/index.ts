// The door of the supply chain: what an image is made of, who says so, and whether it may run.
export { type AttestWork, attestImage } from './attest.ts';
export { type Comparison, compareImages, type Difference, type PlacedImage } from './compare.ts';
export { gatherFacts, type ImageFacts, type Trust, type Witness } from './facts.ts';
export {
  type Expected,
  type Judge,
  judgeByManifest,
  type Reason,
  reproductionsOf,
  type Verdict,
  verifyImage,
} from './gate.ts';
export { type ImageParts, readImageParts } from './image-parts.ts';
export { type BuildFacts, makeProvenance, type ReadProvenance, readProvenance } from './provenance.ts';
export { attestSummary, type Rebuild, rebuildImage } from './rebuild.ts';
export { adopt, attach, partsOf, type Referrer, readBundle, referrersOf } from './referrers.ts';
export { makeSbom, type SbomSubject } from './sbom.ts';
export { type Seal, sealImage, type ThreeHashes, threeHashes } from './seal.ts';
export { bundleMediaType, type KeyOf, openBundle, type SignedStatement, type Signer, signStatement } from './sign.ts';
export { type ImageName, makeStatement, predicateTypes, type Statement, whatOf } from './statement.ts';
