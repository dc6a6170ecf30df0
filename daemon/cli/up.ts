// `hermesh up`: runs the daemon in the foreground until it is told to stop.
import type { Command } from 'commander';
import { homeOf, readConfig } from '../config.ts';
import type { Settings } from '../settings.ts';
import type { CommonOptions } from './operation-commands.ts';

interface UpOptions extends Omit<Settings, 'labels'> {
  readonly label?: readonly string[];
  readonly join?: string;
}

export function addUp(program: Command, signal: AbortSignal): void {
  program
    .command('up')
    .description('Runs the daemon of this host in the foreground. The first run makes the identity of the stack.')
    .option('--name <name>', 'name of the stack (default: the name of the host)')
    .option('--site <name[:type]>', 'where it stands; the type is bare-metal, edge, aws, gcp or azure')
    .option('--region <region>', 'region of the site')
    .option('--zone <zone>', 'zone of a mesh beyond 500 stacks (default: that of the stack which invites)')
    .option('--label <k=v...>', 'labels of the stack')
    .option('--http <host:port>', 'where HTTP listens (default: 127.0.0.1:8001; port 0 for any)')
    .option('--listen <multiaddr...>', 'where libp2p listens (default: /ip4/0.0.0.0/tcp/4801)')
    .option('--engine <engine>', 'auto, docker, podman or none (default: auto)')
    .option('--mirror <"url suites components"...>', 'mirrors of Debian to ask instead of apt')
    .option('--keyring <file>', "who may sign what the mirrors say (default: Debian's own keys)")
    .option('--join <token>', 'join the mesh of this invite instead of founding one')
    .option('--hermes <mode>', 'open: take registrations without a token, from this host (default: closed)')
    .option('--log <level>', 'debug, info, warn, error or silent (default: info)')
    .addHelpText(
      'after',
      '\nExamples:\n  hermesh up\n  hermesh up --name berlin --site ber-1:bare-metal --engine docker\n  hermesh up --join TOKEN --engine none',
    )
    .action(async ({ label, join, ...flags }: UpOptions) => {
      const common = program.opts<CommonOptions>();
      const home = homeOf(common.home);
      const config = await readConfig(home, { ...flags, ...(label ? { labels: labelsOf(label) } : {}) });
      const { runDaemon } = await import('../main.ts');
      await runDaemon(config, { join, json: common.json ?? false, quiet: common.quiet ?? false, signal });
    });
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
