// The door of the cookbooks: the plan of a run or a stop, and carrying it out.
export {
  type CarriedOut,
  carryOut,
  type DoneStep,
  describe,
  isFinal,
  RunFailure,
  type RunProgress,
  undo,
} from './carry-out.ts';
export { type HostCeiling, type HostFacts, narrowCeiling, refuseOverCeiling } from './ceiling.ts';
export { type Drift, type DriftKind, driftOf, type Found, isOfMaking } from './drift.ts';
export { CookbookError, type CookbookErrorCode } from './error.ts';
export { completes, type PlannedStep, planRun, planStop, type RunPlan, type RunRequest } from './plan.ts';
export {
  ciName,
  imageOf,
  imageReference,
  networkName,
  type PlannedImage,
  type SpecRequest,
  secretFilesOf,
  specOf,
  volumeName,
} from './spec.ts';
