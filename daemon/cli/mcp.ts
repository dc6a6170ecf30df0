// `hermesh mcp`: MCP over stdio, bridged to the daemon, and the snippets with which IDE assistants reach it.
import type { Command } from 'commander';
import { openClient } from '#daemon/client';
import { homeOf } from '../config.ts';
import { mcpClients, mcpSnippet } from '../snippets.ts';
import type { CommonOptions } from './operation-commands.ts';
import { openOutput } from './output.ts';

export function addMcp(program: Command, signal: AbortSignal): void {
  const mcp = program
    .command('mcp')
    .description('Serves MCP over stdio, bridged to the daemon: what an IDE assistant starts.')
    .addHelpText('after', '\nExamples:\n  hermesh mcp\n  hermesh mcp config claude')
    .action(async () => {
      const client = openClient({ home: homeOf(program.opts<CommonOptions>().home) });
      const { bridgeStdio } = await import('#mcp');
      await bridgeStdio({
        input: process.stdin,
        output: process.stdout,
        post: (body, headers, options) => client.raw('POST', '/mcp', { body, headers, signal: options.signal }),
        signal,
      });
    });
  mcp
    .command('config')
    .argument('<client>', mcpClients.join(', '))
    .description('Prints the snippet with which a client reaches this stack.')
    .addHelpText('after', '\nExamples:\n  hermesh mcp config claude\n  hermesh mcp config vscode')
    .action((client: string) => {
      const common = program.opts<CommonOptions>();
      const snippet = mcpSnippet(client, homeOf(common.home));
      openOutput({ json: common.json ?? false, quiet: common.quiet ?? false }).result(
        snippet.value,
        () => snippet.text,
      );
    });
}
