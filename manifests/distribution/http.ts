// The seams through which registries are reached: one exchange of HTTP, who we are there, and how long to wait.

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  /** With lower-case names; `content-length` is there whenever a body is. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

export interface HttpAnswer {
  readonly status: number;
  /** With lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Read to its end, or left by `return`: then the connection is given up. Throws where it is cut. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** One exchange: redirects aren't followed, nothing is decoded, no status is an error. Throws where nobody answers. */
export interface Http {
  send(request: HttpRequest, options: { readonly signal: AbortSignal }): Promise<HttpAnswer>;
}

/** A name and a password, or a token to get tokens with (OAuth2 refresh token). */
export type Credentials = { readonly username: string; readonly password: string } | { readonly identityToken: string };

export interface RegistryParts {
  readonly http: Http;
  /** Who we are at a registry (`HOST[:PORT]`); undefined for nobody in particular. */
  readonly credentials: (registry: string) => Promise<Credentials | undefined>;
  /** Waits between two tries. */
  readonly pause: (ms: number, options: { readonly signal: AbortSignal }) => Promise<void>;
  /** At least 0 and less than 1. */
  readonly random: () => number;
  /** Registries that may be spoken to without TLS, beside this machine's own. */
  readonly plainHttp?: readonly string[];
}
