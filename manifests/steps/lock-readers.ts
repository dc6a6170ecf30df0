// Which kinds of lock file artifacts can be fetched for.
import type { LockfileKind } from '#manifests/schema';
import { cargoLocks } from './cargo-lock.ts';
import { goSums } from './go-sum.ts';
import type { LockReader } from './lock-reader.ts';
import { npmLocks } from './npm-lock.ts';
import { poetryLocks, uvLocks } from './python-locks.ts';
import { yarnLocks } from './yarn-lock.ts';

/** By kind; a kind that isn't here is refused where a step asks for it. */
export const lockReaders: Partial<Record<LockfileKind, LockReader>> = {
  npm: npmLocks,
  yarn: yarnLocks,
  uv: uvLocks,
  poetry: poetryLocks,
  cargo: cargoLocks,
  go: goSums,
};
