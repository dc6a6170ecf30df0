// How the operations are served over MCP: 2026-07-28 by itself, the 2025 revisions in sessions, on one endpoint, by the official SDK.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  AuthInfo,
  McpHandlerRequestOptions,
  RequestId,
  Server,
  ServerContext,
} from '@modelcontextprotocol/server';
import { type Principal, principalName } from '#governance';
import type { Call, Operation, Progress } from './operation.ts';
import { Sessions } from './sessions.ts';
import { faultResult, invalidInputResult, makeTool, parseInput, resultOf, type ToolResult } from './tools.ts';

export interface McpServerOptions<Context> {
  /** Listed in the order of their names, whatever their order here. */
  readonly operations: readonly Operation<Context, Principal>[];
  readonly serverInfo: { readonly name: string; readonly version: string; readonly title: string };
  /** At most 2 KB are read by some clients. */
  readonly instructions: string;
  /** Runs it, governed; gets the parsed input and gives the parsed output. An Error with a `code` is told to the caller. */
  readonly invoke: (
    operation: Operation<Context, Principal>,
    input: Record<string, unknown>,
    call: Call<Principal>,
  ) => Promise<unknown>;
  readonly log: { error(fields: object, message: string): void; debug(fields: object, message: string): void };
  /** Milliseconds that never go back. */
  readonly now?: () => number;
}

export interface McpServer extends AsyncDisposable {
  /**
   * Answers one request of the endpoint (POST, and GET and DELETE of a session); resolves once the answer has ended.
   * Who asks, Host and Origin are checked before. `body` is the parsed JSON where the caller has read it already.
   */
  handleNode(
    request: IncomingMessage,
    response: ServerResponse,
    options: { readonly principal: Principal; readonly body?: unknown },
  ): Promise<void>;
  /** Ends what runs, by its signal, and all sessions. */
  close(): Promise<void>;
}

/** The same as the bound of the stdio bridge: no input of an operation is near it. */
const maxBodyBytes = 4 * 1024 * 1024;
/** The list changes only with the program, so a client may keep it for a minute. */
const listHint = { ttlMs: 60_000, cacheScope: 'private' } as const;
/** Progress is for eyes: so many reports at once, and then so many a second; what is above is left out. */
const progressBurst = 20;
/** The protocol wants each report greater than the one before, also where nothing is known. */
const smallestStep = 1e-4;

