// Live changes of the registry: backfill, cut over, follow, as lines over HTTP and as messages over a WebSocket.
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import type { Directory } from '#registry';
import { DaemonError } from '../errors.ts';
import { problemOf } from '../problem.ts';
import type { Authenticate } from './authenticate.ts';

/** Together far more than a person watches with. */
const maxWatchers = 100;
/** What may wait in a socket for its reader; more is not read from the store until it is gone. */
const maxWaitingBytes = 1024 * 1024;
/** A reader that doesn't take what waits for it within this is cut. */
const drainMs = 5_000;

interface Parts {
  readonly directory: Directory;
  readonly authenticate: Authenticate;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** A reader's connection: `send` resolves once there is room again for more. */
interface Reader {
  send(value: object): Promise<void> | undefined;
  readonly closed: AbortSignal;
}

export function addLiveRoutes(
  app: FastifyInstance,
  servers: readonly Server[],
  { directory, authenticate, signal, log }: Parts,
): void {
  let watchers = 0;

  /** Without `from` all that is there comes first; `from=POSITION` gives the changes after it, `from=now` only new ones. */
  const follow = async (query: URLSearchParams, { send, closed }: Reader): Promise<void> => {
    const kind = query.get('kind') ?? undefined;
    const position = directory.position();
    const from = query.get('from') === null || query.get('from') === 'now' ? position : Number(query.get('from'));
    watchers += 1;
    try {
      for (const entry of query.has('from') ? [] : directory.list(kind === undefined ? {} : { kind })) {
        const { position: at, kind: of, name, stack } = entry;
        await send({ position: at, kind: of, name, stack, entry });
        if (closed.aborted) return;
      }
      for await (const change of directory.follow({ from, signal: AbortSignal.any([signal, closed]) })) {
        if (kind === undefined || change.kind === kind) await send(change);
      }
    } catch (error) {
      if (isTooSlow(error)) log.info({ reason: (error as Error).message }, 'a reader is cut');
      throw error;
    } finally {
      watchers -= 1;
    }
  };

  /** Throws before the first byte of an answer is sent. */
  const check = (query: URLSearchParams): void => {
    const from = query.get('from');
    if (from !== null && from !== 'now' && !/^\d{1,15}$/.test(from)) {
      throw new DaemonError('bad-input', `Cannot follow from "${from}": it is no position`, {
        mend: 'leave "from" out, or give the position of the last change that was read',
      });
    }
    if (watchers >= maxWatchers) {
      throw new DaemonError('busy', `Cannot follow: ${maxWatchers} readers do already`, {
        mayRetry: true,
        mend: 'end one of them',
      });
    }
  };

  app.get('/api/watch', async (request, reply) => {
    authenticate.principal(request.raw);
    const query = new URL(request.url, 'http://localhost').searchParams;
    check(query);
    const closed = new AbortController();
    const { raw } = reply;
    raw.once('close', () => closed.abort());
    reply.hijack();
    raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    raw.flushHeaders();
    const send = (change: object): Promise<void> | undefined => {
      raw.write(`${JSON.stringify(change)}\n`);
      if (raw.writableLength <= maxWaitingBytes) return undefined;
      return inTime((done) => raw.once('drain', done), closed.signal);
    };
    try {
      await follow(query, { send, closed: closed.signal });
    } catch (error) {
      if (isTooSlow(error)) raw.destroy();
      else if (!closed.signal.aborted) raw.write(`${JSON.stringify({ error: problemOf(error) })}\n`);
    }
    raw.end();
    return reply;
  });

  const sockets = new WebSocketServer({ noServer: true, maxPayload: 4096 });
  for (const server of servers) {
    server.on('upgrade', (request: IncomingMessage, socket, head) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      try {
        if (url.pathname !== '/ws') throw new DaemonError('not-found', `Cannot find "${url.pathname}"`);
        authenticate.principal(request);
        check(url.searchParams);
      } catch (error) {
        const { status } = problemOf(error);
        socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      sockets.handleUpgrade(request, socket, head, (client) => {
        const closed = new AbortController();
        client.on('close', () => closed.abort());
        client.on('error', () => closed.abort());
        const send = (change: object): Promise<void> | undefined => {
          const text = JSON.stringify(change);
          if (client.bufferedAmount <= maxWaitingBytes) return void client.send(text);
          return inTime((done) => client.send(text, done), closed.signal);
        };
        follow(url.searchParams, { send, closed: closed.signal }).then(
          () => client.close(1001),
          (error: unknown) => {
            if (isTooSlow(error)) client.terminate();
            else client.close(1013, (error as Error).message.slice(0, 100));
          },
        );
      });
    });
  }
  signal.addEventListener('abort', () => {
    for (const client of sockets.clients) client.terminate();
    sockets.close();
  });
}

/** Waits until there is room again, or the connection is gone; throws `too-slow` where neither is so in time. */
async function inTime(wait: (done: () => void) => void, closed: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = setTimeout(() => reject(new TooSlow(`the reader took nothing for ${drainMs} ms`)), drainMs);
  const gone = (): void => resolve();
  closed.addEventListener('abort', gone, { once: true });
  wait(resolve);
  try {
    await promise;
  } finally {
    clearTimeout(late);
    closed.removeEventListener('abort', gone);
  }
}

function isTooSlow(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'too-slow';
}

class TooSlow extends Error {
  readonly code = 'too-slow';
}
