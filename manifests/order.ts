// In which order things that need one another come: each after what it needs, side by side where nothing keeps them apart.

/** What each name needs; names that aren't keys themselves need nothing and are no part of the order. */
export type Needs = ReadonlyMap<string, readonly string[]>;

/** The path of a circle, its first name repeated at its end; undefined where there is none (depth-first search). */
export function circleIn(needs: Needs): string[] | undefined {
  const done = new Set<string>();
  const walk = (name: string, trail: readonly string[]): string[] | undefined => {
    const start = trail.indexOf(name);
    if (start >= 0) return [...trail.slice(start), name];
    if (done.has(name)) return undefined;
    for (const other of needs.get(name) ?? []) {
      const found = walk(other, [...trail, name]);
      if (found) return found;
    }
    done.add(name);
    return undefined;
  };
  for (const name of needs.keys()) {
    const found = walk(name, []);
    if (found) return found;
  }
  return undefined;
}

/**
 * Every name after those it needs (Kahn's algorithm). Of those that may come next, the one that stands earliest in `first`,
 * else the first by name. Names in a circle are left out.
 */
export function inOrder(needs: Needs, first: readonly string[] = []): string[] {
  const rank = new Map(first.map((name, index) => [name, index]));
  const waiting = new Map([...needs].map(([name, others]) => [name, new Set(others.filter((one) => needs.has(one)))]));
  const order: string[] = [];
  while (waiting.size > 0) {
    const next = [...waiting]
      .filter(([, others]) => others.size === 0)
      .map(([name]) => name)
      .sort((left, right) => compare(rank, left, right))[0];
    if (next === undefined) return order;
    order.push(next);
    waiting.delete(next);
    for (const others of waiting.values()) others.delete(next);
  }
  return order;
}

/**
 * Acts on each name once what it needs is done, at most `atOnce` at a time, those first in `order` preferred. The first fault
 * aborts the others' signal and is thrown when all have ended.
 */
export async function actInOrder(
  order: readonly string[],
  needs: Needs,
  { atOnce, signal }: { readonly atOnce: number; readonly signal: AbortSignal },
  act: (name: string, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const waiting = new Set(order);
  const running = new Map<string, Promise<string>>();
  const done = new Set<string>();
  const isReady = (name: string) => (needs.get(name) ?? []).every((other) => done.has(other) || !needs.has(other));
  try {
    while (waiting.size > 0 || running.size > 0) {
      signal.throwIfAborted();
      for (const name of [...waiting].filter(isReady).slice(0, atOnce - running.size)) {
        waiting.delete(name);
        running.set(
          name,
          act(name, either).then(() => name),
        );
      }
      if (running.size === 0) throw new TypeError('Cannot go on: what is left waits for itself');
      const ended = await Promise.race(running.values());
      running.delete(ended);
      done.add(ended);
    }
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(running.values());
    throw error;
  }
}

function compare(rank: ReadonlyMap<string, number>, left: string, right: string): number {
  const byRank = (rank.get(left) ?? rank.size) - (rank.get(right) ?? rank.size);
  return byRank !== 0 ? byRank : left < right ? -1 : 1;
}
