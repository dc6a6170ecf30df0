// The sessions of 2025-era clients: opened by `initialize`, owned by one principal, bounded, and closed when they lie idle.
import { randomUUID } from 'node:crypto';
import type { RequestId, Server, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';

/** IDE windows of one person are a handful, so this leaves room for programs; a session costs about 10 KB of heap. */
const maxSessions = 256;
/** A client that says nothing for so long is gone, or begins again with `initialize`. */
const sessionIdleMs = 30 * 60_000;
const sweepEveryMs = 60_000;

type Transport = WebStandardStreamableHTTPServerTransport;

interface Session {
  readonly id: string;
  readonly owner: string;
  readonly transport: Transport;
  usedAt: number;
  /** Requests and streams that are open now; such a session is never closed as idle. */
  open: number;
}

interface SessionsOptions {
  /** It calls `leave` for a request that was cancelled: no answer will end its stream. */
  readonly makeServer: (leave: (id: RequestId) => void) => Server;
  readonly makeTransport: (options: {
    sessionIdGenerator: () => string;
    onsessioninitialized: (id: string) => void;
    onsessionclosed: (id: string) => void;
  }) => Transport;
  /** Milliseconds that never go back. */
  readonly now: () => number;
}

/** How a request of the 2025 era is taken up: `release` is called once its response has ended. */
export type Taken = { readonly transport: Transport; readonly release: () => void } | 'unknown' | 'full';

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), sweepEveryMs).unref();
  }

  /** The session of that id, if it belongs to the owner: another's is as unknown as one that never was. */
  take(id: string, owner: string): Taken {
    const session = this.#sessions.get(id);
    if (session?.owner !== owner) return 'unknown';
    if (!this.#isIdle(session)) return this.#hold(session);
    this.#end(id);
    return 'unknown';
  }

  /** A session for an `initialize`; when all are taken the one that lies idle longest makes room. */
  async open(owner: string): Promise<Taken> {
    if (this.#sessions.size >= maxSessions) {
      const idlest = [...this.#sessions.values()]
        .filter((session) => session.open === 0)
        .reduce<Session | undefined>((one, other) => (one && one.usedAt <= other.usedAt ? one : other), undefined);
      if (!idlest) return 'full';
      this.#end(idlest.id);
    }
    const id = randomUUID();
    const transport = this.#options.makeTransport({
      sessionIdGenerator: () => id,
      onsessioninitialized: () => void this.#sessions.set(id, session),
      onsessionclosed: () => void this.#sessions.delete(id),
    });
    const session: Session = { id, owner, transport, usedAt: this.#options.now(), open: 0 };
    await this.#options.makeServer((request) => transport.closeSSEStream(request)).connect(transport);
    return this.#hold(session);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    const transports = [...this.#sessions.values()].map(({ transport }) => transport);
    this.#sessions.clear();
    await Promise.allSettled(transports.map((transport) => transport.close()));
  }

  #sweep(): void {
    for (const session of this.#sessions.values()) {
      if (this.#isIdle(session)) this.#end(session.id);
    }
  }

  #isIdle({ open, usedAt }: Session): boolean {
    return open === 0 && usedAt < this.#options.now() - sessionIdleMs;
  }

  #hold(session: Session): Taken {
    session.open += 1;
    session.usedAt = this.#options.now();
    const release = (): void => {
      session.open -= 1;
      session.usedAt = this.#options.now();
    };
    return { transport: session.transport, release };
  }

  #end(id: string): void {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    session?.transport.close().catch(() => undefined);
  }
}
