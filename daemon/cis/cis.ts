// The CIs that this stack answers for, and the way to those of other stacks: one question, one answer, wherever it is asked.
import { type Engine, type Observer, plain } from '#container-ci';
import type { Principal } from '#governance';
import { principalName } from '#governance';
import { didYouMean } from '#manifests';
import type { Entry, Registry } from '#registry';
import { answerSchema, type CiAnswer } from '../answer.ts';
import { DaemonError } from '../errors.ts';
import { converse } from './formats.ts';
import type { LocalCis, Registration } from './registrations.ts';
import { correspondentOf } from './registrations.ts';
import type { StackFacts } from './stack-mind.ts';
import { answerForStack } from './stack-mind.ts';

export interface Asking {
  readonly principal: Principal;
  readonly signal: AbortSignal;
}

export interface ContainerLog {
  readonly container: string;
  readonly lines: { at?: string; stream: 'stdout' | 'stderr'; text: string }[];
}

/** Carries an operation out on another stack, as the principal who asked here. */
export type CallRemote = (
  stack: string,
  operation: string,
  input: Readonly<Record<string, unknown>>,
  asking: Asking,
) => Promise<unknown>;

export interface Cis {
  readonly local: LocalCis;
  /** Throws `not-found` with the nearest name, `unreachable` where its stack is, `ci-failed` where it doesn't answer. */
  ask(name: string, question: string, asking: Asking): Promise<CiAnswer>;
  logs(name: string, tail: number, asking: Asking): Promise<ContainerLog>;
}

interface Parts {
  readonly registry: Registry;
  readonly local: LocalCis;
  /** Absent on a stack without an engine. */
  readonly containers: { readonly observer: Observer; readonly engine: Engine } | undefined;
  readonly facts: () => StackFacts;
  readonly callRemote: CallRemote;
  readonly now: () => number;
}

export function makeCis({ registry, local, containers, facts, callRemote, now }: Parts): Cis {
  const find = (name: string): Entry => {
    const found = registry.directory.get('ci', labelOf(name));
    if (found) return found;
    const away = registry.directory
      .list({ kind: 'ci', includeUnreachable: true })
      .find((one) => one.name === name.toLowerCase());
    const stack = away && registry.members().find((one) => one.stack === away.stack);
    if (stack) {
      throw new DaemonError(
        'unreachable',
        `Cannot ask "${name}": its stack ${stack.name} is ${stack.liveness.state} since ${new Date(stack.liveness.since).toISOString()}`,
        {
          mayRetry: true,
          mend: 'hermesh stacks',
        },
      );
    }
    const known = registry.directory.list({ kind: 'ci' }).map((one) => one.name);
    throw new DaemonError('not-found', `Cannot find a CI "${name}"`, { mend: didYouMean(name, known) ?? 'aish list' });
  };

  const askHere = async (record: Entry, question: string, asking: Asking): Promise<CiAnswer> => {
    const started = now();
    const registration = local.find(record.name);
    if (registration) {
      const text = await converse(
        correspondentOf(registration),
        question,
        principalName(asking.principal),
        asking.signal,
      );
      return plainAnswer(relayed(registration, registry.stack, question, text, started, now()));
    }
    if (containers?.observer.cis().some((one) => one.ci === record.name)) {
      return asAnswer(await containers.observer.ask(record.name, question, { signal: asking.signal }), registry.stack);
    }
    if ((record.body as { type?: unknown }).type === 'tekton')
      return answerForStack(facts(), question, new Date(now()));
    throw new DaemonError('not-found', `Cannot ask "${record.name}": it is no longer here`, { mend: 'aish list' });
  };

  return {
    local,
    async ask(name, question, asking) {
      const record = find(name);
      if (record.stack === registry.stack) return askHere(record, question, asking);
      const input = { ci: `${record.name}@${record.stack}`, question };
      return plainAnswer(answerSchema.parse(await callRemote(record.stack, 'ci_ask', input, asking)));
    },
    async logs(name, tail, asking) {
      const engine = containers?.engine;
      const here = engine && !name.includes('@') ? await engine.inspect(name, { signal: asking.signal }) : undefined;
      const record = here ? undefined : find(name);
      if (record && record.stack !== registry.stack) {
        return (await callRemote(
          record.stack,
          'logs',
          { name: `${record.name}@${record.stack}`, tail },
          asking,
        )) as ContainerLog;
      }
      const view = record && containers?.observer.cis().find((one) => one.ci === record.name);
      const id = here?.id ?? view?.containerId;
      if (!engine || !id)
        throw new DaemonError('not-found', `Cannot read the log of "${name}": it has no container`, {
          mend: 'aish list type container',
        });
      const lines = await engine.logs(id, { tail, signal: asking.signal });
      return {
        container: here?.name ?? view?.containerName ?? id,
        lines: lines.map(({ at, stream, text }) => ({ ...(at ? { at: at.toISOString() } : {}), stream, text })),
      };
    },
  };
}

/** Names of CIs are in lower case, and ids of stacks aren't: of `Name@Stack` only the name is folded. */
function labelOf(name: string): string {
  const at = name.lastIndexOf('@');
  return at <= 0 ? name.toLowerCase() : `${name.slice(0, at).toLowerCase()}${name.slice(at)}`;
}

/** What another program or stack says ends in somebody's terminal: no character of it may steer that. */
function plainAnswer(answer: CiAnswer): CiAnswer {
  return {
    ...answer,
    text: plain(answer.text),
    findings: answer.findings.map((one) => ({
      ...one,
      summary: plain(one.summary),
      ...(one.mend === undefined ? {} : { mend: plain(one.mend) }),
    })),
    evidence: answer.evidence.map((one) => ({
      ...one,
      what: plain(one.what),
      source: plain(one.source),
      ...(one.excerpt === undefined ? {} : { excerpt: plain(one.excerpt) }),
    })),
  };
}

/** The answer of a CI that registered itself: its own words, with what was read being that answer. */
function relayed(
  ci: Registration,
  stack: string,
  question: string,
  text: string,
  started: number,
  ended: number,
): CiAnswer {
  return {
    ci: ci.name,
    stack,
    question,
    intent: 'relayed',
    text: text.slice(0, 20_000),
    findings: [],
    evidence: [
      {
        id: 'e1',
        what: `the answer of ${ci.name}`,
        source: `${ci.messageFormat} at ${new URL(ci.messageEndpoint, ci.endpoint).href}`,
        readAt: new Date(ended).toISOString(),
      },
    ],
    ms: ended - started,
  };
}

/** A container's CI knows nothing of stacks; its answer travels with the stack that gave it. */
function asAnswer(answer: Awaited<ReturnType<Observer['ask']>>, stack: string): CiAnswer {
  return {
    ci: answer.ci,
    stack,
    question: answer.question,
    intent: answer.intent,
    text: answer.text,
    findings: answer.findings.map((one) => ({ ...one, evidence: [...one.evidence] })),
    evidence: answer.evidence.map((one) => ({ ...one })),
    ms: answer.ms,
  };
}
