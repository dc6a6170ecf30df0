// How an operation of this daemon is declared: the shape of mcp/operation.ts, over the daemon's context and principals.
import type { z } from 'zod';
import type { Principal } from '#governance';
import type { Operation } from '#mcp';
import type { Context } from '../context.ts';
import type { OperationCall } from '../deed.ts';

type Declared<Input extends z.ZodObject, Output extends z.ZodType> = Omit<
  Operation<Context, Principal, Input, Output>,
  'run' | 'hints' | 'remote'
> & {
  readonly hints: 'look' | 'change' | 'remove';
  /** Whether another stack of the mesh may call it here. */
  readonly remote?: boolean;
  /** Whether it changes who belongs to the mesh, which takes an admin. */
  readonly changesMembership?: boolean;
  /** Keys of the input that are secrets: they enter no log. */
  readonly secrets?: readonly string[];
  readonly run: (context: Context, input: z.output<Input>, call: OperationCall) => Promise<z.input<Output>>;
};

export type DaemonOperation = Operation<Context, Principal> & {
  readonly changesMembership: boolean;
  readonly secrets: readonly string[];
  readonly run: (context: Context, input: Record<string, unknown>, call: OperationCall) => Promise<unknown>;
};

const hints = {
  look: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  change: { readOnly: false, destructive: false, idempotent: true, openWorld: false },
  remove: { readOnly: false, destructive: true, idempotent: true, openWorld: false },
} as const;

/** Ties the types of one declaration together, so that `run` gets what `input` parses and gives what `output` takes. */
export function declare<Input extends z.ZodObject, Output extends z.ZodType>(
  operation: Declared<Input, Output>,
): DaemonOperation {
  return {
    remote: false,
    changesMembership: false,
    secrets: [],
    ...operation,
    // An unknown key is a mistake that is told, never one that is passed over.
    input: operation.input.strict(),
    hints: hints[operation.hints],
  } as unknown as DaemonOperation;
}
