// The command line of `hermesh`: common options, the commands of the list of operations, and those that need no daemon.
import { Command, CommanderError } from 'commander';
import { operations } from '#daemon/operations';
import { readVersion } from '../version.ts';
import { addCompletion } from './completion.ts';
import { addDoctor } from './doctor.ts';
import { addManifest } from './manifest.ts';
import { addMcp } from './mcp.ts';
import { addOperationCommands, type CommonOptions, ToldFailure } from './operation-commands.ts';
import { printFault } from './output.ts';
import { addUp } from './up.ts';
import { addWatch } from './watch.ts';

/** Ctrl-C once asks for an end; the second time it is not asked. */
const interruptedExitCode = 130;

/** Carries out one command line; gives the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted && name === 'SIGINT') process.exit(interruptedExitCode);
      stop.abort();
    });
  }
  const program = makeProgram(stop.signal);
  try {
    await program.parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof ToldFailure) return 1;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (stop.signal.aborted) return interruptedExitCode;
    return printFault(error, { json: program.opts<CommonOptions>().json ?? false });
  }
}

export function makeProgram(signal: AbortSignal): Command {
  const program = new Command('hermesh')
    .description('Runs containers on several machines without a control plane.')
    .version(readVersion(), '--version')
    .option('--home <dir>', 'home of the stack (default: HERMESH_HOME, else $XDG_STATE_HOME/hermesh)')
    .option('--json', 'one JSON value on stdout and nothing else there')
    .option('--quiet', 'no progress')
    .showHelpAfterError('(see --help)')
    .addHelpText(
      'after',
      '\nExamples:\n  hermesh up --name berlin\n  hermesh status\n  hermesh build examples/shop/manifest.json\n  hermesh run examples/shop/manifest.json',
    );
  addUp(program, signal);
  // The doctor also works where no daemon does: its command is written by hand.
  addOperationCommands(
    program,
    operations.filter(({ name }) => name !== 'doctor'),
    signal,
  );
  addDoctor(program, signal);
  addWatch(program, signal);
  addManifest(program, signal);
  addMcp(program, signal);
  addCompletion(program);
  for (const command of allCommands(program)) command.exitOverride();
  for (const command of allCommands(program)) if (command !== program) addCommonOptions(command, program);
  return program;
}

/** `--json` and its like are taken before and behind the command's name. */
function addCommonOptions(command: Command, program: Command): void {
  command.option('--home <dir>').option('--json').option('--quiet');
  for (const option of command.options) {
    if (['home', 'json', 'quiet'].includes(option.attributeName())) option.hideHelp();
  }
  command.hook('preAction', () => {
    const { home, json, quiet } = command.opts<CommonOptions>();
    if (home !== undefined) program.setOptionValue('home', home);
    if (json) program.setOptionValue('json', true);
    if (quiet) program.setOptionValue('quiet', true);
  });
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
