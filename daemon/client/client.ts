// How a command talks to the daemon: over its unix socket, or over TCP with a token, in JSON and in lines of JSON.
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import {
  badAnswer,
  ClientError,
  cancelled,
  daemonAbsent,
  errorOfBody,
  errorOfLine,
  errorOfSocket,
  errorOfStatus,
} from './errors.ts';
import { valuesOf, wholeOf } from './ndjson.ts';

// Imported as a module, node:http reads all it exports, and with it loads a WebSocket client: a tenth of a command's time.
const { request: httpRequest } = process.getBuiltinModule('node:http');
const { request: httpsRequest } = process.getBuiltinModule('node:https');

export interface ClientOptions {
  /** The directory of the daemon: its socket is `daemon.sock` there, its token is in `token`. */
  readonly home: string;
  /** A daemon elsewhere, such as `https://host:8001`; then the socket isn't tried. */
  readonly url?: string;
  /** Instead of the one in the home; never sent over the socket. */
  readonly token?: string;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Asks the daemon to tell how far it is while it works. */
  readonly onProgress?: (progress: { readonly message: string; readonly fraction?: number }) => void;
}

export interface Client {
  /** One request, its body and its answer JSON (undefined: none). Throws ClientError. */
  call(method: Method, path: string, body?: unknown, options?: CallOptions): Promise<unknown>;
  /** What an operation that looks says, as a person reads it in a terminal. Throws ClientError. */
  text(path: string, options?: { readonly signal?: AbortSignal }): Promise<string>;
  /** The values of an answer in lines of JSON, as they come, at the pace of the reader; a line `{ error }` is thrown. */
  stream(path: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<unknown>;
  /** One request as it is, its answer unread, whatever its status; leaving the body before its end closes the connection. */
  raw(
    method: Method,
    path: string,
    options?: {
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly signal?: AbortSignal;
    },
  ): Promise<RawAnswer>;
}

export interface RawAnswer {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

interface Target {
  /** For messages. */
  readonly where: string;
  readonly request: typeof httpRequest;
  readonly options: { readonly socketPath?: string; readonly host?: string; readonly port?: number };
  readonly headers: Readonly<Record<string, string>>;
}

interface Line {
  readonly progress?: { readonly message: string; readonly fraction?: number };
  readonly result?: unknown;
}

/** Where a daemon listens unless it was told otherwise. */
const defaultUrl = 'http://127.0.0.1:8001';
/** A daemon on the way to another site answers in a fraction of it. */
const connectTimeoutMs = 5000;
const ndjson = 'application/x-ndjson';

/** Opens nothing yet: each request looks anew for the daemon, which may have started or moved in between. */
export function openClient(options: ClientOptions): Client {
  return {
    call: async (method, at, body, { signal, onProgress } = {}) => {
      const target = targetOf(options);
      const accept = onProgress ? `${ndjson}, application/json` : 'application/json';
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = { accept, ...(text !== undefined && { 'content-type': 'application/json' }) };
      try {
        const answer = await send(target, method, at, headers, text, signal);
        return isLines(answer) ? await readResult(answer, onProgress) : await readWhole(answer);
      } catch (error) {
        throw faultOf(error, target, signal);
      }
    },
    text: async (at, { signal } = {}) => {
      const target = targetOf(options);
      try {
        const answer = await send(target, 'GET', at, { accept: 'text/plain' }, undefined, signal);
        return statusOf(answer) < 300 ? await wholeOf(answer) : String(await readWhole(answer));
      } catch (error) {
        throw faultOf(error, target, signal);
      }
    },
    stream: async function* (at, { signal } = {}) {
      const target = targetOf(options);
      try {
        const answer = await send(target, 'GET', at, { accept: ndjson }, undefined, signal);
        if (!isLines(answer)) {
          await readWhole(answer);
          throw badAnswer(`"${at}" is not a stream`);
        }
        for await (const value of valuesOf(answer)) {
          const error = errorOfLine(value);
          if (error) throw error;
          yield value;
        }
      } catch (error) {
        throw faultOf(error, target, signal);
      }
    },
    raw: async (method, at, { body, headers = {}, signal } = {}) => {
      const target = targetOf(options);
      try {
        const answer = await send(target, method, at, headers, body, signal);
        return { status: statusOf(answer), headers: answer.headers, body: answer };
      } catch (error) {
        throw faultOf(error, target, signal);
      }
    },
  };
}

/** The socket where there is one, else TCP; without a token there has never been a daemon in this home. */
function targetOf({ home, url, token }: ClientOptions): Target {
  const socketPath = path.join(home, 'daemon.sock');
  if (url === undefined && existsSync(socketPath)) {
    return { where: socketPath, request: httpRequest, options: { socketPath }, headers: { host: 'localhost' } };
  }
  const bearer = token ?? readToken(home);
  if (url === undefined && bearer === undefined) throw daemonAbsent(socketPath);
  const { protocol, hostname, port, host, origin } = new URL(url ?? defaultUrl);
  const isTls = protocol === 'https:';
  return {
    where: origin,
    request: isTls ? httpsRequest : httpRequest,
    options: { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? (isTls ? 443 : 80) : Number(port) },
    headers: { host, ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) },
  };
}

function readToken(home: string): string | undefined {
  try {
    return readFileSync(path.join(home, 'token'), 'utf8').trim() || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw errorOfSocket(error, path.join(home, 'token'));
  }
}

/** A connection of its own for each request: on this machine it costs nothing, and none is found closed when it is used again. */
function send(
  target: Target,
  method: Method,
  at: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const request = target.request(
      {
        ...target.options,
        method,
        path: at,
        agent: false,
        headers: { ...headers, ...length, ...target.headers },
        ...(signal && { signal }),
      },
      resolve,
    );
    request.once('socket', (socket) => {
      const late = (): void => void request.destroy(Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' }));
      socket.setTimeout(connectTimeoutMs, late);
      socket.once('connect', () => socket.setTimeout(0));
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** The last line of an answer in lines; the ones before tell how far it is. */
async function readResult(answer: IncomingMessage, onProgress: CallOptions['onProgress']): Promise<unknown> {
  for await (const value of valuesOf(answer)) {
    const error = errorOfLine(value);
    if (error) throw error;
    const line = value as Line | null;
    if (line?.progress) onProgress?.(line.progress);
    else if (typeof line === 'object' && line !== null && 'result' in line) return line.result;
  }
  throw new Error('it ended before the result');
}

async function readWhole(answer: IncomingMessage): Promise<unknown> {
  const text = await wholeOf(answer);
  let body: unknown;
  let isJson = true;
  try {
    body = text === '' ? undefined : JSON.parse(text);
  } catch {
    isJson = false;
  }
  const status = statusOf(answer);
  if (status >= 400) throw errorOfBody(body, status) ?? errorOfStatus(status);
  if (status >= 300) throw badAnswer(`it redirects, with HTTP status ${status}`);
  if (!isJson) throw badAnswer('it is not JSON');
  return body;
}

function faultOf(error: unknown, { where }: Target, signal: AbortSignal | undefined): ClientError {
  if (error instanceof ClientError) return error;
  return signal?.aborted ? cancelled(error) : errorOfSocket(error, where);
}

function isLines(answer: IncomingMessage): boolean {
  return statusOf(answer) < 300 && (answer.headers['content-type'] ?? '').startsWith(ndjson);
}

function statusOf(answer: IncomingMessage): number {
  return answer.statusCode ?? 0;
}
