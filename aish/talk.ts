// What aish asks of the daemon, and how an answer reads in a terminal.
import { styleText } from 'node:util';
import type { Client } from '#daemon/client';
import { ClientError } from '#daemon/client';

export interface Answer {
  readonly ci: string;
  readonly text: string;
  readonly evidence: readonly {
    readonly id: string;
    readonly what: string;
    readonly source: string;
    readonly excerpt?: string;
  }[];
}

interface Ci {
  readonly name: string;
  readonly stackName: string;
}

export interface Style {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/** A team is asked so many at once. */
const teamWidth = 8;

export async function ask(client: Client, ci: string, question: string, signal: AbortSignal): Promise<Answer> {
  return (await client.call('POST', `/api/cis/${encodeURIComponent(ci)}/ask`, { question }, { signal })) as Answer;
}

export async function askCi(client: Client, ci: string, question: string, style: Style): Promise<string> {
  const answer = await ask(client, ci, question, style.signal);
  return style.json ? `${JSON.stringify(answer)}\n` : renderAnswer(answer, style.quiet);
}

/** The words first, and below them what they rest on. A pipe gets the words alone, so that they can be passed on. */
export function renderAnswer(answer: Answer, quiet: boolean): string {
  const isPiped = process.stdout.isTTY !== true;
  if (quiet || isPiped || answer.evidence.length === 0) return `${answer.text}\n`;
  const lines = answer.evidence.map(({ id, what, source }) =>
    styleText('dim', `[${id}] ${what}, ${source}`, { stream: process.stdout }),
  );
  return `${answer.text}\n\n${lines.join('\n')}\n`;
}

/** `list`, `list type T`, `list json`, and both in one. */
export async function listCis(client: Client, words: readonly string[], style: Style): Promise<string> {
  const { json, type } = readListWords(words, style.json);
  const query = type === undefined ? '' : `?type=${encodeURIComponent(type)}`;
  if (!json) return `${await client.text(`/api/cis${query}`, { signal: style.signal })}\n`;
  const { cis } = (await client.call('GET', `/api/cis${query}`, undefined, { signal: style.signal })) as {
    cis: readonly Ci[];
  };
  return `${JSON.stringify(type === undefined ? Object.fromEntries(cis.map((ci) => [ci.name, ci])) : cis)}\n`;
}

function readListWords(words: readonly string[], json: boolean): { json: boolean; type: string | undefined } {
  const [word, next, ...rest] = words;
  if (word === undefined) return { json, type: undefined };
  if (word === 'json') return { ...readListWords(words.slice(1), true), json: true };
  if (word === 'type' && next !== undefined) return { ...readListWords(rest, json), type: next };
  throw new ClientError({
    code: 'usage',
    message: word === 'type' ? 'Cannot list: the type is missing' : `Cannot list: "${word}" is not known here`,
    exitCode: 2,
    mend: 'aish list type container, aish list json, or both',
  });
}

/** Every CI that can be reached answers, or says why it can't; the order is that of the list. */
export async function teamChat(client: Client, message: string, style: Style): Promise<string> {
  const { cis } = (await client.call('GET', '/api/cis', undefined, { signal: style.signal })) as { cis: readonly Ci[] };
  const answers: { name: string; text: string }[] = [];
  const queue = [...cis.entries()];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, { name, stackName }] = next;
      const text = await ask(client, `${name}@${stackName}`, message, style.signal).then(
        (answer) => answer.text,
        (error: unknown) => `(${(error as Error).message})`,
      );
      answers[index] = { name, text };
    }
  };
  await Promise.all(Array.from({ length: teamWidth }, worker));
  if (style.json)
    return `${JSON.stringify({ responses: answers.map(({ name, text }) => ({ specialist_id: name, content: text })) })}\n`;
  return `Team responses:\n${'-'.repeat(40)}\n${answers.map(({ name, text }) => `[${name}]: ${text}\n`).join('')}`;
}
