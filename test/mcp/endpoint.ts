// A real HTTP server with the MCP endpoint on a free port, over a few operations that show what operations do.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import type { Principal } from '#governance';
import { type Call, defineOperation, makeMcpServer, mayPassHostAndOrigin, type Operation } from '#mcp';

export interface World {
  readonly started: string[];
  readonly aborted: string[];
  readonly callers: string[];
  readonly logged: object[];
}

class NoSuchStack extends Error {
  readonly code = 'stack-unknown';
  readonly mend = 'hermesh stacks';
}

const hints = { readOnly: true, destructive: false, idempotent: true, openWorld: false };
const define = defineOperation<World, Principal>();

const echo = define({
  name: 'echo',
  title: 'Echo',
  sentence: 'Says what was said.',
  input: z.strictObject({ text: z.string().max(20), times: z.int().min(1).max(9).default(1) }),
  output: z.object({ text: z.string(), length: z.int() }),
  hints,
  http: { method: 'GET', path: '/api/echo' },
  remote: true,
  text: ({ text }) => `“${text}”`,
  run: async (world, { text, times }, { principal }) => {
    world.callers.push(`${principal.name}@${principal.stack}`);
    return { text: text.repeat(times), length: text.length * times };
  },
});

const names = define({
  name: 'names',
  title: 'Names',
  sentence: 'Lists names.',
  input: z.strictObject({}),
  output: z.array(z.string()),
  hints,
  http: { method: 'GET', path: '/api/names' },
  remote: true,
  text: (output) => output.join('\n'),
  run: async () => ['a', 'b'],
});

const missing = define({
  name: 'missing',
  title: 'Missing',
  sentence: 'Finds nothing.',
  input: z.strictObject({ unforeseen: z.boolean().default(false) }),
  output: z.object({ found: z.boolean() }),
  hints,
  http: { method: 'GET', path: '/api/missing' },
  remote: false,
  text: () => '',
  run: async (_world, { unforeseen }) => {
    if (unforeseen) throw new Error('the password is swordfish');
    throw new NoSuchStack('Cannot find stack "x": 2 are known');
  },
});

const build = define({
  name: 'build',
  title: 'Build',
  sentence: 'Builds in steps.',
  input: z.strictObject({ steps: z.int().default(3) }),
  output: z.object({ steps: z.int() }),
  hints: { ...hints, readOnly: false, idempotent: false },
  http: { method: 'POST', path: '/api/builds' },
  remote: false,
  text: ({ steps }) => `${steps} steps`,
  run: async (_world, { steps }, { report }) => {
    for (let step = 1; step <= steps; step += 1) report({ message: `step ${step}`, fraction: step / steps });
    return { steps };
  },
});

const wait = define({
  name: 'wait',
  title: 'Wait',
  sentence: 'Waits until it is cancelled.',
  input: z.strictObject({}),
  output: z.object({}),
  hints,
  http: { method: 'POST', path: '/api/wait' },
  remote: false,
  text: () => '',
  run: async (world, _input, { signal, report }) => {
    world.started.push('wait');
    report({ message: 'waiting' });
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    world.aborted.push('wait');
    throw signal.reason;
  },
});

export const operations: readonly Operation<World, Principal>[] = [wait, names, missing, echo, build];

/** `now` moves only where a test moves it. Requests with the header `x-who` come from that principal. */
export async function openEndpoint(options: { now?: () => number; port?: number; socket?: string } = {}) {
  const world: World = { started: [], aborted: [], callers: [], logged: [] };
  const mcp = await makeMcpServer<World>({
    operations,
    serverInfo: { name: 'hermesh', version: '0.0.0', title: 'Hermesh' },
    instructions: 'Ask.',
    invoke: (operation, input, call: Call<Principal>) => operation.run(world, input as never, call),
    log: { error: (fields) => void world.logged.push(fields), debug: () => undefined },
    ...(options.now && { now: options.now }),
  });
  const open = new Set<IncomingMessage>();
  const server = createServer((request, response) => {
    open.add(request);
    response.once('close', () => open.delete(request));
    if (!mayPassHostAndOrigin(request.headers)) {
      response.writeHead(403).end();
      return;
    }
    mcp.handleNode(request, response, { principal: principalOf(request) }).catch((error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => {
    if (options.socket) server.listen(options.socket, resolve);
    else server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = options.socket ? { port: 0 } : (server.address() as AddressInfo);
  return {
    world,
    mcp,
    /** The requests whose answer hasn't ended. */
    open,
    port,
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    [Symbol.asyncDispose]: async () => {
      await mcp.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function principalOf(request: IncomingMessage): Principal {
  return { name: String(request.headers['x-who'] ?? 'ann'), stack: 'one', role: 'admin', by: 'token' };
}
