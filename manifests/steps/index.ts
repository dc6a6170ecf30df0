// The door of the steps: the seam to what runs them, the seam to what they are made of, and the way from a step to its result.
export type { Artifact, ArtifactHash, ArtifactSource, Ecosystem } from './artifact.ts';
export { compareResults, type ResultDifference } from './compare.ts';
export { type MemoryCommand, makeMemoryArtifacts, makeMemoryStepRunner } from './memory-runner.ts';
export { canonicalResult } from './result.ts';
export { rootArchive, rootImageName } from './root-image.ts';
export { openSteps, type StepWork, stepResultKey } from './run-step.ts';
export { type ResultClaim, type SharedResults, type VouchedResult, vouchedResult } from './shared.ts';
export type { StepLimits, StepMount, StepRun, StepRunner } from './step-runner.ts';
