// What a check comes to: one line of what was looked at, how it is, and how to mend it; and how faults of joining are said.
import { z } from 'zod';

export const checkSchema = z.object({
  what: z.string(),
  /** `unknown`: it could not be looked at, which is told and is no fault. */
  state: z.enum(['well', 'wrong', 'unknown']),
  found: z.string(),
  mend: z.string().optional(),
});
export type Check = z.infer<typeof checkSchema>;

export function well(what: string, found: string): Check {
  return { what, state: 'well', found };
}

export function wrong(what: string, found: string, mend: string): Check {
  return { what, state: 'wrong', found, mend };
}

export function unknown(what: string, found: string): Check {
  return { what, state: 'unknown', found };
}

/** Why a stack would not be let in, by the code of the fault, and the mend. */
const mends: Readonly<Record<string, string>> = {
  unreachable:
    'start the inviting stack, open its port between both hosts, or ask for an invite that names where it is',
  'clock-off': 'set the clock of both stacks, such as with "timedatectl set-ntp true"',
  'invite-invalid': 'copy the whole line that "hermesh invite" printed',
  'invite-expired': 'ask for a new invite: hermesh invite --expires 1d',
  'invite-used': 'ask for a new invite, or one for more stacks: hermesh invite --uses 3',
  'invite-unknown': 'ask for a new invite: this one ran out, or the inviting stack is in another mesh now',
  revoked: 'this identity was revoked for ever: start with an empty --home DIR to join as a new stack',
  'version-mismatch': 'run the same version of Hermesh on both stacks: hermesh --version',
  'name-taken': 'start this stack with another --name',
  'wrong-mesh': 'ask the inviting stack for a new invite: it is in another mesh now',
  'has-members': 'leave the own mesh first: hermesh leave',
};

/** What a fault of joining, or of asking whether one may, comes to. */
export function checkOfJoinFault(error: unknown): Check {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  return wrong('invite', message, mends[code ?? ''] ?? 'run "hermesh doctor" on the inviting stack');
}

/** As it is read in a terminal. */
export function sayChecks(checks: readonly Check[]): string {
  const sign = { well: 'ok   ', wrong: 'WRONG', unknown: '?    ' } as const;
  const width = Math.max(...checks.map(({ what }) => what.length));
  return checks
    .flatMap(({ what, state, found, mend }) => [
      `${sign[state]} ${what.padEnd(width)}  ${found}`,
      ...(mend === undefined ? [] : [`${' '.repeat(width + 8)}mend: ${mend}`]),
    ])
    .join('\n');
}
