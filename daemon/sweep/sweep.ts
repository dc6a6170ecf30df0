// The blob store kept below its limit, by hand and every hour; the records that say what is here follow what went.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Holdings } from '#daemon/deploy';
import type { Digest, PartialStore, SweepableStore } from '#manifests';
import { planSweep, type Repositories, type Uploads } from '#manifests/distribution';
import type { Registry } from '#registry';
import { defaultLimitGib } from '../store-limit.ts';
import { type RootSources, rootsOf } from './roots.ts';
import type { Uses } from './uses.ts';

export interface Swept {
  readonly sizeBytes: number;
  readonly neededBytes: number;
  readonly removed: number;
  readonly removedBytes: number;
  /** What went, or would go, the longest unused first. */
  readonly blobs: readonly { readonly digest: Digest; readonly sizeBytes: number; readonly usedAtMs: number }[];
}

export interface SweepOptions {
  readonly limitBytes: number;
  /** What was used within it stays. */
  readonly graceMs: number;
  readonly isDryRun: boolean;
  readonly report?: (progress: { readonly message: string; readonly fraction: number }) => void;
  readonly signal: AbortSignal;
}

interface Parts extends RootSources {
  readonly blobs: SweepableStore;
  readonly partials: Pick<PartialStore, 'clear'>;
  readonly uploads: Pick<Uploads, 'clear'>;
  readonly repositories: Repositories;
  readonly registry: RootSources['registry'] & Pick<Registry, 'write'>;
  readonly holdings: Pick<Holdings, 'correct'>;
  readonly uses: Pick<Uses, 'since'>;
  readonly now: () => number;
}

/** Pushes and fetches that nobody went on with for so long are given up. */
const abandonedMs = 7 * 24 * 60 * 60_000;
/** An image that was pulled and not run: most are wanted within a week, or not at all. */
const pulledMs = 7 * 24 * 60 * 60_000;
/** The last use of a blob is known to the hour, and what goes on may have begun with it. */
const useStepMs = 60 * 60_000;

/** What is asked for within a day is asked for again. */
const usualGraceMs = 24 * 60 * 60_000;
/** A disk fills more slowly than that. */
const sweepEveryMs = 60 * 60_000;
/** Between two words about how far it is. */
const reportEvery = 100;

export function makeSweep(parts: Parts): (options: SweepOptions) => Promise<Swept> {
  const { blobs, repositories, uses, now } = parts;
  return async ({ limitBytes, graceMs, isDryRun, report, signal }) => {
    const began = now();
    const usedSinceMs = Math.min(began - graceMs, (uses.since() ?? began) - useStepMs);
    report?.({ message: 'looking for what is in use', fraction: 0 });
    const roots = (all: Parameters<typeof rootsOf>[1]['blobs']) =>
      rootsOf(parts, { blobs: all, pulledSinceMs: began - pulledMs, signal });
    const { sizeBytes, neededBytes, remove } = await planSweep(blobs, { repositories, roots, limitBytes, usedSinceMs });
    const gone = [];
    for (const [index, one] of remove.entries()) {
      signal.throwIfAborted();
      if (index % reportEvery === 0)
        report?.({ message: `removing ${index + 1} of ${remove.length} blobs`, fraction: index / remove.length });
      if (isDryRun || (await blobs.remove(one.digest, { usedSinceMs }))) gone.push(one);
    }
    if (!isDryRun) {
      await parts.uploads.clear(began - abandonedMs);
      await parts.partials.clear(began - abandonedMs);
      await parts.holdings.correct();
    }
    const removedBytes = gone.reduce((sum, one) => sum + one.sizeBytes, 0);
    return { sizeBytes, neededBytes, removed: gone.length, removedBytes, blobs: gone };
  };
}

/** Sweeps now and then until it is disposed of; what goes wrong is told, and tried again the next time. */
export function keepSwept(
  sweep: (options: SweepOptions) => Promise<Swept>,
  {
    onSwept,
    onFault,
    everyMs = sweepEveryMs,
  }: {
    readonly onSwept: (swept: Swept) => void;
    readonly onFault: (error: unknown) => void;
    readonly everyMs?: number;
  },
): AsyncDisposable {
  const stop = new AbortController();
  const { signal } = stop;
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const usual = { limitBytes: defaultLimitGib * 1024 ** 3, graceMs: usualGraceMs, isDryRun: false };
      try {
        onSwept(await sweep({ ...usual, signal }));
      } catch (error) {
        if (!signal.aborted) onFault(error);
      }
    }
  };
  const looping = loop();
  return {
    [Symbol.asyncDispose]() {
      stop.abort();
      return looping;
    },
  };
}
