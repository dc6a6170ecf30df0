// One exchange with another member: its bounds in bytes and time.
import { type Clock, within } from '../clock.ts';
import type { Network, StackId } from '../network.ts';

/** One message between members: libp2p's streams carry 1 MiB well. */
export const maxMessageBytes = 1024 * 1024;
export const exchangeTimeoutMs = 10_000;
/** An answer of 1 MiB is held until the other side has read it: of each protocol 16, though 1,000 members ask at once. */
const maxAtOnce = 16;
/** What protocols between members are served with. */
export const memberBounds = {
  access: 'member',
  maxRequestBytes: maxMessageBytes,
  timeoutMs: exchangeTimeoutMs,
  maxAtOnce,
} as const;

/** The answer of a connected member, unread; throws what `Network.request` throws. */
export function ask(
  { network, clock }: { readonly network: Network; readonly clock: Clock },
  peer: StackId,
  protocol: string,
  request: Uint8Array,
  { signal }: { signal: AbortSignal },
): Promise<Uint8Array> {
  return within(clock, exchangeTimeoutMs, { signal }, (limit) =>
    network.request(peer, protocol, request, { signal: limit, maxResponseBytes: maxMessageBytes }),
  );
}
