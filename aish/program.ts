// The command line of `aish`: a word is a command or the name of a CI, and what follows is the message.
import { parseArgs } from 'node:util';
import type { Client } from '#daemon/client';
import { ClientError, openClient } from '#daemon/client';
import { converse } from './session.ts';
import { askCi, listCis, teamChat } from './talk.ts';

export interface Surroundings {
  readonly home: string;
  readonly user: string;
}

const interruptedExitCode = 130;
/** A message is bounded by the daemon at 4,000 letters; what is piped in is read no further than this. */
const maxPipedBytes = 64 * 1024;

const help = `Usage: aish [options] [CI[@STACK] | command] [message...]

Talks with the companion intelligences (CIs) of the mesh.

  aish                          an interactive session
  aish CI "message"             ask one CI; CI@STACK where several have the name
  echo message | aish CI        the same, from a pipe; aish a "…" | aish b passes an answer on
  aish team-chat "message"      ask every CI that can be reached
  aish list [type T] [json]     the CIs of the mesh
  aish whoami                   who asks

Options:
  --home DIR   home of the stack (default: HERMESH_HOME, else $XDG_STATE_HOME/hermesh)
  --json       one JSON value on stdout and nothing else there
  --quiet      the answer without its evidence
  --help, --version

Examples:
  aish redis-ci "status"
  aish api-ci@berlin "why did you restart?"
  aish list type container
`;

/** Carries out one command line; gives the exit code of CONTRACT.md. */
export async function main(words: readonly string[], surroundings: Surroundings): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  let json = false;
  try {
    const { values, positionals } = parse(words);
    json = values.json ?? false;
    if (values.help) return print(help);
    const client = openClient({ home: values.home ?? surroundings.home });
    if (values.version) return print(`${await versionOf(client, stop.signal)}\n`);
    return await carryOut(client, positionals, {
      json,
      quiet: values.quiet ?? false,
      user: surroundings.user,
      signal: stop.signal,
    });
  } catch (error) {
    if (stop.signal.aborted) return interruptedExitCode;
    return printFault(error, json);
  }
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        home: { type: 'string' },
        json: { type: 'boolean' },
        quiet: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
  } catch (cause) {
    throw new ClientError(
      { code: 'usage', message: (cause as Error).message, exitCode: 2, mend: 'aish --help' },
      { cause },
    );
  }
}

interface Talk {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly user: string;
  readonly signal: AbortSignal;
}

async function carryOut(client: Client, positionals: readonly string[], talk: Talk): Promise<number> {
  const [first, ...rest] = positionals;
  if (first === undefined) {
    if (!process.stdin.isTTY) return print(help);
    await converse(client, talk);
    return 0;
  }
  if (first === 'list') return print(await listCis(client, rest, talk));
  if (first === 'whoami') return print(`${talk.user}\n`);
  if (first === 'help') return print(help);
  const message = rest.length > 0 ? rest.join(' ') : await readPiped();
  if (message.trim() === '') {
    throw new ClientError({
      code: 'usage',
      message: `Cannot ask "${first}" nothing: there is no message`,
      exitCode: 2,
      mend: `aish ${first} "status"`,
    });
  }
  return print(
    first === 'team-chat' ? await teamChat(client, message, talk) : await askCi(client, first, message, talk),
  );
}

async function versionOf(client: Client, signal: AbortSignal): Promise<string> {
  return ((await client.call('GET', '/api/status', undefined, { signal })) as { version: string }).version;
}

async function readPiped(): Promise<string> {
  if (process.stdin.isTTY) return '';
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of process.stdin) {
    size += (part as Buffer).length;
    parts.push(part as Buffer);
    if (size >= maxPipedBytes) break;
  }
  return Buffer.concat(parts).subarray(0, maxPipedBytes).toString('utf8');
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function printFault(error: unknown, json: boolean): number {
  const { code = 'internal', message, mend, exitCode = 1 } = error as Partial<ClientError> & Error;
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, mend } })}\n`);
  process.stderr.write(`error: ${message}\n${mend ? `  mend: ${mend}\n` : ''}`);
  return exitCode;
}
