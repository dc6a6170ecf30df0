// What a person pastes into an IDE assistant so that it reaches this stack by MCP.
import path from 'node:path';
import { DaemonError } from './errors.ts';
import { packageRoot } from './version.ts';

export const mcpClients = ['claude', 'vscode', 'cursor', 'codex'] as const;

/** Over stdio: the command finds the daemon of a home by itself, and no token stands in a file. Throws `bad-input`. */
export function mcpSnippet(client: string, home: string): { readonly value: object; readonly text: string } {
  const server = { command: path.join(packageRoot(), 'bin', 'hermesh'), args: ['--home', home, 'mcp'] };
  switch (mcpClients.find((known) => known === client)) {
    case 'claude':
    case 'cursor':
      return json({ mcpServers: { mesh: server } }, client === 'claude' ? '.mcp.json' : '.cursor/mcp.json');
    case 'vscode':
      return json({ servers: { mesh: { type: 'stdio', ...server } } }, '.vscode/mcp.json');
    case 'codex':
      return {
        value: { mcp_servers: { mesh: server } },
        text: `# in ~/.codex/config.toml\n[mcp_servers.mesh]\ncommand = "${server.command}"\nargs = ${JSON.stringify(server.args)}`,
      };
    default:
      throw new DaemonError('bad-input', `Cannot write a snippet for "${client}"`, {
        mend: `known clients are ${mcpClients.join(', ')}`,
      });
  }
}

function json(value: object, file: string): { readonly value: object; readonly text: string } {
  return { value, text: `// in ${file}\n${JSON.stringify(value, null, 2)}` };
}
