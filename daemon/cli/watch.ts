// `hermesh watch`: the changes of the registry, a line each, as they come.
import type { Command } from 'commander';
import { openClient } from '#daemon/client';
import { homeOf } from '../config.ts';
import type { CommonOptions } from './operation-commands.ts';

interface Change {
  readonly kind: string;
  readonly name: string;
  readonly stack: string;
  readonly entry?: unknown;
}

export function addWatch(program: Command, signal: AbortSignal): void {
  program
    .command('watch')
    .argument('[kind]', 'stack, ci, manifest, build or run')
    .description('Shows what is in the registry and then each change, until it is interrupted.')
    .addHelpText('after', '\nExamples:\n  hermesh watch\n  hermesh watch ci --json')
    .action(async (kind: string | undefined) => {
      const { home, json } = program.opts<CommonOptions>();
      const client = openClient({ home: homeOf(home) });
      const query = kind === undefined ? '' : `?kind=${encodeURIComponent(kind)}`;
      for await (const value of client.stream(`/api/watch${query}`, { signal })) {
        const change = value as Change;
        const line = json
          ? JSON.stringify(change)
          : `${change.entry === undefined ? '-' : '+'} ${change.kind}/${change.name}@${change.stack}`;
        process.stdout.write(`${line}\n`);
      }
    });
}
