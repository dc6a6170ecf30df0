// What an operation is called with, and how its deed is recorded: the change, its event and its audit entry in one transaction.
import type { AuditEntry, Principal } from '#governance';
import type { Call } from '#mcp';

/** A call of an operation, as its run function gets it. */
export type OperationCall = Call<Principal> & {
  /** What stands of it in the audit log, whatever comes of it. */
  readonly entry: Pick<AuditEntry, 'principal' | 'operation' | 'inputDigest' | 'rule'>;
};

export interface Deed {
  /** Such as `build.made`: what stands in the event's type behind `io.hermesh.`. */
  readonly type: `${string}.${string}`;
  readonly subject: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Runs `change` with its event and its audit entry in one transaction: all three stand, or none. */
export type Do = <T>(call: OperationCall, deed: Deed, change: () => T) => T;
