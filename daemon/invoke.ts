// The one way to carry out an operation, whichever door a call comes through: parse, ask governance, run, record.
import type { Logger } from 'pino';
import type { DaemonOperation } from '#daemon/operations';
import type { Audit, Principal } from '#governance';
import { decide, inputDigest, principalName } from '#governance';
import type { Call } from '#mcp';
import { parseInput } from '#mcp';
import type { Context } from './context.ts';
import type { OperationCall } from './deed.ts';
import { DaemonError } from './errors.ts';

/** Carries one operation out for a principal. Throws `not-found`, `bad-input`, `forbidden`, or what the operation throws. */
export type Invoke = (name: string, input: unknown, call: Call<Principal>) => Promise<unknown>;

interface Parts {
  readonly operations: readonly DaemonOperation[];
  readonly context: Context;
  readonly audit: Audit;
  readonly log: Logger;
}

export function makeInvoke({ operations, context, audit, log }: Parts): Invoke {
  const byName = new Map(operations.map((operation) => [operation.name, operation]));
  return async (name, input, call) => {
    const operation = byName.get(name);
    if (!operation) throw new DaemonError('not-found', `Cannot carry out "${name}": there is no such operation`);
    const parsed = parseInput(operation, input ?? {});
    if ('problems' in parsed) throw badInput(name, parsed.problems);
    const { principal } = call;
    const fromElsewhere = principal.by === 'stack';
    const verdict = decide({
      principal,
      operation: name,
      readOnly: operation.hints.readOnly,
      changesMembership: operation.changesMembership,
      fromElsewhere,
      remote: operation.remote,
    });
    // Most looks are recorded nowhere, and none of them pays for a digest.
    let made: OperationCall['entry'] | undefined;
    const entryOf = (): OperationCall['entry'] => {
      made ??= {
        principal: principalName(principal),
        operation: name,
        inputDigest: inputDigest(parsed.input, operation.secrets),
        rule: verdict.rule,
      };
      return made;
    };
    if (verdict.outcome !== 'allow') {
      context.transaction(() => audit.append({ ...entryOf(), outcome: 'denied' }));
      throw new DaemonError(
        'forbidden',
        `Cannot carry out "${name}" for ${principalName(principal)}: ${verdict.reason}`,
        {
          mend: 'ask an admin of the mesh',
        },
      );
    }
    const isRecorded = !operation.hints.readOnly || fromElsewhere;
    if (isRecorded) context.transaction(() => audit.append({ ...entryOf(), outcome: 'allowed' }));
    const operationCall: OperationCall = {
      ...call,
      get entry() {
        return entryOf();
      },
    };
    try {
      return operation.output.parse(await operation.run(context, parsed.input, operationCall));
    } catch (error) {
      if (isRecorded) context.transaction(() => audit.append({ ...entryOf(), outcome: 'failed' }));
      log.debug({ operation: name, principal: principalName(principal), error }, 'operation failed');
      throw error;
    }
  };
}

function badInput(
  name: string,
  problems: readonly { readonly pointer: string; readonly message: string }[],
): DaemonError {
  const said = problems.map(({ pointer, message }) => `${pointer || '/'}: ${message}`).join('; ');
  return new DaemonError('bad-input', `Cannot carry out "${name}": ${said}`);
}
