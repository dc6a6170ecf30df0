// Which kinds of lock file artifacts can be fetched for.
import type { LockfileKind } from '#manifests/schema';
import type { LockReader } from './lock-reader.ts';
import { npmLocks } from './npm-lock.ts';

/** By kind; a kind that isn't here is refused where a step asks for it. */
export const lockReaders: Partial<Record<LockfileKind, LockReader>> = {
  npm: npmLocks,
};
