// Live changes of the registry: backfill, cut over, follow; who may, how many, from where, and by which filter.
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import { type Directory, type DirectoryChange, type Filter, parseFilter } from '#registry';
import { DaemonError } from '../errors.ts';
import { problemOf } from '../problem.ts';
import type { Authenticate } from './authenticate.ts';
import { type Reader, readEvents, readLines, readMessages } from './readers.ts';

/** Together far more than a person watches with. */
const maxFollowers = 100;
/** Proxies and browsers take a connection for dead after 30 to 60 s of silence. */
const beatMs = 15_000;
/** Records that a reader with a filter is known to hold; with more, it is told of each that doesn't match any more. */
const maxHeld = 20_000;

interface Parts {
  readonly directory: Directory;
  readonly authenticate: Authenticate;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What a reader asks for: all there is first where `from` is left out, else what came after it. */
interface Wanted {
  readonly from: number | 'now' | undefined;
  readonly kind: string | undefined;
  readonly where: Filter | undefined;
}

export function addLiveRoutes(
  app: FastifyInstance,
  servers: readonly Server[],
  { directory, authenticate, signal, log }: Parts,
): void {
  let followers = 0;

  /** Reads the request, and throws before the first byte of an answer is sent. */
  const admit = (request: IncomingMessage): Wanted => {
    authenticate.principal(request);
    const wanted = wantedOf(request);
    if (typeof wanted.from === 'number') directory.requirePosition(wanted.from);
    if (followers >= maxFollowers) {
      throw new DaemonError('busy', `Cannot follow: ${maxFollowers} readers do already`, {
        mayRetry: true,
        mend: 'end one of them',
      });
    }
    return wanted;
  };

  const follow = async ({ from, kind, where }: Wanted, reader: Reader): Promise<void> => {
    let position = typeof from === 'number' ? from : directory.position();
    const options = { ...(kind !== undefined && { kind }), ...(where && { where }), pause };
    const isNews = newsFor(where, typeof from !== 'number');
    const beat = setInterval(() => reader.beat(position), beatMs);
    followers += 1;
    try {
      for await (const change of from === undefined ? directory.backfill(options) : []) {
        if (isNews(change)) await reader.send(change);
        if (reader.closed.aborted) return;
      }
      reader.beat(position);
      const until = AbortSignal.any([signal, reader.closed]);
      const reached = (at: number): void => {
        position = at;
      };
      for await (const change of directory.follow({ ...options, from: position, reached, signal: until })) {
        if (isNews(change)) await reader.send(change);
      }
      reader.end();
    } catch (error) {
      if (problemOf(error).code === 'too-slow') log.info({ reason: (error as Error).message }, 'a reader is cut');
      reader.end(error);
    } finally {
      clearInterval(beat);
      followers -= 1;
    }
  };

  app.get('/api/watch', async (request, reply) => {
    const wanted = admit(request.raw);
    reply.hijack();
    const isEvents = request.headers.accept?.includes('text/event-stream') ?? false;
    await follow(wanted, isEvents ? readEvents(reply.raw) : readLines(reply.raw));
    return reply;
  });

  const sockets = new WebSocketServer({ noServer: true, maxPayload: 4096 });
  for (const server of servers) {
    server.on('upgrade', (request: IncomingMessage, socket, head) => {
      let wanted: Wanted;
      try {
        const { pathname } = addressOf(request);
        if (pathname !== '/ws') throw new DaemonError('not-found', `Cannot find "${pathname}"`);
        wanted = admit(request);
      } catch (error) {
        const { status, exitCode: _exitCode, ...problem } = problemOf(error);
        const body = JSON.stringify({ error: problem });
        const headers = `connection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
        socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers}\r\n\r\n${body}`);
        return;
      }
      sockets.handleUpgrade(request, socket, head, (client) => void follow(wanted, readMessages(client)));
    });
  }
  signal.addEventListener('abort', () => {
    for (const client of sockets.clients) client.terminate();
    sockets.close();
  });
}

function pause(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** A request line may hold what no address is, such as "//". */
function addressOf({ url = '/' }: IncomingMessage): URL {
  const address = URL.parse(url, 'http://localhost');
  if (!address) throw new DaemonError('bad-input', `Cannot find ${JSON.stringify(url)}: it is no address`);
  return address;
}

/** `from=POSITION`, `from=now` or none; what a returning `EventSource` says of itself goes before the address it was made with. */
function wantedOf(request: IncomingMessage): Wanted {
  const query = addressOf(request).searchParams;
  const last = request.headers['last-event-id'];
  const from = typeof last === 'string' && last !== '' ? last : query.get('from');
  const where = query.get('where');
  if (from !== null && from !== 'now' && !/^\d{1,15}$/.test(from)) {
    throw new DaemonError('bad-input', `Cannot follow from "${from}": it is no position`, {
      mend: 'leave "from" out, or give the position of the last change that was read',
    });
  }
  return {
    from: from === null ? undefined : from === 'now' ? 'now' : Number(from),
    kind: query.get('kind') ?? undefined,
    where: where === null ? undefined : parseFilter(where),
  };
}

/**
 * With a filter, a record that is gone or doesn't match any more is news for who holds it. A reader that began here holds
 * what it was sent; of one that goes on from a position nobody knows, so it is told of all.
 */
function newsFor(where: Filter | undefined, isBeginner: boolean): (change: DirectoryChange) => boolean {
  const held = where && isBeginner ? new Set<string>() : undefined;
  let isKnown = held !== undefined;
  return ({ kind, name, stack, entry }) => {
    if (!held || !isKnown) return true;
    const key = `${kind}\n${stack}\n${name}`;
    if (!entry) return held.delete(key);
    held.add(key);
    if (held.size > maxHeld) {
      isKnown = false;
      held.clear();
    }
    return true;
  };
}
