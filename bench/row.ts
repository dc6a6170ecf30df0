// What a row of the bench is: a claim with its limit, the samples that were measured, and a peer where there is one.

export interface Measured {
  /** In the row's unit, in the order they were taken. */
  readonly samples: readonly number[];
  /** The same measured of something else in the same run, so that the machine's mood cancels out. */
  readonly peer?: { readonly name: string; readonly samples: readonly number[] };
}

export interface Row {
  readonly name: string;
  readonly claim: string;
  readonly unit: 'ms' | 'MB' | 's' | 'ratio' | 'KB/s' | 'per s';
  /** Which figure of the samples the limits are for; the worst of them is the one furthest on the bad side. */
  readonly figure: 'median' | 'p50' | 'p99' | 'worst';
  /** Whether less of it is better, as it is of times, or more, as it is of rates; less, unless said. */
  readonly better?: 'less' | 'more';
  /** What the figure may be, in the row's unit; a row has this limit, that on the ratio, or both. */
  readonly limit?: number;
  /** What the figure may be as a multiple of the peer's. */
  readonly limitRatio?: number;
  readonly measure: (rounds: number, say: (text: string) => void) => Promise<Measured>;
}

export interface Result {
  readonly name: string;
  readonly claim: string;
  readonly unit: string;
  readonly figure: string;
  readonly better: 'less' | 'more';
  readonly value: number;
  readonly limit?: number;
  readonly limitRatio?: number;
  readonly holds: boolean;
  readonly min: number;
  readonly max: number;
  readonly count: number;
  readonly peer?: { readonly name: string; readonly value: number; readonly ratio: number };
}

/** The smallest sample that at least `share` (0 to 1) of all are not above (nearest rank). */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function resultOf(row: Row, { samples, peer }: Measured): Result {
  const { name, claim, unit, figure, better = 'less', limit, limitRatio } = row;
  if (limit === undefined && limitRatio === undefined) throw new TypeError(`Row "${name}" has no limit`);
  if (limitRatio !== undefined && !peer) throw new TypeError(`Row "${name}" has a limit on a ratio and no peer`);
  const value = figureOf(samples, figure, better);
  const peerValue = peer && figureOf(peer.samples, figure, better);
  const within = (one: number, bound: number | undefined): boolean =>
    bound === undefined || (better === 'less' ? one <= bound : one >= bound);
  return {
    name,
    claim,
    unit,
    figure,
    better,
    value,
    ...(limit !== undefined && { limit }),
    ...(limitRatio !== undefined && { limitRatio }),
    holds: within(value, limit) && within(value / (peerValue ?? 1), limitRatio),
    min: Math.min(...samples),
    max: Math.max(...samples),
    count: samples.length,
    ...(peer && peerValue !== undefined
      ? { peer: { name: peer.name, value: peerValue, ratio: value / peerValue } }
      : {}),
  };
}

function figureOf(samples: readonly number[], figure: Row['figure'], better: 'less' | 'more'): number {
  // Of a rate the worst hundredth are the lowest ones.
  const bad = (share: number): number => (better === 'less' ? share : 1 - share);
  if (figure === 'worst') return better === 'less' ? Math.max(...samples) : Math.min(...samples);
  return quantile(samples, figure === 'p99' ? bad(0.99) : 0.5);
}
