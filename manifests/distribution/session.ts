// How one registry is spoken to: who we are there, redirects that take no password along, and tries that end.
import { ManifestError } from '../error.ts';
import type { Credentials, HttpAnswer, HttpRequest, RegistryParts } from './http.ts';
import { isLoopback } from './reference.ts';

export interface SessionRequest {
  readonly method: HttpRequest['method'];
  /** Below the registry's root, such as "/v2/"; or a whole address that the registry named. */
  readonly place: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each try; without it there is no body. */
  readonly body?: { readonly size: number; open(): Uint8Array | AsyncIterable<Uint8Array> };
  /** What the registry is asked to allow: "repository:NAME:pull" or "…:pull,push". */
  readonly scope: string;
  /** Tries after faults that may pass; 1 for what the caller tries again by itself. */
  readonly tries?: number;
  readonly signal: AbortSignal;
}

export interface SessionAnswer extends HttpAnswer {
  /** Where it came from, redirects followed. */
  readonly url: URL;
}

/** Registries of one name lead at most so far. */
const maxRedirects = 5;
const maxTries = 5;
const firstPauseMs = 200;
const maxPauseMs = 10_000;
/** Errors, tokens and lists. */
export const maxJsonBytes = 4 * 1024 * 1024;
/** A token serves a whole copy; one a scope. */
const maxTokens = 100;

/** Statuses of a registry that is busy or restarts. */
const passing = new Set([408, 429, 500, 502, 503, 504]);

export class RegistrySession {
  readonly registry: string;
  readonly #parts: RegistryParts;
  readonly #root: URL;
  readonly #tokens = new Map<string, string>();

  constructor(registry: string, parts: RegistryParts) {
    this.registry = registry;
    this.#parts = parts;
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    this.#root = new URL(`${this.#mayPlain(host) ? 'http' : 'https'}://${host}/`);
  }

