// The deterministic mind of a CI: an intent and the facts become an answer in which every sentence cites its evidence.
import type { LogLine } from './engine.ts';
import type { Evidence } from './evidence.ts';
import { expectedPorts, type Facts, logTail, showLine } from './facts.ts';
import { explainExit, type Finding, findFaults } from './findings.ts';
import { type Intent, intents, understand } from './intent.ts';
import { isErrorLine } from './log-signs.ts';
import { plain, redact, redactLines } from './redact.ts';

export interface Answer {
  readonly ci: string;
  readonly question: string;
  /** `ambiguous` asks back; `unknown` says what can be asked. */
  readonly intent: Intent | 'ambiguous' | 'unknown';
  /** Sentences about the container end with the ids of their evidence, such as `[e2]`. */
  readonly text: string;
  readonly findings: readonly Finding[];
  readonly evidence: readonly Evidence[];
  /** ISO 8601. */
  readonly askedAt: string;
  readonly ms: number;
}

/** What a mind says, before it is known when it was asked. */
export type Said = Pick<Answer, 'intent' | 'text' | 'findings' | 'evidence'>;

/** A sentence without its full stop, and the evidence for it; without evidence it isn't about the container. */
interface Sentence {
  readonly text: string;
  readonly cites: readonly (string | undefined)[];
  /** Lines that it quotes; each is written on a line of its own that begins with "| ". */
  readonly quotes?: readonly string[];
}

type Say = (text: string, ...cites: (string | undefined)[]) => Sentence;

/** Lines that an answer shows at most; the rest is said to be there. */
const maxShownLines = 10;

/** Pure: `read` is asked for facts only where the question is understood. */
export async function answer(question: string, read: (intent: Intent) => Promise<Facts>): Promise<Said> {
  const understood = understand(question);
  if ('intent' in understood) return render(understood.intent, await read(understood.intent));
  const examples = ('ambiguous' in understood ? understood.ambiguous : (Object.keys(intents) as Intent[]))
    .map((intent) => `"${intents[intent].example}"`)
    .join(', ');
  return 'ambiguous' in understood
    ? { intent: 'ambiguous', text: `Which do you mean: ${examples}?`, findings: [], evidence: [] }
    : {
        intent: 'unknown',
        text: `I don't understand the question. You can ask: ${examples}.`,
        findings: [],
        evidence: [],
      };
}

/** Pure: the same facts give the same text. */
export function render(intent: Intent, facts: Facts): Said {
  const findings = findFaults(facts);
  const say: Say = (text, ...cites) => ({ text, cites });
  const sentences = renderers[intent](facts, say, findings);
  if (facts.state === undefined) sentences.unshift(unread(facts, say));
  return { intent, text: sentences.map(write).join(' '), findings, evidence: facts.evidence };
}

function write({ text, cites, quotes = [] }: Sentence): string {
  const ids = [...new Set(cites.filter((id) => id !== undefined))];
  const said = plain(redact(text));
  const cited = `${said.charAt(0).toUpperCase()}${said.slice(1)}${ids.length === 0 ? '' : ` ${ids.map((id) => `[${id}]`).join('')}`}`;
  return quotes.length === 0 ? `${cited}.` : `${cited}:\n${quotes.map((line) => `| ${line}`).join('\n')}\n`;
}

function unread(facts: Facts, say: Say): Sentence {
  const failed = facts.evidence.find((one) => one.failed !== undefined);
  return say(`The state of the container can't be read now`, failed?.id);
}

type Renderer = (facts: Facts, say: Say, findings: readonly Finding[]) => Sentence[];

const status: Renderer = (facts, say) => {
  const state = facts.state?.value;
  if (!state) return [healthSentence(facts, say)];
  const ran =
    state.status === 'running'
      ? `has been running for ${duration(facts.now - (state.startedAt?.getTime() ?? facts.now))}`
      : `is ${state.status}`;
  const end = state.exitCode === undefined ? '' : `, ended ${explainExit(state.exitCode)}`;
  return [say(`Container "${state.name}" ${ran}${end}`, facts.state?.evidence), healthSentence(facts, say)];
};

