// From an error to what a caller is told: one exhaustive table from codes to HTTP statuses and exit codes.
import { ZodError } from 'zod';
import type { EngineErrorCode } from '#container-ci';
import type { CookbookErrorCode } from '#cookbooks';
import type { GovernanceCode } from '#governance';
import type { ManifestErrorCode } from '#manifests';
import type { RegistryErrorCode } from '#registry';
import type { DaemonErrorCode } from './errors.ts';

export type Code =
  | DaemonErrorCode
  | ManifestErrorCode
  | RegistryErrorCode
  | EngineErrorCode
  | CookbookErrorCode
  | GovernanceCode
  | 'cancelled'
  | 'internal';

export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly mend?: string;
  readonly pointer?: string;
  /** As in CONTRACT.md: 1 it failed, 2 wrong usage, 3 not found, 4 refused. */
  readonly exitCode: 1 | 2 | 3 | 4;
  readonly status: number;
}

interface Outcome {
  readonly status: number;
  readonly exitCode: Problem['exitCode'];
}

const failed: Outcome = { status: 500, exitCode: 1 };
const away: Outcome = { status: 503, exitCode: 1 };
const conflict: Outcome = { status: 409, exitCode: 1 };
const wrong: Outcome = { status: 400, exitCode: 2 };
const invalid: Outcome = { status: 422, exitCode: 2 };
const missing: Outcome = { status: 404, exitCode: 3 };
const refused: Outcome = { status: 403, exitCode: 4 };

const outcomes: Record<Code, Outcome> = {
  // daemon
  'bad-config': wrong,
  'home-in-use': failed,
  'home-of-another-stack': failed,
  'home-unusable': failed,
  'port-in-use': failed,
  'exposed-without-tls': wrong,
  'engine-owned': failed,
  'no-engine': away,
  unauthenticated: { status: 401, exitCode: 4 },
  forbidden: refused,
  'bad-input': invalid,
  'not-found': missing,
  ambiguous: conflict,
  'in-use': conflict,
  busy: { status: 429, exitCode: 1 },
  'ci-failed': { status: 502, exitCode: 1 },
  stopping: away,
  cancelled: failed,
  internal: failed,
  // manifests
  'invalid-manifest': invalid,
  'invalid-lock': invalid,
  'lock-mismatch': invalid,
  'missing-source': invalid,
  'unsafe-source': invalid,
  'source-changed': conflict,
  'invalid-package': failed,
  'package-conflict': invalid,
  'package-unknown': invalid,
  'package-unavailable': away,
  'no-apt': failed,
  'mirror-unreachable': away,
  'mirror-untrusted': failed,
  'path-conflict': invalid,
  'base-unavailable': away,
  'invalid-base': invalid,
  'invalid-image': invalid,
  'invalid-reference': wrong,
  'not-in-registry': missing,
  'registry-refused': refused,
  'registry-unreachable': away,
  'registry-lied': { status: 502, exitCode: 1 },
  'no-runner': away,
  'step-failed': invalid,
  'not-reproducible': failed,
  'artifact-unavailable': away,
  'digest-mismatch': failed,
  'missing-blob': missing,
  'too-large': { status: 413, exitCode: 2 },
  'would-overwrite': conflict,
  'nothing-to-deploy': invalid,
  'no-space': { status: 507, exitCode: 1 },
  // registry
  'invalid-record': invalid,
  'unknown-kind': invalid,
  'record-too-large': invalid,
  quarantined: conflict,
  'feed-full': conflict,
  'database-newer': failed,
  'database-broken': failed,
  'identity-broken': failed,
  'invite-invalid': wrong,
  'invite-expired': refused,
  'invite-used': refused,
  'invite-unknown': refused,
  'wrong-mesh': refused,
  'name-taken': conflict,
  'zone-full': conflict,
  revoked: refused,
  'has-members': conflict,
  'not-admin': refused,
  'unknown-stack': missing,
  'join-refused': refused,
  'version-mismatch': conflict,
  'root-invalid': invalid,
  'clock-off': conflict,
  'still-there': conflict,
  'bad-filter': invalid,
  'position-gone': { status: 410, exitCode: 1 },
  'too-slow': away,
  closed: away,
  unreachable: away,
  refused,
  'timed-out': { status: 504, exitCode: 1 },
  // container-ci
  'engine-unreachable': away,
  'engine-failed': { status: 502, exitCode: 1 },
  'no-such-container': missing,
  'no-such-image': missing,
  'no-such-ci': missing,
  'port-taken': conflict,
  'pull-failed': { status: 502, exitCode: 1 },
  'not-ready': failed,
  // cookbooks
  'dependency-cycle': invalid,
  'unknown-dependency': invalid,
  'missing-image': conflict,
  'foreign-container': conflict,
  'over-ceiling': invalid,
  'run-failed': failed,
  // governance
  'event-too-large': invalid,
  'events-gone': { status: 410, exitCode: 1 },
  'not-json': invalid,
};

/** What is told of any error; one without a known code is `internal`, and its message is told too: callers own the stack. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ZodError) return { code: 'bad-input', message: saidBy(error), ...outcomes['bad-input'] };
  const { code, message, mend, problems } = error as {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly mend?: unknown;
    readonly problems?: readonly { readonly pointer?: unknown }[];
  };
  const known = codeOf(error, code);
  const pointer = problems?.[0]?.pointer;
  const mends = typeof mend === 'string' ? mend : mendsOfSystem[known];
  return {
    code: known,
    message: typeof message === 'string' && message !== '' ? message : String(error),
    ...(mends === undefined ? {} : { mend: mends }),
    ...(typeof pointer === 'string' ? { pointer } : {}),
    ...outcomes[known],
  };
}

/** Faults of the disk and of its database, by the codes of Node and of SQLite: they come from wherever something is written. */
const codesOfSystem: Readonly<Record<string, Code>> = {
  SQLITE_FULL: 'no-space',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  SQLITE_BUSY: 'busy',
};

const mendsOfSystem: Readonly<Partial<Record<Code, string>>> = {
  'no-space': 'free some space on the disk of the home, and try again; nothing was changed',
};

function codeOf(error: unknown, code: unknown): Code {
  if (typeof code === 'string' && Object.hasOwn(outcomes, code)) return code as Code;
  if (typeof code === 'string' && Object.hasOwn(codesOfSystem, code)) return codesOfSystem[code] ?? 'internal';
  if (error instanceof DOMException && error.name === 'AbortError') return 'cancelled';
  const { statusCode } = error as { readonly statusCode?: unknown };
  if (statusCode === 413) return 'too-large';
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? 'bad-input' : 'internal';
}

function saidBy(error: ZodError): string {
  return error.issues.map((issue) => `/${issue.path.join('/')}: ${issue.message}`).join('; ');
}