  /**
   * One answer, whatever its status but 401 and those that pass. Throws `registry-unreachable` after the last try, and
   * `registry-refused` where we may not.
   */
  async ask(request: SessionRequest): Promise<SessionAnswer> {
    const { signal, tries = maxTries } = request;
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      let fault: ManifestError;
      let waitMs = 0;
      try {
        const answer = await this.#authorized(request);
        if (!passing.has(answer.status)) return answer;
        waitMs = Math.min(Number(answer.headers['retry-after'] ?? 0) * 1000 || 0, maxPauseMs);
        fault = this.unreachable(`it answers ${answer.status} (${await textOf(answer)})`);
      } catch (cause) {
        signal.throwIfAborted();
        if (cause instanceof ManifestError) throw cause;
        fault = this.cut(cause);
      }
      if (attempt >= tries) throw fault;
      const backOff = Math.min(maxPauseMs, firstPauseMs * 2 ** (attempt - 1));
      await this.#parts.pause(Math.max(waitMs, backOff * (0.5 + this.#parts.random() / 2)), { signal });
    }
  }

  /** Waits before a caller's own next try. */
  async pause(attempt: number, signal: AbortSignal): Promise<void> {
    await this.#parts.pause(Math.min(maxPauseMs, firstPauseMs * 2 ** attempt) * (0.5 + this.#parts.random() / 2), {
      signal,
    });
  }

  /** What is wrong with an answer, as an error; reads what it says of itself. */
  async refusal(doing: string, answer: SessionAnswer): Promise<ManifestError> {
    const said = await textOf(answer);
    const state = `"${this.registry}" answers ${answer.status}${said === '' ? '' : ` (${said})`}`;
    if (answer.status === 401 || answer.status === 403)
      return new ManifestError(
        'registry-refused',
        `Cannot ${doing}: ${state}; log in there with "docker login ${this.registry}"`,
      );
    if (answer.status === 404) return new ManifestError('not-in-registry', `Cannot ${doing}: ${state}`);
    return new ManifestError('registry-lied', `Cannot ${doing}: ${state}`);
  }

  /** An address that the registry named, as it may be asked: with TLS, or on this machine. Throws `registry-lied`. */
  resolve(location: string | undefined, from: URL): URL {
    const url = location === undefined || !URL.canParse(location, from.href) ? undefined : new URL(location, from);
    if (url === undefined || !['http:', 'https:'].includes(url.protocol))
      throw this.lied(`it leads to "${location ?? 'nowhere'}"`);
    if (isLoopback(url.host) && !isLoopback(this.registry))
      throw this.lied(`it leads to "${url.origin}", which is this machine`);
    if (url.protocol === 'http:' && !this.#mayPlain(url.host))
      throw this.lied(`it leads to "${url.origin}", without TLS`);
    url.username = '';
    url.password = '';
    return url;
  }

  /** What became of a connection, as an error. */
  cut(cause: unknown): ManifestError {
    return this.unreachable(messageOf(cause), cause);
  }

  lied(state: string, cause?: unknown): ManifestError {
    return new ManifestError('registry-lied', `Cannot believe "${this.registry}": ${state}; ask whoever runs it`, {
      cause,
    });
  }

  /** A registry elsewhere has no business with what listens on this machine. */
  #mayPlain(host: string): boolean {
    return (isLoopback(host) && isLoopback(this.registry)) || (this.#parts.plainHttp ?? []).includes(host);
  }

  unreachable(state: string, cause?: unknown): ManifestError {
    return new ManifestError('registry-unreachable', `Cannot reach the registry "${this.registry}": ${state}`, {
      cause,
      mayRetry: true,
    });
  }

  async #authorized(request: SessionRequest): Promise<SessionAnswer> {
    const answer = await this.#follow(request, this.#tokens.get(request.scope));
    if (answer.status !== 401 || answer.url.host !== this.#root.host) return answer;
    const authorization = await this.#authorization(answer, request);
    if (authorization === undefined) return answer;
    const second = await this.#follow(request, authorization);
    if (second.status !== 401) {
      const [oldest] = this.#tokens.keys();
      if (this.#tokens.size >= maxTokens && oldest !== undefined) this.#tokens.delete(oldest);
      this.#tokens.set(request.scope, authorization);
    } else this.#tokens.delete(request.scope);
    return second;
  }

  /** Who we are is told to the registry itself, never to where it leads. */
  async #follow(request: SessionRequest, authorization: string | undefined): Promise<SessionAnswer> {
    let url = request.place instanceof URL ? request.place : new URL(request.place.slice(1), this.#root);
    for (let redirects = 0; ; redirects += 1) {
      const isOwn = url.origin === this.#root.origin;
      const { body } = request;
      const answer = await this.#parts.http.send(
        {
          method: request.method,
          url,
          headers: {
            ...request.headers,
            ...(body && { 'content-length': String(body.size) }),
            ...(isOwn && authorization !== undefined && { authorization }),
          },
          ...(body && { body: body.open() }),
        },
        request,
      );
      if (![301, 302, 303, 307, 308].includes(answer.status)) return { ...answer, url };
      await leave(answer);
      if (redirects >= maxRedirects) throw this.lied(`it leads on more than ${maxRedirects} times`);
      url = this.resolve(answer.headers['location'], url);
    }
  }

  /** By the challenge (RFC 7235): Basic, or a token of the realm that it names (the distribution project's token flow). */
  async #authorization(answer: SessionAnswer, { scope, signal }: SessionRequest): Promise<string | undefined> {
    const challenge = answer.headers['www-authenticate'] ?? '';
    await leave(answer);
    const credentials = await this.#parts.credentials(this.registry);
    const basic = credentials && 'username' in credentials ? basicOf(credentials) : undefined;
    if (/^basic\b/i.test(challenge)) {
      if (basic !== undefined) return basic;
      throw this.#closed('it asks for a password, and none is known here');
    }
    const parameters = parametersOf(challenge);
    if (!/^bearer\b/i.test(challenge)) throw this.#closed('it names no way to say who we are');
    const realm = this.resolve(parameters.get('realm'), answer.url);
    const service = parameters.get('service');
    const asked = await this.#askRealm(realm, {
      scope: parameters.get('scope') ?? scope,
      service,
      basic,
      credentials,
      signal,
    });
    const value = objectOf(await bytesOf(asked, maxJsonBytes, this), this);
    if (asked.status !== 200) throw this.#closed(`"${realm.host}" gives no token (${asked.status})`);
    const { token, access_token: access } = value as { token?: unknown; access_token?: unknown };
    const found = typeof token === 'string' ? token : access;
    if (typeof found !== 'string' || !/^[\x21-\x7e]{1,65536}$/.test(found)) throw this.lied('its token is none');
    return `Bearer ${found}`;
  }

  async #askRealm(
    realm: URL,
    {
      scope,
      service,
      basic,
      credentials,
      signal,
    }: {
      scope: string;
      service: string | undefined;
      basic: string | undefined;
      credentials: Credentials | undefined;
      signal: AbortSignal;
    },
  ): Promise<HttpAnswer> {
    const { http } = this.#parts;
    const parameters = new URLSearchParams({ ...(service !== undefined && { service }), scope });
    if (credentials && 'identityToken' in credentials) {
      parameters.set('grant_type', 'refresh_token');
      parameters.set('refresh_token', credentials.identityToken);
      parameters.set('client_id', 'hermesh');
      const body = Buffer.from(parameters.toString());
      const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) };
      return await http.send({ method: 'POST', url: realm, headers, body }, { signal });
    }
    const url = new URL(realm);
    for (const [key, value] of parameters) url.searchParams.append(key, value);
    return await http.send(
      { method: 'GET', url, headers: basic === undefined ? {} : { authorization: basic } },
      { signal },
    );
  }

  #closed(state: string): ManifestError {
    return new ManifestError(
      'registry-refused',
      `Cannot use the registry "${this.registry}": ${state}; log in there with "docker login ${this.registry}"`,
    );
  }
}