const trouble: Renderer = (facts, say, findings) => {
  if (findings.length > 0)
    return findings.flatMap((finding, index) => [
      say(`${index === 0 ? 'Most likely' : 'Also'}, ${finding.summary}`, ...finding.evidence),
      ...(index === 0 ? [say(`To mend it, ${finding.mend}`, ...finding.evidence)] : []),
    ]);
  const { status: now } = facts.health.value;
  return now === 'healthy'
    ? [say('Nothing is wrong that can be seen', facts.health.evidence, facts.state?.evidence)]
    : [say(`It is ${now}, and nothing explains it so far: inconclusive`, facts.health.evidence, facts.state?.evidence)];
};

const crash: Renderer = (facts, say, findings) => {
  const deaths = facts.history.value.filter(({ type }) => type === 'die');
  const last = deaths.at(-1);
  const state = facts.state?.value;
  const about = findings.filter(({ code }) =>
    /^(out-of-memory|asked-to-stop|paused|never-started|crash-loop|exited|restarting|start-failed|dependency|log-)/.test(
      code,
    ),
  );
  const head = last
    ? say(
        `Its main process ended last at ${new Date(last.at).toISOString()}, ${explainExit(last.exitCode)}`,
        facts.history.evidence,
      )
    : state?.exitCode === undefined
      ? say('No end of its main process was seen', facts.history.evidence, facts.state?.evidence)
      : say(`Its main process ended ${explainExit(state.exitCode)}`, facts.state?.evidence);
  const isCalm = state?.restartCount === 0 && deaths.length === 0;
  const count =
    state &&
    !isCalm &&
    say(
      `The engine restarted it ${times(state.restartCount)}, and ${times(deaths.length)} an end was seen`,
      facts.state?.evidence,
      facts.history.evidence,
    );
  return [head, ...(count ? [count] : []), ...about.map((one) => say(one.summary, ...one.evidence))];
};

const logs: Renderer = (facts, say) => {
  if (!facts.logs) return [say("Its log can't be read now", failedId(facts, 'log'))];
  const lines = facts.logs.value;
  if (lines.length === 0) return [say('Its log is empty', facts.logs.evidence)];
  const shown = lines.slice(-maxShownLines);
  const range = `${lines.length - shown.length + 1} to ${lines.length} of the newest ${lines.length}`;
  return [quote(say(`Its log lines ${range} (at most ${logTail} are read) are`, facts.logs.evidence), shown)];
};

const errors: Renderer = (facts, say) => {
  if (!facts.logs) return [say("Its log can't be read now", failedId(facts, 'log'))];
  const bad = facts.logs.value.filter(isErrorLine);
  const lines = `the newest ${facts.logs.value.length} log lines`;
  if (bad.length === 0) return [say(`None of ${lines} speaks of an error`, facts.logs.evidence)];
  const speak = `${bad.length} of ${lines} ${bad.length === 1 ? 'speaks' : 'speak'} of an error`;
  const last = bad.length > maxShownLines ? `, the last ${maxShownLines} are` : '';
  return [quote(say(`${speak}${last}`, facts.logs.evidence), bad.slice(-maxShownLines))];
};

const services: Renderer = (facts, say) => {
  if (facts.services.length === 0) return [say('Nothing that is seen names a service', ...facts.servicesFrom)];
  return facts.services.slice(0, 5).map((claim) => {
    const where = claim.ports.length > 0 ? ` on port ${claim.ports.join(', ')}` : '';
    const why = claim.evidence.map(({ what }) => what).join('; ');
    return say(`it runs ${claim.name}${where} (confidence ${claim.confidence}), since ${why}`, ...facts.servicesFrom);
  });
};

