// Builds, pulls and pushes that go on: all that they have used since they began is theirs, however long they take.

export interface Uses {
  /** When the oldest that goes on began, in milliseconds since 1970; undefined where nothing does. */
  since(): number | undefined;
  /** The function, with each of its calls counted from its beginning to its end. */
  during<Arguments extends readonly unknown[], Result>(
    act: (...given: Arguments) => Promise<Result>,
  ): (...given: Arguments) => Promise<Result>;
}

export function openUses(now: () => number): Uses {
  const begun = new Map<symbol, number>();
  return {
    since: () => (begun.size === 0 ? undefined : Math.min(...begun.values())),
    during:
      (act) =>
      async (...given) => {
        const one = Symbol('use');
        begun.set(one, now());
        try {
          return await act(...given);
        } finally {
          begun.delete(one);
        }
      },
  };
}
