// What can go wrong between a manifest and its running containers.

export type CookbookErrorCode =
  | 'dependency-cycle'
  | 'unknown-dependency'
  | 'missing-image'
  | 'foreign-container'
  | 'run-failed';

/** The one error of this floor; `mayRetry` where the same run may succeed later. */
export class CookbookError extends Error {
  readonly code: CookbookErrorCode;
  readonly mayRetry: boolean;

  constructor(
    code: CookbookErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly mayRetry?: boolean } = {},
  ) {
    super(message, options);
    this.name = 'CookbookError';
    this.code = code;
    this.mayRetry = options.mayRetry ?? false;
  }
}
