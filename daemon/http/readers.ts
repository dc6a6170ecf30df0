// Who follows changes over a connection, in three forms: lines of JSON, server-sent events, and messages of a WebSocket.
import type { ServerResponse } from 'node:http';
import type { WebSocket } from 'ws';
import type { DirectoryChange } from '#registry';
import { type Problem, problemOf } from '../problem.ts';

/** What may wait in a socket for its reader; more is not read from the store until it is gone. */
const maxWaitingBytes = 1024 * 1024;
/** A reader that doesn't take what waits for it within this is cut. */
const drainMs = 5_000;
/** So long a reader that is cut has to take what waits and to hear why. */
const partingMs = 1_000;
/** An `EventSource` that lost its connection comes back after this. */
const retryMs = 2_000;
/** The reason of a WebSocket's end has at most 123 bytes (RFC 6455, 5.5). */
const maxReasonLength = 100;

export interface Reader {
  /** Resolves once there is room again for more, at once as a rule; throws `too-slow` where there is none in time. */
  send(change: DirectoryChange): Promise<void> | undefined;
  /** Says that the connection lives; all changes up to the position were sent or don't concern the reader. */
  beat(position: number): void;
  /** Ends it, first telling why where there is a fault; what isn't taken within a second is cut off. */
  end(error?: unknown): void;
  /** Aborted once the connection is gone. */
  readonly closed: AbortSignal;
}

/** One JSON value a line; an empty line is a beat, `{ error }` the last one of a reader that is cut. */
export function readLines(response: ServerResponse): Reader {
  return readStream(response, 'application/x-ndjson', {
    change: (change) => `${JSON.stringify(change)}\n`,
    beat: () => '\n',
    fault: (problem) => `${JSON.stringify({ error: problem })}\n`,
  });
}

/**
 * Server-sent events (WHATWG HTML, 9.2): the id of each is its position, so that `Last-Event-ID` goes on from there; a
 * beat moves the id on without an event. `event: cut` tells a reader that is cut why, `event: fault` any other end.
 */
export function readEvents(response: ServerResponse): Reader {
  const reader = readStream(response, 'text/event-stream; charset=utf-8', {
    change: (change) => `id: ${change.position}\ndata: ${JSON.stringify(change)}\n\n`,
    beat: (position) => `: beat\nid: ${position}\n\n`,
    fault: (problem) =>
      `event: ${problem.code === 'too-slow' ? 'cut' : 'fault'}\ndata: ${JSON.stringify({ error: problem })}\n\n`,
  });
  response.write(`retry: ${retryMs}\n\n`);
  return reader;
}

/** One JSON value a message; beats are pings, and the close code 1013 with its reason tells a reader that is cut. */
export function readMessages(client: WebSocket): Reader {
  const closed = new AbortController();
  client.on('close', () => closed.abort());
  client.on('error', () => closed.abort());
  return {
    closed: closed.signal,
    send(change) {
      const text = JSON.stringify(change);
      if (client.bufferedAmount <= maxWaitingBytes) return void client.send(text);
      return inTime((done) => client.send(text, done), closed.signal);
    },
    beat: () => client.ping(),
    end(error) {
      if (error === undefined) client.close(1001);
      else client.close(1013, (error as Error).message.slice(0, maxReasonLength));
      setTimeout(() => client.terminate(), partingMs).unref();
    },
  };
}

interface Form {
  readonly change: (change: DirectoryChange) => string;
  readonly beat: (position: number) => string;
  readonly fault: (problem: Omit<Problem, 'status' | 'exitCode'>) => string;
}

function readStream(response: ServerResponse, type: string, form: Form): Reader {
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  response.flushHeaders();
  return {
    closed: closed.signal,
    send(change) {
      response.write(form.change(change));
      if (response.writableLength <= maxWaitingBytes) return undefined;
      return inTime((done) => response.once('drain', done), closed.signal);
    },
    beat(position) {
      if (response.writableLength <= maxWaitingBytes) response.write(form.beat(position));
    },
    end(error) {
      if (error !== undefined && !closed.signal.aborted) {
        const { status: _status, exitCode: _exitCode, ...problem } = problemOf(error);
        response.write(form.fault(problem));
      }
      response.end();
      setTimeout(() => response.destroy(), partingMs).unref();
    },
  };
}

/** Waits until there is room again, or the connection is gone; throws `too-slow` where neither is so in time. */
async function inTime(wait: (done: () => void) => void, closed: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = setTimeout(() => reject(new TooSlow()), drainMs);
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

class TooSlow extends Error {
  readonly code = 'too-slow';
  readonly mend = 'follow anew from the last position that was read';

  constructor() {
    super(`Cannot follow further: the reader took nothing for ${drainMs} ms`);
  }
}
