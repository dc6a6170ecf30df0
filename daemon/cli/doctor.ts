// `hermesh doctor`: looks at this host, and at its daemon where one runs.
import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { ClientError, openClient } from '#daemon/client';
import { type Check, checkHost, checkToken, sayChecks, unknown } from '#daemon/doctor';
import { homeOf, readConfig } from '../config.ts';
import { type CommonOptions, ToldFailure } from './operation-commands.ts';
import { openOutput } from './output.ts';

export function addDoctor(program: Command, signal: AbortSignal): void {
  program
    .command('doctor')
    .argument('[token]', 'an invite to try; it is not used up')
    .description('Looks for what is wrong, and says how to mend it; with a token, why joining would fail.')
    .addHelpText('after', '\nExamples:\n  hermesh doctor\n  hermesh doctor TOKEN --json')
    .action(async (token: string | undefined) => {
      const common = program.opts<CommonOptions>();
      const output = openOutput({ json: common.json ?? false, quiet: common.quiet ?? false });
      const home = homeOf(common.home);
      const checks = await checkHost(home, process.version);
      checks.push(...((await askDaemon(home, token, signal)) ?? (await withoutDaemon(home, token, signal))));
      const isWell = checks.every(({ state }) => state !== 'wrong');
      output.result({ well: isWell, checks }, () => sayChecks(checks));
      if (!isWell) throw new ToldFailure();
    });
}

/** What the daemon says; undefined where there is none. */
async function askDaemon(home: string, token: string | undefined, signal: AbortSignal): Promise<Check[] | undefined> {
  try {
    const input = token === undefined ? {} : { token };
    const answer = await openClient({ home }).call('POST', '/api/doctor', input, { signal });
    return (answer as { checks: Check[] }).checks;
  } catch (error) {
    if (error instanceof ClientError && error.exitCode === 5) return undefined;
    throw error;
  }
}

async function withoutDaemon(home: string, token: string | undefined, signal: AbortSignal): Promise<Check[]> {
  const checks = [unknown('daemon', 'none runs in this home: "hermesh up" starts it')];
  if (token === undefined) return checks;
  const { name } = await readConfig(home, {});
  return [...checks, await checkToken(token, { home, name, random: randomBytes, signal })];
}
