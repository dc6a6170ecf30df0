// Operations between stacks: one stream carries one call, the callee decides and both write it to their audit logs.
import { decode, encode } from 'cborg';
import { z } from 'zod';
import type { Principal } from '#governance';
import type { MemberRole, Network, Registry, StackId } from '#registry';
import { DaemonError } from './errors.ts';

export const operationProtocol = '/hermesh/operation/1.0.0';
/** A question of 4,000 letters and its envelope. */
const maxRequestBytes = 64 * 1024;
/** An answer with its evidence, or 10,000 lines of a log. */
const maxResponseBytes = 1024 * 1024;
/** As long as a CI that registered itself may take. */
const timeoutMs = 35_000;

/** Calls of one stack in a minute: a person and some assistants; each is written to an audit log that is never cut. */
const maxCallsAMinute = 300;
/** Strict CBOR and nothing that JSON hasn't: what comes from another stack goes into logs, audits and answers. */
const strict = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
} as const;
/** Principals end up as `name@stack` in the audit log: nothing in a name may read as another stack. */
const principalName = z.string().regex(/^[^@\p{C}]{1,128}$/u, 'a name of 1 to 128 letters without "@"');

const requestSchema = z.strictObject({
  operation: z.string().max(64),
  input: z.record(z.string(), z.unknown()),
  principal: z.strictObject({ name: principalName, role: z.enum(['viewer', 'member', 'admin']) }),
});

const responseSchema = z.union([
  z.strictObject({ result: z.unknown() }),
  z.strictObject({
    error: z.strictObject({ code: z.string().max(64), message: z.string(), mend: z.string().optional() }),
  }),
]);

export type Carry = (
  operation: string,
  input: Record<string, unknown>,
  principal: Principal,
  signal: AbortSignal,
) => Promise<unknown>;

/** Serves the calls of other members: a caller says who it is, and is believed as far as its own stack's role goes. */
export function serveOperations(
  network: Network,
  roleOf: (stack: StackId) => MemberRole | undefined,
  carry: Carry,
  problemOf: (error: unknown) => { readonly code: string; readonly message: string; readonly mend?: string },
): void {
  const mayCall = limitCalls();
  network.serve(
    operationProtocol,
    { access: 'member', maxRequestBytes, timeoutMs },
    async (bytes, { from, signal, junk }) => {
      try {
        if (!mayCall(from, performance.now())) {
          throw new DaemonError('busy', `Cannot take more than ${maxCallsAMinute} calls of one stack in a minute`, {
            mayRetry: true,
          });
        }
        const { operation, input, principal } = readRequest(bytes, junk);
        const role = lower(principal.role, roleOf(from));
        const result = await carry(operation, input, { name: principal.name, stack: from, role, by: 'stack' }, signal);
        const answer = encode({ result: JSON.parse(JSON.stringify(result ?? null)) });
        if (answer.byteLength <= maxResponseBytes) return answer;
        const message = `Cannot answer: the result has ${answer.byteLength} bytes and may have ${maxResponseBytes}`;
        return encode({ error: { code: 'too-large', message, mend: 'ask for less' } });
      } catch (error) {
        const { code, message, mend } = problemOf(error);
        // What has no code may say anything of this machine: whoever owns it finds it in its log.
        const told =
          code === 'internal' ? `Cannot carry this out: a fault of stack "${network.stack}"; see its log` : message;
        return encode({ error: { code, message: shown(told), ...(mend === undefined ? {} : { mend: shown(mend) }) } });
      }
    },
  );
}

/** Throws what the other side threw, under its code; `unreachable` where there is no answer in 35 s. */
export async function callOperation(
  { network, reach }: Pick<Registry, 'reach'> & { readonly network: Network },
  stack: StackId,
  call: { readonly operation: string; readonly input: unknown; readonly principal: Principal },
  signal: AbortSignal,
): Promise<unknown> {
  const { name, role } = call.principal;
  let bytes: Uint8Array;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    // In a large mesh not everybody is connected: who is asked something is dialled.
    await reach(stack, { signal: limit });
    bytes = await network.request(
      stack,
      operationProtocol,
      encode({ operation: call.operation, input: call.input, principal: { name, role } }),
      { signal: limit, maxResponseBytes },
    );
  } catch (cause) {
    throw new DaemonError('unreachable', `Cannot reach the stack "${stack}": ${(cause as Error).message}`, {
      cause,
      mayRetry: true,
      mend: 'hermesh stacks',
    });
  }
  const response = readAnswer(bytes);
  if (!response) {
    throw new DaemonError('ci-failed', `Cannot read what the stack "${stack}" answered: it may run another version`);
  }
  if ('error' in response) {
    const { code, message, mend } = response.error;
    throw new RemoteError({ code, message: shown(message), mend: mend === undefined ? undefined : shown(mend) });
  }
  return response.result;
}

function readRequest(bytes: Uint8Array, junk: (() => void) | undefined): z.infer<typeof requestSchema> {
  let value: unknown;
  try {
    value = decode(bytes, strict);
  } catch (cause) {
    junk?.();
    throw new DaemonError('bad-input', 'Cannot read the call: it is not strict CBOR', { cause });
  }
  const read = requestSchema.safeParse(value);
  if (read.success) return read.data;
  junk?.();
  throw read.error;
}

function readAnswer(bytes: Uint8Array): z.infer<typeof responseSchema> | undefined {
  try {
    return responseSchema.safeParse(decode(bytes, strict)).data;
  } catch {
    return undefined;
  }
}

/** Messages of another stack are shown on terminals: bounded, and without characters that would write over a line. */
function shown(text: string): string {
  return text.slice(0, maxMessageLength).replace(/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu, ' ');
}
/** As long as the longest explanation of ours. */
const maxMessageLength = 2_000;

/** Says whether a stack may call once more; counts by minutes of the monotonic clock, for members only, so bounded. */
function limitCalls(): (stack: StackId, nowMs: number) => boolean {
  const counts = new Map<StackId, number>();
  let until = 0;
  return (stack, nowMs) => {
    if (nowMs >= until) {
      counts.clear();
      until = nowMs + 60_000;
    }
    const count = (counts.get(stack) ?? 0) + 1;
    counts.set(stack, count);
    return count <= maxCallsAMinute;
  };
}

/** What another stack answered instead of a result; its code is one of the same table. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly code: string;
  readonly mend: string | undefined;

  constructor({
    code,
    message,
    mend,
  }: { readonly code: string; readonly message: string; readonly mend?: string | undefined }) {
    super(message);
    this.code = code;
    this.mend = mend;
  }
}

/** Of what was asked and what the stack's certificate gives; a builder may do what a member may. */
function lower(asked: Principal['role'], role: MemberRole | undefined): Principal['role'] {
  const certified = role === 'builder' ? 'member' : role;
  const order = ['viewer', 'member', 'admin'] as const;
  return order[Math.min(order.indexOf(asked), order.indexOf(certified ?? 'viewer'))] ?? 'viewer';
}
