// The seam to whatever runs a build step apart from the world: what it is given, what it may use, and what comes back.
import type { Platform } from '#manifests/schema';
import type { Digest } from '../digest.ts';

/** What a step may use at most. */
export interface StepLimits {
  readonly memoryMib: number;
  readonly processes: number;
  readonly seconds: number;
  /** Of /out. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** A tree that a step reads and can't change. */
export interface StepMount {
  /** Absolute, such as /src or /cache/npm. */
  readonly path: string;
  /** A canonical tar in the blob store. */
  readonly layer: Digest;
}

export interface StepRun {
  /** The layers of its root file system, from the bottom: canonical tars in the blob store. */
  readonly root: readonly Digest[];
  readonly mounts: readonly StepMount[];
  /** Lines of one `sh -eu` script, which begins in /src. */
  readonly run: readonly string[];
  /** The whole of it: nothing is added. */
  readonly environment: Readonly<Record<string, string>>;
  readonly platform: Platform;
  readonly limits: StepLimits;
}

export interface StepRunner {
  /**
   * Runs the script without network, with /tmp and /out to write to and nothing else. Gives a raw tar of /out, whose names begin
   * with `out`; it is read, or returned, before the caller goes on, and all that ran is gone then. `output` gets each line that
   * the script prints. Throws `step-failed` with the reason where it ends otherwise than with 0, and `no-runner` where the
   * platform can't be run here; the signal's reason where it is aborted.
   */
  run(
    step: StepRun,
    options: { readonly signal: AbortSignal; readonly output: (line: string) => void },
  ): Promise<AsyncIterable<Uint8Array>>;
}
