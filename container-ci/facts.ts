// What one look at a container brings: all values that findings and answers are made from, each tied to its evidence.
import type { ManifestContainer } from '#manifests';
import type { ContainerProcess, ContainerState, ContainerUsage, Engine, ListeningSocket, LogLine } from './engine.ts';
import { EngineError } from './error.ts';
import { type Evidence, type Known, makeEvidenceBook } from './evidence.ts';
import type { Health, HealthStatus } from './health.ts';
import { plain, redactLines } from './redact.ts';
import { nameServices, type ServiceClaim } from './services.ts';

/** A start or a death of the container's main process; `at` in milliseconds since 1970. */
export interface LifeEvent {
  readonly at: number;
  readonly type: 'start' | 'die' | 'oom';
  readonly exitCode?: number;
  /** Of a death: somebody asked the engine to end it. */
  readonly asked?: boolean;
}

/** A container that this one's manifest says it needs. */
export interface Dependency {
  readonly container: string;
  readonly ci: string;
  /** Undefined where no CI of that name is known. */
  readonly status: HealthStatus | undefined;
}

/** What a CI knows already, before it looks. */
export interface Subject {
  readonly ci: string;
  readonly containerId: string;
  readonly intent: ManifestContainer | undefined;
  readonly health: Health;
  readonly history: readonly LifeEvent[];
  readonly dependencies: readonly Dependency[];
}

export interface Facts {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly ci: string;
  readonly state: Known<ContainerState> | undefined;
  readonly health: Known<Health>;
  readonly history: Known<readonly LifeEvent[]>;
  readonly intent: Known<ManifestContainer> | undefined;
  readonly dependencies: readonly Known<Dependency>[];
  readonly processes: Known<readonly ContainerProcess[]> | undefined;
  readonly sockets: Known<readonly ListeningSocket[]> | undefined;
  readonly usage: Known<ContainerUsage> | undefined;
  readonly logs: Known<readonly LogLine[]> | undefined;
  /** Derived from state, processes and sockets, whose evidence it cites. */
  readonly services: readonly ServiceClaim[];
  /** Ids of the evidence that the services rest on. */
  readonly servicesFrom: readonly string[];
  readonly evidence: readonly Evidence[];
}

/** The newest lines that are read for one answer. */
export const logTail = 200;
/** A collector that takes longer counts as failed, so that an answer comes. */
const collectorTimeoutMs = 5000;

/** Reads all but the usage, which takes the engine a second, and that where `usage` is true; a collector that fails is noted with its reason. */
export async function readFacts(
  engine: Engine,
  subject: Subject,
  {
    now,
    usage: wantsUsage = false,
    signal,
  }: { readonly now: () => number; readonly usage?: boolean; readonly signal: AbortSignal },
): Promise<Facts> {
  const book = makeEvidenceBook(now);
  const { containerId: id } = subject;
  const limited = { signal: AbortSignal.any([signal, AbortSignal.timeout(collectorTimeoutMs)]) };
  const state = await book.read(
    'state of the container',
    'engine inspect',
    async () => {
      const found = await engine.inspect(id, limited);
      if (found) return found;
      throw new EngineError(
        'no-such-container',
        `Cannot read container "${id.slice(0, 12)}": there is no such container`,
      );
    },
    showState,
  );
  const health = book.note('health', 'probes of this CI', subject.health, showHealth(subject.health));
  const history = book.note(
    'starts and deaths',
    `events of the engine, the last ${subject.history.length}`,
    subject.history,
    subject.history.map(showLife).join('\n') || 'none was seen',
  );
  const intent = subject.intent && book.note('intent', 'manifest', subject.intent, showIntent(subject.intent));
  const dependencies = subject.dependencies.map((one) =>
    book.note(
      `dependency "${one.container}"`,
      `health of CI "${one.ci}"`,
      one,
      one.status === undefined ? `no CI "${one.ci}" is known` : `"${one.ci}" is ${one.status}`,
    ),
  );
  const running = state?.value.status === 'running';
  const sockets = running
    ? await book.read('listening sockets', '/proc sockets', () => engine.sockets(id, limited), showSockets)
    : undefined;
  const processes = running
    ? await book.read('processes', 'engine top', () => engine.processes(id, limited), showProcesses)
    : undefined;
  const usage =
    running && wantsUsage
      ? await book.read('usage', 'engine stats', () => engine.usage(id, limited), showUsage)
      : undefined;
  const logs = await book.read(
    'log',
    (lines: readonly LogLine[]) =>
      `log lines 1-${lines.length} of the newest ${lines.length} (at most ${logTail} are read)`,
    () => engine.logs(id, { ...limited, tail: logTail }),
    (lines) => redactLines(lines.map(showLine)).slice(-20).join('\n'),
  );
  signal.throwIfAborted();
  const services = state
    ? nameServices({
        processes: processes?.value ?? [],
        sockets: sockets?.value ?? [],
        image: state.value.image,
        environmentNames: state.value.environmentNames,
        declaredPorts: subject.intent?.ports ?? [],
      })
    : [];
  return {
    now: now(),
    ci: subject.ci,
    state,
    health,
    history,
    intent,
    dependencies,
    processes,
    sockets,
    usage,
    logs,
    services,
    servicesFrom: [processes, sockets, state].flatMap((known) => (known ? [known.evidence] : [])).slice(0, 3),
    evidence: book.all(),
  };
}

