// What this process holds once its garbage is collected, and how fast that grows: what tells a leak from what isn't collected yet.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/** Where V8 keeps what it compiled: that grows for hours while more and more functions turn out to be hot. */
const compiled = /^(?:code|trusted|shared_trusted|read_only)/;

/** Bytes of data and of buffers that are reachable, right after two collections: the second one takes what finalizers let go of. */
export function heldBytes(): number {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  collect();
  const data = getHeapSpaceStatistics().filter(({ space_name }) => !compiled.test(space_name));
  return data.reduce((sum, { space_used_size }) => sum + space_used_size, process.memoryUsage().arrayBuffers);
}

/**
 * How much samples grow from one to the next: the median of the slopes of all pairs (Theil and Sen), which a single step, as when
 * V8 lets go of the source of its modules, doesn't change. NaN for fewer than two.
 */
export function growthOf(samples: readonly number[]): number {
  const slopes = samples.flatMap((one, at) =>
    samples.slice(at + 1).map((other, further) => (other - one) / (further + 1)),
  );
  slopes.sort((a, b) => a - b);
  return slopes[slopes.length >> 1] ?? Number.NaN;
}
