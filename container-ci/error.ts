// What can go wrong between a stack and its container engine, and whether trying again makes sense.

export type EngineErrorCode =
  | 'engine-unreachable'
  | 'engine-failed'
  | 'no-such-container'
  | 'no-such-image'
  | 'no-such-ci'
  | 'name-taken'
  | 'port-taken'
  | 'pull-failed'
  | 'not-ready';

/** Codes whose fault may pass without anybody mending anything. */
const passing: ReadonlySet<EngineErrorCode> = new Set(['engine-unreachable', 'pull-failed']);

/** The one error of this floor: `code` is for callers, `message` for people. */
export class EngineError extends Error {
  readonly code: EngineErrorCode;
  readonly mayRetry: boolean;

  constructor(code: EngineErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
    this.mayRetry = passing.has(code);
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
