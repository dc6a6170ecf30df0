// One exchange with the engine's HTTP API through docker-modem, the transport of dockerode: cancellable, with a deadline, errors in our words.
import type { Readable } from 'node:stream';
import type DockerModem from 'docker-modem';
import { EngineError, type EngineErrorCode } from '../error.ts';
import { errorOf } from './translate.ts';

/** An engine that doesn't answer a look in this time is as good as gone. */
const lookTimeoutMs = 30_000;
/** One line of the engine's JSON streams; a longer one isn't an event that we know. */
const maxEventCharacters = 1 << 20;

interface Request {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: object;
  /** A body that is sent as it comes, such as a tar. */
  readonly file?: Readable;
  readonly login?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
  /** Where the key is there, 404 is this value and no error. */
  readonly absent?: undefined;
  /** The code where the engine refuses without a better one. */
  readonly code?: EngineErrorCode;
}

export interface Caller {
  json<T>(doing: string, request: Request): Promise<T>;
  /** The answer's body as it comes; ends with the signal. */
  stream(doing: string, request: Request): Promise<Readable>;
  explain(error: unknown, doing: string, signal: AbortSignal): unknown;
}

/** 304 is what the engine says of a start or stop that changes nothing. */
const fine = { 200: true, 201: true, 204: true, 304: true };

export function makeCaller(modem: DockerModem, endpoint: string): Caller {
  const explain = (error: unknown, doing: string, signal: AbortSignal): unknown =>
    signal.aborted ? signal.reason : errorOf(error, doing, endpoint);

  const dial = (request: Request, isStream: boolean, abortSignal: AbortSignal): Promise<unknown> => {
    const exchange = {
      path: `${request.path}?`,
      method: request.method ?? 'GET',
      options: { _query: request.query ?? {}, _body: request.body ?? {} },
      ...(request.file === undefined ? {} : { file: request.file }),
      ...(request.login === undefined ? {} : { authconfig: request.login }),
      statusCodes: fine,
      isStream,
      abortSignal,
    };
    return new Promise((resolve, reject) => {
      modem.dial(exchange, (error: unknown, answer: unknown) => (error ? reject(error) : resolve(answer)));
    });
  };

  return {
    explain,
    async json<T>(doing: string, request: Request): Promise<T> {
      request.signal.throwIfAborted();
      const limit = AbortSignal.timeout(request.timeoutMs ?? lookTimeoutMs);
      try {
        return (await dial(request, false, AbortSignal.any([request.signal, limit]))) as T;
      } catch (error) {
        if ('absent' in request && (error as { statusCode?: number }).statusCode === 404) return request.absent as T;
        if (limit.aborted && !request.signal.aborted)
          throw new EngineError('engine-unreachable', `Cannot ${doing}: the engine at "${endpoint}" doesn't answer`, {
            cause: error,
          });
        throw explain(error, doing, request.signal);
      }
    },
    async stream(doing, request) {
      request.signal.throwIfAborted();
      const signal =
        request.timeoutMs === undefined
          ? request.signal
          : AbortSignal.any([request.signal, AbortSignal.timeout(request.timeoutMs)]);
      try {
        const stream = (await dial(request, true, signal)) as Readable;
        const end = (): void => {
          stream.destroy();
        };
        signal.addEventListener('abort', end, { once: true });
        stream.once('close', () => signal.removeEventListener('abort', end));
        return stream;
      } catch (error) {
        const ours = explain(error, doing, request.signal);
        throw request.code !== undefined && ours instanceof EngineError && ours.code === 'engine-failed'
          ? new EngineError(request.code, ours.message, { cause: error })
          : ours;
      }
    },
  };
}

/** The lines of one of the engine's JSON streams, without those that are empty. */
export async function* readLines(stream: Readable): AsyncGenerator<string> {
  let open = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const parts = (open + (chunk as string)).split('\n');
    open = (parts.pop() ?? '').slice(0, maxEventCharacters);
    for (const part of parts) if (part.trim() !== '') yield part;
  }
  if (open.trim() !== '') yield open;
}
