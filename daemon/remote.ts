// Operations between stacks: one stream carries one call, the callee decides and both write it to their audit logs.
import { decode, encode } from 'cborg';
import { z } from 'zod';
import type { Principal } from '#governance';
import type { Network, StackId } from '#registry';
import { DaemonError } from './errors.ts';

export const operationProtocol = '/hermesh/operation/1.0.0';
/** A question of 4,000 letters and its envelope. */
const maxRequestBytes = 64 * 1024;
/** An answer with its evidence, or 10,000 lines of a log. */
const maxResponseBytes = 1024 * 1024;
/** As long as a CI that registered itself may take. */
const timeoutMs = 35_000;

const requestSchema = z.strictObject({
  operation: z.string().max(64),
  input: z.record(z.string(), z.unknown()),
  principal: z.strictObject({ name: z.string().max(128), role: z.enum(['viewer', 'member', 'admin']) }),
});

const responseSchema = z.union([
  z.strictObject({ result: z.unknown() }),
  z.strictObject({ error: z.strictObject({ code: z.string(), message: z.string(), mend: z.string().optional() }) }),
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
  roleOf: (stack: StackId) => Principal['role'] | undefined,
  carry: Carry,
  problemOf: (error: unknown) => { readonly code: string; readonly message: string; readonly mend?: string },
): void {
  network.serve(
    operationProtocol,
    { access: 'member', maxRequestBytes, timeoutMs },
    async (bytes, { from, signal }) => {
      try {
        const { operation, input, principal } = requestSchema.parse(decode(bytes));
        const role = lower(principal.role, roleOf(from));
        const result = await carry(operation, input, { name: principal.name, stack: from, role, by: 'stack' }, signal);
        return encode({ result: JSON.parse(JSON.stringify(result ?? null)) });
      } catch (error) {
        const { code, message, mend } = problemOf(error);
        return encode({ error: { code, message, ...(mend === undefined ? {} : { mend }) } });
      }
    },
  );
}

/** Throws what the other side threw, under its code; `unreachable` where there is no answer in 35 s. */
export async function callOperation(
  network: Network,
  stack: StackId,
  call: { readonly operation: string; readonly input: unknown; readonly principal: Principal },
  signal: AbortSignal,
): Promise<unknown> {
  const { name, role } = call.principal;
  let bytes: Uint8Array;
  try {
    bytes = await network.request(
      stack,
      operationProtocol,
      encode({ operation: call.operation, input: call.input, principal: { name, role } }),
      { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), maxResponseBytes },
    );
  } catch (cause) {
    throw new DaemonError('unreachable', `Cannot reach the stack "${stack}": ${(cause as Error).message}`, {
      cause,
      mayRetry: true,
      mend: 'hermesh stacks',
    });
  }
  const response = responseSchema.parse(decode(bytes));
  if ('error' in response) throw new RemoteError(response.error);
  return response.result;
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

function lower(asked: Principal['role'], certified: Principal['role'] | undefined): Principal['role'] {
  const order = ['viewer', 'member', 'admin'] as const;
  return order[Math.min(order.indexOf(asked), order.indexOf(certified ?? 'viewer'))] ?? 'viewer';
}
