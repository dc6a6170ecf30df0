// The joiner's side of admission: asks with an invite, and takes nothing that its own certificate doesn't stand in.

import { type Clock, within } from '../clock.ts';
import type { Identity } from '../identity.ts';
import type { Network } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import {
  type InviteToken,
  inviteKey,
  joinProtocol,
  joinTimeoutMs,
  makeJoinRequest,
  maxJoinAnswerBytes,
  readJoinAnswer,
} from './admission.ts';
import { readRoster, type Statement } from './roster.ts';

/** Asks the inviter for a certificate; the statements it answers, checked. Throws why it was refused, or `unreachable`. */
export async function askToJoin(
  token: InviteToken,
  facts: {
    readonly identity: Identity;
    readonly network: Network;
    readonly name: string;
    /** The zone to come into; left out or "": that of the stack which invited. */
    readonly zone?: string;
    readonly addresses: readonly string[];
    readonly nonce: Uint8Array;
    readonly clock: Clock;
  },
  { signal }: { signal: AbortSignal },
): Promise<readonly Statement[]> {
  const { identity, network, clock } = facts;
  if (token.expiresAt <= clock.now()) {
    throw new RegistryError('invite-expired', 'Cannot join: the invite ran out; ask for a new one');
  }
  const request = makeJoinRequest(identity, token, facts);
  const answer = await within(clock, joinTimeoutMs * 2, { signal }, (limit) =>
    network.requestWithKey(token.secret, token.addresses, joinProtocol, request, {
      signal: limit,
      maxResponseBytes: maxJoinAnswerBytes,
    }),
  ).catch((cause: unknown) => {
    throw explain(cause, token);
  });
  const statements = readJoinAnswer(answer, token.mesh);
  const own = readRoster(token.mesh, statements).memberships.get(identity.stack);
  if (own?.state === 'valid' && own.notAfter > clock.now()) return statements;
  throw new RegistryError(
    'join-refused',
    'Cannot join: the answer holds no valid certificate for this stack; compare the clocks of both',
  );
}

/** A closed door means that the inviter doesn't know the invite. */
function explain(cause: unknown, token: InviteToken): RegistryError {
  if (cause instanceof RegistryError && cause.code === 'refused') {
    const mend = `the inviting stack does not know the invite "${inviteKey(token.secret)}"; ask for a new one`;
    return new RegistryError('invite-unknown', `Cannot join: ${mend}`, { cause });
  }
  return new RegistryError(
    'unreachable',
    `Cannot join: nobody answers at ${token.addresses.join(', ')}; start the inviting stack, or ask for an invite that names where it is`,
    { cause },
  );
}
