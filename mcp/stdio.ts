// MCP over stdio, carried to the endpoint of the daemon: a line of JSON-RPC is a POST, and what comes back is lines again, in both eras.
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { eventsOf, linesOf, tooLong } from './lines.ts';

/** An answer of the endpoint, its body not yet read; `fetch` and `node:http` are both easily brought to it. */
export interface Exchanged {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface BridgeOptions {
  readonly input: AsyncIterable<Uint8Array | string>;
  readonly output: Writable;
  /** Sends one body to the endpoint; rejects where the daemon isn't there, with a message that says how to start it. */
  readonly post: (
    body: string,
    headers: Readonly<Record<string, string>>,
    options: { signal: AbortSignal },
  ) => Promise<Exchanged>;
  readonly signal: AbortSignal;
}

/** The bound of the endpoint for a body. */
const maxLineBytes = 4 * 1024 * 1024;
/** An answer may be longer than a question: listings and logs. */
const maxAnswerBytes = 32 * 1024 * 1024;
/** A client has a handful in flight; what is above is answered with an error, so that a cancellation is still read. */
const maxInFlight = 128;
/** How long answers are waited for once the input has ended. */
const endGraceMs = 5000;

const sessionHeader = 'mcp-session-id';
const versionKey = 'io.modelcontextprotocol/protocolVersion';
/** The codes of JSON-RPC 2.0, and the first that is left to implementations. */
const code = { parse: -32_700, invalidRequest: -32_600, failed: -32_000 } as const;

type Id = string | number;
interface Message {
  readonly id?: Id | null;
  readonly method?: string;
  readonly params?: { readonly [key: string]: unknown };
  readonly result?: { readonly [key: string]: unknown };
  readonly error?: { readonly code?: number };
}

/** Of the 2025 era: what `initialize` agreed on, and the message itself, to begin again when the daemon has forgotten. */
interface Session {
  readonly id: string | undefined;
  readonly version: string | undefined;
  readonly begun: Message;
}

/** Resolves when the input has ended and what was in flight is answered (at most 5 s later), or when the signal says so. */
export async function bridgeStdio(options: BridgeOptions): Promise<void> {
  const end = new AbortController();
  const bridge = new Bridge(options, AbortSignal.any([options.signal, end.signal]));
  try {
    await Promise.race([bridge.readAll(), whenAborted(options.signal)]);
    await Promise.race([
      bridge.whenAnswered(),
      whenAborted(AbortSignal.any([options.signal, AbortSignal.timeout(endGraceMs)])),
    ]);
  } finally {
    end.abort();
  }
}

class Bridge {
  readonly #options: BridgeOptions;
  readonly #signal: AbortSignal;
  readonly #inFlight = new Map<Id, AbortController>();
  readonly #running = new Set<Promise<void>>();
  /** The tail of the writes: a line is written whole, after the one before. */
  #written: Promise<void> = Promise.resolve();
  #session: Session | undefined;
  #beginning: Promise<void> | undefined;

