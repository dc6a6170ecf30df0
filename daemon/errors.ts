// The faults of the daemon itself: its configuration, its home, its callers. Faults of the floors keep their own classes.

export type DaemonErrorCode =
  | 'bad-config'
  | 'home-in-use'
  | 'home-of-another-stack'
  | 'home-unusable'
  | 'port-in-use'
  | 'exposed-without-tls'
  | 'engine-owned'
  | 'no-engine'
  | 'unauthenticated'
  | 'forbidden'
  | 'bad-input'
  | 'not-found'
  | 'ambiguous'
  | 'in-use'
  | 'busy'
  | 'unreachable'
  | 'ci-failed'
  | 'stopping';

/** A fault with a code that callers branch on, a message for people, and whether the same call may do better later. */
export class DaemonError extends Error {
  override readonly name = 'DaemonError';
  readonly code: DaemonErrorCode;
  /** What the caller can do about it, as a sentence or a command. */
  readonly mend: string | undefined;
  readonly mayRetry: boolean;

  constructor(
    code: DaemonErrorCode,
    message: string,
    options: { readonly mend?: string; readonly mayRetry?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.mend = options.mend;
    this.mayRetry = options.mayRetry ?? false;
  }
}
