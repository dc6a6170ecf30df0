// Who stands behind a request: the unix socket is its own proof, TCP takes the token, and browsers of other pages get nothing.
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Principal } from '#governance';
import { mayPassHostAndOrigin } from '#mcp';
import { DaemonError } from '../errors.ts';

export interface Authenticate {
  /** Marks a connection that came by the unix socket, whose mode (0600) lets in the owner only. */
  trust(socket: Socket): void;
  isTrusted(request: IncomingMessage): boolean;
  /** Throws `unauthenticated` without a valid token, `forbidden` for a request that another page's script made. */
  principal(request: IncomingMessage): Principal;
  /** The same, but undefined where there is no token at all. */
  principalIfAny(request: IncomingMessage): Principal | undefined;
  hasToken(candidate: string | undefined): boolean;
}

/** `stack` is the stack's id, where principals prove who they are. */
export function makeAuthenticate(token: string, stack: string): Authenticate {
  const trusted = new WeakSet<Socket>();
  const owner = (by: Principal['by']): Principal => ({ name: 'owner', stack, role: 'admin', by });
  const wanted = Buffer.from(token);
  const hasToken = (candidate: string | undefined): boolean => {
    const given = Buffer.from(candidate ?? '');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  };
  const principalIfAny = (request: IncomingMessage): Principal | undefined => {
    if (trusted.has(request.socket)) return owner('socket');
    refuseOtherPages(request);
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer === undefined) return undefined;
    if (!hasToken(bearer)) throw unauthenticated('the token is wrong');
    return owner('token');
  };
  return {
    trust: (socket) => void trusted.add(socket),
    isTrusted: (request) => trusted.has(request.socket),
    hasToken,
    principalIfAny,
    principal(request) {
      const principal = principalIfAny(request);
      if (!principal) throw unauthenticated('there is no token');
      return principal;
    },
  };
}

/** Against DNS rebinding and cross-site requests: the name asked for is loopback's, and a browser's page is our own. */
export function refuseOtherPages(request: IncomingMessage): void {
  const { host, origin, 'sec-fetch-site': site } = request.headers;
  if (!mayPassHostAndOrigin(request.headers) || site === 'cross-site') {
    const what = origin === undefined ? `the host "${host ?? ''}"` : `a page of "${origin}"`;
    throw new DaemonError('forbidden', `Cannot answer ${what}: only loopback and its own pages are served`);
  }
}

function unauthenticated(why: string): DaemonError {
  return new DaemonError('unauthenticated', `Cannot let this request in: ${why}`, {
    mend: 'send "Authorization: Bearer TOKEN" with the token that stands in HOME/token',
  });
}
