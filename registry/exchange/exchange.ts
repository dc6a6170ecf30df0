// The exchange as those above see it: blobs are fetched from other members and given to them, within bounds.
import type { Directory } from '#registry/directory';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { type Fetched, type FetchOptions, fetchBlob } from './fetch.ts';
import { claimsOf, type Holding, maxHoldingBlobs, maxHoldingReferrers } from './holding.ts';
import { type BlobDigest, rangeBytes, rootOf } from './ranges.ts';
import { type Incoming, Serving } from './serving.ts';
import type { Shelf } from './shelf.ts';
import { Uploads } from './uploads.ts';

/** Blobs that are fetched at a time; others wait. Each takes about 8 MiB for what is under way. */
const maxFetches = 4;

export interface ExchangeOptions {
  readonly network: Network;
  readonly shelf: Shelf;
  readonly directory: Directory;
  readonly clock: Clock;
  /** At least 0 and less than 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Connects to a member that isn't connected. */
  readonly reach: (stack: StackId, options: { signal: AbortSignal }) => Promise<void>;
  /** Whether that stack may have that blob; all members may have all, unless said. */
  readonly mayRead?: (stack: StackId, blob: BlobDigest) => boolean | Promise<boolean>;
  /** What a peer did wrong, for the registry's book of conduct. */
  readonly fault: (stack: StackId, fault: 'wrong-bytes') => void;
  /** All uploads together, in bytes a second; no cap by default. */
  readonly maxUploadBytesPerSecond?: number;
}

export interface Exchange extends Disposable {
  /**
   * Brings a blob here, resuming what came before; at once where it is here. Two callers for one blob share one fetch, which
   * ends with the first one's signal. Throws `unreachable`, or what the shelf throws.
   */
  fetch(blob: BlobDigest, options: FetchOptions): Promise<Fetched>;
  /** What a `blob-holding` record says of an image whose blobs are here, which of them refer to it too; those that aren't are left out. */
  describe(blobs: readonly BlobDigest[], told?: { readonly referrers: ReadonlySet<BlobDigest> }): Promise<Holding>;
  /** Bytes that were given to others since the start. */
  readonly givenBytes: number;
}

/** Serves what is here from now on, until it is disposed of. */
export function openExchange(options: ExchangeOptions): Exchange {
  const { network, shelf, directory, clock, log, fault, random, reach } = options;
  const stop = new AbortController();
  const incoming = new Map<BlobDigest, Incoming>();
  const running = new Map<BlobDigest, Promise<Fetched>>();
  const waiting: (() => void)[] = [];
  let given = 0;
  const uploads = new Uploads(clock, options.maxUploadBytesPerSecond, stop);
  new Serving({
    network,
    shelf,
    clock,
    log,
    uploads,
    incoming,
    mayRead: async (stack, blob) => !stop.signal.aborted && ((await options.mayRead?.(stack, blob)) ?? true),
    gave: (bytes) => {
      given += bytes;
    },
  });
  const parts = {
    network,
    shelf,
    clock,
    log,
    reach,
    incoming,
    chance: random,
    holders: (blob: BlobDigest) => claimsOf(directory, blob, network.stack).map(({ stack }) => stack),
    blame: (stack: StackId) => fault(stack, 'wrong-bytes'),
  };

  const fetch = async (blob: BlobDigest, how: FetchOptions): Promise<Fetched> => {
    const here = await shelf.size(blob);
    if (here !== undefined) return { sizeBytes: here, receivedBytes: 0, resumedBytes: 0 };
    if (running.size > maxFetches) await new Promise<void>((resolve) => waiting.push(resolve));
    const signal = AbortSignal.any([how.signal, stop.signal]);
    signal.throwIfAborted();
    return fetchBlob(parts, blob, { ...how, signal });
  };

  return {
    get givenBytes() {
      return given;
    },
    fetch(blob, how) {
      const known = running.get(blob);
      if (known) return known;
      const work = fetch(blob, how).finally(() => {
        running.delete(blob);
        waiting.shift()?.();
      });
      running.set(blob, work);
      return work;
    },
    async describe(blobs, { referrers } = { referrers: new Set() }) {
      const told: Holding['blobs'] = [];
      const places: number[] = [];
      for (const blob of [...new Set(blobs)].slice(0, maxHoldingBlobs)) {
        const size = await shelf.size(blob);
        if (size === undefined) continue;
        const list = size > rangeBytes ? await shelf.rangeList(blob) : undefined;
        if (referrers.has(blob) && places.length < maxHoldingReferrers) places.push(told.length);
        told.push([blob.slice('sha256:'.length), size, list ? rootOf(list) : null]);
      }
      return { blobs: told, ...(places.length > 0 && { referrers: places }) };
    },
    [Symbol.dispose]: () => stop.abort(),
  };
}