const ports: Renderer = (facts, say) => {
  const sentences: Sentence[] = [];
  const listening = [...new Set(facts.sockets?.value.map(({ port }) => port))];
  if (facts.sockets)
    sentences.push(
      say(
        listening.length > 0 ? `It listens on ${listening.join(', ')}` : 'It listens on no TCP port',
        facts.sockets.evidence,
      ),
    );
  else
    sentences.push(
      say("What it listens on can't be read now", failedId(facts, 'listening sockets') ?? facts.state?.evidence),
    );
  const expected = expectedPorts(facts.intent?.value);
  if (expected.length > 0) sentences.push(say(`Its manifest names ${expected.join(', ')}`, facts.intent?.evidence));
  for (const { network, address } of facts.state?.value.addresses ?? [])
    sentences.push(say(`Its address in network "${network}" is ${address}`, facts.state?.evidence));
  for (const { port, hostAddress, hostPort } of facts.state?.value.published ?? [])
    sentences.push(say(`Port ${port} is published at ${hostAddress}:${hostPort}`, facts.state?.evidence));
  return sentences;
};

const dependencies: Renderer = (facts, say) => {
  if (!facts.intent)
    return [say('No manifest is known for it, so what it depends on is unknown', facts.state?.evidence)];
  if (facts.dependencies.length === 0)
    return [say('Its manifest names nothing that it depends on', facts.intent.evidence)];
  return facts.dependencies.map(({ value, evidence }) =>
    say(
      `It depends on "${value.container}", which is ${value.status ?? 'not there'}`,
      evidence,
      facts.intent?.evidence,
    ),
  );
};

const usage: Renderer = (facts, say) => {
  if (!facts.usage)
    return [say("Its usage can't be read while it doesn't run", failedId(facts, 'usage') ?? facts.state?.evidence)];
  const { memoryBytes, memoryLimitBytes, cpuNanoseconds, processes } = facts.usage.value;
  const limit = memoryLimitBytes > 0 ? ` of ${mebibytes(memoryLimitBytes)} that it may use` : ' without a limit';
  const cpu = (cpuNanoseconds / 1e9).toFixed(2);
  return [
    say(`It uses ${mebibytes(memoryBytes)} of memory${limit}`, facts.usage.evidence),
    say(
      `It took ${cpu} s of processor time since its start, in ${processes} processes and threads`,
      facts.usage.evidence,
    ),
  ];
};

const image: Renderer = (facts, say) => {
  const state = facts.state?.value;
  return state ? [say(`Its image is ${state.image}, with the id ${state.imageId}`, facts.state?.evidence)] : [];
};

const environment: Renderer = (facts, say) => {
  const names = facts.state?.value.environmentNames ?? [];
  return facts.state
    ? [
        say(
          names.length > 0 ? `Its environment has ${names.join(', ')}` : 'Its environment is empty',
          facts.state.evidence,
        ),
      ]
    : [];
};

const who: Renderer = (facts, say) => {
  const names = facts.services.slice(0, 3).map(({ name }) => name);
  const state = facts.state?.value;
  return [
    say(`I am ${facts.ci}, the companion intelligence of container "${state?.name ?? '?'}"`, facts.state?.evidence),
    ...(names.length > 0 ? [say(`In it runs ${names.join(', ')}`, ...facts.servicesFrom)] : []),
    healthSentence(facts, say),
  ];
};

const help: Renderer = (_facts, say) => [
  say(
    `You can ask: ${Object.values(intents)
      .map(({ example }) => `"${example}"`)
      .join(', ')}`,
  ),
];

const renderers: Readonly<Record<Intent, Renderer>> = {
  status,
  services,
  health: (facts, say) => [healthSentence(facts, say)],
  trouble,
  crash,
  logs,
  errors,
  ports,
  dependencies,
  usage,
  image,
  environment,
  who,
  help,
};

function healthSentence(facts: Facts, say: Say): Sentence {
  const { status: now, since, failures, lastAnswer } = facts.health.value;
  const last = lastAnswer ? `, and the last probe said "${lastAnswer.said}"` : '';
  const count = failures > 0 ? ` with ${failures} failures in a row` : '';
  return say(`It has been ${now} for ${duration(facts.now - since)}${count}${last}`, facts.health.evidence);
}

function quote(sentence: Sentence, lines: readonly LogLine[]): Sentence {
  return { ...sentence, quotes: redactLines(lines.map(showLine)) };
}

function failedId(facts: Facts, what: string): string | undefined {
  return facts.evidence.find((one) => one.what === what && one.failed !== undefined)?.id;
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
