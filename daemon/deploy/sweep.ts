// The blob store kept below its limit: what runs, what records name and what was pushed stays; records follow what went.
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '#container-ci';
import { type Digest, isDigest, type SweepableStore } from '#manifests';
import { planSweep, type Repositories } from '#manifests/distribution';
import type { Registry } from '#registry';
import type { Holding } from '#registry/exchange';
import type { BuildRecord, ManifestRecord, RunRecord } from '../kinds.ts';
import type { Holdings } from './holdings.ts';

export interface Swept {
  readonly sizeBytes: number;
  readonly neededBytes: number;
  readonly removed: number;
  readonly removedBytes: number;
}

export interface SweepOptions {
  readonly limitBytes: number;
  /** What was used within it stays: builds and pulls that go on have used all that they count on. */
  readonly graceMs: number;
  readonly isDryRun: boolean;
  readonly signal: AbortSignal;
}

interface Parts {
  readonly blobs: SweepableStore;
  readonly repositories: Repositories;
  readonly registry: Pick<Registry, 'stack' | 'directory' | 'write'>;
  readonly engine: Pick<Engine, 'containers'> | undefined;
  readonly holdings: Pick<Holdings, 'correct'>;
  readonly now: () => number;
}

/** Pushes and fetches that nobody went on with for so long are given up. */
const abandonedMs = 7 * 24 * 60 * 60_000;

/** What a store may have before it is swept: some 20 images of a usual size. */
export const defaultLimitGib = 20;
/** No build or pull takes so long, and what it counts on it has used since it began. */
const usualGraceMs = 24 * 60 * 60_000;
/** A disk fills more slowly than that. */
const sweepEveryMs = 60 * 60_000;

export function makeSweep(parts: Parts): (options: SweepOptions) => Promise<Swept> {
  const { blobs, repositories, now } = parts;
  return async ({ limitBytes, graceMs, isDryRun, signal }) => {
    const usedSinceMs = now() - graceMs;
    const roots = await rootsOf(parts, signal);
    const plan = await planSweep(blobs, { repositories, roots, limitBytes, usedSinceMs });
    const { sizeBytes, neededBytes, remove } = plan;
    let removed = 0;
    let removedBytes = 0;
    for (const one of remove) {
      signal.throwIfAborted();
      if (!isDryRun && !(await blobs.remove(one.digest, { usedSinceMs }))) continue;
      removed += 1;
      removedBytes += one.sizeBytes;
    }
    if (!isDryRun) {
      await clearAbandoned(blobs.directory, now() - abandonedMs);
      await parts.holdings.correct();
    }
    return { sizeBytes, neededBytes, removed, removedBytes };
  };
}

/** Sweeps now and then until it is disposed of; what goes wrong is told, and tried again the next time. */
export function keepSwept(
  sweep: (options: SweepOptions) => Promise<Swept>,
  onFault: (error: unknown) => void,
): AsyncDisposable {
  const stop = new AbortController();
  const { signal } = stop;
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      await sleep(sweepEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const usual = { limitBytes: defaultLimitGib * 1024 ** 3, graceMs: usualGraceMs, isDryRun: false };
      await sweep({ ...usual, signal }).catch((error: unknown) => {
        if (!signal.aborted) onFault(error);
      });
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

/** What runs here, and what this stack's own records name. An engine that doesn't answer keeps everything: it throws. */
async function rootsOf({ engine, registry }: Parts, signal: AbortSignal): Promise<Set<Digest>> {
  const found = new Set<Digest>();
  const add = (...texts: readonly (string | undefined)[]): void => {
    for (const text of texts) {
      const digest = text?.slice(text.lastIndexOf('@') + 1) ?? '';
      if (isDigest(digest)) found.add(digest);
    }
  };
  for (const { image, labels } of (await engine?.containers({ signal })) ?? []) add(image, ...Object.values(labels));
  const own = { stack: registry.stack, includeUnreachable: true };
  const { directory } = registry;
  for (const { body } of directory.list<BuildRecord>({ kind: 'build', ...own }))
    add(body.digest, body.configDigest, body.manifestDigest);
  for (const { body } of directory.list<ManifestRecord>({ kind: 'manifest', ...own })) add(body.digest);
  for (const { body } of directory.list<RunRecord>({ kind: 'run', ...own }))
    add(body.manifestDigest, ...body.containers.map(({ digest }) => digest));
  // With the image what it came of and what is attested of it, which nothing else here names.
  for (const { name, body } of directory.list<Holding>({ kind: 'blob-holding', ...own }))
    add(name, ...body.blobs.map(([hex]) => `sha256:${hex}`));
  return found;
}

async function clearAbandoned(directory: string, beforeMs: number): Promise<void> {
  for (const kind of ['uploads', 'partial']) {
    const folder = path.join(directory, kind);
    for (const name of await readdir(folder).catch(() => [])) {
      const found = await stat(path.join(folder, name)).catch(() => undefined);
      if (found && found.mtimeMs < beforeMs) await rm(path.join(folder, name), { force: true });
    }
  }
}
