// Who may come in and by which door: the gate, joining with an invite, and renewing a certificate.
import type { Conduct } from '#registry/replication';
import {
  type Admission,
  answerRenewal,
  joinProtocol,
  joinTimeoutMs,
  type Membership,
  maxJoinRequestBytes,
  maxRenewRequestBytes,
  renewProtocol,
  renewTimeoutMs,
  type Statement,
  writeToken,
} from '#registry/roster';
import type { Clock } from './clock.ts';
import type { MemberRole } from './kind.ts';
import type { Metrics } from './metrics.ts';
import type { Network } from './network.ts';

/** Addresses that an invite names. */
const maxInviteAddresses = 16;

export interface EntranceParts {
  readonly network: Network;
  readonly membership: Membership;
  readonly admission: Admission;
  readonly conduct: Conduct;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Statements that were made by answering. */
  readonly stated: (statements: readonly Statement[]) => void;
}

/** Sets the gate, and serves those who may open nothing but joining or renewing. */
export function serveEntrance({
  network,
  membership,
  admission,
  conduct,
  clock,
  metrics,
  stated,
}: EntranceParts): void {
  network.setGate((peer) => {
    const isCut = conduct.isCut(peer, clock.monotonic());
    if (!isCut && membership.valid(peer)) return 'member';
    if (!isCut && membership.mayRenew(peer)) return 'renewal';
    if (!isCut && admission.isOpen(peer)) return 'invite';
    metrics.count('refused_total', { what: isCut ? 'cut' : 'gate' });
    return undefined;
  });
  const joins = { access: 'invite', maxRequestBytes: maxJoinRequestBytes, timeoutMs: joinTimeoutMs } as const;
  network.serve(joinProtocol, joins, async (request, { from }) => {
    const { answer, admitted } = admission.answer(request, from);
    if (admitted) stated([admitted]);
    return answer;
  });
  const renewals = { access: 'renewal', maxRequestBytes: maxRenewRequestBytes, timeoutMs: renewTimeoutMs } as const;
  network.serve(renewProtocol, renewals, async (request, { from }) => {
    const renewed = answerRenewal(membership, request, from);
    stated(renewed.stated);
    return renewed.answer;
  });
}

/** One line for who is to join, and when it runs out. Throws what `Admission.create` throws. */
export function makeInvite(
  admission: Admission,
  membership: Membership,
  random: (sizeBytes: number) => Uint8Array,
  invite: { role: MemberRole; expiresInMs: number; uses: number; addresses: readonly string[] },
): { token: string; expiresAt: number } {
  const secret = new Uint8Array(random(32));
  const expiresAt = admission.create(secret, invite);
  const { roster, self } = membership;
  const addresses = invite.addresses.slice(0, maxInviteAddresses);
  return {
    token: writeToken({ mesh: roster.mesh, stack: self, addresses, secret, expiresAt, role: invite.role }),
    expiresAt,
  };
}
