// The door of the cookbooks: the plan of a run or a stop, and carrying it out.
export { type CarriedOut, carryOut, type DoneStep, describe, RunFailure, type RunProgress } from './carry-out.ts';
export { CookbookError, type CookbookErrorCode } from './error.ts';
export {
  ciName,
  imageReference,
  networkName,
  type PlannedImage,
  planRun,
  planStop,
  type RunPlan,
  type RunRequest,
} from './plan.ts';
