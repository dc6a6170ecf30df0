// What the facts mean: faults with their evidence and their mend, causes before what they cause. About a healthy container it says nothing.
import { expectedPorts, type Facts, type LifeEvent } from './facts.ts';
import { readLabels } from './labels.ts';
import { findSigns } from './log-signs.ts';
import { plain, redact } from './redact.ts';

export type FindingCode =
  | 'engine-unreachable'
  | 'out-of-memory'
  | 'dependency-absent'
  | 'dependency-stopped'
  | 'dependency-unhealthy'
  | 'start-failed'
  | 'asked-to-stop'
  | 'paused'
  | 'never-started'
  | 'crash-loop'
  | 'exited'
  | 'restarting'
  | `log-${string}`
  | 'port-not-listening'
  | 'unhealthy';

export interface Finding {
  readonly code: FindingCode;
  readonly severity: 'info' | 'warning' | 'critical';
  /** 0 to 1. */
  readonly confidence: number;
  /** One sentence, without a full stop at its end. */
  readonly summary: string;
  /** Ids of evidence. */
  readonly evidence: readonly string[];
  readonly mend: string;
}

/** 3 deaths in 5 minutes, or up for less than 10 s three times, are a loop; the numbers are those in use in the field. */
const loopDeaths = 3;
const loopWindowMs = 5 * 60_000;
const shortLifeMs = 10_000;

/** Causes first: a stopped dependency stands before the failing probe that it causes. */
const order: readonly string[] = [
  'engine-unreachable',
  'out-of-memory',
  'asked-to-stop',
  'paused',
  'start-failed',
  'never-started',
  'dependency-absent',
  'dependency-stopped',
  'dependency-unhealthy',
  'log-',
  'crash-loop',
  'exited',
  'restarting',
  'port-not-listening',
  'unhealthy',
];