/** Loads the SDK (about 160 ms and 10 MB, hence not before it is needed) and makes the tools. */
export async function makeMcpServer<Context>(options: McpServerOptions<Context>): Promise<McpServer> {
  const [sdk, { toNodeHandler }] = await Promise.all([
    import('@modelcontextprotocol/server'),
    import('@modelcontextprotocol/node'),
  ]);
  const { invoke, log, now = () => performance.now() } = options;
  const served = options.operations
    .map((operation) => makeTool(operation))
    .toSorted((one, other) => (one.tool.name < other.tool.name ? -1 : 1));
  const byName = new Map(served.map((one) => [one.tool.name, one]));
  if (byName.size < served.length) throw new TypeError('Two operations have one name');
  const tools = served.map(({ tool }) => tool);
  const onerror = (error: Error): void => log.debug({ error }, 'mcp: a request was refused');

  const call = async (name: string, input: unknown, context: ServerContext): Promise<ToolResult> => {
    const one = byName.get(name);
    if (!one) throw new sdk.ProtocolError(sdk.ProtocolErrorCode.InvalidParams, `Unknown tool "${name}"`);
    const parsed = parseInput(one.operation, input);
    if ('problems' in parsed) return invalidInputResult(name, parsed.problems);
    const { signal } = context.mcpReq;
    const report = reporter(context, now, onerror);
    try {
      return resultOf(
        one,
        await invoke(one.operation, parsed.input, { principal: principalOf(context), report, signal }),
      );
    } catch (error) {
      if (signal.aborted) return faultResult({ code: 'cancelled', message: `"${name}" was cancelled` });
      if (isFault(error)) return faultResult(error);
      log.error({ error, operation: name }, 'mcp: an operation failed unexpectedly');
      return faultResult({
        code: 'internal',
        message: `"${name}" failed unexpectedly: the log of the daemon says why`,
      });
    }
  };

  const makeServer = (leave?: (id: RequestId) => void): Server => {
    const server = new sdk.Server(options.serverInfo, {
      capabilities: { tools: {} },
      instructions: options.instructions,
      cacheHints: { 'tools/list': listHint, 'server/discover': listHint },
    });
    server.onerror = onerror;
    server.setRequestHandler('tools/list', () => ({ tools }) as never);
    server.setRequestHandler('tools/call', ({ params }, context) => {
      const { id, signal } = context.mcpReq;
      signal.addEventListener('abort', () => leave?.(id), { once: true });
      return call(params.name, params.arguments ?? {}, context);
    });
    return server;
  };

  const stateless = sdk.createMcpHandler(() => makeServer(), { onerror, maxRequestBodySize: maxBodyBytes });
  const sessions = new Sessions({
    makeServer,
    makeTransport: (own) =>
      new sdk.WebStandardStreamableHTTPServerTransport({ ...own, maxRequestBodySize: maxBodyBytes }),
    now,
  });

  /** A request of the modern era, or one of 2025 without a session, needs nothing kept; the others have a session. */
  const answer = async (
    request: Request,
    response: ServerResponse,
    owner: string,
    { authInfo, parsedBody }: McpHandlerRequestOptions,
  ): Promise<Response> => {
    const body = parsedBody ?? (request.method === 'POST' ? await readJson(request) : undefined);
    const rest = { ...(authInfo && { authInfo }), ...(body !== undefined && { parsedBody: body }) };
    const id = request.headers.get('mcp-session-id');
    const begins = sdk.isInitializeRequest(body);
    if ((id === null && !begins) || !(await sdk.isLegacyRequest(request, body))) return stateless.fetch(request, rest);
    const taken = id === null || begins ? await sessions.open(owner) : sessions.take(id, owner);
    if (taken === 'unknown') return refusal(404, -32_001, 'Session not found');
    if (taken === 'full') return refusal(503, -32_000, 'All sessions are in use: close one');
    if (response.destroyed) taken.release();
    else response.once('close', taken.release);
    return taken.transport.handleRequest(request, rest);
  };

  const close = async (): Promise<void> => {
    await Promise.all([stateless.close(), sessions.close()]);
  };
  return {
    handleNode: async (request, response, { principal, body }) => {
      const authInfo = authInfoOf(principal);
      const handle = toNodeHandler(
        { fetch: (web, rest) => answer(web, response, authInfo.clientId, { ...rest, authInfo }) },
        { onerror: (error) => log.error({ error }, 'mcp: a request failed'), maxRequestBodySize: maxBodyBytes },
      );
      await handle(request, response as never, body);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The SDK carries who asks beside the request, as what an access token would have said. */
function authInfoOf(principal: Principal): AuthInfo {
  return { token: '', clientId: principalName(principal), scopes: [principal.role], extra: { principal } };
}

function principalOf(context: ServerContext): Principal {
  return context.http?.authInfo?.extra?.principal as Principal;
}

/** Progress goes out only to a caller who gave a token. */
function reporter(context: ServerContext, now: () => number, onerror: (error: Error) => void) {
  const progressToken = context.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return () => undefined;
  let progress = 0;
  let left = progressBurst;
  let filledAt = now();
  return ({ message, fraction }: Progress): void => {
    left = Math.min(progressBurst, left + ((now() - filledAt) / 1000) * progressBurst);
    filledAt = now();
    if (left < 1 || context.mcpReq.signal.aborted) return;
    left -= 1;
    progress = Math.max(progress + smallestStep, fraction ?? 0);
    const params = { progressToken, progress, message, ...(fraction !== undefined && { total: 1 }) };
    context.mcpReq.notify({ method: 'notifications/progress', params }).catch(onerror);
  };
}

function isFault(error: unknown): error is Error & { code: string; mend?: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.clone().json();
  } catch {
    return undefined;
  }
}

function refusal(status: number, code: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status });
}
