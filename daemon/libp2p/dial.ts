// How another stack is met: dialling its addresses in turn, saying why each fails, and one request on a stream.
import type { Connection, Libp2p } from '@libp2p/interface';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { RegistryError, type RequestOptions, type StackId } from '#registry';
import { ask, timedOut } from './exchange.ts';
import { inboundUpgradeTimeoutMs, openDiallingNode } from './node.ts';

/** One address of several gets so much time: a host has some that lead nowhere from elsewhere. */
const addressTimeoutMs = 2_500;

/**
 * The first address that answers; throws `refused` where one did and closed the door, `timed-out` where one has too much to do
 * to look who is there, else `unreachable`, saying why at each.
 */
export async function dialAny(node: Libp2p, addresses: readonly string[], signal: AbortSignal): Promise<Connection> {
  const reasons: string[] = [];
  let reason: unknown;
  let refused = false;
  let busy = false;
  for (const [at, address] of addresses.entries()) {
    const isLast = at === addresses.length - 1;
    const limit = isLast ? signal : AbortSignal.any([signal, AbortSignal.timeout(addressTimeoutMs)]);
    const began = performance.now();
    try {
      return await node.dial(parseAddress(address), { signal: limit });
    } catch (error) {
      if (signal.aborted) throw timedOut(signal);
      reason = error;
      const isBusy = wasBusy(error, performance.now() - began);
      busy ||= isBusy;
      refused ||= !isBusy && !isUnreachable(error);
      reasons.push(`${sayWhy(error)} at ${address}`);
    }
  }
  if (busy && !refused) {
    throw new RegistryError(
      'timed-out',
      `Cannot connect: it has too much to do for a handshake (${reasons.join(', ')})`,
      {
        cause: reason,
      },
    );
  }
  throw new RegistryError(
    refused ? 'refused' : 'unreachable',
    `Cannot connect: ${refused ? 'it does not let this stack in' : reasons.length > 0 ? reasons.join(', ') : 'no address is known'}`,
    { cause: reason },
  );
}

/**
 * One exchange under a key of its own, over a connection that is closed afterwards. Throws `version-mismatch` where the other
 * side serves another version of the protocol.
 */
export async function requestWithKey(
  seed: Uint8Array,
  addresses: readonly string[],
  protocol: string,
  request: Uint8Array,
  options: RequestOptions,
): Promise<Uint8Array> {
  const node = await openDiallingNode(seed);
  try {
    const connection = await dialAny(node, addresses, options.signal);
    return await ask(connection, protocol, request, options);
  } catch (error) {
    throw isUnserved(error)
      ? new RegistryError('version-mismatch', `Cannot ask: it lets this stack in and does not serve "${protocol}"`, {
          cause: error,
        })
      : error;
  } finally {
    await node.stop();
  }
}

/** Whether the door is open and the protocol isn't known behind it; one that is kept from this peer is reset instead. */
function isUnserved(error: unknown): boolean {
  return error instanceof RegistryError && (error.cause as Error | undefined)?.name === 'UnsupportedProtocolError';
}

/** What kept an address from answering, in a few words. */
function sayWhy(error: unknown): string {
  const causes = error instanceof AggregateError ? error.errors : [error];
  const codes = causes.map((cause) => (cause as { readonly code?: unknown }).code);
  if (codes.includes('ECONNREFUSED')) return 'connection refused';
  if (codes.includes('ENOTFOUND')) return 'no such host';
  if (codes.includes('EHOSTUNREACH') || codes.includes('ENETUNREACH')) return 'no route';
  const isLate = causes.some((cause) => ['TimeoutError', 'AbortError'].includes((cause as Error).name));
  if (isLate || codes.includes('ETIMEDOUT')) return 'timed out';
  return (causes[0] as Error).message;
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

/**
 * Whether the other side closed before it knew who dials: too many dial it, or its handshakes take longer than it grants. The
 * gate closes right after Noise, and at once.
 */
function wasBusy(error: unknown, tookMs: number): boolean {
  const { name, message } = (error instanceof AggregateError ? error.errors[0] : error) as Error;
  if (name === 'EncryptionFailedError') return !message.includes('identity key');
  return name === 'MuxerUnavailableError' && tookMs >= inboundUpgradeTimeoutMs;
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

/** The multiaddr with the peer's id at its end. */
export function withPeer(address: string, stack: StackId): string {
  return address.includes('/p2p/') ? address : `${address}/p2p/${stack}`;
}
