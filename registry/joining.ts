// The joiner's side of admission: asks with an invite, and takes nothing that its own certificate doesn't stand in.
import {
  type InviteToken,
  inviteKey,
  joinProtocol,
  joinTimeoutMs,
  makeJoinRequest,
  maxJoinAnswerBytes,
  readJoinAnswer,
} from './admission.ts';
import type { Identity } from './identity.ts';
import type { Network } from './network.ts';
import { RegistryError } from './registry-error.ts';
import { readRoster, type Statement } from './roster.ts';

/** Asks the inviter for a certificate; the statements it answers, checked. Throws why it was refused, or `unreachable`. */
export async function askToJoin(
  token: InviteToken,
  facts: {
    readonly identity: Identity;
    readonly network: Network;
    readonly name: string;
    readonly addresses: readonly string[];
    readonly nonce: Uint8Array;
    readonly now: number;
  },
  { signal }: { signal: AbortSignal },
): Promise<readonly Statement[]> {
  const { identity, network, now } = facts;
  if (token.expiresAt <= now) {
    throw new RegistryError('invite-expired', 'Cannot join: the invite ran out; ask for a new one');
  }
  const request = makeJoinRequest(identity, token, facts);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(joinTimeoutMs * 2)]);
  const options = { signal: limit, maxResponseBytes: maxJoinAnswerBytes };
  const answer = await network
    .requestWithKey(token.secret, token.addresses, joinProtocol, request, options)
    .catch((cause: unknown) => {
      throw explain(cause, token);
    });
  const statements = readJoinAnswer(answer, token.mesh);
  const own = readRoster(token.mesh, statements).memberships.get(identity.stack);
  if (own?.state === 'valid' && own.notAfter > now) return statements;
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
