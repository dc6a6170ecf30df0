// Runs and stops that are going on, written down so that a daemon that was killed in the middle of one ends it when it is back.
import type { RunStep } from '#container-ci';
import { isFinal, type RunPlan } from '#cookbooks';
import type { OperationCall } from '../deed.ts';
import type { UnfinishedRuns } from '../store.ts';

/** Enough to end a run or a stop that nobody remembers. */
export interface Unfinished {
  readonly act: 'run' | 'stop';
  readonly plan: RunPlan;
  /** Whether all that may fail it was done: then it goes on to its end; else what it did is undone. */
  readonly isEnding: boolean;
  readonly manifestDigest: string | undefined;
  /** By container, the digest of its image. */
  readonly digests: Readonly<Record<string, string>>;
  readonly entry: OperationCall['entry'];
}

export interface Journal {
  /** What was left by a daemon that ended in the middle; undefined where nothing was. */
  left(project: string): Unfinished | undefined;
  projects(): readonly string[];
  begin(project: string, run: Unfinished): void;
  ending(project: string): void;
  end(project: string): void;
  /** All that was written down, as text: what it names is in use. */
  texts(): readonly string[];
}

export function openJournal(rows: UnfinishedRuns): Journal {
  const read = (project: string): Unfinished | undefined => {
    const row = rows.list().find((one) => one.project === project);
    return row && (JSON.parse(row.body) as Unfinished);
  };
  return {
    left: read,
    projects: () => rows.list().map(({ project }) => project),
    begin: (project, run) => rows.put(project, JSON.stringify(run)),
    ending(project) {
      const run = read(project);
      if (run) rows.put(project, JSON.stringify({ ...run, isEnding: true }));
    },
    end: (project) => rows.remove(project),
    texts: () => rows.list().map(({ body }) => body),
  };
}

/** The steps of a plan that only clear away, with what they wait for among them. */
export function endOf(plan: RunPlan): RunPlan {
  const indexes = plan.steps.flatMap((step, index) => (isFinal(step) ? [index] : []));
  const steps = indexes.map((index) => {
    const step = plan.steps[index] as RunPlan['steps'][number];
    return { ...step, after: step.after.flatMap((one) => (indexes.includes(one) ? [indexes.indexOf(one)] : [])) };
  });
  return { ...plan, steps };
}

/** What may have been done before a run was at its end. */
export function beginningOf(plan: RunPlan): readonly RunStep[] {
  return plan.steps.filter((step) => !isFinal(step));
}
