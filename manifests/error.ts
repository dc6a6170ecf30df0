// What can go wrong between a manifest and an image, as a closed list of codes that callers branch on.

/** Codes of a `ManifestError`; people read the message, programs read this. */
export type ManifestErrorCode =
  | 'invalid-manifest'
  | 'invalid-lock'
  | 'lock-mismatch'
  | 'missing-source'
  | 'unsafe-source'
  | 'source-changed'
  | 'invalid-package'
  | 'package-conflict'
  | 'package-unknown'
  | 'package-unavailable'
  | 'no-apt'
  | 'mirror-unreachable'
  | 'mirror-untrusted'
  | 'path-conflict'
  | 'base-unavailable'
  | 'invalid-base'
  | 'invalid-image'
  | 'invalid-reference'
  | 'not-in-registry'
  | 'registry-refused'
  | 'registry-unreachable'
  | 'registry-lied'
  | 'no-runner'
  | 'step-failed'
  | 'not-reproducible'
  | 'artifact-unavailable'
  | 'digest-mismatch'
  | 'missing-blob'
  | 'too-large'
  | 'would-overwrite'
  | 'nothing-to-deploy'
  | 'no-space';

/** One thing that is wrong with a file: where it is (JSON pointer, line from 1), what it is, and how to mend it. */
export interface Problem {
  readonly pointer: string;
  readonly line: number | undefined;
  readonly message: string;
  readonly mend: string | undefined;
}

/** The one error of this floor; `problems` is empty where the fault isn't in a manifest or a lock. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code: ManifestErrorCode;
  readonly mayRetry: boolean;
  readonly problems: readonly Problem[];

  constructor(
    code: ManifestErrorCode,
    message: string,
    options: { cause?: unknown; problems?: readonly Problem[]; mayRetry?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.problems = options.problems ?? [];
    this.mayRetry = options.mayRetry ?? false;
  }
}

/** More at once than a person mends before the next look. */
const maxProblems = 100;

/** An error about a file with what is wrong with it, a line each; beyond 100 only their number is told. */
export function problemsError(code: ManifestErrorCode, file: string, all: readonly Problem[]): ManifestError {
  const problems = all.slice(0, maxProblems);
  const lines = problems.map((problem) => {
    const place = `${problem.pointer || '/'}${problem.line === undefined ? '' : ` (line ${problem.line})`}`;
    return `  ${place}: ${problem.message}${problem.mend ? `; ${problem.mend}` : ''}`;
  });
  const shown = all.length > problems.length ? `, the first ${problems.length}` : '';
  const count = all.length === 1 ? '1 problem' : `${all.length} problems${shown}`;
  return new ManifestError(code, `Cannot use "${file}": ${count}\n${lines.join('\n')}`, { problems });
}

/** A JSON pointer (RFC 6901) of a path of keys and indices. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
