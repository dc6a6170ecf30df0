// What a command is told when the daemon refuses or isn't there, and the exit code that goes with it.

/** 0 done, 1 it failed, 2 wrong usage, 3 not found, 4 refused by governance, 5 the daemon isn't there. */
export type ExitCode = 1 | 2 | 3 | 4 | 5;

/**
 * The codes that the client itself gives; others come from the daemon. `daemon-absent`: nobody listens. `connection-lost`: the
 * answer broke off, and whether the deed was done isn't known. `bad-answer`: what answered isn't a daemon of this kind.
 */
export type ClientCode = 'daemon-absent' | 'connection-lost' | 'bad-answer' | 'cancelled' | 'socket-forbidden';

export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientCode | (string & {});
  readonly exitCode: ExitCode;
  /** How to put it right, such as a command to type. */
  readonly mend: string | undefined;
  /** Where in the input it is: a JSON pointer. */
  readonly pointer: string | undefined;
  readonly mayRetry: boolean;

  constructor(fault: Fault, options?: ErrorOptions) {
    super(fault.message, options);
    this.code = fault.code;
    this.exitCode = fault.exitCode;
    this.mend = fault.mend;
    this.pointer = fault.pointer;
    this.mayRetry = fault.mayRetry ?? false;
  }
}

interface Fault {
  readonly code: string;
  readonly message: string;
  readonly exitCode: ExitCode;
  readonly mend?: string | undefined;
  readonly pointer?: string | undefined;
  readonly mayRetry?: boolean;
}

/** A fault of the socket; `where` is the path or the address that was asked. */
export function errorOfSocket(cause: unknown, where: string): ClientError {
  const errno = (cause as NodeJS.ErrnoException).code;
  if (errno !== undefined && absences.includes(errno)) return daemonAbsent(where, cause);
  if (errno === 'EACCES' || errno === 'EPERM') {
    const message = `Cannot open ${where}: it belongs to another user`;
    return new ClientError(
      { code: 'socket-forbidden', message, exitCode: 4, mend: 'run as the user of the daemon' },
      { cause },
    );
  }
  const message = `The connection to the daemon at ${where} broke off: ${(cause as Error).message}`;
  return new ClientError({ code: 'connection-lost', message, exitCode: 1, mayRetry: true }, { cause });
}

/** What connecting ends in where nobody listens; a socket file may outlive its daemon. */
const absences: readonly string[] = ['ECONNREFUSED', 'ENOENT', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'];

/** Nobody listens: exit code 5, and how to start it. */
export function daemonAbsent(where: string, cause?: unknown): ClientError {
  const message = `No daemon answers at ${where}: start it with "hermesh up"`;
  return new ClientError(
    { code: 'daemon-absent', message, exitCode: 5, mend: 'hermesh up', mayRetry: true },
    { cause },
  );
}

export function badAnswer(message: string, cause?: unknown): ClientError {
  return new ClientError(
    { code: 'bad-answer', message: `The daemon gave a bad answer: ${message}`, exitCode: 1 },
    { cause },
  );
}

export function cancelled(cause: unknown): ClientError {
  return new ClientError({ code: 'cancelled', message: 'It was cancelled', exitCode: 1 }, { cause });
}

/**
 * The error that a body of the daemon tells: `{ "error": { code, message, mend?, pointer?, exitCode? } }`; undefined for any
 * other value. Without an exit code of its own it has that of the HTTP status: 400 and 422 → 2, 401 and 403 → 4, 404 → 3, else 1.
 */
export function errorOfBody(body: unknown, status: number): ClientError | undefined {
  const error = isObject(body) ? body.error : undefined;
  if (!isObject(error) || typeof error.code !== 'string' || typeof error.message !== 'string') return undefined;
  return new ClientError({
    code: error.code,
    message: error.message,
    mend: typeof error.mend === 'string' ? error.mend : undefined,
    pointer: typeof error.pointer === 'string' ? error.pointer : undefined,
    exitCode: isExitCode(error.exitCode) ? error.exitCode : exitCodeOfStatus(status),
    mayRetry: status === 429 || status === 503,
  });
}

/** The same for a line of an answer in lines: only where `error` is all that it says, since what is streamed may have such a key. */
export function errorOfLine(line: unknown): ClientError | undefined {
  return isObject(line) && Object.keys(line).length === 1 ? errorOfBody(line, 500) : undefined;
}

/** For an error status whose body tells nothing. */
export function errorOfStatus(status: number): ClientError {
  const message = `The daemon answered with HTTP status ${status}`;
  return new ClientError({ code: `http-${status}`, message, exitCode: exitCodeOfStatus(status) });
}

const exitCodes: Readonly<Record<number, ExitCode>> = { 400: 2, 422: 2, 401: 4, 403: 4, 404: 3 };

function exitCodeOfStatus(status: number): ExitCode {
  return exitCodes[status] ?? 1;
}

function isExitCode(value: unknown): value is ExitCode {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 5;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
