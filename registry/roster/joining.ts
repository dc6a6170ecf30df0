// The joiner's side of admission: asks with an invite, and takes nothing that its own certificate doesn't stand in.

import { type Clock, pause, within } from '../clock.ts';
import type { Identity } from '../identity.ts';
import type { Network } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import {
  joinProtocol,
  joinTimeoutMs,
  makeJoinRequest,
  maxJoinAnswerBytes,
  readJoinAnswer,
  readWelcome,
  type Welcome,
} from './admission.ts';
import { maxSkewMs } from './mesh-time.ts';
import { readRoster } from './roster.ts';
import type { Statement } from './statement.ts';
import { type InviteToken, inviteKey, readToken } from './token.ts';

/** An inviter that has too much to do, as when a fleet joins at once, is asked again for so long, after growing pauses. */
const maxBusyMs = 20_000;
const retryMs = 500;

export interface JoinerFacts {
  readonly identity: Identity;
  readonly network: Pick<Network, 'requestWithKey'>;
  readonly name: string;
  /** The zone to come into; left out or "": that of the stack which invited. */
  readonly zone?: string;
  readonly addresses: readonly string[];
  readonly nonce: Uint8Array;
  readonly clock: Clock;
}

/** Asks the inviter for a certificate; the statements it answers, checked. Throws why it was refused, or `unreachable`. */
export async function askToJoin(
  token: InviteToken,
  facts: JoinerFacts,
  options: { signal: AbortSignal },
): Promise<readonly Statement[]> {
  const { identity, clock } = facts;
  const statements = readJoinAnswer(await ask(token, facts, options), token.mesh);
  const own = readRoster(token.mesh, statements).memberships.get(identity.stack);
  if (own?.state === 'valid' && own.notAfter > clock.now()) return statements;
  if (own?.state === 'valid') {
    throw new RegistryError(
      'clock-off',
      `Cannot join: the certificate that was answered ran out ${new Date(own.notAfter).toISOString()} by this stack's clock, which must be wrong; set it and try again`,
    );
  }
  throw new RegistryError('join-refused', 'Cannot join: the answer holds no valid certificate for this stack');
}

/** Asks whether the inviter would let this stack in, which uses nothing up. Throws what `askToJoin` would throw, or `clock-off`. */
export async function probeInvite(
  token: InviteToken,
  facts: JoinerFacts,
  options: { signal: AbortSignal },
): Promise<Welcome> {
  const welcome = readWelcome(await ask(token, { ...facts, probe: true }, options));
  const skewMs = facts.clock.now() - welcome.now;
  if (Math.abs(skewMs) <= maxSkewMs) return welcome;
  throw new RegistryError(
    'clock-off',
    `Cannot join: this stack's clock is ${Math.round(Math.abs(skewMs) / 60_000)} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} the inviting stack's; set it, such as with "timedatectl set-ntp true"`,
  );
}

/** The same for a token as it was pasted; throws `invite-invalid` too. */
export async function checkInvite(
  line: string,
  facts: JoinerFacts,
  options: { signal: AbortSignal },
): Promise<Welcome> {
  return probeInvite(readToken(line), facts, options);
}

async function ask(
  token: InviteToken,
  facts: JoinerFacts & { readonly probe?: boolean },
  { signal }: { signal: AbortSignal },
): Promise<Uint8Array> {
  const { identity, network, clock } = facts;
  if (token.expiresAt <= clock.now()) {
    throw new RegistryError(
      'invite-expired',
      `Cannot join: the invite ran out ${new Date(token.expiresAt).toISOString()}; ask for a new one, or set this stack's clock where it is wrong`,
    );
  }
  const request = makeJoinRequest(identity, token, facts);
  const once = (): Promise<Uint8Array> =>
    within(clock, joinTimeoutMs * 2, { signal }, (limit) =>
      network.requestWithKey(token.secret, token.addresses, joinProtocol, request, {
        signal: limit,
        maxResponseBytes: maxJoinAnswerBytes,
      }),
    );
  const began = clock.monotonic();
  for (let attempt = 1; ; attempt += 1) {
    const attemptBegan = clock.monotonic();
    try {
      return await once();
    } catch (cause) {
      const tookMs = clock.monotonic() - attemptBegan;
      const isBusy = cause instanceof RegistryError && cause.code === 'timed-out' && tookMs < joinTimeoutMs * 2;
      if (!isBusy || signal.aborted || clock.monotonic() - began > maxBusyMs) throw explain(cause, token);
      await pause(clock, retryMs * attempt, { signal });
    }
  }
}

/** A closed door means that the inviter doesn't know the invite. */
function explain(cause: unknown, token: InviteToken): RegistryError {
  if (cause instanceof RegistryError && cause.code === 'refused') {
    const mend = `the inviting stack does not know the invite "${inviteKey(token.secret)}", or closed it; ask for a new one`;
    return new RegistryError('invite-unknown', `Cannot join: ${mend}`, { cause });
  }
  if (cause instanceof RegistryError && cause.code === 'version-mismatch') {
    const mend = 'the inviting stack runs another version; use the same one on both stacks';
    return new RegistryError('version-mismatch', `Cannot join: ${mend}`, { cause });
  }
  if (cause instanceof RegistryError && cause.code === 'timed-out' && cause.message.startsWith('Cannot connect')) {
    const mend = 'the inviting stack has too much to do to answer; try again in a minute';
    return new RegistryError('timed-out', `Cannot join: ${mend}`, { cause });
  }
  const said = cause instanceof RegistryError && cause.code === 'unreachable' ? cause.message : undefined;
  const where = said ?? `no answer in time from ${token.addresses.join(', ')}`;
  return new RegistryError(
    'unreachable',
    `Cannot join: nobody answers (${where}); start the inviting stack, or ask for an invite that names where it is`,
    { cause },
  );
}
