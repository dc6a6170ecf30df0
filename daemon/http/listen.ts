// Opens the daemon's HTTP: one application behind a unix socket and a loopback port.
import { rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import Fastify from 'fastify';
import type { Logger } from 'pino';
import type { Cis } from '#daemon/cis';
import type { PullAccess } from '#daemon/deploy';
import type { DaemonOperation } from '#daemon/operations';
import type { BlobStore, Digest } from '#manifests';
import type { Repositories, Uploads } from '#manifests/distribution';
import { type McpServer, makeMcpServer } from '#mcp';
import type { Directory } from '#registry';
import { DaemonError } from '../errors.ts';
import type { Invoke } from '../invoke.ts';
import type { DaemonMetrics, Observed } from '../metrics.ts';
import { problemOf } from '../problem.ts';
import { makeAuthenticate } from './authenticate.ts';
import { answerPull } from './distribution.ts';
import { addHermesRoutes } from './hermes.ts';
import { addLiveRoutes } from './live.ts';
import { addOperationRoutes } from './operation-routes.ts';

/** A manifest is at most 1 MiB, and every other input is smaller. */
const bodyLimitBytes = 1024 * 1024;
/** What one host's people and programs need; a flood meets this before memory does. */
const maxConnections = 512;
/** Answers that are still on their way when the daemon stops get as long. */
const closeGraceMs = 1_000;

export interface HttpParts {
  readonly host: string;
  readonly port: number;
  readonly socket: string;
  readonly token: string;
  readonly stack: string;
  readonly version: string;
  readonly hermes: 'closed' | 'open';
  readonly operations: readonly DaemonOperation[];
  readonly invoke: Invoke;
  readonly cis: Cis;
  /** Carries out a change together with others that came at the time; resolves once it is durable. */
  readonly group: <T>(work: () => T) => Promise<T>;
  readonly blobs: BlobStore;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
  readonly imagesOf: (repository: string) => readonly Digest[];
  readonly attachedTo: (image: Digest) => Promise<readonly Digest[]>;
  readonly pullAccess: PullAccess;
  readonly directory: Directory;
  readonly isReady: () => boolean;
  readonly metrics: DaemonMetrics;
  /** What the metrics measure when they are asked for. */
  readonly observe: () => Observed;
  readonly now: () => number;
  readonly log: Logger;
}

export interface Http extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
}

/** Throws `port-in-use` with the mend. What it opened is closed when it fails. */
export async function openHttp(parts: HttpParts): Promise<Http> {
  const { host, port, socket, log } = parts;
  const stopping = new AbortController();
  const authenticate = makeAuthenticate(parts.token, parts.stack);
  const mcp = onFirstUse(() => openMcp(parts));
  const app = Fastify({ bodyLimit: bodyLimitBytes, loggerInstance: undefined, exposeHeadRoutes: false });

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    parts.metrics.request(path);
    const raw = path === '/mcp' ? toMcp : path === '/v2' || path.startsWith('/v2/') ? toPull : undefined;
    if (raw) raw(request, response).catch((error: unknown) => refuse(response, error));
    else app.routing(request, response);
  };
  const toMcp = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const principal = authenticate.principal(request);
    await (await mcp.get()).handleNode(request, response, { principal });
  };
  const toPull = (request: IncomingMessage, response: ServerResponse): Promise<void> =>
    answerPull(request, response, { ...parts, authenticate });

  const servers = [createServer(answer), createServer(answer)] as const;
  const [bySocket, byPort] = servers;
  for (const server of servers) server.maxConnections = maxConnections;
  bySocket.on('connection', (connection) => authenticate.trust(connection));

  app.setErrorHandler((error, request, reply) => {
    const { status, ...problem } = problemOf(error);
    if (status >= 500) log.error({ error, url: request.url }, 'request failed');
    return reply.code(status).send({ error: problem, detail: problem.message });
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: {
        code: 'not-found',
        message: `Cannot find "${request.method} ${request.url}"`,
        mend: 'see /api/openapi.json',
      },
    }),
  );
  app.get('/health', () => ({ status: 'healthy' }));
  app.get('/ready', (_request, reply) => reply.code(parts.isReady() ? 200 : 503).send({ ready: parts.isReady() }));
  app.get('/metrics', async (request, reply) => {
    authenticate.principal(request.raw);
    const { type, text } = await parts.metrics.tell(parts.observe());
    return reply.type(type).send(text);
  });
  addOperationRoutes(app, { ...parts, authenticate });
  addHermesRoutes(app, { ...parts, authenticate });
  addLiveRoutes(app, servers, { directory: parts.directory, authenticate, signal: stopping.signal, log });
  await app.ready();

  try {
    await listen(byPort, { host, port });
    rmSync(socket, { force: true });
    await listen(bySocket, { path: socket });
    await chmod(socket, 0o600);
  } catch (error) {
    await Promise.all([...servers.map((server) => close(server, 0)), app.close()]);
    throw error;
  }
  const bound = byPort.address();
  const boundPort = typeof bound === 'object' && bound ? bound.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    port: boundPort,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await mcp.close();
      await Promise.all(servers.map((server) => close(server, closeGraceMs)));
      await app.close();
      rmSync(socket, { force: true });
    },
  };
}

function openMcp({ operations, invoke, version, log }: HttpParts): Promise<McpServer> {
  return makeMcpServer({
    operations,
    serverInfo: { name: 'hermesh', title: 'Hermesh', version },
    instructions:
      'Hermesh runs containers on several machines without a control plane. Look with status, stacks, ci_list and records_list. Ask a companion intelligence (CI) with ci_ask: it answers with evidence, from any stack. build, run and stop act on this stack.',
    invoke: (operation, input, call) => invoke(operation.name, input, call),
    log,
  });
}

/** The SDK costs time and memory, so it is loaded by the first request that needs it. */
function onFirstUse(open: () => Promise<McpServer>): { get(): Promise<McpServer>; close(): Promise<void> } {
  let opened: Promise<McpServer> | undefined;
  return {
    get() {
      opened ??= open();
      return opened;
    },
    close: async () => (await opened)?.close(),
  };
}

function refuse(response: ServerResponse, error: unknown): void {
  const { status, ...problem } = problemOf(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: problem }));
}

function listen(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EADDRINUSE' || 'path' in where) reject(cause);
      else {
        const place = `${where.host}:${where.port}`;
        reject(
          new DaemonError('port-in-use', `Cannot listen on ${place}: another program does`, {
            cause,
            mend: `stop it, or take another port with --http ${where.host}:PORT (0 for any)`,
          }),
        );
      }
    });
    server.listen(where, () => resolve());
  });
}

async function close(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const late = setTimeout(() => server.closeAllConnections(), graceMs);
  await done;
  clearTimeout(late);
}
