// The door of manifests: from the text of a manifest to digests, locks and images.

export type { Manifest, ManifestContainer, Platform } from '#manifests/schema';
export { type BlobInfo, type BlobStore, type KeptBlob, openBlobStore, type SweepableStore } from './blobs.ts';
export { type Build, type BuildRequest, type BuiltImage, buildImages } from './build.ts';
export { canonicalJson, type Digest, digestOf, isDigest, manifestDigest } from './digest.ts';
export { ManifestError, type ManifestErrorCode, type Problem } from './error.ts';
export type { InputChange } from './explain.ts';
export { mediaTypes } from './image.ts';
export type { PlannedImage, PlannedStep } from './inputs.ts';
export { formatLock, type Lock, lockManifest, parseLock } from './lock.ts';
export { didYouMean } from './near.ts';
export type { ImageNote } from './notes.ts';
export { actInOrder } from './order.ts';
export { manifestJsonSchema, parseManifest } from './parse.ts';
export { maxPartialBytes, openPartialStore, type PartialBlob, type PartialStore } from './partial.ts';
export { containersInOrder, stepsInOrder } from './relations.ts';
export { checkStandards, type StandardCheck, standards } from './standards.ts';
export type { BuildStepRun, BuildSteps, StepOptions } from './step-results.ts';
