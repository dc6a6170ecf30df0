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
  readonly unit: 'ms' | 'MB' | 's';
  /** Which figure of the samples the limit is for. */
  readonly figure: 'median' | 'p99';
  readonly limit: number;
  readonly measure: (rounds: number, say: (text: string) => void) => Promise<Measured>;
}

export interface Result {
  readonly name: string;
  readonly claim: string;
  readonly unit: string;
  readonly figure: string;
  readonly value: number;
  readonly limit: number;
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
  const share = row.figure === 'p99' ? 0.99 : 0.5;
  const value = quantile(samples, share);
  const peerValue = peer ? quantile(peer.samples, share) : undefined;
  return {
    name: row.name,
    claim: row.claim,
    unit: row.unit,
    figure: row.figure,
    value,
    limit: row.limit,
    holds: value <= row.limit,
    min: Math.min(...samples),
    max: Math.max(...samples),
    count: samples.length,
    ...(peer && peerValue !== undefined
      ? { peer: { name: peer.name, value: peerValue, ratio: value / peerValue } }
      : {}),
  };
}
