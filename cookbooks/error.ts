// What can go wrong between a manifest and its running containers.
import type { Problem } from '#manifests';

export type CookbookErrorCode =
  | 'dependency-cycle'
  | 'unknown-dependency'
  | 'missing-image'
  | 'foreign-container'
  | 'over-ceiling'
  | 'run-failed';

/** The one error of this floor; `mayRetry` where the same run may succeed later. */
export class CookbookError extends Error {
  readonly code: CookbookErrorCode;
  readonly mayRetry: boolean;
  /** Places in the manifest, where that is at fault. */
  readonly problems: readonly Omit<Problem, 'line'>[];
  readonly mend: string | undefined;

  constructor(
    code: CookbookErrorCode,
    message: string,
    options: {
      readonly cause?: unknown;
      readonly mayRetry?: boolean;
      readonly problems?: readonly Omit<Problem, 'line'>[];
      readonly mend?: string | undefined;
    } = {},
  ) {
    super(message, options);
    this.name = 'CookbookError';
    this.code = code;
    this.mayRetry = options.mayRetry ?? false;
    this.problems = options.problems ?? [];
    this.mend = options.mend;
  }
}
