// Why a container that nobody watches yet doesn't come up: findings and last log lines, from one look.
import type { Engine } from './engine.ts';
import { readFacts, showLine } from './facts.ts';
import { type Finding, findFaults } from './findings.ts';
import { makeHealth } from './health.ts';
import { redactLines } from './redact.ts';

export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** The newest lines, oldest first, without secrets. */
  readonly lines: readonly string[];
}

/** What stands in an error message; the whole log is read elsewhere. */
const maxLines = 5;

/** Undefined where there is no such container. */
export async function diagnose(
  engine: Engine,
  container: string,
  { now, signal }: { readonly now: () => number; readonly signal: AbortSignal },
): Promise<Diagnosis | undefined> {
  const state = await engine.inspect(container, { signal });
  if (state === undefined) return undefined;
  const subject = {
    ci: container,
    containerId: state.id,
    intent: undefined,
    health: makeHealth(state.status === 'running' ? 'starting' : 'stopped', now()),
    history: [],
    dependencies: [],
  };
  const facts = await readFacts(engine, subject, { now, signal });
  const lines = redactLines((facts.logs?.value ?? []).map(showLine)).slice(-maxLines);
  return { findings: findFaults(facts), lines };
}
