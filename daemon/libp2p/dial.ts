// Dialling a member at addresses that others told: which are tried, for how long, and what a failure means.
import type { Connection, Libp2p } from '@libp2p/interface';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { RegistryError, type StackId } from '#registry';
import { timedOut } from './exchange.ts';

/** One address of several gets so much time: a host has some that lead nowhere from elsewhere. */
const addressTimeoutMs = 2_500;

/** The first address that answers; throws `refused` where one did and closed the door, else `unreachable`. */
export async function dialAny(node: Libp2p, addresses: readonly string[], signal: AbortSignal): Promise<Connection> {
  let reason: unknown;
  let refused = false;
  for (const [at, address] of addresses.entries()) {
    const isLast = at === addresses.length - 1;
    const limit = isLast ? signal : AbortSignal.any([signal, AbortSignal.timeout(addressTimeoutMs)]);
    try {
      return await node.dial(parseAddress(address), { signal: limit });
    } catch (error) {
      if (signal.aborted) throw timedOut(signal);
      reason = error;
      refused ||= !isUnreachable(error);
    }
  }
  const where = addresses.length > 0 ? addresses.join(', ') : 'no known address';
  throw new RegistryError(
    refused ? 'refused' : 'unreachable',
    `Cannot connect: ${refused ? 'it does not let this stack in' : 'nobody answers'} at ${where}`,
    { cause: reason },
  );
}

/** Addresses come from other members: TCP only, so that none makes this stack open a local socket. */
const tcpAddress = /^\/(?:ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d+(?:\/p2p\/[^/]+)?$/;

function parseAddress(address: string): Multiaddr {
  try {
    if (tcpAddress.test(address)) return multiaddr(address);
  } catch (cause) {
    throw new RegistryError('unreachable', `Cannot dial "${address}": it isn't a multiaddr`, { cause });
  }
  throw new RegistryError('unreachable', `Cannot dial "${address}": it isn't the multiaddr of a TCP port`);
}

/** Whether nobody was met at all; an upgrade that fails means that somebody was. */
function isUnreachable(error: unknown): boolean {
  const causes = error instanceof AggregateError ? error.errors : [error];
  return causes.every(
    (cause) =>
      cause instanceof RegistryError ||
      (cause instanceof Error &&
        ('code' in cause ||
          ['TimeoutError', 'NoValidAddressesError', 'TransportUnavailableError'].includes(cause.name))),
  );
}

/** The address with the peer id at its end. */
export function withPeer(address: string, stack: StackId): string {
  return address.includes('/p2p/') ? address : `${address}/p2p/${stack}`;
}
