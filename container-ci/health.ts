// The state machine of a container's health: starting, then healthy or unhealthy by its probes, stopped when it isn't running.
import type { ContainerState } from './engine.ts';

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy' | 'stopped' | 'unknown';

/** What one probe got; times in milliseconds since 1970. */
export interface ProbeAnswer {
  readonly at: number;
  readonly ok: boolean;
  /** What was asked and what came back, in one line. */
  readonly said: string;
}

export interface Health {
  readonly status: HealthStatus;
  readonly since: number;
  /** Failed probes in a row that counted. */
  readonly failures: number;
  readonly lastAnswer: ProbeAnswer | undefined;
}

/** How patient the machine is; as a manifest's `health` says, or these where it says nothing. */
export interface Patience {
  readonly retries: number;
  readonly startPeriodMs: number;
}

export const defaultPatience: Patience = { retries: 3, startPeriodMs: 10_000 };

export function makeHealth(status: HealthStatus, at: number): Health {
  return { status, since: at, failures: 0, lastAnswer: undefined };
}

/** The engine says whether it runs: a container that starts again begins anew. */
export function afterState(
  health: Health,
  state: Pick<ContainerState, 'status'>,
  at: number,
  restarted: boolean,
): Health {
  if (state.status === 'running') {
    return health.status === 'stopped' || health.status === 'unknown' || restarted
      ? makeHealth('starting', at)
      : health;
  }
  return health.status === 'stopped' ? health : { ...makeHealth('stopped', at), lastAnswer: health.lastAnswer };
}

/** As the engine's own health checks: failures within the start period don't count until the first success. */
export function afterProbe(health: Health, answer: ProbeAnswer, patience: Patience, startedAt: number): Health {
  if (health.status === 'stopped') return health;
  if (answer.ok) return settle(health, 'healthy', 0, answer);
  if (health.status !== 'healthy' && health.status !== 'unhealthy' && answer.at - startedAt < patience.startPeriodMs)
    return { ...health, lastAnswer: answer };
  const failures = health.failures + 1;
  return settle(health, failures >= patience.retries ? 'unhealthy' : health.status, failures, answer);
}

function settle(health: Health, status: HealthStatus, failures: number, lastAnswer: ProbeAnswer): Health {
  return { status, since: status === health.status ? health.since : lastAnswer.at, failures, lastAnswer };
}
