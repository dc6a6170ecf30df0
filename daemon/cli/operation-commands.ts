// Commands made from the list of operations: words, positional arguments, and an option for every other key of the input.
import path from 'node:path';
import { Command, Option } from 'commander';
import { z } from 'zod';
import { openClient } from '#daemon/client';
import type { DaemonOperation } from '#daemon/operations';
import { isDigest } from '#manifests';
import { homeOf } from '../config.ts';
import { openOutput } from './output.ts';

/** Options that every command takes. */
export interface CommonOptions {
  readonly home?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

interface Property {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
}

/** Ends a command with exit code 1 after its output has said all there is to say. */
export class ToldFailure extends Error {}

/** Adds one command for each operation that `hermesh` has words for. */
export function addOperationCommands(
  program: Command,
  operations: readonly DaemonOperation[],
  signal: AbortSignal,
): void {
  for (const operation of operations) {
    if (operation.command && (operation.command.program ?? 'hermesh') === 'hermesh') {
      addNested(program, commandOf(operation, program, signal), operation.command.words.split(' '));
    }
  }
}

/** `audit show` is the command `show` of the command `audit`, which is made when its first is added. */
function addNested(program: Command, command: Command, words: readonly string[]): void {
  const groups = words.slice(0, -1);
  const parent = groups.reduce((above, word) => {
    const known = above.commands.find((one) => one.name() === word);
    return known ?? above.command(word).description(`Commands of "${word}".`);
  }, program);
  parent.addCommand(command);
}

function commandOf(operation: DaemonOperation, program: Command, signal: AbortSignal): Command {
  const form = operation.command;
  if (!form) throw new TypeError(`Operation "${operation.name}" has no command`);
  const schema = z.toJSONSchema(operation.input, { io: 'input', unrepresentable: 'any' }) as {
    readonly properties?: Readonly<Record<string, Property>>;
    readonly required?: readonly string[];
  };
  const properties = schema.properties ?? {};
  const command = new Command(form.words.split(' ').at(-1)).description(operation.sentence);
  for (const key of form.positional) {
    const isRequired = schema.required?.includes(key) ?? false;
    command.argument(isRequired ? `<${key}>` : `[${key}]`, properties[key]?.description ?? '');
  }
  for (const [key, property] of Object.entries(properties)) {
    if (!form.positional.includes(key)) command.addOption(optionOf(key, property));
  }
  command.addHelpText('after', `\nExamples:\n${form.examples.map((example) => `  ${example}`).join('\n')}`);
  return command.action(async (...given: unknown[]) => {
    const options = command.opts<Record<string, unknown>>();
    const positional = Object.fromEntries(form.positional.map((key, index) => [key, given[index]]));
    const input = Object.fromEntries(
      Object.entries({ ...options, ...positional })
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => [
          key,
          form.paths?.includes(key) && !isDigest(String(value)) ? path.resolve(String(value)) : value,
        ]),
    );
    await carryOut(operation, input, program.opts<CommonOptions>(), signal);
  });
}

function optionOf(key: string, property: Property): Option {
  // What is on unless said otherwise is turned off by its flag.
  const isOff = property.type === 'boolean' && property.default === true;
  const flag = `--${isOff ? 'no-' : ''}${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const option = new Option(
    property.type === 'boolean' ? flag : `${flag} <${key.toLowerCase()}>`,
    property.description ?? '',
  );
  if (property.enum) option.choices([...property.enum]);
  return option;
}

async function carryOut(
  operation: DaemonOperation,
  input: Record<string, unknown>,
  common: CommonOptions,
  signal: AbortSignal,
): Promise<void> {
  const output = openOutput({ json: common.json ?? false, quiet: common.quiet ?? false });
  const client = openClient({ home: homeOf(common.home) });
  const rest = { ...input };
  const place = operation.http.path.replace(/:([a-zA-Z]+)/g, (_, key: string) => {
    const value = encodeURIComponent(String(rest[key]));
    delete rest[key];
    return value;
  });
  const isPost = operation.http.method === 'POST';
  const query = new URLSearchParams(
    Object.entries(rest).map(([key, value]): [string, string] => [key, String(value)]),
  ).toString();
  try {
    const result = await client.call(
      operation.http.method,
      isPost || query === '' ? place : `${place}?${query}`,
      isPost ? rest : undefined,
      {
        signal,
        onProgress: (progress) => output.progress(progress),
      },
    );
    output.result(result, () => operation.text(result));
    if (operation.tellsOfFailure?.(result)) throw new ToldFailure();
  } finally {
    output.endProgress();
  }
}