/** A body that is small, whole; throws `registry-lied` where it is larger, `registry-unreachable` where it is cut. */
export async function bytesOf(answer: HttpAnswer, maxBytes: number, session: RegistrySession): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body) {
      size += chunk.length;
      if (size > maxBytes) throw session.lied(`an answer has more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof ManifestError || (cause as Error).name === 'AbortError') throw cause;
    throw session.cut(cause);
  }
  return Buffer.concat(chunks);
}

/** A JSON object; throws `registry-lied` where the bytes are none. */
export function objectOf(bytes: Buffer, session: RegistrySession): object {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Told below.
  }
  throw session.lied('an answer is no JSON object');
}

/** Gives up what would still come. */
export async function leave(answer: HttpAnswer): Promise<void> {
  await answer.body[Symbol.asyncIterator]().return?.();
}

/** What a registry says of an error, in one line of at most 200 characters. */
async function textOf(answer: HttpAnswer): Promise<string> {
  let text = '';
  try {
    for await (const chunk of answer.body) {
      text += Buffer.from(chunk).toString('utf8');
      if (text.length > 10_000) break;
    }
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    text = (errors ?? []).map(({ code, message }) => `${String(code)}: ${String(message)}`).join('; ');
  } catch {
    // Whatever it is, a line of it is told.
  }
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 200);
}

function parametersOf(challenge: string): Map<string, string> {
  return new Map(
    [...challenge.slice(0, 4096).matchAll(/([a-z]+)="([^"]*)"/gi)].map(([, key = '', value = '']) => [
      key.toLowerCase(),
      value,
    ]),
  );
}

function basicOf({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function messageOf(error: unknown): string {
  const { message, code, cause } = error as { message?: string; code?: string; cause?: { message?: string } };
  return cause?.message || message || code || String(error);
}
