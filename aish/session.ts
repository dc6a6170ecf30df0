// The interactive session of aish: one line, one question, until the end of the input.
import { createInterface } from 'node:readline/promises';
import type { Client } from '#daemon/client';
import type { Style } from './talk.ts';
import { ask, listCis, renderAnswer, teamChat } from './talk.ts';

const help = `CI MESSAGE          ask a CI; the next lines without a CI's name go to the same one
team-chat MESSAGE   ask every CI
list [type T]       the CIs of the mesh
exit                end (also Ctrl-D)
`;

/** Lines go to the CI that is named first in them, else to the one asked last. Faults are told, and the session goes on. */
export async function converse(client: Client, style: Style): Promise<void> {
  const known = (
    (await client.call('GET', '/api/cis', undefined, { signal: style.signal })) as { cis: { name: string }[] }
  ).cis;
  const names = new Set(known.map(({ name }) => name));
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    completer: (line: string): [string[], string] => [[...names].filter((name) => name.startsWith(line)), line],
  });
  process.stdout.write(`${names.size} CIs can be asked. "help" says how.\n`);
  let current: string | undefined;
  lines.setPrompt('aish> ');
  lines.prompt();
  for await (const line of lines) {
    const [first = '', ...rest] = line.trim().split(/\s+/);
    if (first === 'exit' || first === 'quit') break;
    try {
      const message = rest.join(' ');
      if (first === 'help') process.stdout.write(help);
      else if (first === 'list') process.stdout.write(await listCis(client, rest, style));
      else if (first === 'team-chat') process.stdout.write(await teamChat(client, message, style));
      else if (first !== '') {
        const isName = names.has(first.split('@')[0] ?? '') || current === undefined;
        current = isName ? first : current;
        const question = isName ? message || 'status' : line.trim();
        process.stdout.write(renderAnswer(await ask(client, current ?? first, question, style.signal), style.quiet));
      }
    } catch (error) {
      process.stdout.write(`${(error as Error).message}\n`);
    }
    lines.setPrompt(current === undefined ? 'aish> ' : `${current}> `);
    lines.prompt();
  }
  lines.close();
}