  constructor(options: BridgeOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  async readAll(): Promise<void> {
    for await (const line of linesOf(this.#options.input, maxLineBytes)) {
      if (this.#signal.aborted) return;
      if (line === tooLong) await this.#fail(null, code.parse, `A line has more than ${maxLineBytes} bytes`);
      else if (line.trim() !== '') await this.#take(line);
    }
  }

  async whenAnswered(): Promise<void> {
    await Promise.all(this.#running);
    await this.#written;
  }

  /** Requests run side by side; `initialize` and notifications are waited for, since what follows counts on them. */
  async #take(line: string): Promise<void> {
    const message = parse(line);
    if (message === undefined) return this.#fail(null, code.parse, 'A line is not valid JSON');
    if (message === null) return this.#fail(null, code.invalidRequest, 'A line is not one JSON-RPC message');
    const { id, method } = message;
    if (method === 'notifications/cancelled') return this.#cancel(line, message);
    if (method === 'initialize' || method === undefined || id === undefined || id === null) {
      return this.#exchange(line, message);
    }
    if (this.#running.size >= maxInFlight) {
      return this.#fail(id, code.failed, `More than ${maxInFlight} requests are in flight: wait for an answer`);
    }
    const running = this.#exchange(line, message).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /**
   * Since 2026-07-28 a request over HTTP is cancelled by closing its stream; before that by the notification, after which
   * the stream stays open without an answer. So it is closed either way.
   */
  async #cancel(line: string, message: Message): Promise<void> {
    const controller = this.#inFlight.get(message.params?.requestId as Id);
    if (!controller || this.#session) await this.#exchange(line, message);
    controller?.abort();
  }

  async #exchange(line: string, message: Message): Promise<void> {
    const id = message.method === undefined ? undefined : message.id;
    const controller = new AbortController();
    if (id !== undefined && id !== null) this.#inFlight.set(id, controller);
    try {
      const signal = AbortSignal.any([controller.signal, this.#signal]);
      const session = this.#session;
      let answer = await this.#post(line, message, signal);
      if (answer.status === 404 && session?.id && message.method !== 'initialize') {
        await drain(answer);
        await this.#beginAgain(session);
        answer = await this.#post(line, message, signal);
      }
      const answered = await this.#deliver(answer, message);
      if (!answered && id !== undefined && id !== null) {
        await this.#fail(id, code.failed, `The daemon gave no answer: HTTP status ${answer.status}`);
      }
    } catch (error) {
      if (controller.signal.aborted || this.#signal.aborted || id === undefined || id === null) return;
      await this.#fail(id, code.failed, error instanceof Error ? error.message : String(error));
    } finally {
      if (id !== undefined && id !== null && this.#inFlight.get(id) === controller) this.#inFlight.delete(id);
    }
  }

  #post(line: string, message: Message, signal: AbortSignal): Promise<Exchanged> {
    return this.#options.post(line, headersOf(message, this.#session), { signal });
  }

  /** Writes every message of an answer; whether one of them was the response. */
  async #deliver(answer: Exchanged, request: Message): Promise<boolean> {
    let answered = false;
    for await (const piece of piecesOf(answer)) {
      if (piece === tooLong) throw new Error(`The answer has more than ${maxAnswerBytes} bytes`);
      const message = parse(piece);
      if (!message) continue;
      const isResponse = message.method === undefined;
      if (isResponse && request.id === undefined) continue;
      if (isResponse && request.method === 'initialize') this.#begin(answer, request, message);
      answered ||= isResponse;
      // A refusal before the request was read has the id null: here it is known whose it is.
      await this.#write(isResponse ? { ...message, id: request.id ?? null } : message);
    }
    return answered;
  }

  #begin(answer: Exchanged, request: Message, response: Message): void {
    if (response.error) return;
    const id = answer.headers[sessionHeader];
    const version = response.result?.protocolVersion;
    this.#session = {
      id: typeof id === 'string' ? id : undefined,
      version: typeof version === 'string' ? version : undefined,
      begun: request,
    };
  }

  /** The daemon was started anew: the session is opened again, once for all that wait for it, unseen by the client. */
  #beginAgain(lost: Session): Promise<void> {
    if (this.#session !== lost) return Promise.resolve();
    this.#beginning ??= this.#openAgain(lost.begun).finally(() => {
      this.#beginning = undefined;
    });
    return this.#beginning;
  }

  async #openAgain(begun: Message): Promise<void> {
    const answer = await this.#post(JSON.stringify(begun), begun, this.#signal);
    for await (const piece of piecesOf(answer)) {
      const message = piece === tooLong ? undefined : parse(piece);
      if (message && message.method === undefined) this.#begin(answer, begun, message);
    }
    const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
    await drain(await this.#post(JSON.stringify(initialized), initialized, this.#signal));
  }

  #fail(id: Id | null, number: number, message: string): Promise<void> {
    return this.#write({ jsonrpc: '2.0', id, error: { code: number, message } });
  }

  #write(message: object): Promise<void> {
    const { output } = this.#options;
    this.#written = this.#written.then(async () => {
      if (!output.writable || output.write(`${JSON.stringify(message)}\n`)) return;
      await once(output, 'drain', { signal: this.#signal }).catch(() => undefined);
    });
    return this.#written;
  }
}

/** Undefined: not JSON. Null: JSON, but not one message. */
function parse(line: string): Message | null | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : null;
  } catch {
    return undefined;
  }
}

/** The headers of the Streamable HTTP transport: since 2026-07-28 they mirror the body, before that they name the session. */
function headersOf(message: Message, session: Session | undefined) {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  };
  const meta = message.params?._meta as { readonly [key: string]: unknown } | undefined;
  const version = meta?.[versionKey];
  if (typeof version === 'string') {
    headers['mcp-protocol-version'] = version;
    if (message.method !== undefined) headers['mcp-method'] = message.method;
    const name = message.params?.name ?? message.params?.uri;
    if (typeof name === 'string') headers['mcp-name'] = headerValueOf(name);
    return headers;
  }
  if (message.method === 'initialize') return headers;
  if (session?.id) headers[sessionHeader] = session.id;
  if (session?.version) headers['mcp-protocol-version'] = session.version;
  return headers;
}

/** As the protocol's transport says: what a header can't carry plainly goes as `=?base64?…?=`. */
function headerValueOf(value: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith('=?base64?');
  return isPlain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

/** The texts of the messages in an answer: the events of a stream, or the whole body. */
function piecesOf({ headers, body }: Exchanged): AsyncGenerator<string | typeof tooLong> {
  const isStream = String(headers['content-type'] ?? '').startsWith('text/event-stream');
  return (isStream ? eventsOf : wholeOf)(body, maxAnswerBytes);
}

async function* wholeOf(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<string | typeof tooLong> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      yield tooLong;
      return;
    }
    chunks.push(chunk);
  }
  if (sizeBytes > 0) yield Buffer.concat(chunks).toString('utf8');
}

async function drain({ body }: Exchanged): Promise<void> {
  for await (const _ of body);
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
