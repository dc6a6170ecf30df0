// What can go wrong in the registry, as codes that callers branch on.

/** Every code that the registry's own errors carry. */
export type RegistryErrorCode =
  | 'invalid-record'
  | 'unknown-kind'
  | 'record-too-large'
  | 'feed-full'
  | 'quarantined'
  | 'database-newer'
  | 'database-broken'
  | 'identity-broken'
  | 'invite-invalid'
  | 'invite-expired'
  | 'invite-used'
  | 'invite-unknown'
  | 'wrong-mesh'
  | 'name-taken'
  | 'zone-full'
  | 'revoked'
  | 'has-members'
  | 'not-admin'
  | 'unknown-stack'
  | 'join-refused'
  | 'version-mismatch'
  | 'root-invalid'
  | 'clock-off'
  | 'still-there'
  | 'bad-filter'
  | 'busy'
  | 'position-gone'
  | 'too-slow'
  | 'closed'
  | 'unreachable'
  | 'refused'
  | 'too-large'
  | 'timed-out';

/** Codes of faults that may pass by themselves. */
const passing: ReadonlySet<RegistryErrorCode> = new Set(['unreachable', 'timed-out', 'too-slow', 'busy']);

/** An error of the registry: `code` is for programs, `message` for people, `mayRetry` says whether it may pass. */
export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly mayRetry: boolean;

  constructor(code: RegistryErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'RegistryError';
    this.code = code;
    this.mayRetry = passing.has(code);
  }
}