/** Pure: the same facts give the same findings. */
export function findFaults(facts: Facts): Finding[] {
  const state = facts.state?.value;
  const health = facts.health.value;
  const isLooping = hasCrashLoop(facts.history.value, facts.now);
  const isWell = health.status === 'healthy' && state?.status === 'running' && !isLooping;
  const found: Finding[] = [];
  const add = (
    code: FindingCode,
    severity: Finding['severity'],
    confidence: number,
    summary: string,
    evidence: readonly (string | undefined)[],
    mend: string,
  ): void => {
    found.push({
      code,
      severity,
      confidence,
      summary: plain(redact(summary)),
      evidence: evidence.filter((id) => id !== undefined),
      mend,
    });
  };
  if (!facts.state) {
    const failed = facts.evidence.filter((one) => one.failed !== undefined).slice(0, 1);
    add(
      'engine-unreachable',
      'critical',
      0.9,
      'its state could not be read',
      failed.map(({ id }) => id),
      'see that the engine runs',
    );
  }
  if (isWell) return found;

  if (state?.oomKilled || (state?.exitCode === 137 && facts.history.value.some(({ type }) => type === 'oom')))
    add(
      'out-of-memory',
      'critical',
      0.99,
      'the kernel killed it because it used more memory than its limit',
      [facts.state?.evidence, facts.history.evidence],
      'raise "resources.memory_mib" in the manifest, or find what holds the memory',
    );

  if (state?.status === 'paused')
    add(
      'paused',
      'warning',
      0.99,
      'somebody paused it: its processes are frozen, and it answers nobody',
      [facts.state?.evidence],
      `let it go on: docker unpause ${state.name}`,
    );

  const asked = askedToStop(facts);
  if (asked) {
    add('asked-to-stop', 'warning', asked.confidence, asked.summary, asked.evidence, startAgain(facts));
    return found.sort((a, b) => rankOf(a.code) - rankOf(b.code));
  }

  for (const { value, evidence } of facts.dependencies) {
    const start = `run the project of "${value.container}", and ask "${value.ci}" what is wrong with it`;
    if (value.status === undefined)
      add(
        'dependency-absent',
        'critical',
        0.9,
        `it depends on "${value.container}", which isn't there`,
        [evidence, facts.intent?.evidence],
        start,
      );
    else if (value.status === 'stopped')
      add(
        'dependency-stopped',
        'critical',
        0.9,
        `it depends on "${value.container}", which is stopped`,
        [evidence, facts.intent?.evidence],
        start,
      );
    else if (value.status === 'unhealthy')
      add(
        'dependency-unhealthy',
        'critical',
        0.8,
        `it depends on "${value.container}", which is unhealthy`,
        [evidence, facts.intent?.evidence],
        start,
      );
  }

  if (state?.error !== undefined) {
    const { summary, mend } = explainStart(state.error);
    add('start-failed', 'critical', 0.95, summary, [facts.state?.evidence], mend);
  } else if (state?.status === 'created')
    add(
      'never-started',
      'warning',
      0.9,
      'it was created and never started',
      [facts.state?.evidence],
      startAgain(facts),
    );

  if (isLooping) {
    const deaths = facts.history.value.filter(({ type }) => type === 'die').length;
    add(
      'crash-loop',
      'critical',
      0.95,
      `it dies again and again: ${deaths} deaths were seen, ${explainExit(lastExit(facts))}`,
      [facts.history.evidence, facts.state?.evidence],
      'read the last lines of its log before each death',
    );
  } else if (state?.status === 'restarting')
    add(
      'restarting',
      'warning',
      0.9,
      `the engine is restarting it, ${explainExit(lastExit(facts))}`,
      [facts.state?.evidence],
      'wait for the next start, or read the last lines of its log',
    );
  if (state && (state.status === 'exited' || state.status === 'dead')) {
    const isMeant = state.exitCode === 0 || state.exitCode === 143;
    add(
      'exited',
      isMeant ? 'warning' : 'critical',
      0.99,
      `its main process ended, ${explainExit(state.exitCode)}`,
      [facts.state?.evidence],
      exitMend(state.exitCode),
    );
  }

  for (const { sign, number } of findSigns(facts.logs?.value ?? []))
    add(
      `${sign.code as 'log-'}`,
      'warning',
      0.7,
      `its log says in line ${number} that ${sign.means}`,
      [facts.logs?.evidence],
      sign.mend,
    );

  const open = new Set(facts.sockets?.value.map(({ port }) => port));
  const missing =
    facts.sockets && health.status !== 'starting'
      ? expectedPorts(facts.intent?.value).filter((port) => !open.has(port))
      : [];
  if (missing.length > 0)
    add(
      'port-not-listening',
      'warning',
      0.9,
      `nothing listens on ${missing.join(', ')}, which the manifest says it does`,
      [facts.sockets?.evidence, facts.intent?.evidence],
      open.size > 0
        ? `it listens on ${[...open].join(', ')}: correct its configuration or the manifest`
        : 'read its log: it did not come up as far as listening',
    );
  if (health.status === 'unhealthy')
    add(
      'unhealthy',
      'critical',
      0.95,
      `its probe fails ${health.failures} times in a row: ${health.lastAnswer?.said ?? 'no answer'}`,
      [facts.health.evidence],
      'mend the causes above, or correct "health" in the manifest if the probe asks the wrong thing',
    );

  return found.sort((a, b) => rankOf(a.code) - rankOf(b.code));
}

/**
 * A stop on request: its events tell, or its restart policy does, under which an engine leaves a container that ended only
 * where it was asked to end it.
 */
function askedToStop(
  facts: Facts,
): { readonly summary: string; readonly confidence: number; readonly evidence: (string | undefined)[] } | undefined {
  const state = facts.state?.value;
  if (state?.status !== 'exited' || state.error !== undefined || state.oomKilled) return undefined;
  const death = facts.history.value.findLast(({ type }) => type === 'die');
  const how = explainExit(state.exitCode);
  if (death?.asked)
    return {
      summary: `it was asked to stop: somebody had the engine end it, and it did at ${new Date(death.at).toISOString()}, ${how}`,
      confidence: 0.99,
      evidence: [facts.history.evidence, facts.state?.evidence],
    };
  const policy = facts.intent?.value.restart;
  const isClean = state.exitCode === 0 || state.exitCode === 143 || state.exitCode === 137;
  if (!isClean || (policy !== 'unless-stopped' && policy !== 'always')) return undefined;
  return {
    summary: `it was asked to stop, it seems: it ended ${how}, and under its restart policy "${policy}" the engine would have started it again otherwise`,
    confidence: 0.8,
    evidence: [facts.state?.evidence, facts.intent?.evidence],
  };
}