/** The ports that must listen: those of the manifest and of its health check. */
export function expectedPorts(intent: ManifestContainer | undefined): number[] {
  const check = intent?.health?.http?.port ?? intent?.health?.tcp?.port;
  return [...new Set([...(intent?.ports ?? []), ...(check === undefined ? [] : [check])])];
}

function showState(state: ContainerState): string {
  const end =
    state.exitCode === undefined ? '' : `, exit code ${state.exitCode}${state.oomKilled ? ', OOM-killed' : ''}`;
  return [
    `${state.name} (${state.id.slice(0, 12)}): ${state.status}${end}`,
    `image ${state.image} (${state.imageId})`,
    `command ${state.command.join(' ')}`,
    `started ${state.startedAt?.toISOString() ?? 'never'}, ended ${state.finishedAt?.toISOString() ?? 'never'}, restarts ${state.restartCount}`,
    `environment names ${state.environmentNames.join(', ') || 'none'}`,
    `addresses ${state.addresses.map(({ network, address }) => `${address} in ${network}`).join(', ') || 'none'}`,
    ...(state.error === undefined ? [] : [`error ${state.error}`]),
  ].join('\n');
}

function showHealth(health: Health): string {
  const last = health.lastAnswer;
  const since = new Date(health.since).toISOString();
  const said = last ? `; the last probe at ${new Date(last.at).toISOString()}: ${last.said}` : '; no probe yet';
  return `${health.status} since ${since}, ${health.failures} failures in a row${said}`;
}

function showLife(event: LifeEvent): string {
  const code = event.exitCode === undefined ? '' : ` with exit code ${event.exitCode}`;
  return `${new Date(event.at).toISOString()} ${event.type}${code}${event.asked ? ', after somebody asked the engine to end it' : ''}`;
}

function showIntent(intent: ManifestContainer): string {
  const check = intent.health?.http
    ? `GET :${intent.health.http.port}${intent.health.http.path}`
    : intent.health?.tcp
      ? `TCP :${intent.health.tcp.port}`
      : 'none';
  const needs = Object.entries(intent.depends_on).map(([name, { condition }]) => `${name} (${condition})`);
  return `ports ${intent.ports.join(', ') || 'none'}; health ${check}; depends on ${needs.join(', ') || 'nothing'}; restart ${intent.restart}`;
}

function showSockets(sockets: readonly ListeningSocket[]): string {
  return (
    sockets.map(({ protocol, address, port }) => `${protocol} ${address} port ${port}`).join('\n') || 'nothing listens'
  );
}

function showProcesses(processes: readonly ContainerProcess[]): string {
  return processes.map(({ pid, parentPid, commandLine }) => `${pid} (of ${parentPid}) ${commandLine}`).join('\n');
}

function showUsage(usage: ContainerUsage): string {
  return `memory ${usage.memoryBytes} of ${usage.memoryLimitBytes || 'unlimited'} bytes, CPU ${usage.cpuNanoseconds} ns, processes ${usage.processes}`;
}

export function showLine(line: LogLine): string {
  return plain(`${line.at?.toISOString() ?? '-'} ${line.stream} ${line.text}`);
}
