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

interface WatchOptions {
  readonly since?: string;
  readonly where?: string;
}

export function addWatch(program: Command, signal: AbortSignal): void {
  program
    .command('watch')
    .argument('[kind]', 'stack, ci, manifest, build or run')
    .description('Shows what is in the registry and then each change, until it is interrupted.')
    .option('--since <position>', 'only what came after this position, which each line of --json tells; or "now"')
    .option('--where <filter>', 'a filter in CEL, as "hermesh ls --help" shows')
    .addHelpText(
      'after',
      '\nExamples:\n  hermesh watch\n  hermesh watch ci --json --since 120\n  hermesh watch ci --where \'health != "healthy"\'',
    )
    .action(async (kind: string | undefined, { since, where }: WatchOptions) => {
      const { home, json } = program.opts<CommonOptions>();
      const client = openClient({ home: homeOf(home) });
      const wanted = Object.entries({ kind, from: since, where }).filter(([, value]) => value !== undefined);
      const query = new URLSearchParams(wanted as [string, string][]).toString();
      for await (const value of client.stream(query === '' ? '/api/watch' : `/api/watch?${query}`, { signal })) {
        const change = value as Change;
        const line = json
          ? JSON.stringify(change)
          : `${change.entry === undefined ? '-' : '+'} ${change.kind}/${change.name}@${change.stack}`;
        process.stdout.write(`${line}\n`);
      }
    });
}
