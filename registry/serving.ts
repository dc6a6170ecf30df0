// What a stack serves to those that are no members yet, or none any more: joining, and renewing.
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
} from '#registry/roster';
import type { Network } from './network.ts';

export interface ServingParts {
  readonly network: Network;
  readonly admission: Admission;
  readonly membership: Membership;
  /** Statements that were added by an answer. */
  readonly stated: (statements: readonly Statement[]) => void;
}

/** Serves joins under the keys of open invites, and renewals to members whose certificate is due or ran out. */
export function serveAdmission({ network, admission, membership, stated }: ServingParts): void {
  const joins = { access: 'invite', maxRequestBytes: maxJoinRequestBytes, timeoutMs: joinTimeoutMs } as const;
  network.serve(joinProtocol, joins, async (request, { from, junk }) => {
    const { answer, admitted, isJunk } = admission.answer(request, from);
    if (isJunk) junk?.();
    if (admitted) stated([admitted]);
    return answer;
  });
  const renewals = { access: 'renewal', maxRequestBytes: maxRenewRequestBytes, timeoutMs: renewTimeoutMs } as const;
  network.serve(renewProtocol, renewals, async (request, { from, junk }) => {
    const { answer, stated: news, isJunk } = answerRenewal(membership, request, from);
    if (isJunk) junk?.();
    stated(news);
    return answer;
  });
}
