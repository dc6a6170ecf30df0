// What the registry counts, as a seam: whoever runs it decides where the figures go.

/** Counters of the registry, each with its labels; values only grow. */
export interface Metrics {
  /** `name` is of snake case, such as `refused_total`; labels have few values each. */
  count(name: string, labels?: Readonly<Record<string, string>>, by?: number): void;
}

/** Counts nothing. */
export const noMetrics: Metrics = { count: () => undefined };
