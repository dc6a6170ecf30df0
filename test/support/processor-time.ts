// How much processor time this thread spent: a bound on work that a busy machine doesn't move, as a bound on time would.

/** Begins to measure; returns how to read the milliseconds of processor time since. */
export function startProcessorTime(): () => number {
  const begin = process.threadCpuUsage();
  return () => {
    const { user, system } = process.threadCpuUsage(begin);
    return (user + system) / 1_000;
  };
}
