// Live changes of the registry: backfill, cut over, follow, as lines over HTTP and as messages over a WebSocket.
import type { IncomingMessage, Server } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { WebSocketServer } from 'ws';
import type { Directory } from '#registry';
import { problemOf } from '../problem.ts';
import type { Authenticate } from './authenticate.ts';

/** Together far more than a person watches with. */
const maxWatchers = 100;
/** What may wait in a socket for its reader; a slower one is cut, never waited for. */
const maxWaitingBytes = 1024 * 1024;

interface Parts {
  readonly directory: Directory;
  readonly authenticate: Authenticate;
  readonly signal: AbortSignal;
}

export function addLiveRoutes(
  app: FastifyInstance,
  servers: readonly Server[],
  { directory, authenticate, signal }: Parts,
): void {
  let watchers = 0;

  const follow = async (
    query: URLSearchParams,
    closed: AbortSignal,
    send: (value: object) => number,
  ): Promise<void> => {
    const kind = query.get('kind');
    const from = query.get('from');
    if (watchers >= maxWatchers) throw new RangeError(`${maxWatchers} watch already`);
    watchers += 1;
    try {
      const following = directory.follow({
        ...(from === null ? {} : { from: Number(from) }),
        signal: AbortSignal.any([signal, closed]),
      });
      for await (const change of following) {
        if (kind !== null && change.kind !== kind) continue;
        if (send(change) > maxWaitingBytes) throw new RangeError('the reader is too slow');
      }
    } finally {
      watchers -= 1;
    }
  };

  app.get('/api/watch', async (request, reply) => {
    authenticate.principal(request.raw);
    const closed = new AbortController();
    reply.raw.once('close', () => closed.abort());
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    reply.raw.flushHeaders();
    const query = new URL(request.url, 'http://localhost').searchParams;
    try {
      await follow(query, closed.signal, (change) => {
        reply.raw.write(`${JSON.stringify(change)}\n`);
        return reply.raw.writableLength;
      });
    } catch (error) {
      if (!closed.signal.aborted) reply.raw.write(`${JSON.stringify({ error: problemOf(error) })}\n`);
    }
    reply.raw.end();
    return reply;
  });

  const sockets = new WebSocketServer({ noServer: true, maxPayload: 4096 });
  for (const server of servers) {
    server.on('upgrade', (request: IncomingMessage, socket, head) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      try {
        if (url.pathname !== '/ws') throw new RangeError(`nothing is at "${url.pathname}"`);
        authenticate.principal(request);
      } catch {
        socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (client) => {
        const closed = new AbortController();
        client.on('close', () => closed.abort());
        client.on('error', () => closed.abort());
        follow(url.searchParams, closed.signal, (change) => {
          client.send(JSON.stringify(change));
          return client.bufferedAmount;
        }).then(
          () => client.close(1001),
          (error: unknown) => client.close(1013, (error as Error).message.slice(0, 100)),
        );
      });
    });
  }
  signal.addEventListener('abort', () => {
    for (const client of sockets.clients) client.terminate();
    sockets.close();
  });
}
