// One call of a tool by the official MCP client, as an IDE assistant makes it.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

export async function callToolByMcp(http: string, home: string, tool: string, input: Record<string, unknown>) {
  const token = (await readFile(path.join(home, 'token'), 'utf8')).trim();
  const client = new Client({ name: 'hermesh-demo', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', http), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  try {
    const { tools } = await client.listTools();
    const result = await client.callTool({ name: tool, arguments: input });
    return { tools: tools.map(({ name }) => name), structured: result.structuredContent };
  } finally {
    await client.close();
  }
}
