// Which Host and Origin a request may carry, so that a web page can't reach a loopback port by a name it owns (DNS rebinding).
import type { IncomingHttpHeaders } from 'node:http';

/** The names of loopback, as `URL.hostname` writes them. */
export const loopbackNames: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Whether Host, and Origin where there is one, name a host of the list, at any port; programs send no Origin. */
export function mayPassHostAndOrigin(
  headers: IncomingHttpHeaders,
  hostNames: readonly string[] = loopbackNames,
): boolean {
  const { host, origin } = headers;
  if (host === undefined || !hostNames.includes(hostNameOf(`http://${host}`, host) ?? '')) return false;
  return origin === undefined || hostNames.includes(hostNameOf(origin, origin.replace(/^https?:\/\//, '')) ?? '');
}

/** Undefined for what isn't an origin and nothing more: a path, user information or another scheme is refused. */
function hostNameOf(origin: string, authority: string): string | undefined {
  const url = URL.parse(origin);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  return /[@/\\?#\s]/.test(authority) ? undefined : url.hostname;
}