function startAgain(facts: Facts): string {
  const project = facts.state && readLabels(facts.state.value.labels)?.project;
  return project
    ? `if it is meant to run, run its project "${project}" again: hermesh run MANIFEST`
    : `if it is meant to run, start it: docker start ${facts.state?.value.name ?? facts.ci}`;
}

/** What an engine's words at a failed start mean; they name the runtime's own steps first and the cause last. */
function explainStart(error: string): { readonly summary: string; readonly mend: string } {
  const command = /exec: "((?:[^"\\]|\\.)*)"/.exec(error)?.[1];
  const what = command === undefined ? 'its command' : `its command "${command}"`;
  const said = `; the engine says: ${error}`;
  if (/port is already allocated|address already in use/.test(error)) {
    const port = /:(\d{1,5})(?: failed)?: (?:port is|bind: address)/.exec(error)?.[1];
    return {
      summary: `the port of the host${port === undefined ? '' : ` ${port}`} that it publishes is taken by another program${said}`,
      mend: 'end what listens there, or give another "host_port" in "publish" (0 takes a free one)',
    };
  }
  if (/executable file not found|no such file or directory/.test(error))
    return {
      summary: `${what} is not in its image${said}`,
      mend: 'correct "entrypoint" or "command", or add the missing file (or the interpreter in its first line) to the manifest',
    };
  if (/permission denied/.test(error))
    return {
      summary: `${what} can't be executed: permission denied${said}`,
      mend: 'give the file the mode 0755 in the manifest, or another "user"',
    };
  if (/exec format error/.test(error))
    return {
      summary: `${what} is for another processor, or a script without its "#!" line${said}`,
      mend: 'build it for the platform of this host, or name its interpreter',
    };
  return { summary: `the engine could not start it: ${error}`, mend: 'mend what the engine names, in the manifest' };
}

/** What an exit code tells, in a half sentence. */
export function explainExit(code: number | undefined): string {
  if (code === undefined) return 'and its exit code is unknown';
  return `with exit code ${code}: ${exitMeanings[code] ?? (code > 128 && code < 160 ? `signal ${code - 128} ended it` : 'an error of its own')}`;
}

const exitMeanings: Readonly<Record<number, string>> = {
  0: 'it finished without an error',
  1: 'an error of its own',
  2: 'wrong usage, or an error of its own',
  126: "its command can't be executed",
  127: 'its command was not found',
  134: 'it aborted itself (SIGABRT)',
  137: 'it was killed (SIGKILL)',
  139: 'it crashed (SIGSEGV)',
  143: 'it was asked to end (SIGTERM)',
};

function exitMend(code: number | undefined): string {
  if (code === 0)
    return 'give it a command that stays in the foreground if it is meant to run on; else nothing has to be done';
  if (code === 126) return 'give its command the mode 0755 and an interpreter that is in the image';
  if (code === 127) return 'correct "entrypoint" or "command", or add the missing file to the manifest';
  if (code === 137) return 'see who killed it: the engine after a grace period, a person, or the kernel for memory';
  if (code === 143) return 'start it again if it is meant to run';
  return 'read the last lines of its log: ask "show the last log lines"';
}

export function hasCrashLoop(history: readonly LifeEvent[], now: number): boolean {
  const deaths = history.filter(({ type, at }) => type === 'die' && now - at <= loopWindowMs);
  const unasked = deaths.filter(({ exitCode, asked }) => exitCode !== 143 && !asked);
  if (unasked.length >= loopDeaths) return true;
  let short = 0;
  let startedAt: number | undefined;
  for (const event of history) {
    if (event.type === 'start') startedAt = event.at;
    if (event.type !== 'die' || startedAt === undefined) continue;
    short = event.at - startedAt < shortLifeMs && event.exitCode !== 143 && !event.asked ? short + 1 : 0;
    startedAt = undefined;
  }
  return short >= loopDeaths && now - (history.at(-1)?.at ?? 0) <= loopWindowMs;
}

function lastExit(facts: Facts): number | undefined {
  return facts.state?.value.exitCode ?? facts.history.value.findLast(({ type }) => type === 'die')?.exitCode;
}

function rankOf(code: string): number {
  return order.indexOf(code.startsWith('log-') ? 'log-' : code);
}
